//! Limits: the window that each bounds, its maximum, the currency whose events it looks at.

use std::collections::HashMap;

use engine::feature::{Builtin, FeatureId, Type};
use engine::limits::EXACT_COUNT_MAX;
use engine::policy::{self, Aggregate, Mode, Status, Window};
use wire::currency;

use super::{Stage, reason};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Document;
use crate::document::limit::Limit as DeclaredLimit;
use crate::lower::Moment;
use crate::reservations::{self, Timeouts};
use crate::yaml::values;

impl Stage<'_, '_> {
    /// Limits, the largest count that each limited feature must hold exactly, and after how many milliseconds a reservation
    /// without an outcome ends, by window.
    pub(super) fn limits(
        &mut self,
        document: &Document,
    ) -> (Vec<policy::Limit>, HashMap<FeatureId, i64>, Timeouts) {
        let (mut exact, mut timeouts) = (HashMap::new(), Timeouts::new());
        let mut limits = Vec::new();
        for declared in &document.limits {
            self.gate.watch(declared.refusal.mode != Mode::Live);
            let when = declared.when.as_ref().map(|node| self.condition(node, Moment::Gate));
            self.gate.watch(false);
            let Some((window, max)) = self.limited(declared) else { continue };
            let mut when = match when {
                None => None,
                Some(Some(condition)) => Some(condition.when),
                Some(None) => continue,
            };
            if let Some(code) = self.currency_of(declared, window) {
                let of = self.gate.is_text(Builtin::Currency.id(), currency::text(&code));
                when = Some(when.map_or(of, |when| self.gate.builder().and(of, when)));
            }
            let feature = self.symbols.windows[window].feature;
            reservations::time_out(declared, window, self.symbols, &mut timeouts, self.sink);
            reservations::warn_of_absence(declared, window, self.symbols, self.sink);
            if declared.refusal.mode == Mode::Live && max <= EXACT_COUNT_MAX as i64 {
                let held = exact.entry(feature).or_insert(max);
                *held = max.max(*held);
            }
            let Some(id) = &declared.id else { continue };
            let refusal = &declared.refusal;
            let reason = reason(&refusal.reason, id.text.clone());
            let (verdict, challenge, mode) = (refusal.verdict, refusal.challenge, refusal.mode);
            let absent = declared.absent.unwrap_or_default();
            let on_error = refusal.on_error;
            limits.push(policy::Limit {
                window,
                max,
                when,
                on_error,
                verdict,
                challenge,
                mode,
                absent,
                reason,
            });
        }
        (limits, exact, timeouts)
    }

    /// The currency whose events a limit looks at, where its feature takes others as well.
    fn currency_of(&mut self, declared: &DeclaredLimit, window: usize) -> Option<[u8; 3]> {
        let window = &self.symbols.windows[window];
        match (declared.currency, window.currency) {
            (Some((Some(code), place)), Some(of)) if code != of => {
                let (code, of) = (currency::text(&code), currency::text(&of));
                let message = format!("this limit of {code} is on a feature of {of}, and never met");
                let fault = Diagnostic::error(Code::Unreachable, place, message);
                self.sink.push(fault.label(format!("expected {of}")));
                None
            }
            (Some(stated), None) => stated.0.filter(|_| self.symbols.check_currency(stated, self.sink)),
            (None, None)
                if self.symbols.is_of_currencies()
                    && self.symbols.features.row(window.feature).ty == Type::Money =>
            {
                let names = self.symbols.currency_names();
                let message =
                    format!("this maximum is one of each of {}", self.symbols.currencies_together());
                let place = declared.max.as_ref().map_or(declared.refusal.place, |max| max.place);
                let fault = Diagnostic::warning(Code::OutOfRange, place, message);
                self.sink
                    .push(fault.label(format!("expected `currency: {}`, and a limit for each", names[0])));
                None
            }
            _ => None,
        }
    }

    /// The window that a limit bounds, and its maximum.
    fn limited(&mut self, declared: &DeclaredLimit) -> Option<(usize, i64)> {
        let name = declared.feature.as_ref()?;
        let row = |window: &Window| self.symbols.features.row(window.feature);
        let names = || self.symbols.windows.iter().map(|window| row(window).name.as_str());
        let Some(at) = names().position(|known| known == name.text) else {
            // Of what type the maximum is cannot be said; as money it would at least be a number.
            declared.max.as_ref().and_then(|max| values::money(max, self.symbols.money_places(), self.sink));
            if self.symbols.faulty.contains(&name.text) {
                return None;
            }
            let message = format!("no velocity feature is named `{}`", values::shortened(&name.text));
            let fault = Diagnostic::error(Code::UnknownName, name.place, message)
                .label("expected a name from `features:`")
                .nearest(&name.text, names(), self.sink);
            self.sink.push(fault);
            return None;
        };
        let window = &self.symbols.windows[at];
        if !matches!(window.aggregate, Aggregate::Count | Aggregate::Sum(_)) {
            let message = format!("`{}` cannot be limited: only a count or a sum can be reserved", name.text);
            self.sink.error(Code::WrongType, name.place, message);
        } else if window.status == Status::Attempt {
            let message =
                format!("`{}` counts attempts, and a refused attempt cannot be given back", name.text);
            let fault = Diagnostic::error(Code::WrongType, name.place, message)
                .label("expected a feature with `status: approved`")
                .help("to refuse on attempts, write a rule in tier guard or deny");
            self.sink.push(fault);
        }
        let max = declared.max.as_ref()?;
        let max = match row(window).ty {
            Type::Money => values::money(max, self.symbols.money_places(), self.sink)?,
            _ => values::integer(max, 0..=i64::MAX, self.sink)?,
        };
        Some((at, max))
    }
}
