//! Money between decimal text and integer minor units; never through a float.

use crate::bounds::Refusal;
use crate::limits::AMOUNT_MINOR_MAX;
use crate::near::shortened;

/// Minor units shown in major units with two decimals: `Major(888)` is `8.88`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Major(pub i64);

impl std::fmt::Display for Major {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Minor { amount: self.0, decimals: 2 }.fmt(f)
    }
}

/// Minor units shown in major units of a currency with that many decimals: 888 of CNY is `8.88`, of JPY `888`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minor {
    /// Minor units.
    pub amount: i64,
    /// Decimals of the currency, at most 4 in ISO 4217.
    pub decimals: u32,
}

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let (minor, unit) = (self.amount.unsigned_abs(), 10_u64.pow(self.decimals));
        match self.decimals {
            0 => write!(f, "{sign}{minor}"),
            places => write!(f, "{sign}{}.{:0places$}", minor / unit, minor % unit, places = places as usize),
        }
    }
}

/// Minor units of a plain decimal such as `8`, `8.8` or `8.88`, in a currency of two decimals.
///
/// # Errors
/// A sentence saying what is wrong: not a decimal, negative, more than two decimals, or over the bound.
pub fn parse_minor(text: &str) -> Result<i64, String> {
    Decimal::plain(text).and_then(|decimal| decimal.minor(2)).map_err(|refusal| refusal.message.into_owned())
}

/// A decimal as it was written, before the currency says what its last digit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Its significant digits.
    digits: i64,
    /// Its value is `digits × 10^scale`.
    scale: i32,
}

/// Digits that hold every amount there may be, with room for each currency's decimals.
const DIGITS_MAX: usize = 18;

impl Decimal {
    /// Reads a plain decimal such as `8.88`, as people and JSON texts write it.
    ///
    /// # Errors
    /// [`Refusal`] for signs, exponents and anything else.
    pub fn plain(text: &str) -> Result<Decimal, Refusal> {
        if text.starts_with('-') {
            return Err(Refusal::out_of_range("an amount is not negative"));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(not_plain(text));
        }
        Decimal::of(whole, fraction, 0)
    }

    /// Reads a number of JSON from its digits, exponent and all.
    ///
    /// # Errors
    /// [`Refusal`] for negative numbers.
    pub fn json(literal: &str) -> Result<Decimal, Refusal> {
        let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
            None => (literal, 0),
            // An exponent that does not fit moves every digit out of sight all the same.
            Some((mantissa, exponent)) => (
                mantissa,
                exponent.parse::<i32>().unwrap_or(match exponent.starts_with('-') {
                    true => -100_000,
                    false => 100_000,
                }),
            ),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        match whole.strip_prefix('-') {
            None => Decimal::of(whole, fraction, exponent.clamp(-100_000, 100_000)),
            Some(whole) if whole.bytes().chain(fraction.bytes()).all(|digit| digit == b'0') => {
                Ok(Decimal { digits: 0, scale: 0 })
            }
            Some(_) => Err(Refusal::out_of_range("an amount is not negative")),
        }
    }

    /// The decimal of these digits; zeros at either end say nothing.
    fn of(whole: &str, fraction: &str, exponent: i32) -> Result<Decimal, Refusal> {
        let mut scale = exponent - fraction.len() as i32;
        let digits = whole.len() + fraction.len();
        let zeros = whole.bytes().chain(fraction.bytes()).rev().take_while(|&digit| digit == b'0').count();
        let kept = digits - zeros;
        scale += zeros as i32;
        let significant = whole.bytes().chain(fraction.bytes()).take(kept).skip_while(|&digit| digit == b'0');
        let mut value = 0_i64;
        for (at, digit) in significant.enumerate() {
            if at == DIGITS_MAX {
                // More digits than any amount has: too large, or too fine.
                let scale = if scale < 0 { i32::MIN } else { i32::MAX };
                return Ok(Decimal { digits: 1, scale });
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        Ok(Decimal { digits: value, scale: if value == 0 { 0 } else { scale } })
    }

    /// Minor units in a currency of that many decimals.
    ///
    /// # Errors
    /// [`Refusal`] for a digit finer than the minor unit, and for more than [`AMOUNT_MINOR_MAX`].
    pub fn minor(self, decimals: u32) -> Result<i64, Refusal> {
        let shift = self.scale.saturating_add(decimals as i32);
        if self.digits == 0 {
            return Ok(0);
        }
        if shift < 0 {
            return Err(too_fine(decimals));
        }
        let unit = u32::try_from(shift).ok().and_then(|shift| 10_i64.checked_pow(shift));
        let minor = unit.and_then(|unit| self.digits.checked_mul(unit)).unwrap_or(i64::MAX);
        bounded(minor, decimals)
    }
}

/// An amount within its bound.
///
/// # Errors
/// [`Refusal`] for a negative amount, and for more than [`AMOUNT_MINOR_MAX`].
pub(crate) fn bounded(minor: i64, decimals: u32) -> Result<i64, Refusal> {
    match minor {
        0..=AMOUNT_MINOR_MAX => Ok(minor),
        ..0 => Err(Refusal::out_of_range("an amount is not negative")),
        _ => Err(too_large(decimals)),
    }
}

#[cold]
fn not_plain(text: &str) -> Refusal {
    Refusal::out_of_range(format!("found `{}`, an amount is a plain decimal such as 8.88", shortened(text)))
}

#[cold]
fn too_large(decimals: u32) -> Refusal {
    Refusal::out_of_range(format!("an amount is at most {}", Minor { amount: AMOUNT_MINOR_MAX, decimals }))
}

#[cold]
fn too_fine(decimals: u32) -> Refusal {
    Refusal::out_of_range(match decimals {
        0 => "an amount of this currency has no decimals".to_owned(),
        2 => "an amount has at most two decimals".to_owned(),
        decimals => format!("an amount of this currency has at most {decimals} decimals"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(literal: &str, decimals: u32) -> Option<i64> {
        Decimal::json(literal).and_then(|decimal| decimal.minor(decimals)).ok()
    }

    #[test]
    fn a_number_is_read_from_its_digits() {
        for (literal, minor) in [
            ("0", 0),
            ("8", 800),
            ("8.8", 880),
            ("8.88", 888),
            ("8.880", 888),
            ("1e2", 10_000),
            ("888e-2", 888),
            ("1.5E+1", 1_500),
            ("0.00000", 0),
            ("-0", 0),
            ("0e-400", 0),
            ("10000000000.00", AMOUNT_MINOR_MAX),
            ("170.70", 17_070),
            ("0.29", 29),
            ("1000000000000e-2", AMOUNT_MINOR_MAX),
        ] {
            assert_eq!(json(literal, 2), Some(minor), "{literal}");
        }
        for refused in [
            "8.8800000000000001",
            "1e-400",
            "10000000000.0000001",
            "10000000000.01",
            "1e400",
            "1e99999999999",
            "-0.01",
            "0.001",
            "8.881",
            "1.005",
            "1e-3",
            "9999999999999999999999",
            "0.000000000000000000001",
        ] {
            assert_eq!(json(refused, 2), None, "{refused}");
        }
    }

    #[test]
    fn a_currency_says_what_the_last_digit_is_worth() {
        assert_eq!((json("99", 0), json("99.0", 0), json("99.5", 0)), (Some(99), Some(99), None));
        assert_eq!((json("1.234", 3), json("1.2345", 3)), (Some(1_234), None));
        assert_eq!(Minor { amount: 99, decimals: 0 }.to_string(), "99");
        assert_eq!(Minor { amount: -1_234, decimals: 3 }.to_string(), "-1.234");
    }
}
