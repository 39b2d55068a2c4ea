//! JSON: for people, and for callers to whom its cost does not matter.
//!
//! Reading borrows from the body and goes over it once; where something is wrong, the error names the field
//! by its path. Every reader bounds its input before it looks at it. Writers append to a buffer of the caller's.

mod answer;
mod batch;
mod check;
mod leaf;
mod object;
mod outcome;
mod trail;
mod write;
mod write_check;

pub use answer::decode_answer;
pub use batch::{Batch, Shape, decode_checks};
pub use write::{write_answer, write_answer_parts, write_error};
pub use write_check::{write_check, write_outcome};

use crate::check::Check;
use crate::error::{DecodeError, ErrorCode};
use crate::limits::CHECK_JSON_BYTES_MAX;
use crate::outcome::Outcome;
use object::{Object, Read};
use trail::Trail;

/// Reads one check.
///
/// # Errors
/// The first fault found, with the path of its field.
pub fn decode_check(body: &[u8]) -> Result<Check<'_>, DecodeError> {
    decode_object(text_of(body, CHECK_JSON_BYTES_MAX)?)
}

/// Reads one outcome.
///
/// # Errors
/// The first fault found, with the path of its field.
pub fn decode_outcome(body: &[u8]) -> Result<Outcome<'_>, DecodeError> {
    decode_object(text_of(body, CHECK_JSON_BYTES_MAX)?)
}

/// Reads a text that is one object and nothing else.
fn decode_object<'de, T: Object<'de>>(text: &'de str) -> Result<T, DecodeError> {
    let trail = Trail::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let object = serde::de::DeserializeSeed::deserialize(Read::<T>::new(&trail), &mut deserializer)
        .and_then(|object| deserializer.end().map(|()| object))
        .map_err(|error| trail.explain(&error))?;
    object.ok_or_else(|| {
        DecodeError::new(ErrorCode::WrongType, "", format!("found null, expected {}", T::EXPECTED))
    })
}

/// The body as text, if it is short enough and UTF-8.
fn text_of(body: &[u8], bytes_max: usize) -> Result<&str, DecodeError> {
    if body.len() > bytes_max {
        let message = format!("{} bytes of JSON, expected at most {bytes_max}", body.len());
        return Err(DecodeError::new(ErrorCode::TooLong, "", message));
    }
    std::str::from_utf8(body).map_err(|error| {
        let message = format!("not UTF-8 at byte {}", error.valid_up_to());
        DecodeError::new(ErrorCode::Malformed, "", message)
    })
}
