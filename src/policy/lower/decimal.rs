//! Decimals as whole numbers of a power of ten: what a literal says exactly, where its nearest double does not.

use engine::program::Source;

/// Decimals that money may have on its way through an expression. An amount has up to ten digits before the point, so that
/// four more than those of hundredths leave room in 64 bits.
pub(super) const PLACES_MAX: u8 = 6;

/// The value of a number as digits × 10^-places, beside its double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exact {
    /// Where the digits are: a constant, or a register where a condition chooses between literals.
    pub digits: Source,
    /// How many of them stand behind the point.
    pub places: u8,
}

impl Exact {
    /// Those digits, without zeros at the end behind the point.
    pub(crate) fn of(mut digits: i64, mut places: u8) -> Exact {
        while places > 0 && digits % 10 == 0 {
            (digits, places) = (digits / 10, places - 1);
        }
        Exact { digits: Source::Constant(digits as u64), places }
    }

    /// The digits of a decimal such as `5`, `5.00`, `.5` or `1e3`; none of a text that is no decimal or takes over 64 bits.
    pub(crate) fn parse(text: &str) -> Option<Exact> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let all = whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !all.clone().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut digits = 0_i64;
        for digit in all {
            digits = digits.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        }
        let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let digits = if negative { -digits } else { digits };
        match u8::try_from(places) {
            Ok(places) => Some(Exact::of(digits, places)),
            Err(_) if places < 0 => Some(Exact::of(shifted(digits, u8::try_from(-places).ok()?)?, 0)),
            Err(_) => None,
        }
    }

    /// The digits where they are known now.
    pub(crate) fn constant(self) -> Option<i64> {
        match self.digits {
            Source::Constant(digits) => Some(digits as i64),
            Source::Feature(_) | Source::Register(_) => None,
        }
    }

    /// The digits with that many places, where they are known now and it has no more.
    pub(crate) fn at(self, places: u8) -> Option<i64> {
        shifted(self.constant()?, places.checked_sub(self.places)?)
    }

    /// The negative of a constant.
    pub(super) fn negated(self) -> Option<Exact> {
        Some(Exact::of(self.constant()?.checked_neg()?, self.places))
    }

    /// Sum or difference of two constants.
    pub(super) fn plus(self, other: Exact, subtract: bool) -> Option<Exact> {
        let places = self.places.max(other.places);
        let (a, b) = (self.at(places)?, other.at(places)?);
        let sum = if subtract { a.checked_sub(b) } else { a.checked_add(b) };
        Some(Exact::of(sum?, places))
    }

    /// Product of two constants.
    pub(super) fn times(self, other: Exact) -> Option<Exact> {
        let digits = self.constant()?.checked_mul(other.constant()?)?;
        Some(Exact::of(digits, self.places.checked_add(other.places)?))
    }

    /// Quotient of two constants, where it ends.
    pub(super) fn divided_by(self, other: Exact) -> Option<Exact> {
        self.times(other.inverse()?)
    }

    /// One divided by a constant, where that ends.
    pub(super) fn inverse(self) -> Option<Exact> {
        // 1 / (digits / 10^places) = 10^places / digits, so some 10^(places + more) is to be a multiple of the digits.
        let digits = self.constant().filter(|digits| *digits != 0)?;
        (0..=18_u8).find_map(|more| {
            let dividend = shifted(1, self.places.checked_add(more)?)?;
            (dividend % digits == 0).then(|| Exact::of(dividend / digits, more))
        })
    }
}

/// The number times a power of ten.
pub(super) fn shifted(number: i64, places: u8) -> Option<i64> {
    number.checked_mul(10_i64.checked_pow(u32::from(places))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (i64, u8) {
        let exact = Exact::parse(text).unwrap();
        (exact.constant().unwrap(), exact.places)
    }

    #[test]
    fn a_decimal_is_read_to_its_last_digit() {
        assert_eq!((read("5.00"), read("0.1"), read(".5")), ((5, 0), (1, 1), (5, 1)));
        assert_eq!((read("1e3"), read("1.5e-2"), read("-0.290")), ((1_000, 0), (15, 3), (-29, 2)));
        for none in ["99999999999999999999.0", "", ".", "1.2.3", "0x1", "inf", "1e400", "１"] {
            assert_eq!(Exact::parse(none), None, "{none}");
        }
    }

    #[test]
    fn sums_products_and_quotients_that_end_are_exact() {
        let exact = |text: &str| Exact::parse(text).unwrap();
        assert_eq!(exact("0.1").plus(exact("0.2"), false), Some(exact("0.3")));
        assert_eq!(exact("1.00").plus(exact("0.9"), true), Some(exact("0.1")));
        assert_eq!(exact("4.35").times(exact("3.0")), Some(exact("13.05")));
        assert_eq!(exact("10").divided_by(exact("-4")), Some(exact("-2.5")));
        assert_eq!(exact("1").divided_by(exact("0.4")), Some(exact("2.5")));
        assert_eq!(exact("10").divided_by(exact("3")), None);
        assert_eq!(exact("1").divided_by(exact("0.0")), None);
    }
}
