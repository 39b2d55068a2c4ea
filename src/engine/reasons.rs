//! Matches that are of no rule, limit or breaker: what the engine itself finds of tokens, and the score bands.

use wire::Verdict;

use crate::policy::Origin;

/// Reasons that are the engine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum BuiltinReason {
    TokenInvalid,
    TokenExpired,
    TokenMismatch,
    BandChallenge,
    BandReview,
    BandDeny,
}

impl BuiltinReason {
    pub(crate) const ALL: [BuiltinReason; 6] = [
        BuiltinReason::TokenInvalid,
        BuiltinReason::TokenExpired,
        BuiltinReason::TokenMismatch,
        BuiltinReason::BandChallenge,
        BuiltinReason::BandReview,
        BuiltinReason::BandDeny,
    ];

    /// The verdict of a score band; none for the token.
    pub(crate) const fn band(self) -> Option<Verdict> {
        match self {
            BuiltinReason::TokenInvalid | BuiltinReason::TokenExpired | BuiltinReason::TokenMismatch => None,
            BuiltinReason::BandChallenge => Some(Verdict::Challenge),
            BuiltinReason::BandReview => Some(Verdict::Review),
            BuiltinReason::BandDeny => Some(Verdict::Deny),
        }
    }
}

impl Origin {
    /// Whether it is a score band: the tier that decides where no other did.
    pub fn is_band(self) -> bool {
        matches!(self, Origin::Own(at) if at >= BuiltinReason::BandChallenge as usize)
    }
}

pub(crate) const BUILTIN_REASONS: [(&str, &str, &str); BuiltinReason::ALL.len()] = [
    ("G101", "token", "the QR token does not open with a known key"),
    ("G102", "token", "the QR token has expired"),
    ("G103", "token", "the QR token stands for another packet"),
    ("B101", "score-challenge", "the score reaches the challenge band"),
    ("B102", "score-review", "the score reaches the review band"),
    ("B103", "score-deny", "the score reaches the deny band"),
];
