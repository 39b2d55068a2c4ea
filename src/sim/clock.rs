//! Local time of the simulated country (UTC+8, no summer time) and how busy each hour is.

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
const ZONE_MS: i64 = 8 * HOUR_MS;

/// Traffic by local hour relative to the mean: two meal peaks and a long evening, as mobile payment operators publish.
const BUSY: [f64; 24] = [
    0.35, 0.20, 0.12, 0.08, 0.08, 0.15, 0.40, 0.80, 1.05, 1.10, 1.20, 1.55, 1.70, 1.35, 1.15, 1.10, 1.20,
    1.50, 1.75, 1.70, 1.65, 1.60, 1.40, 0.82,
];

/// Days since 1970 in local time.
pub(crate) fn day(at_ms: i64) -> i64 {
    (at_ms + ZONE_MS).div_euclid(DAY_MS)
}

/// Hours since local midnight, 0 to below 24.
pub(crate) fn hour(at_ms: i64) -> f64 {
    (at_ms + ZONE_MS).rem_euclid(DAY_MS) as f64 / HOUR_MS as f64
}

pub(crate) fn weekend(at_ms: i64) -> bool {
    // 1 January 1970 was a Thursday.
    matches!((day(at_ms) + 3).rem_euclid(7), 5 | 6)
}

/// How busy this moment is; 1 on the average of a day.
pub(crate) fn busy(at_ms: i64) -> f64 {
    BUSY[hour(at_ms) as usize % 24]
}

/// Whether a festival evening is on: from 19:30 to 00:30 of that local day.
pub(crate) fn festive(at_ms: i64, festival: Option<i64>) -> bool {
    let since_noon = at_ms - 12 * HOUR_MS;
    festival.is_some_and(|festival| {
        day(since_noon) == festival && hour(since_noon) >= 7.5 && hour(since_noon) < 12.5
    })
}

/// The next moment of that local hour at or after `at_ms`.
pub(crate) fn next_hour(at_ms: i64, wanted: f64) -> i64 {
    let ahead = (wanted - hour(at_ms)).rem_euclid(24.0);
    at_ms + (ahead * HOUR_MS as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::START_MS;

    #[test]
    fn the_default_start_is_a_monday_morning_in_china() {
        assert!((hour(START_MS) - 10.0).abs() < 1e-9);
        assert!(!weekend(START_MS) && weekend(START_MS - DAY_MS));
    }

    #[test]
    fn an_average_hour_is_one() {
        assert!((BUSY.iter().sum::<f64>() / 24.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_festival_lasts_from_evening_past_midnight() {
        let festival = Some(day(START_MS));
        assert!(!festive(START_MS, festival));
        assert!(festive(START_MS + 10 * HOUR_MS, festival));
        assert!(festive(START_MS + 14 * HOUR_MS + HOUR_MS / 4, festival));
        assert!(!festive(START_MS + 15 * HOUR_MS, festival));
    }
}
