//! `breakers:` — what opens for a key on a condition, refuses for a time, and lets a few through before it closes.

use engine::limits::BREAKER_TRIALS_MAX;
use engine::program::Kinds;

use super::refusal::{self, Refusal};
use crate::diagnostic::Sink;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared breaker. Times and trials that could not be read are those of the least one.
pub(crate) struct Breaker {
    pub id: Option<Word>,
    pub key: Vec<Word>,
    pub kinds: Kinds,
    pub when: Option<Node>,
    pub open_ms: i64,
    pub half_open_ms: i64,
    pub trials: u32,
    pub refusal: Refusal,
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
    Some(Breaker {
        id,
        key,
        kinds: kinds.unwrap_or(Kinds::ALL),
        when,
        open_ms: open_ms.unwrap_or(engine::limits::WINDOW_MS_MIN),
        half_open_ms: half_open_ms.unwrap_or(engine::limits::WINDOW_MS_MIN),
        // Within the bound by the check above.
        trials: trials.unwrap_or(1) as u32,
        refusal: refusal::finish(node, fields, sink),
    })
}
