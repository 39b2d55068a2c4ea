//! From a forest's score to a probability: fitted on rows that the trees have not seen.
//!
//! Every form rises strictly, so that calibration never changes which of two events is the more suspicious.

use crate::limits::CALIBRATION_KNOTS_MAX;

/// What makes a probability of a forest's score, which it takes to lie between 0 and 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Calibration {
    /// The score as it is.
    #[default]
    None,
    /// σ(slope · logit(score) + shift): Platt's sigmoid over the score's log odds.
    Platt {
        /// Above 0.
        slope: f64,
        /// Any finite number.
        shift: f64,
    },
    /// Straight lines from (0, 0) over the knots to (1, 1): an isotonic regression's steps, joined at their middles.
    Isotonic {
        /// Score and probability, both rising, both between 0 and 1; at most [`CALIBRATION_KNOTS_MAX`].
        knots: Vec<[f64; 2]>,
    },
}

impl Calibration {
    /// The probability for a score.
    pub fn apply(&self, score: f64) -> f64 {
        match self {
            Calibration::None => score,
            Calibration::Platt { slope, shift } => {
                let score = score.clamp(0.0, 1.0);
                let odds = (score / (1.0 - score)).ln();
                1.0 / (1.0 + (-(slope * odds + shift)).exp())
            }
            Calibration::Isotonic { knots } => {
                let score = score.clamp(0.0, 1.0);
                let next = knots.partition_point(|knot| knot[0] <= score);
                let [x, y] = next.checked_sub(1).map_or([0.0, 0.0], |before| knots[before]);
                let [x_end, y_end] = knots.get(next).copied().unwrap_or([1.0, 1.0]);
                // Rounding must not lift the end of one line over the start of the next.
                (y + (score - x) * ((y_end - y) / (x_end - x))).min(y_end)
            }
        }
    }

    /// Whether its numbers make it rise from 0 to 1.
    pub fn is_sound(&self) -> bool {
        match self {
            Calibration::None => true,
            Calibration::Platt { slope, shift } => slope.is_finite() && *slope > 0.0 && shift.is_finite(),
            Calibration::Isotonic { knots } => {
                let ends = [[0.0, 0.0]].iter().chain(knots).zip(knots.iter().chain(&[[1.0, 1.0]]));
                // Written so that a number that is none never passes, nor knots too near for a slope.
                let rises = |(from, to): (&[f64; 2], &[f64; 2])| {
                    let slope = (to[1] - from[1]) / (to[0] - from[0]);
                    from[0] < to[0] && from[1] < to[1] && slope.is_finite()
                };
                knots.len() <= CALIBRATION_KNOTS_MAX && ends.into_iter().all(rises)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_join_the_knots_and_the_ends() {
        let calibration = Calibration::Isotonic { knots: vec![[0.5, 0.1], [0.75, 0.6]] };
        for (score, probability) in
            [(0.0, 0.0), (0.25, 0.05), (0.5, 0.1), (0.75, 0.6), (0.875, 0.8), (1.0, 1.0)]
        {
            assert!((calibration.apply(score) - probability).abs() < 1e-15, "{score}");
        }
        assert_eq!(calibration.apply(-3.0), 0.0);
        assert_eq!(calibration.apply(7.0), 1.0);
    }

    #[test]
    fn a_sigmoid_of_slope_one_without_shift_changes_nothing() {
        let same = Calibration::Platt { slope: 1.0, shift: 0.0 };
        for score in [0.0, 0.001, 0.5, 0.9, 1.0] {
            assert!((same.apply(score) - score).abs() < 1e-15);
        }
        let doubled = Calibration::Platt { slope: 1.0, shift: 2.0_f64.ln() };
        assert!((doubled.apply(0.5) - 2.0 / 3.0).abs() < 1e-15, "the odds are doubled");
    }

    #[test]
    fn what_does_not_rise_is_not_sound() {
        for knots in [
            vec![[0.5, 0.1], [0.5, 0.2]],
            vec![[0.5, 0.1], [0.6, 0.1]],
            vec![[0.0, 0.1]],
            vec![[0.5, 1.0]],
            vec![[f64::NAN, 0.5]],
            vec![[1e-320, 0.5]],
            (1..=65).map(|n| [f64::from(n) / 100.0; 2]).collect(),
        ] {
            assert!(!Calibration::Isotonic { knots }.is_sound());
        }
        for (slope, shift) in [(0.0, 0.0), (-1.0, 0.0), (1.0, f64::NAN), (f64::INFINITY, 0.0)] {
            assert!(!Calibration::Platt { slope, shift }.is_sound());
        }
    }

    proptest! {
        #[test]
        fn order_is_kept(
            steps in prop::collection::vec((0.001_f64..1.0, 0.001_f64..1.0), 0..64),
            one in 0.0_f64..=1.0,
            other in 0.0_f64..=1.0,
        ) {
            let total = steps.iter().fold([1.0, 1.0], |sum, step| [sum[0] + step.0, sum[1] + step.1]);
            let mut sum = [0.0, 0.0];
            let knots: Vec<[f64; 2]> = steps
                .iter()
                .map(|step| {
                    sum = [sum[0] + step.0, sum[1] + step.1];
                    [sum[0] / total[0], sum[1] / total[1]]
                })
                .collect();
            let calibration = Calibration::Isotonic { knots };
            prop_assert!(calibration.is_sound());
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(calibration.apply(low) <= calibration.apply(high));
        }
    }
}
