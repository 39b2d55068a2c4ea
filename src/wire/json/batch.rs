//! Many checks in one body: a JSON array, or NDJSON with one check a line.
//!
//! A bad element is an error in its place; what breaks the body as a whole (not JSON where an array is, too
//! long, too many) refuses it as a whole, before anything is decided.

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::Read;
use super::trail::Trail;
use super::{decode_object, text_of};
use crate::check::Check;
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{BATCH_CHECKS_MAX, BATCH_JSON_BYTES_MAX};

/// How a batch is laid out; the answers go back in the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A JSON array.
    Array,
    /// One JSON object a line.
    Ndjson,
}

/// The checks of one body, in order.
#[derive(Debug)]
pub struct Batch<'a> {
    /// How the body was laid out.
    pub shape: Shape,
    /// Every element: a check, or why it is none.
    pub checks: Vec<Result<Check<'a>, DecodeError>>,
}

/// Reads a body of many checks.
///
/// # Errors
/// What is wrong with the body as a whole. A fault within one element stands in that element's place.
pub fn decode_checks(body: &[u8]) -> Result<Batch<'_>, DecodeError> {
    let text = text_of(body, BATCH_JSON_BYTES_MAX)?;
    let trimmed = text.trim_ascii_start();
    if trimmed.is_empty() {
        return Err(DecodeError::new(
            ErrorCode::Malformed,
            "",
            "expected an array of checks or one check a line",
        ));
    }
    if trimmed.starts_with('[') {
        let checks = match decode_array(trimmed) {
            Some(checks) => checks,
            None => decode_elements(trimmed)?,
        };
        return Ok(Batch { shape: Shape::Array, checks });
    }
    let lines = || trimmed.lines().filter(|line| !line.trim_ascii().is_empty());
    bound(lines().take(BATCH_CHECKS_MAX + 1).count())?;
    Ok(Batch { shape: Shape::Ndjson, checks: lines().map(decode_object).collect() })
}

fn bound(checks: usize) -> Result<(), DecodeError> {
    if checks <= BATCH_CHECKS_MAX {
        return Ok(());
    }
    Err(DecodeError::new(ErrorCode::TooLong, "", format!("expected at most {BATCH_CHECKS_MAX} checks")))
}

/// The whole array in one pass, if nothing at all is wrong with it.
fn decode_array(text: &str) -> Option<Vec<Result<Check<'_>, DecodeError>>> {
    struct Checks;

    impl<'de> Visitor<'de> for Checks {
        type Value = Vec<Result<Check<'de>, DecodeError>>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array of checks")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let trail = Trail::default();
            let mut checks = Vec::new();
            while let Some(check) = elements.next_element_seed(Read::<Check<'de>>::new(&trail))? {
                let check = check.ok_or_else(|| serde::de::Error::custom("null is no check"))?;
                if checks.len() == BATCH_CHECKS_MAX {
                    return Err(serde::de::Error::custom("too many"));
                }
                checks.push(Ok(check));
            }
            Ok(checks)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let checks = deserializer.deserialize_seq(Checks).ok()?;
    deserializer.end().ok()?;
    Some(checks)
}

/// The array element by element: first where each one ends, then each on its own.
fn decode_elements(text: &str) -> Result<Vec<Result<Check<'_>, DecodeError>>, DecodeError> {
    struct Elements;

    impl<'de> Visitor<'de> for Elements {
        /// The elements up to the bound, and how many there are.
        type Value = (Vec<&'de RawValue>, usize);

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array of checks")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let (mut raw, mut count) = (Vec::new(), 0);
            while let Some(element) = elements.next_element()? {
                count += 1;
                if count <= BATCH_CHECKS_MAX {
                    raw.push(element);
                }
            }
            Ok((raw, count))
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (elements, count) = deserializer
        .deserialize_seq(Elements)
        .and_then(|elements| deserializer.end().map(|()| elements))
        .map_err(|error| Trail::default().explain(&error))?;
    bound(count)?;
    Ok(elements.into_iter().map(|element| decode_object(element.get())).collect())
}
