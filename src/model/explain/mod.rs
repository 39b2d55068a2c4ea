//! What each input did to a score: Shapley values of the forest's raw score (path-dependent TreeSHAP), which together with the
//! base value are that score.
//!
//! The game is that of Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
//! 2020: an input that is not in the coalition goes to both sides of a split, in proportion to their [`Covers`]. It is played
//! as in Wettenstein, Mitchell and Yu, "Quadrature-TreeSHAP", 2026: a Shapley value of a path is the integral of a
//! polynomial, which few points give exactly ([`rule`]); one visit of each node then serves all inputs ([`tree`]).

mod reason;
mod recorded;
mod rule;
mod tree;

pub use reason::{REASONS_MAX, reason_code};
pub use recorded::{Recorded, Unexplained};

use engine::forest::{ForestSpec, Transform};

use crate::covers::{CoverOf, Covers};
use crate::walk;
use rule::Rule;

/// What is computed, in the words of its papers.
pub const METHOD: &str = "path-dependent TreeSHAP";

/// A forest that can be explained.
pub struct Explainer {
    forest: ForestSpec,
    covers_of: CoverOf,
    /// By tree and node, the share of its parent's cover.
    shares: Vec<Vec<f64>>,
    /// Of each tree, the most inputs that one of its paths asks for.
    widths: Vec<usize>,
    /// The mean raw score under the covers.
    base: f64,
    rules: Rules,
}

/// A rule for each width of paths: N points serve up to 2N inputs.
struct Rules {
    to8: Rule<4>,
    to16: Rule<8>,
    to32: Rule<16>,
    to64: Rule<32>,
    to128: Rule<64>,
}

const _: () = assert!(engine::limits::DEPTH_MAX <= 128, "a path asks for at most so many inputs");

/// What each input did to one score.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The mean raw score, of which contributions tell the rest.
    pub base: f64,
    /// What each input adds, in the forest's order; with the base they are the sum of the leaves in double precision.
    pub contributions: Vec<f64>,
    /// The trees' sum, or mean where the model takes one, with the bits that serve: before transform and calibration.
    pub raw: f64,
    /// The score before calibration.
    pub transformed: f64,
    /// The score.
    pub score: f64,
}

impl Explanation {
    /// By how much the raw score differs from base and contributions together: nothing but rounding, which is felt where
    /// the model sums in `float`.
    pub fn rounding(&self) -> f64 {
        self.raw - (self.base + self.contributions.iter().sum::<f64>())
    }
}

impl Explainer {
    /// Takes over a forest that the checks of a model file passed, with its covers.
    pub fn new(forest: ForestSpec, covers: &Covers) -> Explainer {
        let shares: Vec<Vec<f64>> =
            forest.trees.iter().enumerate().map(|(number, tree)| covers.shares(number, tree)).collect();
        let expected: f64 =
            forest.trees.iter().zip(&shares).map(|(tree, shares)| tree::expected(tree, shares)).sum();
        let base = (forest.sums_as.round(forest.base) + expected) / divisor(&forest);
        let inputs = forest.inputs.len();
        Explainer {
            covers_of: covers.of,
            shares,
            widths: forest.trees.iter().map(|tree| tree::width(tree, inputs)).collect(),
            base,
            rules: Rules {
                to8: Rule::new(),
                to16: Rule::new(),
                to32: Rule::new(),
                to64: Rule::new(),
                to128: Rule::new(),
            },
            forest,
        }
    }

    /// The forest.
    pub fn forest(&self) -> &ForestSpec {
        &self.forest
    }

    /// What the covers are numbers of.
    pub fn covers_of(&self) -> CoverOf {
        self.covers_of
    }

    /// The mean raw score under the covers.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// Whether a larger raw score is a larger risk: not where long paths are usual.
    pub fn rises(&self) -> bool {
        !matches!(self.forest.transform, Transform::Isolation { .. })
    }

    /// Explains a row of inputs.
    ///
    /// # Panics
    /// If the row is shorter than the forest's inputs.
    pub fn explain(&self, row: &[f64]) -> Explanation {
        let forest = &self.forest;
        let rounded: Vec<f64> = row.iter().map(|&value| forest.inputs_as.round(value)).collect();
        let mut sums = vec![0.0; forest.inputs.len()];
        for ((tree, shares), width) in forest.trees.iter().zip(&self.shares).zip(&self.widths) {
            let rules = &self.rules;
            match width {
                0..=8 => tree::explain(tree, shares, &rounded, &rules.to8, &mut sums),
                9..=16 => tree::explain(tree, shares, &rounded, &rules.to16, &mut sums),
                17..=32 => tree::explain(tree, shares, &rounded, &rules.to32, &mut sums),
                33..=64 => tree::explain(tree, shares, &rounded, &rules.to64, &mut sums),
                _ => tree::explain(tree, shares, &rounded, &rules.to128, &mut sums),
            }
        }
        let divisor = divisor(forest);
        let raw = walk::mean(forest, walk::raw(forest, row));
        let transformed = forest.transform.apply(raw);
        Explanation {
            base: self.base,
            contributions: sums.into_iter().map(|sum| sum / divisor).collect(),
            raw,
            transformed,
            score: forest.calibration.apply(transformed),
        }
    }

    /// For each input, the mean size of its contributions over those rows; none without rows.
    pub fn mean_sizes<'r>(&self, rows: impl ExactSizeIterator<Item = &'r [f64]>) -> Option<Vec<f64>> {
        let count = rows.len();
        let mut sizes = vec![0.0; self.forest.inputs.len()];
        for row in rows {
            for (size, contribution) in sizes.iter_mut().zip(self.explain(row).contributions) {
                *size += contribution.abs() / count as f64;
            }
        }
        (count > 0).then_some(sizes)
    }
}

fn divisor(forest: &ForestSpec) -> f64 {
    if forest.mean { forest.trees.len() as f64 } else { 1.0 }
}

#[cfg(test)]
mod tests;
