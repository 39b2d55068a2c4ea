//! How many trees: chosen on validation rows, which are later than all that the trees were grown on.
//!
//! The first k trees of a forest are the forest of k trees, boosted or not, so that one training answers for every size.

use engine::forest::ForestSpec;
use serde::Serialize;

use crate::dataset::Dataset;
use crate::quality::{Curve, Scored, log_loss};
use crate::walk;

/// Sizes tried of one forest.
const SIZES: usize = 40;
/// A smaller forest is taken if its loss is above the least by no more than this share of it.
const SLACK: f64 = 0.002;

/// A size, and what it does on the validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// Number of trees.
    pub trees: usize,
    /// Mean log loss, as trained.
    pub log_loss: f64,
    /// Average precision.
    pub average_precision: f64,
}

/// Cuts the forest to the smallest of the sizes tried whose log loss is near the least. Without both frauds and honest rows
/// nothing is cut, and no size is tried. `done` is told the trees measured.
pub fn choose(forest: &mut ForestSpec, validation: &Dataset, done: &(dyn Fn(usize) + Sync)) -> Vec<Tried> {
    let frauds = validation.frauds();
    if frauds == 0 || frauds == validation.len() {
        return Vec::new();
    }
    let step = forest.trees.len().div_ceil(SIZES);
    let mut sums = vec![forest.base; validation.len()];
    let mut tried = Vec::new();
    let mut shorter = ForestSpec { trees: Vec::new(), ..forest.clone() };
    for trees in forest.trees.chunks(step) {
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = trees.iter().fold(*sum, |sum, tree| sum + walk::leaf(tree, validation.row(row)));
        }
        shorter.trees.extend_from_slice(trees);
        let scored = |(row, sum): (usize, &f64)| Scored {
            score: shorter.score(*sum),
            fraud: validation.is_fraud(row),
        };
        let scored: Vec<Scored> = sums.iter().enumerate().map(scored).collect();
        tried.push(Tried {
            trees: shorter.trees.len(),
            log_loss: log_loss(&scored),
            average_precision: Curve::new(&scored).average_precision().unwrap_or_default(),
        });
        done(shorter.trees.len());
    }
    let least = tried.iter().map(|size| size.log_loss).fold(f64::INFINITY, f64::min);
    if let Some(size) = tried.iter().find(|size| size.log_loss <= least * (1.0 + SLACK)) {
        forest.trees.truncate(size.trees);
    }
    tried
}
