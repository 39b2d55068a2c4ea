//! Event time from a cell, as the mapping says.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use wire::instant::{self, InstantError};

use crate::cell::{Cell, written_ms};
use crate::mapping::{Time, Unit};

/// Unix milliseconds of a cell. A typed time is one whatever the mapping says of numbers and texts; where it states no zone, and
/// where a text states no offset, the mapping's offset holds.
///
/// # Errors
/// What was found and what was expected.
pub fn time_ms(time: &Time, cell: &Cell) -> Result<i64, String> {
    let found = || cell.to_text().map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
    let offset = Offset::from_seconds(time.utc_offset_minutes.saturating_mul(60));
    let offset = offset.map_err(|error| format!("utc_offset_minutes: {error}"))?;
    let refused = |expected: &str| format!("time: found {}, expected {expected}", found());
    if let Cell::Time(moment) = cell {
        return moment.unix_ms(offset).ok_or_else(|| refused("a time in the years 1970 to 9999"));
    }
    match (time.unit, &time.format, cell) {
        (Some(unit), ..) => {
            let since_epoch = scaled_ms(unit, cell).ok_or_else(|| refused("a number of time"))?;
            let epoch_ms = time.epoch.map_or(0, Timestamp::as_millisecond);
            since_epoch.checked_add(epoch_ms).ok_or_else(|| refused("a number of time"))
        }
        (None, Some(format), _) => {
            let text = cell.to_text().unwrap_or_default();
            formed(format, &text, offset).map_err(|error| format!("{}: {error}", refused(format)))
        }
        (None, None, Cell::Text(text)) => written_ms(text, offset)
            .ok_or_else(|| refused("RFC 3339; see `unit` and `format` of the mapping")),
        (None, None, Cell::Null) => Err(refused("a time")),
        (None, None, _) => Err(refused("a time; of a number, `unit` says what it counts")),
    }
}

/// Unix milliseconds of a text of that form. An offset that it states holds.
fn formed(format: &str, text: &str, offset: Offset) -> Result<i64, jiff::Error> {
    let parts = strtime::parse(format, text)?;
    let at = match (parts.timestamp(), parts.offset()) {
        (None, None) => offset.to_timestamp(parts.to_datetime()?)?,
        _ => parts.to_timestamp()?,
    };
    Ok(at.as_millisecond())
}

/// A number of that unit in milliseconds, rounded down. Decimals are taken as they are written: in floating point 1.001 s
/// would be 1000 ms.
fn scaled_ms(unit: Unit, cell: &Cell) -> Option<i64> {
    // Decimal places that the point moves to the right; to the left if negative.
    let places: i32 = match unit {
        Unit::S => 3,
        Unit::Ms => 0,
        Unit::Us => -3,
        Unit::Ns => -6,
    };
    let number = match cell {
        Cell::Int(_) | Cell::Decimal(_) => cell.to_text()?,
        Cell::Single(_) | Cell::Double(_) => cell.to_float()?.to_string(),
        // An exponent is resolved by way of a double; its shortest form has none.
        Cell::Text(text) if text.contains(['e', 'E']) => text.parse::<f64>().ok()?.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Null | Cell::Bool(_) | Cell::Time(_) => return None,
    };
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(&number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits {
        return None;
    }
    let kept = usize::try_from(places).unwrap_or(0).min(fraction.len());
    let mut value: i128 = format!("0{whole}{}", &fraction[..kept]).parse().ok()?;
    let mut rest = fraction[kept..].bytes().any(|digit| digit != b'0');
    let power = 10_i128.checked_pow(places.unsigned_abs().checked_sub(kept as u32)?)?;
    if places >= 0 {
        value = value.checked_mul(power)?;
    } else {
        rest |= value % power != 0;
        value /= power;
    }
    i64::try_from(if negative { -value - i128::from(rest) } else { value }).ok()
}

/// Unix milliseconds of a day (`2018-08-08`, midnight UTC) or an RFC 3339 time, as an option on the command line.
///
/// # Errors
/// If it is neither.
pub fn parse_instant(text: &str) -> Result<i64, String> {
    match instant::parse(text) {
        Ok(at) => Ok(at.ms()),
        Err(InstantError::Day(date)) => Ok(instant::start_of_day_ms(date, |_| 0)),
        Err(InstantError::Shape) => Err("expected a day such as 2018-08-08, or an RFC 3339 time".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The instant as RFC 3339.
pub fn show(time_ms: i64) -> String {
    instant::show(time_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Moment;

    fn time(unit: Option<Unit>, format: Option<&str>, utc_offset_minutes: i32) -> Time {
        Time {
            column: "t".to_owned(),
            unit,
            epoch: None,
            format: format.map(str::to_owned),
            utc_offset_minutes,
        }
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn numbers_count_from_the_epoch_in_their_unit() {
        let mut seconds = time(Some(Unit::S), None, 0);
        assert_eq!(time_ms(&seconds, &Cell::Int(12)), Ok(12_000));
        assert_eq!(time_ms(&seconds, &text("1.5")), Ok(1_500));
        assert_eq!(time_ms(&seconds, &text("1.001")), Ok(1_001));
        assert_eq!(time_ms(&seconds, &Cell::Double(1.001)), Ok(1_001));
        assert_eq!(time_ms(&seconds, &text("-1.0005")), Ok(-1_001));
        assert_eq!(time_ms(&seconds, &text("1.5e3")), Ok(1_500_000));
        seconds.epoch = Some("2018-04-01T00:00:00Z".parse().unwrap());
        assert_eq!(time_ms(&seconds, &Cell::Int(31)), Ok(1_522_540_831_000));
        for cell in
            [Cell::Null, Cell::Bool(true), Cell::Double(f64::INFINITY), text("."), text(""), text("1x")]
        {
            assert!(time_ms(&seconds, &cell).is_err(), "{cell:?}");
        }
        // Nanoseconds have more digits than a double.
        for (unit, number) in [
            (Unit::Ms, 1_772_323_200_001),
            (Unit::Us, 1_772_323_200_001_000),
            (Unit::Ns, 1_772_323_200_001_000_000),
        ] {
            assert_eq!(time_ms(&time(Some(unit), None, 0), &Cell::Int(number)), Ok(1_772_323_200_001));
        }
        assert_eq!(time_ms(&time(Some(Unit::Us), None, 0), &Cell::Int(-1)), Ok(-1));
    }

    #[test]
    fn a_typed_time_needs_no_description_and_a_zone_that_it_states_holds() {
        let at = 1_772_323_200_000;
        for described in
            [time(None, None, 60), time(Some(Unit::S), None, 60), time(None, Some("%d.%m.%Y"), 60)]
        {
            assert_eq!(time_ms(&described, &Cell::Time(Moment::Instant(at))), Ok(at));
            assert_eq!(time_ms(&described, &Cell::Time(Moment::Local(at))), Ok(at - 3_600_000));
            assert_eq!(time_ms(&described, &Cell::Time(Moment::Day(20_513))), Ok(at - 3_600_000));
        }
        assert!(time_ms(&time(None, None, 0), &Cell::Int(at)).unwrap_err().contains("`unit`"));
    }

    #[test]
    fn an_offset_in_a_text_of_a_given_form_holds() {
        let zoned = time(None, Some("%Y-%m-%d %H:%M:%S%z"), 60);
        assert_eq!(time_ms(&zoned, &text("2019-12-01 00:00:00-0300")), parse_instant("2019-12-01T03:00:00Z"));
        let day = time(None, Some("%d.%m.%Y"), 60);
        assert_eq!(time_ms(&day, &text("01.12.2019")), parse_instant("2019-11-30T23:00:00Z"));
    }

    #[test]
    fn local_times_take_the_offset_of_the_mapping() {
        let local = time(None, Some("%Y-%m-%dT%H:%M:%S"), -180);
        assert_eq!(time_ms(&local, &text("2019-12-01T21:24:05")), parse_instant("2019-12-02T00:24:05Z"));
        assert!(time_ms(&local, &text("yesterday")).unwrap_err().contains("yesterday"));
        let plain = time(None, None, 60);
        assert_eq!(time_ms(&plain, &text("2019-12-01T01:00:00")), parse_instant("2019-12-01"));
        assert_eq!(time_ms(&plain, &text("2019-12-01T01:00:00Z")), parse_instant("2019-12-01T01:00:00Z"));
    }

    #[test]
    fn a_day_is_its_midnight() {
        assert_eq!(parse_instant("1970-01-02"), Ok(86_400_000));
        assert!(parse_instant("tomorrow").is_err());
    }
}
