//! Answers and errors as JSON, appended to a caller's buffer. Allocates nothing once the buffer is long enough.

use std::io::Write;

use crate::answer::{Answer, AnswerHead, Degraded, Reason, Value};
use crate::error::DecodeError;
use crate::limits::REASONS_MAX;

/// Writes an answer.
pub fn write_answer(answer: &Answer<'_>, out: &mut Vec<u8>) {
    write_answer_parts(&answer.head(), answer.reasons.iter().copied(), out);
}

/// Writes an answer whose reasons come from elsewhere; those past [`REASONS_MAX`] are left out.
pub fn write_answer_parts<'a>(
    head: &AnswerHead<'_>,
    reasons: impl IntoIterator<Item = Reason<'a>>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"id\":");
    push_text(head.id, out);
    out.extend_from_slice(b",\"verdict\":\"");
    out.extend_from_slice(head.verdict.name().as_bytes());
    out.push(b'"');
    if let Some(challenge) = head.challenge {
        out.extend_from_slice(b",\"challenge\":\"");
        out.extend_from_slice(challenge.name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"score\":");
    push_score(head.score, out);
    out.extend_from_slice(b",\"reasons\":[");
    for (at, reason) in reasons.into_iter().take(REASONS_MAX).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_reason(&reason, out);
    }
    out.extend_from_slice(b"],\"degraded\":[");
    for (at, flag) in Degraded::in_set(head.degraded).enumerate() {
        out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(flag.name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(if head.replayed { b"],\"replayed\":true" } else { b"],\"replayed\":false" });
    out.extend_from_slice(b",\"policy\":");
    push_text(head.policy, out);
    out.extend_from_slice(b",\"model\":");
    push_text(head.model, out);
    out.extend_from_slice(b",\"decision\":");
    push_number(head.decision, out);
    out.push(b'}');
}

/// Writes `{"error":{"code","field","message"}}`.
pub fn write_error(error: &DecodeError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":{\"code\":\"");
    out.extend_from_slice(error.code.name().as_bytes());
    out.extend_from_slice(b"\",\"field\":");
    push_text(&error.field, out);
    out.extend_from_slice(b",\"message\":");
    push_text(&error.message, out);
    out.extend_from_slice(b"}}");
}

fn push_reason(reason: &Reason<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"code\":");
    push_text(reason.code, out);
    out.extend_from_slice(b",\"rule\":");
    push_text(reason.rule, out);
    out.extend_from_slice(b",\"text\":");
    push_text(reason.text, out);
    if !reason.customer.is_empty() {
        out.extend_from_slice(b",\"customer\":");
        push_text(reason.customer, out);
    }
    out.extend_from_slice(b",\"value\":");
    push_value(reason.value, out);
    out.extend_from_slice(b",\"threshold\":");
    push_value(reason.threshold, out);
    out.push(b'}');
}

fn push_value(value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Double(number) if !number.is_finite() => out.extend_from_slice(b"null"),
        Value::Double(number) => push_double(number, out),
        other => push_number(other, out),
    }
}

/// A plain decimal of at most six places, so that no score is ever written as `3e-5`.
fn push_score(score: f64, out: &mut Vec<u8>) {
    // A score is 0 to 1 by contract; the clamp keeps a broken one from being written as something else. NaN is 0.
    let millionths = (score.clamp(0.0, 1.0) * 1e6).round() as u32;
    let mut places = 6;
    let mut fraction = millionths % 1_000_000;
    while places > 1 && fraction.is_multiple_of(10) {
        fraction /= 10;
        places -= 1;
    }
    push_number(format_args!("{}.{fraction:0places$}", millionths / 1_000_000), out);
}

/// A finite number, told from a whole one by its point.
pub(super) fn push_double(number: f64, out: &mut Vec<u8>) {
    // Debug keeps the point and turns to exponents outside 1e-5 to 1e16; both are JSON.
    push_number(format_args!("{number:?}"), out);
}

/// Anything that displays as a JSON number.
pub(super) fn push_number(number: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{number}");
}

/// A string in quotes, with the escapes that JSON demands and no others.
pub(super) fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => push_number(format_args!("\\u{control:04x}"), out),
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_plain_decimal() {
        let cases =
            [(0.0, "0.0"), (1.0, "1.0"), (0.5, "0.5"), (0.0123, "0.0123"), (1e-6, "0.000001"), (1e-9, "0.0")];
        for (score, expected) in
            cases.into_iter().chain([(2.0, "1.0"), (f64::NAN, "0.0"), (0.1 + 0.2, "0.3")])
        {
            let mut out = Vec::new();
            push_score(score, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn texts_are_escaped_as_serde_json_does() {
        for text in ["", "plain", "a\"b\\c", "\n\r\t\u{1}\u{1f}\u{7f}", "红包🧧", "\u{8}\u{c}"] {
            let mut out = Vec::new();
            push_text(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
