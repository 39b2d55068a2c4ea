//! Moments and days as people write them: the one reader of times for checks, list entries, rule files and tools.
//!
//! A moment is RFC 3339 with its offset, since a time of day without one is a different moment for every reader. A day stands
//! for its first moment in a zone that the caller names. What is likely meant by anything else is said in the error.

use std::fmt;

use jiff::civil::{Date, DateTime};

use crate::bounds::{self, Refusal};
use crate::limits::TIME_MS_MAX;
use crate::near::shortened;

/// A moment, from the year 0 to the end of 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Whole seconds since 1970, downwards before it.
    pub seconds: i64,
    /// The rest.
    pub nanoseconds: u32,
}

impl Instant {
    /// Unix milliseconds; what is finer is cut off.
    pub fn ms(self) -> i64 {
        self.seconds * 1_000 + i64::from(self.nanoseconds / 1_000_000)
    }

    /// Unix microseconds; none if it is finer than those.
    pub fn us(self) -> Option<i64> {
        let whole = self.nanoseconds.is_multiple_of(1_000);
        whole.then(|| self.seconds * 1_000_000 + i64::from(self.nanoseconds / 1_000))
    }
}

/// Why a text is not a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstantError {
    /// It does not look like one.
    Shape,
    /// It is a day without a time.
    Day(Date),
    /// It has a time of day and does not say of which zone.
    NoOffset(DateTime),
    /// A part of it is beyond its range; the text names the part.
    Range(&'static str),
    /// The calendar has no such day.
    NoSuchDay,
    /// The offset is not that of the zone in brackets.
    Disagrees,
}

impl fmt::Display for InstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstantError::Shape => {
                f.write_str("expected RFC 3339 with an offset, such as 2026-02-17T08:30:00Z")
            }
            InstantError::Day(date) => {
                write!(f, "expected a time of that day with its offset, such as {date}T08:30:00Z")
            }
            InstantError::NoOffset(at) => {
                write!(f, "expected the offset of its zone behind it, such as {at}Z or {at}+08:00")
            }
            InstantError::Range(part) => f.write_str(part),
            InstantError::NoSuchDay => f.write_str("the calendar has no such day"),
            InstantError::Disagrees => f.write_str("its offset is not that of the zone in brackets"),
        }
    }
}

impl std::error::Error for InstantError {}

/// Reads a moment: RFC 3339 with `Z` or an offset; seconds may be left out, a space may stand for the `T`, and a zone may follow
/// in brackets (RFC 9557) if the offset is its own.
///
/// # Errors
/// [`InstantError`], which says what was expected.
pub fn parse(text: &str) -> Result<Instant, InstantError> {
    let (time, zone) = match text.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((time, zone)) => (time, Some(zone)),
        None => (text, None),
    };
    let (date, rest) = day_before(time)?;
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return Err(if rest.is_empty() && zone.is_none() {
            InstantError::Day(date)
        } else {
            InstantError::Shape
        });
    };
    let (at, rest) = time_of_day(date, rest)?;
    let offset_s = match rest {
        "Z" | "z" => 0,
        "" => return Err(InstantError::NoOffset(at)),
        _ => offset_seconds(rest)?,
    };
    if zone.is_some() && text.parse::<jiff::ZonedDateTime>().is_err() {
        return Err(InstantError::Disagrees);
    }
    let instant = Instant {
        seconds: unix_seconds(at) - i64::from(offset_s),
        nanoseconds: at.subsec_nanosecond().unsigned_abs(),
    };
    if (FIRST_SECOND..=LAST_SECOND).contains(&instant.seconds) {
        Ok(instant)
    } else {
        Err(InstantError::Range("a time lies in the years 0 to 9999"))
    }
}

/// Unix milliseconds of a moment that a check may be of.
///
/// # Errors
/// [`Refusal`] for what is not a moment, and for years outside 1970 to 9999.
pub fn read(text: &str) -> Result<i64, Refusal> {
    match parse(text) {
        Ok(instant) => bounds::time_ms(instant.ms()),
        Err(error) => Err(Refusal::out_of_range(format!("found `{}`, {error}", shortened(text)))),
    }
}

/// Reads a day, such as 2027-03-01; none for anything else.
pub fn day(text: &str) -> Option<Date> {
    day_before(text).ok().and_then(|(date, rest)| rest.is_empty().then_some(date))
}

/// When a day begins where a zone has that offset from UTC, in Unix milliseconds.
pub fn start_of_day_ms(date: Date, offset_ms: impl Fn(i64) -> i64) -> i64 {
    let utc_ms = unix_seconds(date.at(0, 0, 0, 0)) * 1_000;
    // The offset at midnight is nearly always that of the same hour in UTC; where it is not, once more settles it.
    utc_ms - offset_ms(utc_ms - offset_ms(utc_ms))
}

/// Unix milliseconds of a clock that is that far ahead of UTC, in seconds.
pub fn of_clock_ms(at: DateTime, offset_s: i32) -> i64 {
    (unix_seconds(at) - i64::from(offset_s)) * 1_000 + i64::from(at.subsec_nanosecond()) / 1_000_000
}

/// Unix milliseconds as RFC 3339 in UTC; of any year that [`parse`] reads.
pub fn show(ms: i64) -> String {
    let fields = || {
        let since = jiff::SignedDuration::from_millis(ms);
        DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()
    };
    fields().map_or_else(|| ms.to_string(), |at| format!("{at}Z"))
}

/// The zone in which a day without an offset is meant.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its offset from UTC in milliseconds, at a moment in Unix milliseconds.
    pub offset_ms: &'a dyn Fn(i64) -> i64,
}

impl Local<'_> {
    /// A moment of its clock, as it would be written with its offset.
    fn with_offset(&self, at: DateTime) -> String {
        let utc_ms = unix_seconds(at) * 1_000;
        let minutes = (self.offset_ms)(utc_ms - (self.offset_ms)(utc_ms)) / 60_000;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{at}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

/// Reads when something ends: a moment, or a day, which is over as it begins.
///
/// # Errors
/// A sentence that says what was expected, and what may have been meant.
pub fn end_ms(text: &str, local: Local<'_>) -> Result<i64, String> {
    if let Some(date) = day(text) {
        return Ok(start_of_day_ms(date, local.offset_ms));
    }
    match parse(text) {
        Ok(instant) => Ok(instant.ms()),
        Err(InstantError::NoOffset(at)) => Err(format!(
            "it names no offset; where the policy is at home ({}) it would be {}",
            local.name,
            local.with_offset(at)
        )),
        Err(InstantError::Shape) => Err(format!(
            "expected a day such as 2027-03-01, or a time with its offset such as 2027-03-01T08:00:00Z{}",
            compact(text).map_or_else(String::new, |date| format!("; was {date} meant?"))
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Judges when something is to end that is given as Unix milliseconds.
///
/// # Errors
/// A sentence that says why it is not to be, and what may have been meant.
pub fn end_in_future(ms: i64, now_ms: i64) -> Result<i64, String> {
    if ms <= now_ms {
        return Err(format!("{} is in the past: now it is {}", show(ms), show(now_ms)));
    }
    if ms > TIME_MS_MAX {
        return Err("a time lies before the end of the year 9999".to_owned());
    }
    Ok(ms)
}

/// Judges a bare number as the end of something: Unix milliseconds of the future, and nothing that could be something else.
///
/// # Errors
/// As [`end_in_future`].
pub fn end_of_number(number: i64, now_ms: i64) -> Result<i64, String> {
    let soon = |ms: Option<i64>| ms.filter(|ms| (now_ms + 1..=TIME_MS_MAX).contains(ms));
    if soon(Some(number)).is_some() {
        return Ok(number);
    }
    let meant = if number == 0 {
        "; what never ends has no end".to_owned()
    } else if let Some(date) = compact(&number.to_string()) {
        format!("; was {date} meant?")
    } else if let Some(ms) = soon(number.checked_mul(1_000)) {
        format!("; as Unix seconds it would be {}, which is {ms} in milliseconds", show(ms))
    } else if let Some(ms) = soon(Some(number / 1_000)).or(soon(Some(number / 1_000_000))) {
        format!("; as finer units it would be {}, which is {ms} in milliseconds", show(ms))
    } else {
        String::new()
    };
    Err(format!("the number {number} is not a time to come in Unix milliseconds{meant}"))
}

/// A day without its hyphens.
fn compact(text: &str) -> Option<Date> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| day(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))).flatten()
}

const FIRST_SECOND: i64 = -62_167_219_200;
const LAST_SECOND: i64 = TIME_MS_MAX / 1_000;

fn unix_seconds(at: DateTime) -> i64 {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    at.duration_since(EPOCH).as_secs() - i64::from(at < EPOCH && at.subsec_nanosecond() != 0)
}

/// The day that a text begins with, and the rest.
fn day_before(text: &str) -> Result<(Date, &str), InstantError> {
    let (date, rest) = text.split_at_checked(10).ok_or(InstantError::Shape)?;
    let bytes = date.as_bytes();
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return Err(InstantError::Shape);
    }
    let part = |from, to| number(&bytes[from..to]).ok_or(InstantError::Shape);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let date = Date::new(year as i16, month as i8, day as i8).map_err(|_| InstantError::NoSuchDay)?;
    Ok((date, rest))
}

/// A day with the time that a text begins with, and the rest.
fn time_of_day(date: Date, text: &str) -> Result<(DateTime, &str), InstantError> {
    let bytes = text.as_bytes();
    let part = |at: usize, most: u32, range: &'static str| {
        let found = bytes.get(at..at + 2).and_then(number).ok_or(InstantError::Shape)?;
        if found <= most { Ok(found as i8) } else { Err(InstantError::Range(range)) }
    };
    let hour = part(0, 23, "an hour is 00 to 23")?;
    if bytes.get(2) != Some(&b':') {
        return Err(InstantError::Shape);
    }
    let minute = part(3, 59, "a minute is 00 to 59")?;
    let (mut second, mut nanosecond, mut at) = (0, 0, 5);
    if bytes.get(5) == Some(&b':') {
        second = part(6, 59, "a second is 00 to 59; leap seconds are not counted")?;
        at = 8;
        if bytes.get(8) == Some(&b'.') {
            let digits = bytes[9..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let fraction = number(&bytes[9..9 + digits]).filter(|_| (1..=9).contains(&digits));
            let fraction = fraction.ok_or(InstantError::Range("a second has 1 to 9 decimals"))?;
            nanosecond = (fraction * 10_u32.pow(9 - digits as u32)) as i32;
            at = 9 + digits;
        }
    }
    // All digits and signs are of one byte, so that the rest begins a character.
    Ok((date.at(hour, minute, second, nanosecond), text.get(at..).ok_or(InstantError::Shape)?))
}

/// Seconds east of Greenwich of `+08:00` or `-0330`.
fn offset_seconds(text: &str) -> Result<i32, InstantError> {
    let bytes = text.as_bytes();
    let (hours, minutes) = match (bytes.len(), bytes.get(3)) {
        (6, Some(b':')) => (&bytes[1..3], &bytes[4..6]),
        (5, _) => (&bytes[1..3], &bytes[3..5]),
        _ => return Err(InstantError::Shape),
    };
    let sign = match bytes[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return Err(InstantError::Shape),
    };
    let (hours, minutes) = number(hours).zip(number(minutes)).ok_or(InstantError::Shape)?;
    if hours > OFFSET_HOURS_MAX || minutes > 59 {
        return Err(InstantError::Range(
            "an offset from UTC is at most 14 hours, and its minutes are 00 to 59",
        ));
    }
    Ok(sign * (hours * 3_600 + minutes * 60) as i32)
}

/// No place on earth is further from UTC.
const OFFSET_HOURS_MAX: u32 = 14;

/// At most nine ASCII digits as a number.
fn number(digits: &[u8]) -> Option<u32> {
    let sound = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    sound.then(|| digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> i64 {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).ms()
    }

    const SHANGHAI: Local<'_> = Local { name: "Asia/Shanghai", offset_ms: &|_| 8 * 3_600_000 };

    #[test]
    fn a_moment_is_read_in_every_way_of_rfc_3339() {
        let expected = 1_803_859_200_000;
        for text in [
            "2027-03-01T00:00:00Z",
            "2027-03-01t00:00:00z",
            "2027-03-01 00:00:00Z",
            "2027-03-01T00:00Z",
            "2027-03-01T08:00:00+08:00",
            "2027-03-01T08:00:00.000+0800",
            "2027-02-28T20:30:00.0009-03:30",
            "2027-03-01T08:00:00+08:00[Asia/Shanghai]",
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
        assert_eq!(ms("9999-12-31T23:59:59.999Z"), TIME_MS_MAX);
        assert_eq!(ms("1969-12-31T23:59:59.999Z"), -1);
        assert_eq!(parse("2026-01-01T00:00:00.0000001Z").unwrap().us(), None);
        assert_eq!(parse("1969-12-31T23:59:59.999999Z").unwrap().us(), Some(-1));
    }

    #[test]
    fn what_is_not_a_moment_is_refused_with_what_was_expected() {
        for (text, says) in [
            ("2027-03-01T08:00:00", "2027-03-01T08:00:00+08:00"),
            ("2027-03-01T08:00", "the offset of its zone"),
            ("2027-03-01", "a time of that day"),
            ("2027-02-29T00:00:00Z", "no such day"),
            ("2027-03-01T23:59:60Z", "a second is 00 to 59"),
            ("2027-03-01T24:00:00Z", "an hour is"),
            ("2027-03-01T00:00:00+25:00", "an offset"),
            ("2027-03-01T00:00:00+14:60", "an offset"),
            ("2027-03-01T08:00:00+09:00[Asia/Shanghai]", "brackets"),
            ("2027-03-01T08:00:00+08:00[Asia/Peking2]", "brackets"),
            ("2027-03-01T00:00:00.Z", "decimals"),
            ("2027-03-01T00:00:00.1234567890Z", "decimals"),
            ("9999-12-31T23:59:59-00:01", "9999"),
            ("0000-01-01T00:00:00+00:01", "years 0 to 9999"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        for text in [
            "",
            "tomorrow",
            "20270301",
            "2027-3-1T00:00:00Z",
            "２０２７-03-01T00:00:00Z",
            "2027-03-01T00:00:00Z ",
            "1803859200000",
            "2027-03-01T+0:00Z",
        ] {
            assert_eq!(parse(text), Err(InstantError::Shape), "{text}");
        }
    }

    #[test]
    fn a_day_ends_as_it_begins_where_the_policy_is_at_home() {
        assert_eq!(end_ms("2027-03-01", SHANGHAI), Ok(ms("2027-03-01T00:00:00+08:00")));
        assert_eq!(end_ms("9999-12-31", SHANGHAI), Ok(ms("9999-12-31T00:00:00+08:00")));
        let error = end_ms("2027-03-01T08:00:00", SHANGHAI).unwrap_err();
        assert!(error.contains("Asia/Shanghai") && error.contains("2027-03-01T08:00:00+08:00"), "{error}");
        let error = end_ms("20270301", SHANGHAI).unwrap_err();
        assert!(error.contains("was 2027-03-01 meant?"), "{error}");
    }

    #[test]
    fn a_number_is_an_end_only_if_it_cannot_be_anything_else() {
        let now_ms = ms("2026-12-01T00:00:00Z");
        let future = 1_803_859_200_000;
        assert_eq!(end_of_number(future, now_ms), Ok(future));
        assert_eq!(end_of_number(TIME_MS_MAX, now_ms), Ok(TIME_MS_MAX));
        for (number, says) in [
            (0, "never ends has no end"),
            (20_270_301, "was 2027-03-01 meant?"),
            (1_803_859_200, "1803859200000 in milliseconds"),
            (1_803_859_200_000_000, "1803859200000 in milliseconds"),
            (1_803_859_200_000_000_000, "1803859200000 in milliseconds"),
            (now_ms, "not a time to come"),
            (-1, "not a time to come"),
            (i64::MAX, "not a time to come"),
            (i64::MIN, "not a time to come"),
        ] {
            let error = end_of_number(number, now_ms).unwrap_err();
            assert!(error.contains(says), "{number}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(ms in FIRST_SECOND * 1_000..=TIME_MS_MAX) {
            prop_assert_eq!(parse(&show(ms)).map(Instant::ms), Ok(ms));
        }

        #[test]
        fn it_agrees_with_the_calendar_of_the_library(seconds in -62_000_000_000_i64..253_402_200_000, minutes in -840_i32..=840) {
            let at = jiff::Timestamp::from_second(seconds).unwrap();
            let local = jiff::tz::Offset::from_seconds(minutes * 60).unwrap().to_datetime(at);
            let sign = if minutes < 0 { '-' } else { '+' };
            let text = format!("{local}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
            prop_assert_eq!(parse(&text).map(|at| at.seconds), Ok(seconds), "{}", text);
        }

        #[test]
        fn any_text_is_a_moment_or_an_error(text in "[0-9TZtz:+.\\[\\]é -]{0,40}") {
            let _ = (parse(&text), day(&text), end_ms(&text, SHANGHAI));
        }
    }
}
