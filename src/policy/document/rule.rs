//! `rules:` — one rule: where it stands, what it looks at, what it asks for, and who answers for it.

use engine::policy::{Mode, OnError, Tier};
use engine::program::Kinds;
use wire::{Challenge, Verdict};

use super::reason::{self, Reason};
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared rule.
pub(crate) struct Rule {
    pub id: Option<Word>,
    pub place: Place,
    pub tier: Tier,
    pub kinds: Kinds,
    pub when: Option<Node>,
    pub verdict: Verdict,
    pub challenge: Option<Challenge>,
    pub score: f64,
    pub reason: Reason,
    pub mode: Mode,
    pub on_error: OnError,
    pub sample_percent: u8,
    pub owner: String,
    /// Largest share of checks in percent that it may refuse, if one is declared.
    pub share_max: Option<f64>,
    /// What the whole declaration hashes to.
    pub text: String,
    /// A date or time as written; read once the policy's UTC offset is known.
    pub expires: Option<Word>,
    /// Whether some key could not be read, so that what it says of other rules means nothing.
    pub faulty: bool,
}

impl Rule {
    /// Its id, which is what a person looks for; else where it begins.
    pub(crate) fn place(&self) -> Place {
        self.id.as_ref().map_or(self.place, |id| id.place)
    }
}

const TIERS: [(&str, Tier); 6] = [
    ("guard", Tier::Guard),
    ("deny", Tier::Deny),
    ("allow", Tier::Allow),
    ("review", Tier::Review),
    ("challenge", Tier::Challenge),
    ("score", Tier::Score),
];
pub(crate) const MODES: [(&str, Mode); 3] =
    [("live", Mode::Live), ("shadow", Mode::Shadow), ("off", Mode::Off)];

pub(crate) fn read(node: &Node, sink: &mut Sink) -> Option<Rule> {
    let errors = sink.errors();
    let mut fields = Fields::of(node, "a rule", sink)?;
    let id = fields.require("id").and_then(|node| values::identifier(node, "a rule's id", sink));
    let tier = fields.require("tier").and_then(|node| values::choice(node, "a tier", &TIERS, sink));
    let kinds = fields.get("on").map_or(Some(Kinds::ALL), |node| super::kinds(node, sink));
    let when = fields.require("when").cloned();
    let verdict = read_verdict(&mut fields, tier, sink);
    let asks = verdict.map(|verdict| verdict == Verdict::Challenge);
    let challenge = read_challenge(&mut fields, asks, sink);
    let score_node = if tier == Some(Tier::Score) { fields.require("score") } else { fields.get("score") };
    let score = score_node.and_then(|node| values::score(node, -1.0..=1.0, sink)).unwrap_or(0.0);
    let reason = fields.require("reason").map_or_else(Reason::default, |node| reason::read(node, sink));
    let mode = fields
        .get("mode")
        .and_then(|node| values::choice(node, "a mode", &MODES, sink))
        .unwrap_or(Mode::Live);
    let sample = fields.get("sample").and_then(|node| values::integer(node, 1..=100, sink)).unwrap_or(100);
    let owner =
        fields.get("owner").and_then(|node| values::words(node, "an owner", sink)).unwrap_or_default();
    let share_max = read_share_max(&mut fields, tier, sink);
    let expires = fields.get("expires").and_then(|node| values::word(node, "a date", sink));
    let on_error = read_on_error(&mut fields, sink);
    let place = fields.head();
    fields.finish(sink);
    Some(Rule {
        id,
        place,
        tier: tier.unwrap_or(Tier::Deny),
        kinds: kinds.unwrap_or(Kinds::ALL),
        when,
        verdict: verdict.unwrap_or(Verdict::Deny),
        challenge,
        score,
        reason,
        mode,
        // In 1..=100 by the check above.
        sample_percent: sample as u8,
        on_error,
        owner,
        share_max,
        text: node.digest(),
        expires,
        faulty: sink.errors() > errors,
    })
}

/// What a condition that ends in an error counts as.
pub(crate) fn read_on_error(fields: &mut Fields<'_>, sink: &mut Sink) -> OnError {
    let all = super::closed(&[OnError::Skip, OnError::Match], OnError::name);
    let node = fields.get("on_error");
    node.and_then(|node| values::choice(node, "an outcome of an error", &all, sink)).unwrap_or_default()
}

/// The share of checks that a rule may refuse; meaningless where it refuses none.
pub(crate) fn read_share_max(fields: &mut Fields<'_>, tier: Option<Tier>, sink: &mut Sink) -> Option<f64> {
    let (word, node) = fields.entry("share_max")?;
    if matches!(tier, Some(Tier::Allow | Tier::Score)) {
        let message = "nothing is refused here, so there is no share of refusals to bound";
        sink.error(Code::UnknownKey, word.place, message);
        return None;
    }
    values::share(node, sink)
}

/// The verdict of the tier; only a guard rule may choose another one.
fn read_verdict(fields: &mut Fields<'_>, tier: Option<Tier>, sink: &mut Sink) -> Option<Verdict> {
    let written = fields.entry("verdict");
    let Some(tier) = tier else {
        // Whether a verdict may stand here is the tier's to say; that it is one is not.
        let (_, node) = written?;
        return values::choice(node, "a verdict", &super::closed(Verdict::ALL, Verdict::name), sink)
            .and(None);
    };
    let of_tier = match tier {
        Tier::Guard | Tier::Deny => Verdict::Deny,
        Tier::Allow | Tier::Score => Verdict::Allow,
        Tier::Review => Verdict::Review,
        Tier::Challenge => Verdict::Challenge,
    };
    match (written, tier) {
        (None, _) => Some(of_tier),
        (Some((_, node)), Tier::Guard) => values::choice(node, "a refusal", &super::refusal::VERDICTS, sink),
        (Some((word, _)), _) => {
            let message =
                "only a guard rule has a verdict of its own; in the other tiers the tier is the verdict";
            sink.error(Code::UnknownKey, word.place, message);
            Some(of_tier)
        }
    }
}

/// The proof to ask for: needed where the verdict is challenge, meaningless elsewhere. `asks` is `None` where a fault left
/// the verdict open.
pub(crate) fn read_challenge(
    fields: &mut Fields<'_>,
    asks: Option<bool>,
    sink: &mut Sink,
) -> Option<Challenge> {
    let all = super::closed(Challenge::ALL, Challenge::name);
    match (fields.entry("challenge"), asks) {
        (Some((_, node)), Some(true) | None) => values::choice(node, "a challenge", &all, sink),
        (Some((word, _)), Some(false)) => {
            sink.error(
                Code::UnknownKey,
                word.place,
                "nothing is asked for here: the verdict is not challenge",
            );
            None
        }
        (None, Some(true)) => {
            let place: Place = fields.head();
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            let fault = Diagnostic::error(
                Code::MissingKey,
                place,
                "a challenge needs `challenge`: the proof to ask for",
            );
            sink.push(fault.label(format!("expected `challenge:` {}", values::listed(&names))));
            None
        }
        (None, Some(false) | None) => None,
    }
}
