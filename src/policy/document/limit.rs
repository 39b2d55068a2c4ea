//! `limits:` — a maximum on a velocity feature, reserved before the verdict.

use engine::policy::Absent;

use super::feature::Stated;
use super::refusal::{self, Refusal};
use crate::diagnostic::{Place, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared limit. `max` is read once the feature's type is known: money or a count.
pub(crate) struct Limit {
    pub id: Option<Word>,
    pub feature: Option<Word>,
    pub max: Option<Node>,
    pub when: Option<Node>,
    pub absent: Option<Absent>,
    /// Milliseconds after which a reservation without an outcome ends, and where that is written.
    pub release_after: Option<(i64, Place)>,
    /// The currency of the events that it is of, and where that is written.
    pub currency: Option<Stated>,
    pub refusal: Refusal,
}

const ABSENT: [(&str, Absent); 2] = [("deny", Absent::Deny), ("skip", Absent::Skip)];

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Limit> {
    let mut fields = Fields::of(node, "a limit", sink)?;
    let id = fields.require("id").and_then(|node| values::identifier(node, "a limit's id", sink));
    let feature = fields.require("feature").and_then(|node| values::word(node, "a feature", sink));
    let max = fields.require("max").cloned();
    let when = fields.get("when").cloned();
    let absent = fields.get("absent").and_then(|node| {
        values::choice(node, "what a limit does with an event without an amount", &ABSENT, sink)
    });
    let release_after = fields
        .entry("release_after")
        .and_then(|(word, node)| values::window(node, sink).map(|ms| (ms, word.place)));
    let currency = super::feature::read_currency(&mut fields, sink);
    let refusal = refusal::finish(node, fields, sink);
    Some(Limit { id, feature, max, when, absent, release_after, currency, refusal })
}
