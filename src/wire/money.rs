//! Money between decimal text and integer minor units; never through a float.

use crate::limits::AMOUNT_MINOR_MAX;

/// Minor units shown in major units with two decimals: `Major(888)` is `8.88`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Major(pub i64);

impl std::fmt::Display for Major {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

/// Minor units of a plain decimal such as `8`, `8.8` or `8.88`.
///
/// # Errors
/// A sentence saying what is wrong: not a decimal, negative, more than two decimals, or over the bound.
pub fn parse_minor(text: &str) -> Result<i64, &'static str> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if text.starts_with('-') {
        return Err("an amount is not negative");
    }
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err("an amount is a plain decimal such as 8.88");
    }
    if fraction.len() > 2 {
        return Err("an amount has at most two decimals");
    }
    if whole.len() > 12 {
        return Err("an amount is at most 10000000000.00");
    }
    // Twelve digits and two decimals cannot overflow an i64.
    let number = |part: &str| part.bytes().fold(0_i64, |n, b| n * 10 + i64::from(b - b'0'));
    let cents = if fraction.len() == 1 { number(fraction) * 10 } else { number(fraction) };
    let minor = number(whole) * 100 + cents;
    if minor > AMOUNT_MINOR_MAX { Err("an amount is at most 10000000000.00") } else { Ok(minor) }
}
