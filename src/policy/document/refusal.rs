//! What limits and breakers have in common: the verdict they refuse with, its proof and reason, whether they act, and the share
//! of checks that they may refuse.

use engine::policy::{Mode, OnError};
use wire::{Challenge, Verdict};

use super::reason::{self, Reason};
use super::rule::{MODES, read_challenge, read_on_error};
use crate::diagnostic::{Place, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, values};

/// How something refuses.
pub(crate) struct Refusal {
    pub place: Place,
    pub verdict: Verdict,
    pub challenge: Option<Challenge>,
    pub reason: Reason,
    pub mode: Mode,
    pub on_error: OnError,
    /// Largest share of checks in percent, if one is declared.
    pub share_max: Option<f64>,
    /// What the whole declaration hashes to.
    pub text: String,
}

pub(crate) const VERDICTS: [(&str, Verdict); 3] =
    [("deny", Verdict::Deny), ("review", Verdict::Review), ("challenge", Verdict::Challenge)];

/// Reads what is left of a declaration, and reports the keys that it does not have.
pub(crate) fn finish(node: &Node, mut fields: Fields<'_>, sink: &mut Sink) -> Refusal {
    let verdict = match fields.get("then") {
        Some(node) => values::choice(node, "a refusal", &VERDICTS, sink),
        None => Some(Verdict::Deny),
    };
    let challenge = read_challenge(&mut fields, verdict.map(|it| it == Verdict::Challenge), sink);
    let reason = fields.require("reason").map_or_else(Reason::default, |node| reason::read(node, sink));
    let mode = fields.get("mode").and_then(|node| values::choice(node, "a mode", &MODES, sink));
    let share_max = fields.get("share_max").and_then(|node| values::share(node, sink));
    let on_error = read_on_error(&mut fields, sink);
    let place = fields.head();
    fields.finish(sink);
    Refusal {
        place,
        verdict: verdict.unwrap_or(Verdict::Deny),
        challenge,
        reason,
        mode: mode.unwrap_or(Mode::Live),
        on_error,
        share_max,
        text: node.digest(),
    }
}
