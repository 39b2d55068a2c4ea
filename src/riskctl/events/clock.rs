//! Event time from a cell, by the mapping's word.

use jiff::Timestamp;
use jiff::civil::DateTime;
use wire::instant::{self, InstantError};

use super::mapping::{Time, Unit};
use super::rows::Cell;

/// Unix milliseconds of a cell.
///
/// # Errors
/// What was found and what was expected.
pub fn time_ms(time: &Time, cell: &Cell) -> Result<i64, String> {
    let found = || cell.to_text().unwrap_or_else(|| "nothing".to_owned());
    match time.unit {
        Some(unit) => {
            let number = cell.to_float().filter(|x| x.is_finite());
            let number = number.ok_or_else(|| format!("found {}, expected a number of time", found()))?;
            let scale = match unit {
                Unit::S => 1000.0,
                Unit::Ms => 1.0,
                Unit::Us => 0.001,
            };
            let epoch_ms = time.epoch.map_or(0, Timestamp::as_millisecond);
            Ok(epoch_ms + (number * scale).floor() as i64)
        }
        None => {
            let text = found();
            let local = |at: DateTime| instant::of_clock_ms(at, time.utc_offset_minutes * 60);
            let read = match &time.format {
                Some(format) => {
                    DateTime::strptime(format, &text).map(local).map_err(|error| error.to_string())
                }
                None => match instant::parse(&text) {
                    Ok(at) => Ok(at.ms()),
                    Err(InstantError::NoOffset(at)) => Ok(local(at)),
                    Err(InstantError::Day(date)) => Ok(local(date.at(0, 0, 0, 0))),
                    Err(error) => Err(error.to_string()),
                },
            };
            read.map_err(|error| format!("time {text:?}: {error}"))
        }
    }
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
        seconds.epoch = Some("2018-04-01T00:00:00Z".parse().unwrap());
        assert_eq!(time_ms(&seconds, &Cell::Int(31)), Ok(1_522_540_831_000));
        assert!(time_ms(&seconds, &Cell::Null).is_err());
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
