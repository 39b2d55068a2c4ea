//! One answer within an item of a frame.

use super::cursor::{Cursor, coded, put_text};
use crate::answer::{Answer, AnswerHead, Challenge, Reason, Value, Verdict};
use crate::bounds::{self, FRACTION, Refusal};
use crate::error::DecodeError;
use crate::limits::{IDENTIFIER_BYTES_MAX, REASONS_MAX, TEXT_BYTES_MAX, VERSION_BYTES_MAX};

/// The versions that an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions<'a> {
    pub policy: &'a str,
    pub model: &'a str,
}

/// Flags of an answer.
mod flag {
    pub const REPLAYED: u8 = 1 << 0;
    /// The answer carries versions of its own.
    pub const VERSIONS: u8 = 1 << 1;
}

/// Sorts of a value.
mod sort {
    pub const ABSENT: u8 = 0;
    pub const INT: u8 = 1;
    pub const MONEY: u8 = 2;
    pub const DOUBLE: u8 = 3;
}

pub(super) fn take_answer<'a>(
    cursor: &mut Cursor<'a>,
    versions: Versions<'a>,
) -> Result<Answer<'a>, DecodeError> {
    let flags = cursor.u8("flags")?;
    let verdict = cursor.u8("verdict")?;
    let verdict = coded(Verdict::from_code(verdict), verdict, "verdict")?;
    let challenge = match cursor.u8("challenge")? {
        0 => None,
        code => Some(coded(Challenge::from_code(code - 1), code, "challenge")?),
    };
    let degraded = cursor.u16("degraded")?;
    let count = cursor.u8("reasons")?;
    if usize::from(count) > REASONS_MAX {
        return Err(
            Refusal::out_of_range(format!("{count} reasons, expected at most {REASONS_MAX}")).at("reasons")
        );
    }
    let decision = cursor.u64("decision")?;
    let score = bounds::number(cursor.f64("score")?, FRACTION).map_err(|why| why.at("score"))?;
    let id = cursor.text("id")?;
    let versions = if flags & flag::VERSIONS == 0 {
        versions
    } else {
        let policy = cursor.text("policy")?;
        Versions { policy, model: cursor.text("model")? }
    };
    let mut reasons = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        reasons.push(take_reason(cursor)?);
    }
    Ok(Answer {
        id,
        verdict,
        challenge,
        score,
        reasons,
        degraded,
        replayed: flags & flag::REPLAYED != 0,
        policy: versions.policy,
        model: versions.model,
        decision,
    })
}

fn take_reason<'a>(cursor: &mut Cursor<'a>) -> Result<Reason<'a>, DecodeError> {
    let value = take_value(cursor, "reasons.value")?;
    Ok(Reason {
        value,
        threshold: take_value(cursor, "reasons.threshold")?,
        code: cursor.text("reasons.code")?,
        rule: cursor.text("reasons.rule")?,
        text: cursor.text("reasons.text")?,
        customer: cursor.text("reasons.customer")?,
    })
}

fn take_value(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Value, DecodeError> {
    Ok(match cursor.u8(field)? {
        sort::ABSENT => Value::Absent,
        sort::INT => Value::Int(cursor.i64(field)?),
        sort::MONEY => Value::Money(cursor.i64(field)?),
        sort::DOUBLE => Value::Double(cursor.f64(field)?),
        other => return Err(Refusal::out_of_range(format!("no value is of sort {other}")).at(field)),
    })
}

pub(super) fn put_answer<'r>(
    head: &AnswerHead<'_>,
    reasons: impl IntoIterator<Item = Reason<'r>>,
    versions: Versions<'_>,
    out: &mut Vec<u8>,
) {
    let own_versions = Versions { policy: head.policy, model: head.model } != versions;
    let mut flags = 0;
    if head.replayed {
        flags |= flag::REPLAYED;
    }
    if own_versions {
        flags |= flag::VERSIONS;
    }
    out.extend_from_slice(&[
        flags,
        head.verdict.code(),
        head.challenge.map_or(0, |challenge| challenge.code() + 1),
    ]);
    out.extend_from_slice(&head.degraded.to_le_bytes());
    let count_at = out.len();
    out.push(0);
    out.extend_from_slice(&head.decision.to_le_bytes());
    // A score is 0 to 1 by contract, which the reader holds it to; NaN is 0 as in JSON.
    let score = if head.score.is_nan() { 0.0 } else { head.score.clamp(0.0, 1.0) };
    out.extend_from_slice(&score.to_le_bytes());
    put_text(head.id, IDENTIFIER_BYTES_MAX, out);
    if own_versions {
        put_text(head.policy, VERSION_BYTES_MAX, out);
        put_text(head.model, VERSION_BYTES_MAX, out);
    }
    for reason in reasons.into_iter().take(REASONS_MAX) {
        put_reason(&reason, out);
        out[count_at] += 1;
    }
}

fn put_reason(reason: &Reason<'_>, out: &mut Vec<u8>) {
    put_value(reason.value, out);
    put_value(reason.threshold, out);
    put_text(reason.code, IDENTIFIER_BYTES_MAX, out);
    put_text(reason.rule, IDENTIFIER_BYTES_MAX, out);
    put_text(reason.text, TEXT_BYTES_MAX, out);
    put_text(reason.customer, TEXT_BYTES_MAX, out);
}

fn put_value(value: Value, out: &mut Vec<u8>) {
    let (sort, bytes) = match value {
        Value::Absent => return out.push(sort::ABSENT),
        Value::Int(number) => (sort::INT, number.to_le_bytes()),
        Value::Money(minor) => (sort::MONEY, minor.to_le_bytes()),
        Value::Double(number) => (sort::DOUBLE, number.to_le_bytes()),
    };
    out.push(sort);
    out.extend_from_slice(&bytes);
}
