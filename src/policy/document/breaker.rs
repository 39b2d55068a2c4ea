//! `breakers:` — what opens for a key on a condition, refuses for a time, and lets a few through before it closes.

use engine::limits::BREAKER_TRIALS_MAX;
use engine::program::Kinds;
use wire::{Challenge, Verdict};

use super::limit::REFUSALS;
use super::reason::{self, Reason};
use crate::diagnostic::{Place, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared breaker. Times and trials that could not be read are those of the least one.
pub(crate) struct Breaker {
    pub id: Option<Word>,
    pub place: Place,
    pub key: Vec<Word>,
    pub kinds: Kinds,
    pub when: Option<Node>,
    pub open_ms: i64,
    pub half_open_ms: i64,
    pub trials: u32,
    pub verdict: Verdict,
    pub challenge: Option<Challenge>,
    pub reason: Reason,
}

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Breaker> {
    let mut fields = Fields::of(node, "a breaker", sink)?;
    let id = fields.require("id").and_then(|node| values::identifier(node, "a breaker's id", sink));
    let key = fields.require("by").map(|node| super::feature::read_key(node, sink)).unwrap_or_default();
    let kinds = fields.get("on").map_or(Some(Kinds::ALL), |node| super::kinds(node, sink));
    let when = fields.require("when").cloned();
    let open_ms = fields.require("open").and_then(|node| values::window(node, sink));
    let half_open_ms = fields.require("half_open").and_then(|node| values::window(node, sink));
    let trials = fields
        .require("trials")
        .and_then(|node| values::integer(node, 1..=i64::from(BREAKER_TRIALS_MAX), sink));
    let verdict = match fields.get("then") {
        Some(node) => values::choice(node, "a refusal", &REFUSALS, sink),
        None => Some(Verdict::Deny),
    };
    let challenge =
        super::rule::read_challenge(&mut fields, verdict.map(|it| it == Verdict::Challenge), sink);
    let reason = fields.require("reason").map_or_else(Reason::default, |node| reason::read(node, sink));
    let place = fields.head();
    fields.finish(sink);
    Some(Breaker {
        id,
        place,
        key,
        kinds: kinds.unwrap_or(Kinds::ALL),
        when,
        open_ms: open_ms.unwrap_or(engine::limits::WINDOW_MS_MIN),
        half_open_ms: half_open_ms.unwrap_or(engine::limits::WINDOW_MS_MIN),
        // Within the bound by the check above.
        trials: trials.unwrap_or(1) as u32,
        verdict: verdict.unwrap_or(Verdict::Deny),
        challenge,
        reason,
    })
}
