//! Answers out of JSON, for clients and tests: an answer, or the error object in its place.

use serde::Deserialize;
use serde_json::Number;

use super::text_of;
use crate::answer::{Challenge, Degraded, Value, Verdict};
use crate::error::{DecodeError, ErrorCode};
use crate::limits::ANSWER_FRAME_BYTES_MAX;
use crate::owned::{OwnedAnswer, OwnedReason};

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Error { error: RawError },
    Answer(RawAnswer),
}

#[derive(Deserialize)]
struct RawError {
    code: String,
    field: String,
    message: String,
}

/// Unknown fields are passed over: a newer daemon may say more.
#[derive(Deserialize)]
struct RawAnswer {
    id: String,
    verdict: String,
    challenge: Option<String>,
    score: f64,
    reasons: Vec<RawReason>,
    degraded: Vec<String>,
    replayed: bool,
    policy: String,
    model: String,
    decision: u64,
}

#[derive(Deserialize)]
struct RawReason {
    code: String,
    rule: String,
    text: String,
    #[serde(default)]
    customer: String,
    value: Option<Number>,
    threshold: Option<Number>,
}

/// Reads what a daemon answered to one check.
///
/// JSON does not tell money from other decimals: a value of money comes back as [`Value::Double`] in major units.
///
/// # Errors
/// The daemon's own error object, or what is wrong with the body.
pub fn decode_answer(body: &[u8]) -> Result<OwnedAnswer, DecodeError> {
    let raw = serde_json::from_str(text_of(body, ANSWER_FRAME_BYTES_MAX)?)
        .map_err(|error| DecodeError::new(ErrorCode::Malformed, "", error.to_string()))?;
    match raw {
        Raw::Answer(raw) => raw.into_answer(),
        Raw::Error { error } => {
            let code = named(ErrorCode::from_name(&error.code), "error.code", &error.code)?;
            Err(DecodeError::new(code, error.field, error.message))
        }
    }
}

impl RawAnswer {
    fn into_answer(self) -> Result<OwnedAnswer, DecodeError> {
        let challenge = match &self.challenge {
            Some(name) => Some(named(Challenge::from_name(name), "challenge", name)?),
            None => None,
        };
        let mut degraded = 0;
        for name in &self.degraded {
            degraded |= named(Degraded::from_name(name), "degraded", name)?.bit();
        }
        Ok(OwnedAnswer {
            id: self.id,
            verdict: named(Verdict::from_name(&self.verdict), "verdict", &self.verdict)?,
            challenge,
            score: self.score,
            reasons: self.reasons.into_iter().map(RawReason::into_reason).collect(),
            degraded,
            replayed: self.replayed,
            policy: self.policy,
            model: self.model,
            decision: self.decision,
        })
    }
}

impl RawReason {
    fn into_reason(self) -> OwnedReason {
        let value = |number: Option<Number>| match number {
            None => Value::Absent,
            Some(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => number.as_f64().map_or(Value::Absent, Value::Double),
            },
        };
        OwnedReason {
            code: self.code,
            rule: self.rule,
            text: self.text,
            customer: self.customer,
            value: value(self.value),
            threshold: value(self.threshold),
        }
    }
}

fn named<T>(value: Option<T>, field: &str, found: &str) -> Result<T, DecodeError> {
    value
        .ok_or_else(|| DecodeError::new(ErrorCode::OutOfRange, field, format!("nothing is called `{found}`")))
}
