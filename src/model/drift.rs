//! What a model's inputs and scores looked like when it was trained, in few numbers, and how far today's traffic is from that.
//!
//! Each is cut into bins at quantiles of the training rows; the manifest keeps the edges and how many rows fell into each bin.
//! The population stability index compares the shares of bins then and now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bins made of an input, the one of missing values aside: deciles, as is usual.
const BINS: usize = 10;

/// Most edges that are read; a finer cut would only take more events to fill.
pub const EDGES_MAX: usize = 31;

/// Fewest rows that are believed to tell what traffic looked like: with ten bins the index of two such samples of one population
/// is 0.02 in the mean.
pub const ROWS_MIN: usize = 1000;

/// Most rows that a bin is believed to have held.
const ROWS_MAX: u64 = 1 << 48;

/// The section `[drift]` of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Which rows these are, in words.
    pub rows: String,
    /// The scores: of rows that were not trained on, where there are such.
    pub score: Bins,
    /// The inputs, by name.
    pub input: BTreeMap<String, Bins>,
}

/// Numbers cut into bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Edges between the bins, rising. A value that is an edge lies below it.
    pub edges: Vec<f64>,
    /// Rows in each bin, and last those where the value was missing.
    pub counts: Vec<u64>,
}

impl Drift {
    /// The bins of rows of inputs with these names, and of scores, which are cut to 0 to 1 as the engine's are.
    pub fn of<'r>(
        rows: impl Into<String>,
        names: &[String],
        inputs: &(impl Iterator<Item = &'r [f64]> + Clone),
        scores: impl Iterator<Item = f64>,
    ) -> Drift {
        let bins =
            |(place, name): (usize, &String)| (name.clone(), Bins::of(inputs.clone().map(|row| row[place])));
        Drift {
            rows: rows.into(),
            score: Bins::of(scores.map(|score| score.clamp(0.0, 1.0))),
            input: names.iter().enumerate().map(bins).collect(),
        }
    }

    /// Whether this can be what [`Drift::of`] made of a model with these inputs.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check<'n>(&self, names: &(impl Iterator<Item = &'n str> + Clone)) -> Result<(), String> {
        self.score.check().map_err(|why| format!("drift.score: {why}"))?;
        if let Some(name) = names.clone().find(|name| !self.input.contains_key(*name)) {
            return Err(format!("drift: there are no bins of the input `{name}`"));
        }
        for (name, bins) in &self.input {
            if !names.clone().any(|known| known == name) {
                return Err(format!("drift: `{name}` is no input of the model"));
            }
            bins.check().map_err(|why| format!("drift.input.{name}: {why}"))?;
        }
        Ok(())
    }
}

impl Bins {
    /// Cuts values at their deciles. Where one value is more than a tenth of all, bins are fewer.
    pub fn of(values: impl Iterator<Item = f64>) -> Bins {
        let (mut values, missing): (Vec<f64>, Vec<f64>) = values.partition(|value| !value.is_nan());
        values.sort_unstable_by(f64::total_cmp);
        let mut edges: Vec<f64> = Vec::with_capacity(BINS - 1);
        if let Some(&highest) = values.last() {
            for part in 1..BINS {
                let decile = values[(values.len() * part).div_ceil(BINS) - 1];
                // Nothing lies above the highest value: the edge goes between it and the one before.
                let below = values.partition_point(|&value| value < highest);
                let edge =
                    if decile < highest { Some(decile) } else { below.checked_sub(1).map(|at| values[at]) };
                // Adding 0 makes −0 the 0 that it equals.
                let edge = edge.map(|edge| edge + 0.0).filter(|edge| edge.is_finite());
                edges.extend(edge.filter(|edge| edges.last().is_none_or(|last| last < edge)));
            }
        }
        let mut bins = Bins { counts: vec![0; edges.len() + 2], edges };
        for value in values {
            let place = bins.place(value);
            bins.counts[place] += 1;
        }
        bins.counts[bins.edges.len() + 1] = missing.len() as u64;
        bins
    }

    fn check(&self) -> Result<(), String> {
        let Bins { edges, counts } = self;
        if edges.len() > EDGES_MAX {
            return Err(format!("{} edges, at most {EDGES_MAX} are read", edges.len()));
        }
        if !edges.iter().all(|edge| edge.is_finite()) || !edges.is_sorted_by(|one, next| one < next) {
            return Err("the edges are not rising numbers".to_owned());
        }
        let bins = edges.len() + 2;
        if counts.len() != bins {
            let found = counts.len();
            return Err(format!(
                "{found} counts, expected {bins}: one more than edges, and that of missing values"
            ));
        }
        if counts.iter().any(|&count| count > ROWS_MAX) || counts.iter().all(|&count| count == 0) {
            return Err(format!("counts are whole numbers up to {ROWS_MAX}, and not all of them 0"));
        }
        Ok(())
    }

    /// The bin of a value: the first whose upper edge is not below it, as trees ask; of a missing value, the last.
    pub fn place(&self, value: f64) -> usize {
        let Bins { edges, .. } = self;
        if value.is_nan() { edges.len() + 1 } else { edges.partition_point(|&edge| edge < value) }
    }
}

/// The population stability index of counts in the same bins: the sum over bins of (now − then) · ln(now / then), in shares. A
/// bin that is empty on one side counts as half a row there, one that is empty on both says nothing. 0 if a side has no rows.
///
/// By the usual rule of thumb (Lewis, An Introduction to Credit Scoring, 1994; Siddiqi, Credit Risk Scorecards, 2006) below 0.1
/// is little, above 0.25 a different population. Of n and m rows of one population, with B bins, it is (B − 1) · (1/n + 1/m) in
/// the mean and not 0 (Yurdakul and Naranjo, Statistical properties of the population stability index, 2020), so that few rows
/// always look like drift.
pub fn psi(then: &[u64], now: &[u64]) -> f64 {
    let total = |counts: &[u64]| counts.iter().map(|&count| count as f64).sum::<f64>();
    let (rows_then, rows_now) = (total(then), total(now));
    if rows_then == 0.0 || rows_now == 0.0 {
        return 0.0;
    }
    let share = |count: u64, rows: f64| (count as f64).max(0.5) / rows;
    let bins = then.iter().zip(now).filter(|(then, now)| **then + **now > 0);
    bins.map(|(&then, &now)| {
        let (then, now) = (share(then, rows_then), share(now, rows_now));
        (now - then) * (now / then).ln()
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn even_values_make_deciles_and_lumps_make_fewer_bins() {
        let even = Bins::of((1..=100).map(f64::from));
        assert_eq!(even.edges, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        assert_eq!(even.counts, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 0]);
        let flags = Bins::of((0..100).map(|row| f64::from(u8::from(row >= 3))));
        assert_eq!((flags.edges, flags.counts), (vec![0.0], vec![3, 97, 0]));
        let gaps = Bins::of([f64::NAN, 7.0, f64::NAN].into_iter());
        assert_eq!((gaps.edges, gaps.counts), (vec![], vec![1, 2]));
    }

    #[test]
    fn the_index_of_a_known_shift_is_the_published_formula_by_hand() {
        // (0.2 − 0.1) ln 2 + (0.8 − 0.9) ln (8/9)
        let by_hand = 0.1 * 2_f64.ln() - 0.1 * (8.0_f64 / 9.0).ln();
        assert!((psi(&[100, 900], &[20, 80]) - by_hand).abs() < 1e-15);
        assert_eq!(psi(&[100, 900, 0], &[10, 90, 0]), 0.0);
        assert_eq!(psi(&[100, 900], &[0, 0]), 0.0);
    }

    #[test]
    fn two_samples_of_one_population_differ_by_what_their_size_explains() {
        // SplitMix64, as good as any for ten bins.
        let mut state = 3_u64;
        let mut draw = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (bits ^ (bits >> 31)) as f64
        };
        let mut sample = |rows: usize| -> Vec<f64> { (0..rows).map(|_| draw()).collect() };
        let (rounds, now_rows, then_rows) = (300, 1_000, 20_000);
        let mut sum = 0.0;
        for _ in 0..rounds {
            let then = Bins::of(sample(then_rows).into_iter());
            let mut now = vec![0; then.counts.len()];
            sample(now_rows).into_iter().for_each(|value| now[then.place(value)] += 1);
            sum += psi(&then.counts, &now);
        }
        let expected = 9.0 * (1.0 / now_rows as f64 + 1.0 / then_rows as f64);
        let mean = sum / f64::from(rounds);
        assert!((mean / expected - 1.0).abs() < 0.15, "{mean} against {expected}");
    }

    fn any_values() -> impl Strategy<Value = Vec<f64>> {
        let value =
            prop_oneof![-5.0..5.0, (-2_i8..3).prop_map(f64::from), Just(f64::NAN), Just(-0.0), Just(1e300)];
        prop::collection::vec(value, 1..200)
    }

    /// The formula as it is written down, over shares, with a look at every edge for every value.
    fn slow_psi(edges: &[f64], then: &[f64], now: &[f64]) -> f64 {
        let inside = |bin: usize, value: f64| {
            if bin > edges.len() {
                return value.is_nan();
            }
            let above = bin == 0 || value > edges[bin - 1];
            let within = bin == edges.len() || value <= edges[bin];
            above && within && !value.is_nan()
        };
        let mut sum = 0.0;
        for bin in 0..edges.len() + 2 {
            let held = |rows: &[f64]| rows.iter().filter(|&&value| inside(bin, value)).count();
            let share = |rows: &[f64]| match held(rows) {
                0 => 0.5 / rows.len() as f64,
                count => count as f64 / rows.len() as f64,
            };
            if held(then) + held(now) > 0 {
                sum += (share(now) - share(then)) * f64::ln(share(now) / share(then));
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn the_index_is_that_of_the_slow_formula(then in any_values(), now in any_values()) {
            let bins = Bins::of(then.iter().copied());
            prop_assert_eq!(bins.counts.iter().sum::<u64>(), then.len() as u64);
            prop_assert_eq!(bins.check(), Ok(()));
            let mut counts = vec![0; bins.counts.len()];
            now.iter().for_each(|&value| counts[bins.place(value)] += 1);
            let (fast, slow) = (psi(&bins.counts, &counts), slow_psi(&bins.edges, &then, &now));
            prop_assert!((fast - slow).abs() <= 1e-9 * slow.abs().max(1.0), "{} {}", fast, slow);
            prop_assert!(fast >= 0.0);
        }
    }
}
