//! Names that nothing declares, reported with the nearest that something does.

use cel_core::types::Span;

use super::Expression;
use crate::advice;
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

impl Expression<'_, '_> {
    /// Reports a name of no feature; one whose own declaration is at fault was reported there.
    pub(super) fn unknown(&mut self, name: &str, span: &Span) {
        let symbols = self.lowering.symbols;
        if symbols.faulty.contains(name) {
            return;
        }
        let place = self.text.place(span);
        let known = || symbols.features.iter().map(|(_, feature)| feature.name.as_str());
        let inside = |known: &&str| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let group: Vec<&str> = known().filter(inside).collect();
        let fault = if group.is_empty() {
            let message = format!("nothing is named `{}`", values::shortened(name));
            let variables = self.variables.iter().map(|(name, _)| name.as_str()).chain(["time", "lists"]);
            let lists = symbols.list_numbers.keys().map(String::as_str);
            let fault = Diagnostic::error(Code::UnknownName, place, message)
                .label("expected a field, an ext field or a feature");
            let is_list = lists.clone().any(|list| list == name);
            match self.sink.nearest(name, known().chain(variables)).filter(|_| !is_list) {
                Some(near) => fault.nearest(name, [near], self.sink),
                None => match advice::name(name, known(), lists) {
                    Some(advice) => fault.help(advice),
                    None => fault,
                },
            }
        } else {
            let message = format!("`{name}` is a group, not a value");
            let label = format!("expected {}", values::listed(&group));
            Diagnostic::error(Code::UnknownName, place, message).label(label)
        };
        self.sink.push(fault);
    }

    /// The number of a list by its name in quotes.
    pub(super) fn list_number(&mut self, name: &str, span: &Span) -> Option<u16> {
        let symbols = self.lowering.symbols;
        let number = symbols.list_numbers.get(name).copied();
        self.lowering.asked().lists.extend(number);
        if number.is_none() && !symbols.faulty.contains(name) {
            let message = format!("no list is named `{}`", values::shortened(name));
            let fault = Diagnostic::error(Code::UnknownName, self.text.place(span), message)
                .label("expected a list declared under `lists:`")
                .nearest(name, symbols.list_numbers.keys().map(String::as_str), self.sink);
            self.sink.push(fault);
        }
        number
    }
}
