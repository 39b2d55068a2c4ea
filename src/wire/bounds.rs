//! What a value may be, whichever codec read it.
//!
//! JSON and frames ask the same functions, so that both refuse the same checks with the same words.

use std::borrow::Cow;

use crate::check::Ext;
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{AMOUNT_MINOR_MAX, EXT_FIELDS_MAX, IDENTIFIER_BYTES_MAX, TIME_MS_MAX};

/// Why a value is refused; the codec adds the field.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub fn out_of_range(message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(ErrorCode::OutOfRange, message)
    }

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

/// Minor units of money, never negative.
pub(crate) fn amount_minor(minor: i64) -> Result<i64, Refusal> {
    match minor {
        0..=AMOUNT_MINOR_MAX => Ok(minor),
        ..0 => Err(Refusal::out_of_range("an amount is not negative")),
        _ => Err(Refusal::out_of_range("an amount is at most 10000000000.00")),
    }
}

/// Minor units of a JSON number of major units.
///
/// A double holds every decimal of 15 digits apart, and the bound leaves 13: where the nearest hundredth is the
/// very same double, the number was written with at most two decimals, and that hundredth is what was meant.
pub(crate) fn amount_major(major: f64) -> Result<i64, Refusal> {
    // The cast saturates, and the bound refuses what saturated.
    let minor = amount_minor((major * 100.0).round() as i64)?;
    if minor as f64 / 100.0 == major {
        Ok(minor)
    } else {
        Err(Refusal::out_of_range("an amount has at most two decimals"))
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

/// Three capitals.
pub(crate) fn currency(code: &[u8]) -> Result<[u8; 3], Refusal> {
    match <[u8; 3]>::try_from(code) {
        Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(code),
        _ => Err(Refusal::out_of_range("expected three capitals of ISO 4217, such as CNY")),
    }
}

/// Degrees of latitude.
pub(crate) const LATITUDE: std::ops::RangeInclusive<f64> = -90.0..=90.0;
/// Degrees of longitude.
pub(crate) const LONGITUDE: std::ops::RangeInclusive<f64> = -180.0..=180.0;
/// A match between 0 and 1.
pub(crate) const FRACTION: std::ops::RangeInclusive<f64> = 0.0..=1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_money_is_exact_or_refused() {
        for minor in [0, 1, 10, 29, 57, 58, 888, 1_013, 100_005, 999_999_999_999, AMOUNT_MINOR_MAX] {
            let text = crate::money::Major(minor).to_string();
            let major: f64 = text.parse().unwrap();
            assert_eq!(amount_major(major).ok(), Some(minor), "{text}");
        }
        for refused in
            [-0.01, 0.001, 8.881, 1.005, 9_999_999_999.999, 1e10 + 0.01, 1e300, f64::NAN, f64::INFINITY]
        {
            assert!(amount_major(refused).is_err(), "{refused}");
        }
    }
}
