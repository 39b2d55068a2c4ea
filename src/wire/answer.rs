//! The answer to a check.

use crate::check::names;
use crate::money;

names! {
    /// What the gateway should do, mildest first.
    Verdict {
        /// Go on.
        Allow = "allow",
        /// Ask the user for one more proof, then check again.
        Challenge = "challenge",
        /// Hold for a person.
        Review = "review",
        /// Refuse.
        Deny = "deny",
    }
}

names! {
    /// The proof asked for by a challenge.
    Challenge {
        /// Face recognition.
        Face = "face",
        /// Voice recognition.
        Voice = "voice",
        /// Payment PIN.
        Pin = "pin",
        /// Code by text message.
        Sms = "sms",
    }
}

names! {
    /// What was skipped, bent or failed on the way to this answer.
    Degraded {
        /// The event time lay outside its bounds and was counted at the bound.
        ClockSkew = "clock_skew",
        /// The same `id` came before with other fields; the first answer stands.
        IdReused = "id_reused",
        /// Challengers were not asked, for the deadline or the crowd.
        Shadow = "shadow",
        /// The model was skipped for the deadline or failed its stage.
        Model = "model",
        /// A table had no room for a key: its features read as missing.
        Velocity = "velocity",
        /// A device or account profile had no room: its features read as missing.
        Profile = "profile",
        /// The engine did not decide; the declared fallback verdict answers.
        Fallback = "fallback",
        /// The decision could not be logged.
        Journal = "journal",
        /// There was no room to remember the id: whoever repeats it later has it decided again.
        Idempotency = "idempotency",
    }
}

/// A number in a reason: a feature's value or the threshold it met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// No number belongs to this reason.
    Absent,
    /// A count or another whole number.
    Int(i64),
    /// Money in minor units; written in major units with two decimals.
    Money(i64),
    /// Any other number.
    Double(f64),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Value::Absent => f.write_str("null"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Money(minor) => money::Major(minor).fmt(f),
            Value::Double(x) => write!(f, "{x}"),
        }
    }
}

/// Why: one matched rule, limit or stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason<'a> {
    /// Stable code, such as `R101`.
    pub code: &'a str,
    /// Id of the rule, limit or stage.
    pub rule: &'a str,
    /// Words for the operator.
    pub text: &'a str,
    /// Words that are safe to show the customer; empty if none were written.
    pub customer: &'a str,
    /// What was found.
    pub value: Value,
    /// What it was compared with.
    pub threshold: Value,
}

/// The answer to one check.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The check's id.
    pub id: &'a str,
    /// What to do.
    pub verdict: Verdict,
    /// The proof to ask for; only with [`Verdict::Challenge`].
    pub challenge: Option<Challenge>,
    /// Risk, 0 to 1.
    pub score: f64,
    /// Every match, deciding tier first, at most [`crate::limits::REASONS_MAX`].
    pub reasons: Vec<Reason<'a>>,
    /// Set of [`Degraded`], bit `code` each.
    pub degraded: u16,
    /// Whether this repeats an earlier answer to the same id.
    pub replayed: bool,
    /// Version (content hash) of the policy that decided.
    pub policy: &'a str,
    /// Version of the model that scored; empty when none did.
    pub model: &'a str,
    /// Number of the decision in the log.
    pub decision: u64,
}

/// An answer without its reasons, for writers that stream those from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerHead<'a> {
    /// The check's id.
    pub id: &'a str,
    /// What to do.
    pub verdict: Verdict,
    /// The proof to ask for; only with [`Verdict::Challenge`].
    pub challenge: Option<Challenge>,
    /// Risk, 0 to 1.
    pub score: f64,
    /// Set of [`Degraded`], bit `code` each.
    pub degraded: u16,
    /// Whether this repeats an earlier answer to the same id.
    pub replayed: bool,
    /// Version (content hash) of the policy that decided.
    pub policy: &'a str,
    /// Version of the model that scored; empty when none did.
    pub model: &'a str,
    /// Number of the decision in the log.
    pub decision: u64,
}

impl<'a> Answer<'a> {
    /// All but the reasons.
    pub fn head(&self) -> AnswerHead<'a> {
        AnswerHead {
            id: self.id,
            verdict: self.verdict,
            challenge: self.challenge,
            score: self.score,
            degraded: self.degraded,
            replayed: self.replayed,
            policy: self.policy,
            model: self.model,
            decision: self.decision,
        }
    }
}

impl Degraded {
    /// The bit of this flag in [`Answer::degraded`].
    pub const fn bit(self) -> u16 {
        1 << self.code()
    }

    /// The flags of a set, in the order of their codes.
    pub fn in_set(set: u16) -> impl Iterator<Item = Degraded> {
        Degraded::ALL.iter().copied().filter(move |flag| set & flag.bit() != 0)
    }
}
