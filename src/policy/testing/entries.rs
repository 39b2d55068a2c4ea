//! Entries of lists that a test puts: they go through the look-up that checks go through in the daemon.

use engine::lists::canonical;
use wire::Form;

use super::check::packet;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::symbols::Symbols;
use crate::yaml::{Data, Node, values};

/// Reads `lists: { NAME: [KEY, …] }`: numbers of lists, and keys in their canonical form.
pub(super) fn read(node: &Node, symbols: &Symbols, sink: &mut Sink) -> Option<Vec<(u16, String)>> {
    let Data::Map(lists) = &node.data else {
        let message = format!("entries are a map of lists and their keys, and this is {}", node.shape());
        let fault = Diagnostic::error(Code::WrongType, node.place, message);
        sink.push(fault.label("expected `lists: { bad_devices: [d17] }`"));
        return None;
    };
    let errors = sink.errors();
    let mut entries = Vec::new();
    for (name, keys) in lists {
        let Some(&number) = symbols.list_numbers.get(&name.text) else {
            let message = format!("no list is named `{}`", values::shortened(&name.text));
            let known = symbols.list_numbers.keys().map(String::as_str);
            let fault = Diagnostic::error(Code::UnknownName, name.place, message);
            sink.push(fault.nearest(&name.text, known, sink));
            continue;
        };
        let Some(list) = symbols.list(number) else { continue };
        let form = list.on.form();
        for node in values::one_or_many(keys, "keys of the list", sink) {
            let Some(key) = values::scalar(node, "a key", sink) else { continue };
            // A test may give packets short names.
            let named = (form == Form::Packet && uuid::Uuid::parse_str(key).is_err())
                .then(|| packet(key).to_string());
            match canonical(list.matching, form, named.as_deref().unwrap_or(key)) {
                Ok(key) if !key.is_empty() => entries.push((number, key.into_owned())),
                Ok(_) => sink.error(Code::OutOfRange, node.place, "a key is not empty"),
                Err(error) => {
                    let message = format!("`{}` can never match: {error}", values::shortened(key));
                    sink.error(Code::OutOfRange, node.place, message);
                }
            }
        }
    }
    (sink.errors() == errors).then_some(entries)
}
