//! What a value may be, whichever codec read it.
//!
//! JSON and frames ask the same functions, so that both refuse the same checks with the same words.

use std::borrow::Cow;

use crate::check::Ext;
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{EXT_FIELDS_MAX, IDENTIFIER_BYTES_MAX, TIME_MS_MAX};

/// Why a value is refused; the codec adds the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to act on.
    pub code: ErrorCode,
    /// What was found and what was expected.
    pub message: Cow<'static, str>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub(crate) fn out_of_range(message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(ErrorCode::OutOfRange, message)
    }

    /// As an error about a field, by its path.
    #[cold]
    pub fn at(self, field: impl Into<String>) -> DecodeError {
        DecodeError::new(self.code, field, self.message)
    }
}

/// Text of at most that many bytes.
pub(crate) fn text(value: &str, bytes_max: usize) -> Result<(), Refusal> {
    if value.len() <= bytes_max { Ok(()) } else { Err(too_long(value.len(), bytes_max)) }
}

#[cold]
pub(crate) fn too_long(bytes: usize, bytes_max: usize) -> Refusal {
    Refusal::new(ErrorCode::TooLong, format!("{bytes} bytes of text, expected at most {bytes_max}"))
}

#[cold]
pub(crate) fn unknown_bit() -> Refusal {
    Refusal::new(ErrorCode::Unknown, "a bit that no field has is set")
}

#[cold]
pub(crate) fn missing(field: &str) -> Refusal {
    Refusal::new(ErrorCode::Missing, format!("`{field}` is required and may not be empty"))
}

/// Name of one more `ext` field: neither empty nor long nor there already, and not one too many.
pub(crate) fn ext_name(name: &str, before: &Ext<'_>) -> Result<(), Refusal> {
    ext_count(before.len() + 1)?;
    if name.is_empty() {
        return Err(Refusal::new(ErrorCode::Missing, "a field without a name"));
    }
    if before.iter().any(|(other, _)| other == name) {
        return Err(Refusal::new(ErrorCode::Malformed, "the field is given twice"));
    }
    text(name, IDENTIFIER_BYTES_MAX)
}

/// A number of `ext` fields.
pub(crate) fn ext_count(count: usize) -> Result<u8, Refusal> {
    match u8::try_from(count) {
        Ok(small) if count <= EXT_FIELDS_MAX => Ok(small),
        _ => Err(Refusal::new(ErrorCode::TooLong, format!("expected at most {EXT_FIELDS_MAX} fields"))),
    }
}

/// A number that is one.
pub(crate) fn finite(value: f64) -> Result<f64, Refusal> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Refusal::out_of_range(format!("found {value}, expected a finite number")))
    }
}

/// Unix milliseconds of the years 1970 to 9999.
pub(crate) fn time_ms(ms: i64) -> Result<i64, Refusal> {
    if (0..=TIME_MS_MAX).contains(&ms) {
        Ok(ms)
    } else {
        Err(Refusal::out_of_range("a time lies in the years 1970 to 9999"))
    }
}

/// A real-name tier or a number of factors.
pub(crate) fn level(value: i64) -> Result<u8, Refusal> {
    match value {
        0..=3 => Ok(value as u8),
        _ => Err(Refusal::out_of_range(format!("found {value}, expected 0, 1, 2 or 3"))),
    }
}

/// A number within a range.
pub(crate) fn number(value: f64, range: std::ops::RangeInclusive<f64>) -> Result<f64, Refusal> {
    // A NaN is in no range.
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(Refusal::out_of_range(format!("found {value}, expected {} to {}", range.start(), range.end())))
    }
}

/// Degrees of latitude.
pub(crate) const LATITUDE: std::ops::RangeInclusive<f64> = -90.0..=90.0;
/// Degrees of longitude.
pub(crate) const LONGITUDE: std::ops::RangeInclusive<f64> = -180.0..=180.0;
/// A match between 0 and 1.
pub(crate) const FRACTION: std::ops::RangeInclusive<f64> = 0.0..=1.0;
