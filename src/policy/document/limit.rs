//! `limits:` — a maximum on a velocity feature, reserved before the verdict.

use super::feature::Stated;
use super::refusal::{self, Refusal};
use crate::diagnostic::Sink;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared limit. `max` is read once the feature's type is known: money or a count.
pub(crate) struct Limit {
    pub id: Option<Word>,
    pub feature: Option<Word>,
    pub max: Option<Node>,
    pub when: Option<Node>,
    /// The currency of the events that it is of, and where that is written.
    pub currency: Option<Stated>,
    pub refusal: Refusal,
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Limit> {
    let mut fields = Fields::of(node, "a limit", sink)?;
    let id = fields.require("id").and_then(|node| values::identifier(node, "a limit's id", sink));
    let feature = fields.require("feature").and_then(|node| values::word(node, "a feature", sink));
    let max = fields.require("max").cloned();
    let when = fields.get("when").cloned();
    let currency = super::feature::read_currency(&mut fields, sink);
    Some(Limit { id, feature, max, when, currency, refusal: refusal::finish(node, fields, sink) })
}
