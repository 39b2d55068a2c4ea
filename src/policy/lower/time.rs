//! Timestamps and durations, in microseconds; parts of them, and time zones as tables of offsets.

use cel_core::{Expr, SpannedExpr};
use engine::program::{Arithmetic, Calendar, NumberType, Op, Source, Zone};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use wire::duration::DurationError;

use super::value::{Constant, Number, Text, Unit, Value};
use super::{Expression, Lowered, Refused};
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

/// The moments that CEL knows: from the year 1 to the end of 9999.
pub(crate) const TIME_US_MIN: i64 = -62_135_596_800_000_000;
/// The last of them.
pub(crate) const TIME_US_MAX: i64 = 253_402_300_799_999_999;
/// The longest duration, ten thousand years.
pub(crate) const SPAN_US_MAX: i64 = 315_576_000_000_000_000;

const SECOND_US: i64 = 1_000_000;
/// Offsets of a zone are written out up to here; the rules of daylight saving time will have changed by then.
const ZONES_UNTIL: &str = "2100-01-01T00:00:00Z";

impl Expression<'_, '_> {
    /// `timestamp(x)` and `duration(x)`.
    pub(super) fn time_of(&mut self, name: &str, value: Value, tree: &SpannedExpr) -> Lowered<Number> {
        let (unit, such) = match name {
            "timestamp" => (Unit::Time, "a time such as 2026-03-01T08:00:00Z"),
            _ => (Unit::Span, "a duration such as 90s, 1h30m or 1w"),
        };
        match value {
            Value::Number(number) if number.unit == unit => Ok(number),
            Value::Number(seconds) if seconds.unit == Unit::Int && unit == Unit::Time => {
                let us = Number::int(SECOND_US);
                let us = self.calculate(cel_core::BinaryOp::Mul, seconds, us, tree)?;
                match us.constant() {
                    Some(Constant::Int(us)) if (TIME_US_MIN..=TIME_US_MAX).contains(&us) => {
                        Ok(Number::constant_of(unit, us))
                    }
                    Some(_) => self.always_fails(unit, tree),
                    None => Ok(self.bounded(unit, us.source, TIME_US_MIN, TIME_US_MAX)),
                }
            }
            Value::Text(Text::Constant(text)) => {
                let text = String::from_utf8_lossy(&text);
                let found = match unit {
                    Unit::Time => time_us(&text)
                        .ok_or("expected a moment with its zone, held to the microsecond".to_owned()),
                    _ => span_us(&text).map_err(|error| error.to_string()),
                };
                match found {
                    Ok(us) => Ok(Number::constant_of(unit, us)),
                    Err(_) if self.lowering.moment == super::Moment::Alone => self.always_fails(unit, tree),
                    Err(label) => {
                        let message = format!("`{}` is not {such}", values::shortened(&text));
                        self.refuse(Code::OutOfRange, &tree.span, message, &label)
                    }
                }
            }
            Value::Text(_) => {
                let message = format!("`{name}` of a text that is not written out is not supported");
                self.refuse(Code::Unsupported, &tree.span, message, &format!("expected {such}"))
            }
            other => self.unfit(name, &[&other], tree),
        }
    }

    /// `x.getHours()` and its kin, of a moment in a zone or of a duration.
    pub(super) fn part(
        &mut self,
        name: &str,
        part: Calendar,
        receiver: &SpannedExpr,
        zone: Option<&SpannedExpr>,
        tree: &SpannedExpr,
    ) -> Lowered<Number> {
        let value = self.lower(receiver);
        let zone = zone.map(|zone| self.zone(zone));
        let (value, zone) = (value?, zone.transpose()?);
        let Value::Number(number) = value else { return self.unfit(name, &[&value], tree) };
        match (number.unit, part) {
            (Unit::Time, _) => {
                let found = self.part_of(part, number, zone, tree)?;
                // The one part of a date that is counted from one.
                if name != "getDate" {
                    return Ok(found);
                }
                self.calculate(cel_core::BinaryOp::Add, found, Number::int(1), tree)
            }
            (
                Unit::Span,
                Calendar::Hours | Calendar::Minutes | Calendar::Seconds | Calendar::Milliseconds,
            ) if zone.is_none() => {
                let unit_us = match part {
                    Calendar::Hours => 3_600 * SECOND_US,
                    Calendar::Minutes => 60 * SECOND_US,
                    Calendar::Seconds => SECOND_US,
                    _ => 1_000,
                };
                let whole = self.divided(number, Arithmetic::Divide, unit_us);
                // Milliseconds are those within the second, unlike the others: so CEL has it.
                Ok(if unit_us == 1_000 { self.divided(whole, Arithmetic::Remainder, 1_000) } else { whole })
            }
            _ => self.unfit(name, &[&Value::Number(number)], tree),
        }
    }

    fn divided(&mut self, a: Number, operation: Arithmetic, by: i64) -> Number {
        if let Some(Constant::Int(n)) = a.constant() {
            return Number::int(if operation == Arithmetic::Divide { n / by } else { n % by });
        }
        let (ty, a, b) = (NumberType::Int, a.source, Source::Constant(by as u64));
        let to = self.lowering.builder.number(|to| Op::Calculate { to, ty, operation, a, b });
        Number::of(Unit::Int, Source::Register(to))
    }

    /// A part of a moment; in UTC without a zone.
    pub(super) fn part_of(
        &mut self,
        part: Calendar,
        moment: Number,
        zone: Option<u16>,
        tree: &SpannedExpr,
    ) -> Lowered<Number> {
        let zone = zone.unwrap_or_else(|| self.lowering.builder.add_zone(Zone::fixed("UTC", 0)));
        if let Some(Constant::Int(us)) = moment.constant() {
            return match calendar(part, us, self.lowering.builder.zone_at(zone)) {
                Some(n) => Ok(Number::int(n)),
                None => self.always_fails(Unit::Int, tree),
            };
        }
        let a = moment.source;
        let to = self.lowering.builder.number(|to| Op::Calendar { to, part, a, zone });
        Ok(Number::of(Unit::Int, Source::Register(to)))
    }

    fn zone(&mut self, tree: &SpannedExpr) -> Lowered<u16> {
        let Expr::String(name) = &tree.node else {
            self.lower(tree)?;
            let message = "a time zone is written out";
            return self.refuse(Code::Unsupported, &tree.span, message, "expected a name in quotes");
        };
        if let Some(known) = self.lowering.builder.zone(name) {
            return Ok(known);
        }
        match zone_named(name) {
            Some(zone) => {
                self.step(zone.offsets.len(), &tree.span)?;
                Ok(self.lowering.builder.add_zone(zone))
            }
            None => {
                let message = format!("no time zone is named `{}`", values::shortened(name));
                let fault = Diagnostic::error(Code::UnknownName, self.text.place(&tree.span), message);
                self.sink.push(fault.label("expected a zone such as \"Asia/Shanghai\" or \"+08:00\""));
                Err(Refused)
            }
        }
    }
}

/// A zone by its IANA name, or by hours and minutes with or without a sign.
pub(crate) fn zone_named(name: &str) -> Option<Zone> {
    if name == "UTC" {
        return Some(Zone::fixed(name, 0));
    }
    if let Some((hours, minutes)) = name.split_once(':') {
        let (sign, hours) = match hours.as_bytes().first()? {
            b'+' => (1, &hours[1..]),
            b'-' => (-1, &hours[1..]),
            _ => (1, hours),
        };
        let number = |digits: &str| {
            let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            two.then(|| digits.parse::<i32>().ok()).flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        return (hours < 24 && minutes < 60)
            .then(|| Zone::fixed(name, sign * (hours * 3_600 + minutes * 60)));
    }
    let zone = TimeZone::get(name).ok()?;
    let end = ZONES_UNTIL.parse::<Timestamp>().ok()?;
    let mut offsets = vec![(i64::MIN, zone.to_offset(Timestamp::MIN).seconds())];
    for change in zone.following(Timestamp::MIN) {
        if change.timestamp() >= end {
            return Some(Zone {
                name: name.to_owned(),
                offsets,
                until_us: change.timestamp().as_microsecond(),
            });
        }
        offsets.push((change.timestamp().as_microsecond(), change.offset().seconds()));
    }
    Some(Zone { name: name.to_owned(), offsets, until_us: i64::MAX })
}

/// A part of a moment, by the calendar of the library: the engine's own is held against it.
pub(crate) fn calendar(part: Calendar, moment_us: i64, zone: &Zone) -> Option<i64> {
    let clock_us = moment_us.checked_add(i64::from(zone.offset(moment_us)?) * SECOND_US)?;
    let at = clock(clock_us)?;
    Some(match part {
        Calendar::Year => i64::from(at.year()),
        Calendar::Month => i64::from(at.month()) - 1,
        Calendar::DayOfYear => i64::from(at.day_of_year()) - 1,
        Calendar::DayOfMonth => i64::from(at.day()) - 1,
        Calendar::DayOfWeek => i64::from(at.weekday().to_sunday_zero_offset()),
        Calendar::Hours => i64::from(at.hour()),
        Calendar::Minutes => i64::from(at.minute()),
        Calendar::Seconds => i64::from(at.second()),
        Calendar::Milliseconds => i64::from(at.millisecond()),
        Calendar::UnixSeconds => moment_us.div_euclid(SECOND_US),
    })
}

/// What a clock shows that many microseconds after 1970 began on it.
fn clock(us: i64) -> Option<DateTime> {
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(SignedDuration::from_micros(us)).ok()
}

/// The moment of an RFC 3339 text; none beyond CEL's years or finer than a microsecond.
pub(crate) fn time_us(text: &str) -> Option<i64> {
    let us = wire::instant::parse(text).ok()?.us()?;
    (TIME_US_MIN..=TIME_US_MAX).contains(&us).then_some(us)
}

/// The length of a text such as `1h30m`, `1w` or `-90s`; none finer than a microsecond.
fn span_us(text: &str) -> Result<i64, DurationError> {
    let ns = wire::duration::parse_ns(text)?;
    if ns % 1_000 != 0 {
        return Err(DurationError::TooFine("us"));
    }
    let us = i64::try_from(ns / 1_000).ok().filter(|us| (-SPAN_US_MAX..=SPAN_US_MAX).contains(us));
    us.ok_or(DurationError::TooLong)
}

/// A moment as CEL writes it.
pub(crate) fn shown_time(us: i64) -> String {
    clock(us).map_or_else(String::new, |at| format!("{at}Z"))
}

/// A duration as CEL writes it: seconds, with as many decimals as it takes.
pub(crate) fn shown_span(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let (seconds, fraction) = (us.unsigned_abs() / 1_000_000, us.unsigned_abs() % 1_000_000);
    match fraction {
        0 => format!("{sign}{seconds}s"),
        _ => format!("{sign}{seconds}.{}s", format!("{fraction:06}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_to_the_microsecond() {
        assert_eq!(span_us("1h30m"), Ok(5_400 * SECOND_US));
        assert_eq!(span_us("-90s"), Ok(-90 * SECOND_US));
        assert_eq!(span_us("1w"), Ok(604_800 * SECOND_US));
        assert_eq!(span_us("15ms"), Ok(15_000));
        assert_eq!(span_us("1ns"), Err(DurationError::TooFine("us")));
        assert_eq!(span_us("9999999999h"), Err(DurationError::TooLong));
        assert_eq!(shown_span(-1_500_000), "-1.5s");
    }

    #[test]
    fn zones_have_names_and_offsets() {
        assert_eq!(zone_named("Asia/Shanghai").unwrap().offset(1_767_607_200 * SECOND_US), Some(8 * 3_600));
        assert_eq!(zone_named("-03:30").unwrap().offset(0), Some(-12_600));
        assert_eq!(zone_named("02:00").unwrap().offset(0), Some(7_200));
        let berlin = zone_named("Europe/Berlin").unwrap();
        let at = |text: &str| berlin.offset(time_us(text).unwrap());
        assert_eq!(at("2026-01-01T00:00:00Z"), Some(3_600));
        assert_eq!(at("2026-07-01T00:00:00Z"), Some(7_200));
        assert_eq!(at("2026-03-29T00:59:59Z"), Some(3_600));
        assert_eq!(at("2026-03-29T01:00:00Z"), Some(7_200));
        assert_eq!(at("2101-01-01T00:00:00Z"), None);
        for bad in ["Asia/Peking2", "", "+8:00", "25:00", ":", "é:00"] {
            assert!(zone_named(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_bounds_are_the_first_and_last_moment_of_cel() {
        assert_eq!(time_us("0001-01-01T00:00:00Z"), Some(TIME_US_MIN));
        assert_eq!(time_us("9999-12-31T23:59:59.999999Z"), Some(TIME_US_MAX));
        assert_eq!(time_us("2026-01-01T00:00:00.0000001Z"), None);
        assert_eq!(shown_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown_time(TIME_US_MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(calendar(Calendar::DayOfMonth, TIME_US_MAX, &Zone::fixed("UTC", 0)), Some(30));
    }
}
