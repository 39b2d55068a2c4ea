//! Covers: how much of what a forest was grown on reached each leaf. Scores do not depend on them, explanations do: a feature
//! that is left open goes to both sides of a split, each in proportion to its cover.
//!
//! They stand at leaves alone; a split's is the sum of those below it, so that the shares of its two sides are always 1
//! together.

use engine::forest::{ForestSpec, Node, Side, Tree};
use serde::{Deserialize, Serialize};

/// Rows between two calls that tell how far counting is.
const TOLD_ROWS: usize = 1024;

/// What covers are numbers of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverOf {
    /// There are none: each side of a split gets one half.
    #[default]
    Halves,
    /// Rows trained on (LightGBM, scikit-learn's isolation forests, and what is trained here).
    TrainingRows,
    /// Sums of the loss's second derivatives over the rows trained on (XGBoost).
    SecondDerivatives,
    /// Rows that were given when the model was imported.
    GivenRows,
}

impl CoverOf {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            CoverOf::Halves => "none: each side of a split counts one half",
            CoverOf::TrainingRows => "rows trained on",
            CoverOf::SecondDerivatives => "sums of second derivatives over the rows trained on",
            CoverOf::GivenRows => "rows given at the import",
        }
    }
}

/// The covers of a forest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Covers {
    /// What they are numbers of.
    pub of: CoverOf,
    /// By tree and node; what stands at a split is not looked at. Empty where there are none.
    by_node: Vec<Vec<f64>>,
}

impl Covers {
    /// These covers, by tree and node; of splits they are not looked at. None are the same as halves.
    pub fn new(of: CoverOf, by_node: Vec<Vec<f64>>) -> Covers {
        let of = if by_node.is_empty() { CoverOf::Halves } else { of };
        let by_node = if of == CoverOf::Halves { Vec::new() } else { by_node };
        Covers { of, by_node }
    }

    /// How many rows reach each leaf; `values` has one row of the forest's inputs after the other. On all cores.
    ///
    /// # Panics
    /// If a tree was not checked by [`crate::check::check_tree`].
    pub fn count(forest: &ForestSpec, of: CoverOf, values: &[f64]) -> Covers {
        Covers::count_telling(forest, of, values, &|_| {})
    }

    /// As [`Covers::count`]; `done` is told how many rows one of the cores has sent through its trees.
    ///
    /// # Panics
    /// As [`Covers::count`].
    pub fn count_telling(
        forest: &ForestSpec,
        of: CoverOf,
        values: &[f64],
        done: &(dyn Fn(usize) + Sync),
    ) -> Covers {
        let mut by_node: Vec<Vec<f64>> =
            forest.trees.iter().map(|tree| vec![0.0; tree.nodes.len()]).collect();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let chunk = forest.trees.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            let chunks = forest.trees.chunks(chunk).zip(by_node.chunks_mut(chunk));
            for (core, (trees, counts)) in chunks.enumerate() {
                scope.spawn(move || {
                    let mut rounded = Vec::new();
                    for (number, row) in values.chunks_exact(forest.inputs.len().max(1)).enumerate() {
                        if core == 0 && number.is_multiple_of(TOLD_ROWS) {
                            done(number);
                        }
                        rounded.clear();
                        rounded.extend(row.iter().map(|&value| forest.inputs_as.round(value)));
                        for (tree, counts) in trees.iter().zip(&mut *counts) {
                            counts[place(tree, &rounded)] += 1.0;
                        }
                    }
                });
            }
        });
        Covers::new(of, by_node)
    }

    /// The cover of a leaf.
    pub fn leaf(&self, tree: usize, node: usize) -> Option<f64> {
        self.by_node.get(tree).and_then(|nodes| nodes.get(node)).copied()
    }

    /// For each node of a tree, the share of its parent's cover that it has; of the root 1. Where a split has no cover, or
    /// one past all numbers, its sides have one half each.
    pub fn shares(&self, number: usize, tree: &Tree) -> Vec<f64> {
        let mut shares = vec![1.0; tree.nodes.len()];
        let sums = self.by_node.get(number).map(|covers| sums(tree, covers));
        for node in &tree.nodes {
            let Node::Split(split) = node else { continue };
            let (left, right) = (split.left as usize, split.right as usize);
            let of =
                |child: usize| sums.as_ref().map_or(0.5, |sums| sums[child] / (sums[left] + sums[right]));
            let sound = of(left).is_finite() && of(right).is_finite();
            (shares[left], shares[right]) = if sound { (of(left), of(right)) } else { (0.5, 0.5) };
        }
        shares
    }

    /// For each of so many inputs, the share of all rows' splits that asked for it: what passes through a node counts once a
    /// split. None without covers.
    pub fn importances(&self, forest: &ForestSpec) -> Option<Vec<f64>> {
        if self.of == CoverOf::Halves {
            return None;
        }
        let mut passed = vec![0.0; forest.inputs.len()];
        for (tree, covers) in forest.trees.iter().zip(&self.by_node) {
            let sums = sums(tree, covers);
            for (node, sum) in tree.nodes.iter().zip(sums) {
                if let Node::Split(split) = node {
                    passed[usize::from(split.input)] += sum;
                }
            }
        }
        let all: f64 = passed.iter().sum();
        (all > 0.0 && all.is_finite()).then(|| passed.iter().map(|sum| sum / all).collect())
    }
}

/// Covers of all nodes from those of the leaves.
fn sums(tree: &Tree, covers: &[f64]) -> Vec<f64> {
    // Parents before children, wherever they stand.
    let (mut order, mut next) = (vec![0_usize], 0);
    while let Some(&at) = order.get(next) {
        if let Node::Split(split) = &tree.nodes[at] {
            order.extend([split.left as usize, split.right as usize]);
        }
        next += 1;
    }
    let mut sums = covers.to_vec();
    for &at in order.iter().rev() {
        if let Node::Split(split) = &tree.nodes[at] {
            sums[at] = sums[split.left as usize] + sums[split.right as usize];
        }
    }
    sums
}

/// The place of the leaf that a row reaches.
fn place(tree: &Tree, row: &[f64]) -> usize {
    let mut at = 0;
    while let Node::Split(split) = &tree.nodes[at] {
        at = match split.side(row[usize::from(split.input)]) {
            Side::Left => split.left,
            Side::Right => split.right,
        } as usize;
    }
    at
}
