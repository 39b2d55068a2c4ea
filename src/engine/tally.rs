//! What was decided and what matched, in plain numbers. An answer and a record have room for some matches of a check only;
//! whoever counts rules wants them all, so they are counted where they are found.

use wire::Kind;

use crate::policy::{BreakerState, Policy};
use crate::reasons::BUILTIN_REASONS;
use crate::table::Passage;

/// Counts since they were last emptied, of the snapshot that the latest call was with.
#[derive(Debug, Default)]
pub struct MatchTally {
    /// Checks decided, by kind; repetitions are not decided again.
    pub checks: [u64; Kind::ALL.len()],
    /// Matches, by [`Policy::index_of`].
    pub matches: Vec<MatchCount>,
    /// What breakers let through, in the policy's order.
    pub breakers: Vec<BreakerCount>,
}

/// How often something matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatchCount {
    /// Acting.
    pub live: u64,
    /// Only watching.
    pub shadow: u64,
    /// Conditions that ended in an error, whether that counts as a match or not.
    pub errors: u64,
}

/// What a breaker let through on its way from open to closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCount {
    /// Events on trial.
    pub trials: u64,
    /// Keys found closed again, each once after it was open.
    pub closings: u64,
}

impl MatchTally {
    /// Empty, for that policy.
    pub(crate) fn fit(&mut self, policy: &Policy) {
        let breakers = policy.breakers.len();
        let matches = policy.rules.len()
            + policy.limits.len()
            + breakers * BreakerState::ALL.len()
            + BUILTIN_REASONS.len();
        self.checks = Default::default();
        self.matches.clear();
        self.matches.resize(matches, MatchCount::default());
        self.breakers.clear();
        self.breakers.resize(breakers, BreakerCount::default());
    }

    pub(crate) fn decided(&mut self, kind: Kind) {
        self.checks[usize::from(kind.code())] += 1;
    }

    /// Counts a match. Rules that are run over another snapshot's columns may have no place here.
    pub(crate) fn matched(&mut self, index: usize, shadow: bool) {
        if let Some(count) = self.matches.get_mut(index) {
            *(if shadow { &mut count.shadow } else { &mut count.live }) += 1;
        }
    }

    /// Takes back a match that was counted before its check is decided again.
    pub(crate) fn unmatched(&mut self, index: usize, shadow: bool) {
        if let Some(count) = self.matches.get_mut(index) {
            *(if shadow { &mut count.shadow } else { &mut count.live }) -= 1;
        }
    }

    /// Counts a condition that ended in an error.
    pub(crate) fn failed(&mut self, index: usize) {
        if let Some(count) = self.matches.get_mut(index) {
            count.errors += 1;
        }
    }

    /// Takes back an error that was counted before its check is decided again.
    pub(crate) fn unfailed(&mut self, index: usize) {
        if let Some(count) = self.matches.get_mut(index) {
            count.errors -= 1;
        }
    }

    /// Counts what a breaker let through on its way to being closed.
    pub(crate) fn went_on(&mut self, breaker: usize, passage: Passage) {
        if let Some(count) = self.breakers.get_mut(breaker) {
            count.trials += u64::from(passage == Passage::Trial);
            count.closings += u64::from(passage == Passage::Recovered);
        }
    }
}
