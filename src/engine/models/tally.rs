//! How scores are distributed, counted where they are made: a worker's own numbers, told to the others now and then.

use crate::limits::MODELS_MAX;

/// Upper bounds of the bins that scores are counted in; the last bin is above them. Narrow where most scores are.
pub const SCORE_BOUNDS: [f64; 11] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.9];

/// Scores of each model of a snapshot, by their bins.
#[derive(Clone, Debug, Default)]
pub struct ScoreTally {
    models: [Bins; MODELS_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bins {
    counts: [u64; SCORE_BOUNDS.len() + 1],
    sum: f64,
}

impl ScoreTally {
    /// Counts a score.
    pub(crate) fn count(&mut self, model: usize, score: f64) {
        let bins = &mut self.models[model];
        bins.counts[bin(score)] += 1;
        bins.sum += score;
    }

    /// Takes back a score that was counted before its check is decided again.
    pub(crate) fn uncount(&mut self, model: usize, score: f64) {
        let bins = &mut self.models[model];
        bins.counts[bin(score)] -= 1;
        bins.sum -= score;
    }

    /// Gives each model's counts and sum, in the order of [`crate::Snapshot::models`], and empties them.
    pub fn take(&mut self) -> impl Iterator<Item = ([u64; SCORE_BOUNDS.len() + 1], f64)> {
        self.models.iter_mut().map(|bins| {
            let Bins { counts, sum } = std::mem::take(bins);
            (counts, sum)
        })
    }
}

fn bin(score: f64) -> usize {
    // Comparing with all bounds is faster than searching among so few.
    SCORE_BOUNDS.iter().map(|bound| usize::from(score > *bound)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_at_a_bound_is_of_the_bin_below_it() {
        let mut tally = ScoreTally::default();
        for score in [0.0, 0.001, 0.5, 0.50001, 1.0] {
            tally.count(1, score);
        }
        let taken: Vec<_> = tally.take().collect();
        assert_eq!(taken[1].0, [2, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1]);
        assert_eq!(taken[0].0.iter().sum::<u64>(), 0);
        assert!(tally.take().all(|(counts, sum)| counts.iter().sum::<u64>() == 0 && sum == 0.0));
    }
}
