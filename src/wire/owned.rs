//! Answers that own their texts, for clients that keep them after the bytes are gone.

use crate::answer::{Answer, Challenge, Reason, Value, Verdict};

/// The answer to one check. Fields as in [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedAnswer {
    /// The check's id.
    pub id: String,
    /// What to do.
    pub verdict: Verdict,
    /// The proof to ask for; only with [`Verdict::Challenge`].
    pub challenge: Option<Challenge>,
    /// Risk, 0 to 1.
    pub score: f64,
    /// Every match, deciding tier first.
    pub reasons: Vec<OwnedReason>,
    /// Set of [`crate::Degraded`], bit `code` each.
    pub degraded: u16,
    /// Whether this repeats an earlier answer to the same id.
    pub replayed: bool,
    /// Version of the policy that decided.
    pub policy: String,
    /// Version of the model that scored; empty when none did.
    pub model: String,
    /// Number of the decision in the log.
    pub decision: u64,
}

/// Why: one matched rule, limit or stage. Fields as in [`Reason`].
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedReason {
    /// Stable code, such as `R101`.
    pub code: String,
    /// Id of the rule, limit or stage.
    pub rule: String,
    /// Words for the operator.
    pub text: String,
    /// Words that are safe to show the customer; empty if none were written.
    pub customer: String,
    /// What was found.
    pub value: Value,
    /// What it was compared with.
    pub threshold: Value,
}

impl Answer<'_> {
    /// A copy that owns its texts.
    pub fn to_owned_answer(&self) -> OwnedAnswer {
        OwnedAnswer {
            id: self.id.to_owned(),
            verdict: self.verdict,
            challenge: self.challenge,
            score: self.score,
            reasons: self.reasons.iter().map(Reason::to_owned_reason).collect(),
            degraded: self.degraded,
            replayed: self.replayed,
            policy: self.policy.to_owned(),
            model: self.model.to_owned(),
            decision: self.decision,
        }
    }
}

impl Reason<'_> {
    /// A copy that owns its texts.
    pub fn to_owned_reason(&self) -> OwnedReason {
        OwnedReason {
            code: self.code.to_owned(),
            rule: self.rule.to_owned(),
            text: self.text.to_owned(),
            customer: self.customer.to_owned(),
            value: self.value,
            threshold: self.threshold,
        }
    }
}

impl OwnedAnswer {
    /// The same answer, borrowed.
    pub fn borrow(&self) -> Answer<'_> {
        Answer {
            id: &self.id,
            verdict: self.verdict,
            challenge: self.challenge,
            score: self.score,
            reasons: self.reasons.iter().map(OwnedReason::borrow).collect(),
            degraded: self.degraded,
            replayed: self.replayed,
            policy: &self.policy,
            model: &self.model,
            decision: self.decision,
        }
    }
}

impl OwnedReason {
    /// The same reason, borrowed.
    pub fn borrow(&self) -> Reason<'_> {
        Reason {
            code: &self.code,
            rule: &self.rule,
            text: &self.text,
            customer: &self.customer,
            value: self.value,
            threshold: self.threshold,
        }
    }
}
