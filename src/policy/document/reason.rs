//! `reason:` — the code and words that go with a rule, limit or list.

use crate::diagnostic::Sink;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, values};

/// A declared reason; what could not be read is empty.
#[derive(Default)]
pub(crate) struct Reason {
    pub code: String,
    pub text: String,
    pub customer: String,
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Reason {
    let Some(mut fields) = Fields::of(node, "a reason", sink) else { return Reason::default() };
    let code = fields.require("code").and_then(|node| values::identifier(node, "a reason code", sink));
    let text = fields.require("text").and_then(|node| values::words(node, "text", sink));
    let customer =
        fields.get("customer").and_then(|node| values::words(node, "text", sink)).unwrap_or_default();
    fields.finish(sink);
    let code = code.map(|word| word.text).unwrap_or_default();
    Reason { code, text: text.unwrap_or_default(), customer }
}
