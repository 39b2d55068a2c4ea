//! Parts of a moment in a time zone, by the proleptic Gregorian calendar.

use crate::program::{Calendar, Zone};

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// That part of a moment; none where the zone's offset is not known, or the moment is out of range.
pub(super) fn part(part: Calendar, moment_us: i64, zone: &Zone) -> Option<i64> {
    if part == Calendar::UnixSeconds {
        return Some(moment_us.div_euclid(SECOND_US));
    }
    let local_us = moment_us.checked_add(i64::from(zone.offset(moment_us)?) * SECOND_US)?;
    let (days, of_day) = (local_us.div_euclid(DAY_US), local_us.rem_euclid(DAY_US));
    Some(match part {
        Calendar::Hours => of_day / (3_600 * SECOND_US),
        Calendar::Minutes => of_day / (60 * SECOND_US) % 60,
        Calendar::Seconds => of_day / SECOND_US % 60,
        Calendar::Milliseconds => of_day / 1_000 % 1_000,
        // The epoch was a Thursday.
        Calendar::DayOfWeek => (days + 4).rem_euclid(7),
        Calendar::Year => date(days).0,
        Calendar::Month => date(days).1 - 1,
        Calendar::DayOfMonth => date(days).2 - 1,
        Calendar::DayOfYear => days - first_day(date(days).0),
        Calendar::UnixSeconds => moment_us.div_euclid(SECOND_US),
    })
}

/// Year, month and day of a day since 1970, counted in years that begin on the first of March, so that the leap day is
/// the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    // From 0000-03-01, in cycles of 400 years.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Months of 31, 30, 31, 30, 31 days from March on: 153 days each five of them.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let after_new_year = month >= 10;
    let month = if after_new_year { month - 9 } else { month + 3 };
    (year + 400 * cycle + i64::from(after_new_year), month, day_of_month)
}

/// The first of January of a year, in days since 1970.
fn first_day(year: i64) -> i64 {
    let before = year - 1;
    365 * year + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_527
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(seconds: i64, offset: i32) -> [i64; 8] {
        use Calendar::{DayOfMonth, DayOfWeek, DayOfYear, Hours, Minutes, Month, Seconds, Year};
        let zone = Zone { name: String::new(), offsets: vec![(i64::MIN, offset)], until_us: i64::MAX };
        [Year, Month, DayOfMonth, DayOfYear, DayOfWeek, Hours, Minutes, Seconds]
            .map(|each| part(each, seconds * SECOND_US, &zone).unwrap())
    }

    #[test]
    fn moments_have_the_parts_of_the_calendar() {
        assert_eq!(parts(0, 0), [1970, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(parts(-1, 0), [1969, 11, 30, 364, 3, 23, 59, 59]);
        // 2024-02-29T23:30:00Z, which in China is the first of March already.
        assert_eq!(parts(1_709_249_400, 0), [2024, 1, 28, 59, 4, 23, 30, 0]);
        assert_eq!(parts(1_709_249_400, 8 * 3_600), [2024, 2, 0, 60, 5, 7, 30, 0]);
        assert_eq!(parts(951_782_400, 0)[..4], [2000, 1, 28, 59]);
        assert_eq!(parts(-2_208_988_800, 0)[..5], [1900, 0, 0, 0, 1]);
    }

    #[test]
    fn every_day_of_a_thousand_years_follows_the_one_before() {
        let mut before = date(-135_141);
        for days in -135_140..230_000 {
            let (year, month, day) = date(days);
            let next = (year, month, day) == (before.0, before.1, before.2 + 1)
                || day == 1 && (year, month) == (before.0, before.1 + 1)
                || (month, day) == (1, 1) && (before.1, before.2) == (12, 31) && year == before.0 + 1;
            assert!(next, "{before:?} {:?}", (year, month, day));
            assert_eq!(first_day(year) + part_of_year(days), days);
            before = (year, month, day);
        }
    }

    fn part_of_year(days: i64) -> i64 {
        let zone = Zone { name: String::new(), offsets: vec![(i64::MIN, 0)], until_us: i64::MAX };
        part(Calendar::DayOfYear, days * DAY_US, &zone).unwrap()
    }
}
