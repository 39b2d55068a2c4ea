//! Lengths of time as people write them, read in one way wherever a text holds one: rule files, expressions, configuration and
//! command lines.
//!
//! The grammar is that of Go and CEL, numbers each with a unit and an optional sign before all, with days and weeks beside its
//! units: `90s`, `1h30m`, `1.5d`, `1w`. Months and years have no fixed length and are refused by name.

use std::fmt;
use std::time::Duration;

/// Units by name, with their nanoseconds.
const UNITS: [(&str, i128); 9] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Longest number before a unit, in characters: with any unit far beyond every bound, and far below what overflows.
const NUMBER_CHARS_MAX: usize = 20;
/// Longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It does not begin with a number, or a number is missing before a unit.
    NoNumber,
    /// A number without a unit behind it.
    NoUnit,
    /// A unit that there is not, with what to write.
    UnknownUnit(String),
    /// A number longer than any length of time.
    TooLong,
    /// Below zero where time only goes forward.
    Negative,
    /// Finer than is kept: the unit down to which it is.
    TooFine(&'static str),
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationError::NoNumber => f.write_str("a number is missing before its unit"),
            DurationError::NoUnit => {
                f.write_str("a number has no unit: expected w, d, h, m, s or ms behind it")
            }
            DurationError::UnknownUnit(unit) => {
                // Cut: it may be any text.
                let shown: String = unit.chars().take(16).collect();
                match meant(unit) {
                    Some(advice) => write!(f, "`{shown}` is not a unit: {advice}"),
                    None => write!(f, "`{shown}` is not a unit: expected w, d, h, m, s or ms"),
                }
            }
            DurationError::TooLong => f.write_str("it is longer than any time that is kept"),
            DurationError::Negative => f.write_str("it is below zero"),
            DurationError::TooFine(unit) => write!(f, "it is finer than 1{unit}"),
        }
    }
}

impl std::error::Error for DurationError {}

/// What was probably meant by a unit that there is not.
fn meant(unit: &str) -> Option<&'static str> {
    let unit = unit.trim();
    Some(match unit.to_lowercase().as_str() {
        "" => "numbers and units are written without spaces, as in 1h30m",
        "mo" | "mon" | "month" | "months" => "a month has no fixed length, write days, as in 30d",
        "y" | "yr" | "year" | "years" => "a year has no fixed length, write days, as in 365d",
        "week" | "weeks" | "wk" | "wks" | "w" => "a week is written 1w",
        "day" | "days" | "d" => "a day is written 1d",
        "hour" | "hours" | "hr" | "hrs" | "h" => "an hour is written 1h",
        "min" | "mins" | "minute" | "minutes" | "m" => "a minute is written 1m",
        "sec" | "secs" | "second" | "seconds" | "s" => "a second is written 1s",
        "msec" | "millis" | "milliseconds" | "ms" => "a millisecond is written 1ms",
        _ => return None,
    })
}

/// The nanoseconds of a text; below zero behind a sign `-`.
///
/// # Errors
/// [`DurationError`]; also where it has fractions of a nanosecond.
pub fn parse_ns(text: &str) -> Result<i128, DurationError> {
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.len() > TEXT_BYTES_MAX {
        return Err(DurationError::TooLong);
    }
    let in_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut total_ns: i128 = 0;
    loop {
        let unit_at = rest.find(|c| !in_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at(unit_at);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(DurationError::NoNumber);
        }
        if after.is_empty() {
            return Err(DurationError::NoUnit);
        }
        let (unit, after) = after.split_at(after.find(in_number).unwrap_or(after.len()));
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let &(_, unit_ns) = known.ok_or_else(|| DurationError::UnknownUnit(unit.to_owned()))?;
        if number.len() > NUMBER_CHARS_MAX {
            return Err(DurationError::TooLong);
        }
        // Digits alone, fewer than overflow.
        let digits = |text: &str| text.bytes().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let (scaled, parts) = (digits(fraction) * unit_ns, 10_i128.pow(fraction.len() as u32));
        if scaled % parts != 0 {
            return Err(DurationError::TooFine("ns"));
        }
        total_ns += digits(whole) * unit_ns + scaled / parts;
        rest = after;
        if rest.is_empty() {
            return Ok(sign * total_ns);
        }
    }
}

/// The whole milliseconds of a text.
///
/// # Errors
/// [`DurationError`]; also where it is below zero or has fractions of a millisecond.
pub fn parse_ms(text: &str) -> Result<i64, DurationError> {
    let ns = forward(text)?;
    if ns % 1_000_000 != 0 {
        return Err(DurationError::TooFine("ms"));
    }
    i64::try_from(ns / 1_000_000).map_err(|_| DurationError::TooLong)
}

/// The length of time of a text, to the nanosecond.
///
/// # Errors
/// [`DurationError`]; also where it is below zero.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    u64::try_from(forward(text)?).map(Duration::from_nanos).map_err(|_| DurationError::TooLong)
}

fn forward(text: &str) -> Result<i128, DurationError> {
    let ns = parse_ns(text)?;
    if ns < 0 { Err(DurationError::Negative) } else { Ok(ns) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i128 = 1_000_000;

    #[test]
    fn lengths_of_time_are_numbers_with_units() {
        for (text, ms) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("1w", 604_800_000),
            ("1w2d", 777_600_000),
            ("0.5d", 43_200_000),
            ("15ms", 15),
            ("1m1m", 120_000),
            ("30m1h", 5_400_000),
            (".5s", 500),
            ("5.s", 5_000),
            ("0", 0),
            ("0s", 0),
            ("+2s", 2_000),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
            assert_eq!(parse_ns(text), Ok(i128::from(ms) * MS), "{text}");
            assert_eq!(parse(text), Ok(Duration::from_millis(ms as u64)), "{text}");
        }
        assert_eq!(parse_ns("-90s"), Ok(-90_000 * MS));
        assert_eq!(parse_ns("1us2ns"), Ok(1_002));
        assert_eq!(parse_ns("1µs"), Ok(1_000));
    }

    #[test]
    fn what_is_no_length_of_time_says_what_to_write() {
        for (text, words) in [
            ("", "a number is missing"),
            ("-", "a number is missing"),
            ("h", "a number is missing"),
            ("1.2.3s", "a number is missing"),
            ("１s", "a number is missing"),
            (" 1h", "a number is missing"),
            ("5", "has no unit"),
            ("1h30", "has no unit"),
            ("5x", "`x` is not a unit: expected w, d, h"),
            ("1h ", "an hour is written 1h"),
            ("1h 30m", "an hour is written 1h"),
            ("10 minutes", "a minute is written 1m"),
            ("5min", "a minute is written 1m"),
            ("5M", "a minute is written 1m"),
            ("1mo", "a month has no fixed length"),
            ("2years", "a year has no fixed length"),
            ("999999999999999999999s", "longer than any"),
            ("9999999999999999999s", "longer than any"),
            ("-1s", "below zero"),
            ("0.5ms", "finer than 1ms"),
        ] {
            let error = parse_ms(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(parse_ns("0.5ns"), Err(DurationError::TooFine("ns")));
    }

    proptest! {
        #[test]
        fn parts_add_up_in_any_order_and_units_have_their_length(
            parts in prop::collection::vec((0_u32..100_000, 0_usize..UNITS.len()), 1..6), negative in prop::bool::ANY,
        ) {
            let text: String = parts.iter().map(|&(n, unit)| format!("{n}{}", UNITS[unit].0)).collect();
            let ns: i128 = parts.iter().map(|&(n, unit)| i128::from(n) * UNITS[unit].1).sum();
            prop_assert_eq!(parse_ns(&text), Ok(ns));
            let signed = if negative { format!("-{text}") } else { format!("+{text}") };
            prop_assert_eq!(parse_ns(&signed), Ok(if negative { -ns } else { ns }));
        }

        #[test]
        fn any_text_is_a_length_or_a_reason(text in any::<String>()) {
            if let Err(error) = parse_ns(&text) {
                prop_assert!(error.to_string().chars().count() < 120);
            }
        }
    }
}
