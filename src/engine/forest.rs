//! A forest of decision trees laid flat, and its evaluation over lanes without branches.

use crate::feature::FeatureId;

/// A tree as trainers hand it over: node 0 is the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Goes to `left` when the input is at most the threshold (a missing value, NaN, goes right), else to `right`.
    Split {
        /// Place of the input among the forest's inputs.
        input: u16,
        /// Largest value that goes left.
        threshold: f64,
        /// Place of the left child in the tree.
        left: u32,
        /// Place of the right child in the tree.
        right: u32,
    },
    /// Gives this value.
    Leaf(f64),
}

/// What the sum of the trees' leaves becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// The mean over trees: random forests whose leaves hold probabilities.
    Mean,
    /// The logistic function of the sum: boosted trees.
    Logistic,
}

/// What a model compiles to: plain data, checked and laid flat by [`crate::Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct ForestSpec {
    /// Name and version, as answers show it.
    pub version: String,
    /// Features read, in the order of the trees' inputs.
    pub inputs: Vec<String>,
    /// The trees.
    pub trees: Vec<Tree>,
    /// Added to the sum before the transform.
    pub base: f64,
    /// Output transform.
    pub transform: Transform,
}
