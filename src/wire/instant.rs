//! Instants as people write them.

use crate::bounds::{self, Refusal};
use crate::form::Form;

/// Unix milliseconds of RFC 3339 text with an offset.
///
/// # Errors
/// [`Refusal`] for anything else, and for years outside 1970 to 9999.
pub fn read(text: &str) -> Result<i64, Refusal> {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) if is_strict(text.as_bytes()) => bounds::time_ms(time.as_millisecond()),
        _ => Err(Form::Time.unlike(text)),
    }
}

/// Whether second and offset are those of RFC 3339: the library also takes a second 60 and offsets past a day.
fn is_strict(text: &[u8]) -> bool {
    let two = |at: usize| text.get(at..at + 2);
    let offset_hour = text.len().checked_sub(5).and_then(two);
    let is_zulu = matches!(text.last(), Some(b'Z' | b'z'));
    two(17) != Some(b"60") && (is_zulu || offset_hour.is_some_and(|hour| hour <= b"23".as_slice()))
}
