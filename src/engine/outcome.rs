//! Outcomes: what became of an event moves what it had reserved.
//!
//! One table says it all, [`CheckState::after`]: every state of a check and every outcome, what is held afterwards and what is
//! answered. `docs/http.md` shows the same table to callers, and a test holds the two together.

use std::sync::PoisonError;

use wire::{OutcomeKind, Verdict};

use crate::feature::FeatureId;
use crate::replay::{self, Made};
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::velocity::{self, NotRestored};

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
    /// the challenge is as open as before.
    Full {
        /// The feature that is at its maximum.
        feature: FeatureId,
        /// The maximum.
        max: i64,
    },
    /// A challenge was passed whose limits are no longer what they were: a reload changed their windows, or brought others. The
    /// event must not go on because of it. Nothing moved.
    Lapsed,
    /// A challenge was passed that is not open, so the event must not go on because of it. Nothing moved.
    NoChallenge(CheckState),
    /// An earlier outcome is final: nothing moved.
    Settled,
}

impl OutcomeEffect {
    /// Whether the id was known.
    pub fn known(self) -> bool {
        self != OutcomeEffect::Unknown
    }
}

/// Where a check stands: what was answered, and what was reported of it since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckState {
    /// Allowed: it holds what it reserved.
    Allowed,
    /// Challenged, and the challenge is open: it holds nothing.
    Challenged,
    /// The challenge was passed: it holds what it reserved then.
    Passed,
    /// Settled after an allow or a passed challenge: what it holds stays until its windows have passed.
    Settled,
    /// Failed or cancelled, or a challenged one that settled without a passed challenge: it holds nothing.
    Ended,
    /// Denied, or left to a person: it holds nothing.
    Refused,
}

/// What moves with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nothing: the outcome is kept.
    Nothing,
    /// Nothing: an earlier outcome is final.
    Final,
    /// What is held is given back.
    GiveBack,
    /// What is held no longer ends with a limit's time-out.
    Settle,
    /// What the event takes is reserved now, all of it, or the outcome is refused and nothing changes.
    Reserve,
    /// The outcome is refused: no challenge is open.
    Refuse,
}

impl CheckState {
    /// All of them, in the order of the page.
    pub const ALL: [CheckState; 6] = [
        CheckState::Allowed,
        CheckState::Challenged,
        CheckState::Passed,
        CheckState::Settled,
        CheckState::Ended,
        CheckState::Refused,
    ];

    /// Name in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            CheckState::Allowed => "allowed",
            CheckState::Challenged => "challenged",
            CheckState::Passed => "passed",
            CheckState::Settled => "settled",
            CheckState::Ended => "ended",
            CheckState::Refused => "refused",
        }
    }

    /// Where a check stands once it is answered.
    pub const fn of(verdict: Verdict) -> CheckState {
        match verdict {
            Verdict::Allow => CheckState::Allowed,
            Verdict::Challenge => CheckState::Challenged,
            Verdict::Review | Verdict::Deny => CheckState::Refused,
        }
    }

    /// Whether it holds what it reserved.
    pub const fn holds(self) -> bool {
        matches!(self, CheckState::Allowed | CheckState::Passed | CheckState::Settled)
    }

    /// The table: where a check stands after an outcome, and what moves.
    ///
    /// A caller that goes on only after an `allow`, or after a passed challenge that was not refused, is held by every limit: a pass
    /// always reserves, there is one at most, and only `failed` and `cancelled` give back, once.
    pub const fn after(self, outcome: OutcomeKind) -> (CheckState, Move) {
        use CheckState::{Allowed, Challenged, Ended, Passed, Refused, Settled};
        use OutcomeKind as Told;
        match (self, outcome) {
            (_, Told::Fraud | Told::Legit) => (self, Move::Nothing),

            (Challenged, Told::ChallengePassed) => (Passed, Move::Reserve),
            (_, Told::ChallengePassed) => (self, Move::Refuse),

            (Allowed | Passed, Told::Settled) => (Settled, Move::Settle),
            (Allowed | Passed, Told::Failed | Told::Cancelled) => (Ended, Move::GiveBack),
            // A failed challenge is no word of whether the event went on: what is held stays.
            (Allowed | Passed, Told::ChallengeFailed) => (self, Move::Nothing),

            (Challenged, Told::Settled | Told::Failed | Told::Cancelled) => (Ended, Move::Nothing),
            // The customer may try again.
            (Challenged, Told::ChallengeFailed) => (Challenged, Move::Nothing),

            (Settled | Ended, _) => (self, Move::Final),
            (Refused, _) => (Refused, Move::Nothing),
        }
    }
}

/// Applies an outcome, as [`CheckState::after`] has it.
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
    let Some(word) = replay::state(words) else { return OutcomeEffect::Unknown };
    let Some(state) = replay::standing(word) else { return OutcomeEffect::Unknown };
    let (next, moves) = state.after(outcome);
    let reserved = (0..replay::pending_count(word)).map(|at| replay::get_pending(words, at));
    let effect = match moves {
        Move::Nothing => OutcomeEffect::Noted,
        Move::Final => OutcomeEffect::Settled,
        Move::Refuse => OutcomeEffect::NoChallenge(state),
        Move::GiveBack => {
            reserved.for_each(|pending| velocity::release(snapshot, now_ms, &pending));
            OutcomeEffect::GivenBack
        }
        Move::Settle => {
            reserved.for_each(|pending| velocity::settle(snapshot, now_ms, &pending));
            OutcomeEffect::Noted
        }
        Move::Reserve => match reserve(snapshot, now_ms, words, word) {
            Ok(()) => OutcomeEffect::Taken,
            Err(full) => return full,
        },
    };
    if next != state {
        replay::set_standing(words, word, next);
    }
    effect
}

/// Reserves everything that a challenged event takes, or nothing.
fn reserve(
    snapshot: &Snapshot,
    now_ms: i64,
    words: replay::Words<'_>,
    word: u64,
) -> Result<(), OutcomeEffect> {
    if Made::of(words).is_none_or(|made| velocity::is_new(snapshot, made)) {
        return Err(OutcomeEffect::Lapsed);
    }
    for at in 0..replay::pending_count(word) {
        match velocity::restore(snapshot, now_ms, &replay::get_pending(words, at)) {
            Ok(pending) => replay::put_pending(words, at, &pending),
            Err(refused) => {
                (0..at).for_each(|at| {
                    velocity::release(snapshot, now_ms, &replay::get_pending(words, at));
                });
                return Err(match refused {
                    NotRestored::Full(feature, max) => OutcomeEffect::Full { feature, max },
                    NotRestored::Gone => OutcomeEffect::Lapsed,
                });
            }
        }
    }
    Ok(())
}
