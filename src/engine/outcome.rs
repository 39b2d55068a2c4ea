//! Outcomes: what became of an event moves what it had reserved.

use std::sync::PoisonError;

use wire::{OutcomeKind, Verdict};

use crate::feature::FeatureId;
use crate::replay;
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::velocity;

/// What an outcome did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeEffect {
    /// The id is not, or no longer, known: only the log holds the outcome.
    Unknown,
    /// Known, and nothing had to move: a label, or money that stays where it was reserved.
    Noted,
    /// What the event had reserved is given back.
    GivenBack,
    /// A challenged event goes on: what it would have reserved is taken now.
    Taken,
    /// A challenged event must not go on: meanwhile others have taken the room that a limit leaves. Nothing is reserved, and
    /// nothing has changed: the outcome may be told again, or the one that follows from refusing the event.
    Full {
        /// The feature that is at its maximum.
        feature: FeatureId,
        /// The maximum.
        max: i64,
    },
    /// An earlier outcome stands: nothing moved.
    Settled,
}

impl OutcomeEffect {
    /// Whether the id was known.
    pub fn known(self) -> bool {
        self != OutcomeEffect::Unknown
    }
}

/// Applies an outcome. An event is given back once and taken once, however often its outcome is told.
pub fn outcome(
    snapshot: &Snapshot,
    tables: &Tables,
    now_ms: i64,
    id: &str,
    outcome: OutcomeKind,
) -> OutcomeEffect {
    // One at a time: a pin has one owner. It keeps the slots found under it from being given to other keys.
    let _turn = tables.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let _pin = tables.pins.enter_outcome(now_ms);
    let Some(words) = replay::find(tables, tables.seed.text(id), now_ms) else {
        return OutcomeEffect::Unknown;
    };
    let Some(state) = replay::state(words) else { return OutcomeEffect::Unknown };
    let before =
        (state >> replay::OUTCOME).checked_sub(1).and_then(|code| OutcomeKind::from_code(code as u8));
    let Some(verdict) = replay::verdict(state) else { return OutcomeEffect::Unknown };
    let effect = effect(verdict, before, outcome);
    if effect == OutcomeEffect::Settled || matches!(outcome, OutcomeKind::Fraud | OutcomeKind::Legit) {
        return effect;
    }
    let reserved = 0..replay::pending_count(state);
    match effect {
        OutcomeEffect::GivenBack => {
            reserved.for_each(|at| velocity::release(snapshot, now_ms, &replay::get_pending(words, at)));
        }
        OutcomeEffect::Taken => {
            for at in reserved {
                match velocity::restore(snapshot, now_ms, &replay::get_pending(words, at)) {
                    Ok(pending) => replay::put_pending(words, at, &pending),
                    Err((feature, max)) => {
                        // All or nothing: those before it go back.
                        (0..at).for_each(|at| {
                            velocity::release(snapshot, now_ms, &replay::get_pending(words, at));
                        });
                        return OutcomeEffect::Full { feature, max };
                    }
                }
            }
        }
        _ => {}
    }
    replay::set_outcome(words, state, u64::from(outcome.code()) + 1);
    effect
}

/// What an outcome does to an event of that verdict after that earlier outcome.
fn effect(verdict: Verdict, before: Option<OutcomeKind>, outcome: OutcomeKind) -> OutcomeEffect {
    use OutcomeKind::{Cancelled, ChallengePassed, Failed, Fraud, Legit};
    let reserved = match verdict {
        Verdict::Allow => before.is_none(),
        Verdict::Challenge => before == Some(ChallengePassed),
        _ => false,
    };
    match outcome {
        Fraud | Legit => OutcomeEffect::Noted,
        Failed | Cancelled if reserved => OutcomeEffect::GivenBack,
        ChallengePassed if verdict == Verdict::Challenge && before.is_none() => OutcomeEffect::Taken,
        _ if before.is_none() || reserved => OutcomeEffect::Noted,
        _ => OutcomeEffect::Settled,
    }
}
