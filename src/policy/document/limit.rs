//! `limits:` — a maximum on a velocity feature, reserved before the verdict.

use wire::{Challenge, Verdict};

use super::reason::{self, Reason};
use crate::diagnostic::{Place, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared limit. `max` is read once the feature's type is known: money or a count.
pub(crate) struct Limit {
    pub id: Option<Word>,
    pub place: Place,
    pub feature: Option<Word>,
    pub max: Option<Node>,
    pub when: Option<Node>,
    pub verdict: Verdict,
    pub challenge: Option<Challenge>,
    pub reason: Reason,
}

pub(crate) const REFUSALS: [(&str, Verdict); 3] =
    [("deny", Verdict::Deny), ("review", Verdict::Review), ("challenge", Verdict::Challenge)];

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Limit> {
    let mut fields = Fields::of(node, "a limit", sink)?;
    let id = fields.require("id").and_then(|node| values::identifier(node, "a limit's id", sink));
    let feature = fields.require("feature").and_then(|node| values::word(node, "a feature", sink));
    let max = fields.require("max").cloned();
    let when = fields.get("when").cloned();
    let verdict = match fields.get("then") {
        Some(node) => values::choice(node, "a refusal", &REFUSALS, sink),
        None => Some(Verdict::Deny),
    };
    let challenge =
        super::rule::read_challenge(&mut fields, verdict.map(|it| it == Verdict::Challenge), sink);
    let reason = fields.require("reason").map_or_else(Reason::default, |node| reason::read(node, sink));
    let place = fields.head();
    fields.finish(sink);
    let verdict = verdict.unwrap_or(Verdict::Deny);
    Some(Limit { id, place, feature, max, when, verdict, challenge, reason })
}
