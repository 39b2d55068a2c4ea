//! A value of a row, loosely typed: CSV knows text alone, Parquet knows more, and both become the same numbers, texts and times.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use wire::instant::{self, InstantError};

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing: a null, a float that is not a number, an empty CSV field.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number of single precision: as text it has the digits of a single, as a double its exact value.
    Single(f32),
    /// A number of double precision.
    Double(f64),
    /// An exact decimal number, in its shortest form.
    Decimal(String),
    /// Text; every CSV value.
    Text(String),
    /// A point in time.
    Time(Moment),
}

/// A point in time of a typed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Unix milliseconds, rounded down.
    Instant(i64),
    /// Milliseconds since 1970-01-01T00:00:00 on a clock of an unstated zone, rounded down.
    Local(i64),
    /// Days since 1970-01-01, in an unstated zone.
    Day(i64),
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl Moment {
    /// Unix milliseconds, with the offset from UTC that holds where none is stated.
    pub fn unix_ms(self, offset: Offset) -> Option<i64> {
        let local = |ms: i64| ms.checked_sub(i64::from(offset.seconds()) * 1000);
        match self {
            Moment::Instant(ms) => Some(ms),
            Moment::Local(ms) => local(ms),
            Moment::Day(day) => day.checked_mul(DAY_MS).and_then(local),
        }
    }
}

/// As RFC 3339, without an offset where none is stated.
impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let civil = |ms: i64| Timestamp::from_millisecond(ms).map(|at| Offset::UTC.to_datetime(at));
        match *self {
            Moment::Instant(ms) => f.write_str(&crate::show_instant(ms)),
            Moment::Local(ms) => match civil(ms) {
                Ok(local) => write!(f, "{local}"),
                Err(_) => write!(f, "{ms}"),
            },
            Moment::Day(day) => match day.checked_mul(DAY_MS).map(civil) {
                Some(Ok(local)) => write!(f, "{}", local.date()),
                _ => write!(f, "day {day}"),
            },
        }
    }
}

impl Cell {
    /// A decimal number, in its shortest form: as a number it has no trailing zeros.
    pub(crate) fn decimal(text: &str) -> Cell {
        let shortest = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => text,
        };
        shortest.parse().map_or_else(|_| Cell::Decimal(shortest.to_owned()), Cell::Int)
    }

    /// The value as text, `None` where there is none. Whole floats have no point.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Cell::Null => None,
            Cell::Bool(b) => Some(b.to_string()),
            Cell::Int(n) => Some(n.to_string()),
            Cell::Single(x) => Some(x.to_string()),
            Cell::Double(x) => Some(x.to_string()),
            Cell::Decimal(text) | Cell::Text(text) => Some(text.clone()),
            Cell::Time(moment) => Some(moment.to_string()),
        }
    }

    /// The value as a float; `None` where it is none, such as a time. Truth is 1 or 0, an absent value is not a number (NaN).
    pub fn to_float(&self) -> Option<f64> {
        match self {
            Cell::Null => Some(f64::NAN),
            Cell::Bool(b) => Some(f64::from(u8::from(*b))),
            Cell::Int(n) => Some(*n as f64),
            Cell::Single(x) => Some(f64::from(*x)),
            Cell::Double(x) => Some(*x),
            Cell::Decimal(text) => text.parse().ok(),
            Cell::Text(text) => match self.to_bool() {
                Some(truth) => Some(f64::from(u8::from(truth))),
                None => text.parse().ok(),
            },
            Cell::Time(_) => None,
        }
    }

    /// The value as a whole number. A text may have a fraction of zeros or an exponent, as programs write whole floats.
    pub fn to_int(&self) -> Option<i64> {
        let whole = |x: f64| (x.fract() == 0.0 && x.abs() < 9e15).then_some(x as i64);
        match self {
            Cell::Bool(b) => Some(i64::from(*b)),
            Cell::Int(n) => Some(*n),
            Cell::Single(x) => whole(f64::from(*x)),
            Cell::Double(x) => whole(*x),
            Cell::Text(text) => {
                let zeros = |(_, zeros): &(&str, &str)| zeros.bytes().all(|digit| digit == b'0');
                let digits = text.split_once('.').filter(zeros).map_or(text.as_str(), |(digits, _)| digits);
                digits.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }
            Cell::Null | Cell::Decimal(_) | Cell::Time(_) => None,
        }
    }

    /// The value as a truth value, if it is one: `true` and `false` in any case.
    pub fn to_bool(&self) -> Option<bool> {
        match self {
            Cell::Bool(b) => Some(*b),
            Cell::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Cell::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// The time of a cell without further description: a typed time, Unix milliseconds, a day or RFC 3339. What states no offset
    /// is UTC. `None` for everything else, and outside the years that a check may have.
    pub fn to_time_ms(&self) -> Option<i64> {
        let ms = match self {
            Cell::Time(moment) => moment.unix_ms(Offset::UTC),
            Cell::Text(text) => self.to_int().or_else(|| written_ms(text, Offset::UTC)),
            Cell::Bool(_) => None,
            number => number.to_int(),
        };
        ms.filter(|ms| (0..=wire::limits::TIME_MS_MAX).contains(ms))
    }

    /// Whether the value is the one that the word stands for: the same text, the same number, or the same truth.
    pub fn is(&self, word: &str) -> bool {
        let same = || {
            let other = Cell::Text(word.to_owned());
            match (self.to_bool(), other.to_bool()) {
                (Some(found), Some(meant)) => found == meant,
                (None, None) => {
                    let number = |cell: &Cell| cell.to_float().filter(|number| number.is_finite());
                    number(self).is_some_and(|found| number(&other) == Some(found))
                }
                _ => false,
            }
        };
        self.to_text().is_some_and(|text| text == word || same())
    }
}

/// Unix milliseconds of an RFC 3339 time, or of a day or a local time at that offset.
pub(crate) fn written_ms(text: &str, offset: Offset) -> Option<i64> {
    let local = |at: DateTime| instant::of_clock_ms(at, offset.seconds());
    match instant::parse(text) {
        Ok(at) => Some(at.ms()),
        Err(InstantError::NoOffset(at)) => Some(local(at)),
        Err(InstantError::Day(date)) => Some(local(date.at(0, 0, 0, 0))),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn whole_numbers_are_read_as_programs_write_them() {
        for (found, whole) in [
            ("12", Some(12)),
            ("-3.0", Some(-3)),
            ("1772323200000.0", Some(1_772_323_200_000)),
            ("9223372036854775807.000", Some(i64::MAX)),
            ("1.5e3", Some(1500)),
            ("1.5", None),
            ("1.0x", None),
            ("", None),
            ("nan", None),
            ("1e300", None),
        ] {
            assert_eq!(text(found).to_int(), whole, "{found}");
        }
    }

    #[test]
    fn a_decimal_is_a_number_in_its_shortest_form() {
        assert_eq!(Cell::decimal("12.340").to_text().as_deref(), Some("12.34"));
        assert_eq!(
            (Cell::decimal("500.00"), Cell::decimal("-0.50").to_float()),
            (Cell::Int(500), Some(-0.5))
        );
        assert_eq!(Cell::decimal("18446744073709551615").to_text().as_deref(), Some("18446744073709551615"));
    }

    #[test]
    fn a_single_has_the_digits_that_it_was_written_with() {
        assert_eq!(Cell::Single(12.34).to_text().as_deref(), Some("12.34"));
        assert_eq!(Cell::Single(12.34).to_float(), Some(f64::from(12.34_f32)));
    }

    #[test]
    fn a_word_is_met_by_text_number_or_truth() {
        for (cell, word, met) in [
            (text("1.0"), "1", true),
            (Cell::Int(1), "1", true),
            (Cell::Bool(true), "TRUE", true),
            (text("True"), "true", true),
            (text("fraud"), "fraud", true),
            (Cell::Bool(true), "1", false),
            (text("yes"), "1", false),
            (text("nan"), "NaN", false),
            (Cell::Null, "", false),
        ] {
            assert_eq!(cell.is(word), met, "{cell:?} {word}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_utc_and_lies_in_the_years_of_checks() {
        let at = Some(1_772_323_200_000);
        for cell in [
            Cell::Int(1_772_323_200_000),
            Cell::Double(1_772_323_200_000.0),
            Cell::Time(Moment::Instant(1_772_323_200_000)),
            Cell::Time(Moment::Local(1_772_323_200_000)),
            Cell::Time(Moment::Day(20_513)),
            text("1772323200000.0"),
            text("2026-03-01"),
            text("2026-03-01 00:00:00"),
            text("2026-03-01T01:00:00+01:00"),
        ] {
            assert_eq!(cell.to_time_ms(), at, "{cell:?}");
        }
        // Micro- and nanoseconds would be the years 58000 and more.
        for cell in
            [Cell::Int(1_772_323_200_000_000), Cell::Int(-1), text("soon"), Cell::Null, Cell::Bool(true)]
        {
            assert_eq!(cell.to_time_ms(), None, "{cell:?}");
        }
    }
}
