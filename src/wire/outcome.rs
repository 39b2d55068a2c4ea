//! What became of a checked event.

use crate::check::{Text, names};

names! {
    /// What became of it.
    OutcomeKind {
        /// The money moved: the reservation stays for good.
        Settled = "settled",
        /// The event failed: the reservation is given back.
        Failed = "failed",
        /// The event was called off: the reservation is given back.
        Cancelled = "cancelled",
        /// The customer passed the challenge.
        ChallengePassed = "challenge_passed",
        /// The customer failed the challenge.
        ChallengeFailed = "challenge_failed",
        /// It turned out to be fraud; a label for training.
        Fraud = "fraud",
        /// It turned out to be honest; a label for training.
        Legit = "legit",
    }
}

/// News about an earlier check.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    /// The check's id.
    pub id: Text<'a>,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// When, in Unix milliseconds; absent means arrival.
    pub time_ms: Option<i64>,
}
