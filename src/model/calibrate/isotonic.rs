//! Isotonic regression by pool-adjacent-violators (Ayer et al., 1955), in one pass with a stack.
//!
//! Its steps would give one probability to scores that differ. So the middles of the steps are joined by straight lines, and
//! the ends are (0, 0) and (1, 1): ranking stays what it was, to the last pair.

use engine::forest::Calibration;
use engine::limits::CALIBRATION_KNOTS_MAX;

use crate::quality::Scored;

/// Rows of neighbouring scores with one mean label.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    rows: f64,
    frauds: f64,
    /// Sum of the scores.
    scores: f64,
}

impl Step {
    fn share(&self) -> f64 {
        self.frauds / self.rows
    }

    fn join(&mut self, other: Step) {
        self.rows += other.rows;
        self.frauds += other.frauds;
        self.scores += other.scores;
    }
}

pub fn fit(rows: &[Scored]) -> Calibration {
    let mut steps = pool(&by_score(rows));
    while steps.len() > CALIBRATION_KNOTS_MAX {
        join_nearest(&mut steps);
    }
    let mut knots: Vec<[f64; 2]> = Vec::with_capacity(steps.len());
    for step in &steps {
        let knot = [step.scores / step.rows, step.share()];
        // A step without honest rows, or without fraud, would make a flat end: the line to the corner stands for it.
        let inside = knot.iter().all(|number| *number > 0.0 && *number < 1.0);
        if inside && knots.last().is_none_or(|last| last[0] < knot[0] && last[1] < knot[1]) {
            knots.push(knot);
        }
    }
    Calibration::Isotonic { knots }
}

/// A step for each score there is, ascending: rows of one score cannot be told apart.
fn by_score(rows: &[Scored]) -> Vec<Step> {
    let mut sorted: Vec<(f64, bool)> =
        rows.iter().map(|row| (row.score.clamp(0.0, 1.0), row.fraud)).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut steps: Vec<Step> = Vec::new();
    let mut latest = f64::NAN;
    for (score, fraud) in sorted {
        let step = Step { rows: 1.0, frauds: f64::from(u8::from(fraud)), scores: score };
        match steps.last_mut() {
            Some(last) if latest == score => last.join(step),
            _ => steps.push(step),
        }
        latest = score;
    }
    steps
}

/// Joins neighbours until shares rise: each new step swallows the ones before it that are not below it.
fn pool(steps: &[Step]) -> Vec<Step> {
    let mut pooled: Vec<Step> = Vec::new();
    for step in steps {
        let mut step = *step;
        while let Some(last) = pooled.pop_if(|last| last.share() >= step.share()) {
            step.join(last);
        }
        pooled.push(step);
    }
    pooled
}

/// Joins the two neighbours whose union adds least to the squared error.
fn join_nearest(steps: &mut Vec<Step>) {
    let cost = |pair: &[Step]| {
        let apart = pair[0].share() - pair[1].share();
        pair[0].rows * pair[1].rows / (pair[0].rows + pair[1].rows) * apart * apart
    };
    let costs = steps.windows(2).map(cost).enumerate();
    if let Some((at, _)) = costs.min_by(|a, b| a.1.total_cmp(&b.1)) {
        let next = steps.remove(at + 1);
        steps[at].join(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(score: f64, fraud: bool) -> Scored {
        Scored { score, fraud }
    }

    /// The value that pooling gives to each score, step for step.
    fn pooled(rows: &[Scored]) -> Vec<f64> {
        let singles = by_score(rows);
        let mut shares = Vec::new();
        for step in pool(&singles) {
            let mut left = step.rows;
            while left > 0.0 {
                left -= singles[shares.len()].rows;
                shares.push(step.share());
            }
        }
        shares
    }

    /// The definition by means of intervals (Barlow et al., 1972): the largest over all starts of the least over all ends.
    fn by_intervals(rows: &[Scored]) -> Vec<f64> {
        let singles = by_score(rows);
        let mean = |from: usize, to: usize| {
            let (frauds, all) = singles[from..=to]
                .iter()
                .fold((0.0, 0.0), |sum, step| (sum.0 + step.frauds, sum.1 + step.rows));
            frauds / all
        };
        let least = |from, at| (at..singles.len()).map(|to| mean(from, to)).fold(f64::INFINITY, f64::min);
        (0..singles.len()).map(|at| (0..=at).map(|from| least(from, at)).fold(0.0, f64::max)).collect()
    }

    proptest! {
        #[test]
        fn pooling_gives_what_the_definition_gives(rows in prop::collection::vec((0_u8..30, any::<bool>()), 1..60)) {
            let rows: Vec<Scored> = rows.iter().map(|(score, fraud)| row(f64::from(*score) / 30.0, *fraud)).collect();
            let (found, expected) = (pooled(&rows), by_intervals(&rows));
            prop_assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-12);
            }
        }

        #[test]
        fn the_fit_is_sound_and_keeps_the_order(rows in prop::collection::vec((0.0_f64..1.0, any::<bool>()), 2..400)) {
            let rows: Vec<Scored> = rows.iter().map(|(score, fraud)| row(*score, *fraud)).collect();
            let fitted = fit(&rows);
            prop_assert!(fitted.is_sound());
            let mut scores: Vec<f64> = rows.iter().map(|row| row.score).collect();
            scores.sort_unstable_by(f64::total_cmp);
            let calibrated: Vec<f64> = scores.iter().map(|score| fitted.apply(*score)).collect();
            prop_assert!(calibrated.is_sorted());
        }
    }

    #[test]
    fn a_distorted_probability_is_straightened() {
        // Fraud is as likely as the square of the score.
        let rows: Vec<Scored> = (0..20_000_u32)
            .map(|n| {
                let score = f64::from(n) / 20_000.0;
                row(score, f64::from(n.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX) < score * score)
            })
            .collect();
        let fitted = fit(&rows);
        for score in [0.1, 0.3, 0.5, 0.7, 0.9] {
            assert!((fitted.apply(score) - score * score).abs() < 0.05, "{score}: {}", fitted.apply(score));
        }
    }
}
