//! A bound learned from what was usual: median and median absolute deviation of the shares of earlier minutes.
//!
//! Both stay where they are until half of the minutes are unusual, where a mean and a standard deviation move with the first
//! one; the outlier rule over them is Hampel's identifier (F. R. Hampel, "The influence curve and its role in robust
//! estimation", Journal of the American Statistical Association 69, 1974; C. Leys and others, "Detecting outliers", Journal
//! of Experimental Social Psychology 49, 2013, which takes 2.5 to 3 deviations for a test made once). This one is made every
//! second of every rule and takes an action, so it asks for six.

use std::collections::VecDeque;

/// Minutes that are remembered.
const MINUTES_MAX: usize = 60;
/// Minutes without which nothing is said to be usual.
const MINUTES_MIN: usize = 30;
/// Deviations above the median that are still usual.
const DEVIATIONS: f64 = 6.0;
/// The standard deviation of a normal distribution in median absolute deviations: 1 / Φ⁻¹(3/4).
const NORMAL: f64 = 1.4826;

/// The shares of a rule's earlier minutes, in percent.
#[derive(Clone, Debug, Default)]
pub struct Usual {
    shares: VecDeque<f64>,
    /// The minute that is being counted.
    minute: i64,
    refused: u64,
    checks: u64,
}

impl Usual {
    /// Counts within a second; a minute that is over is remembered if it had enough checks.
    pub fn add(&mut self, second: i64, refused: u64, checks: u64, checks_min: u64) {
        let minute = second.div_euclid(60);
        if minute > self.minute {
            if self.checks >= checks_min.max(1) {
                self.shares.truncate(MINUTES_MAX - 1);
                self.shares.push_front(100.0 * self.refused as f64 / self.checks as f64);
            }
            (self.minute, self.refused, self.checks) = (minute, 0, 0);
        }
        self.refused += refused;
        self.checks += checks;
    }

    /// The share in percent beyond which a minute is unusual; none before there is a usual.
    pub fn bound(&self) -> Option<f64> {
        (self.shares.len() >= MINUTES_MIN).then(|| {
            let middle = median(self.shares.iter().copied());
            let deviation = median(self.shares.iter().map(|share| (share - middle).abs()));
            middle + DEVIATIONS * NORMAL * deviation
        })
    }
}

/// The middle of an odd number of values, the mean of both of an even one; none of them may be missing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Minutes of 100 checks with so many refused, and then the begin of one more.
    fn after(refused: &[u64]) -> Usual {
        let mut usual = Usual::default();
        for (minute, &refused) in (1..).zip(refused) {
            usual.add(60 * minute, refused, 40, 100);
            usual.add(60 * minute + 59, 0, 60, 100);
        }
        usual.add(60 * (refused.len() as i64 + 1), 0, 0, 100);
        usual
    }

    #[test]
    fn nothing_is_usual_before_half_an_hour() {
        assert_eq!(after(&[1; 29]).bound(), None);
        assert_eq!(after(&[1; 30]).bound(), Some(1.0));
    }

    #[test]
    fn an_attack_of_a_quarter_of_an_hour_hardly_moves_the_bound() {
        let calm: Vec<u64> = (0..45).map(|minute| 1 + minute % 3).collect();
        let before = after(&calm).bound().unwrap();
        let attacked: Vec<u64> = calm.iter().copied().chain([90; 15]).collect();
        let bound = after(&attacked).bound().unwrap();
        assert!(before < 11.0 && bound < 13.0, "{before} {bound}");
    }

    #[test]
    fn minutes_with_few_checks_say_nothing() {
        let mut usual = Usual::default();
        for second in 0..6_000 {
            usual.add(second, 1, 1, 100);
        }
        assert_eq!(usual.bound(), None, "sixty checks a minute");
    }

    proptest! {
        /// The twin sorts what it is given by counting who is smaller.
        #[test]
        fn the_bound_is_that_of_the_last_sixty_minutes(refused in prop::collection::vec(0_u64..=100, 30..100)) {
            let kept: Vec<f64> = refused.iter().rev().take(60).map(|&n| n as f64).collect();
            let twin = |values: &[f64]| {
                let at_rank = |rank: usize| *values.iter().find(|&&value| {
                    let below = values.iter().filter(|other| **other < value).count();
                    let within = values.iter().filter(|other| **other <= value).count();
                    (below..within).contains(&rank)
                }).unwrap();
                (at_rank((values.len() - 1) / 2) + at_rank(values.len() / 2)) / 2.0
            };
            let middle = twin(&kept);
            let deviations: Vec<f64> = kept.iter().map(|share| (share - middle).abs()).collect();
            let expected = middle + 6.0 * 1.4826 * twin(&deviations);
            let bound = after(&refused).bound().unwrap();
            prop_assert!((bound - expected).abs() < 1e-9, "{} {}", bound, expected);
        }
    }
}
