//! The slow, obvious evaluation of a forest: one row, one tree after another, one node after another.
//!
//! It is the twin that the engine's flat form is tested against, and what a model's test vectors are checked with.

use engine::forest::{ForestSpec, Node, Transform, Tree};

/// The leaf that a row of inputs reaches.
///
/// # Panics
/// If the tree was not checked by [`crate::check::check_tree`], or the row is shorter than its inputs.
pub fn leaf(tree: &Tree, row: &[f64]) -> f64 {
    let mut at = 0;
    loop {
        match tree.nodes[at] {
            Node::Leaf(value) => return value,
            // NaN is not at most anything: a missing value goes right.
            Node::Split { input, threshold, left, right } => {
                at = if row[usize::from(input)] <= threshold { left } else { right } as usize;
            }
        }
    }
}

/// The forest's score of a row of inputs.
///
/// # Panics
/// As [`leaf`].
pub fn score(forest: &ForestSpec, row: &[f64]) -> f64 {
    let sum = forest.trees.iter().fold(forest.base, |sum, tree| sum + leaf(tree, row));
    match forest.transform {
        Transform::Mean => sum / forest.trees.len() as f64,
        Transform::Logistic => 1.0 / (1.0 + (-sum).exp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(threshold: f64) -> Tree {
        let split = Node::Split { input: 0, threshold, left: 1, right: 2 };
        Tree { nodes: vec![split, Node::Leaf(0.25), Node::Leaf(0.75)] }
    }

    #[test]
    fn at_most_goes_left_and_a_missing_value_goes_right() {
        let tree = stump(3.0);
        assert_eq!(leaf(&tree, &[3.0]), 0.25);
        assert_eq!(leaf(&tree, &[3.0_f64.next_up()]), 0.75);
        assert_eq!(leaf(&tree, &[f64::NAN]), 0.75);
        assert_eq!(leaf(&tree, &[f64::NEG_INFINITY]), 0.25);
    }

    #[test]
    fn a_mean_is_over_trees_and_a_logistic_over_their_sum() {
        let mut forest = ForestSpec {
            version: String::new(),
            inputs: vec!["x".to_owned()],
            trees: vec![stump(0.0), stump(10.0)],
            base: 0.0,
            transform: Transform::Mean,
        };
        assert_eq!(score(&forest, &[5.0]), 0.5);
        forest.transform = Transform::Logistic;
        forest.base = -1.0;
        assert_eq!(score(&forest, &[5.0]), 0.5);
    }
}
