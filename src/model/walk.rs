//! The slow, obvious evaluation of a forest: one row, one tree after another, one node after another.
//!
//! It is the twin that the engine's flat form is tested against, and what a model's test vectors are checked with.

use engine::forest::{ForestSpec, Node, Side, Tree};

/// The leaf that a row of inputs, rounded as the forest asks, reaches.
///
/// # Panics
/// If the tree was not checked by [`crate::check::check_tree`], or the row is shorter than its inputs.
pub fn leaf(tree: &Tree, row: &[f64]) -> f64 {
    let mut at = 0;
    loop {
        match &tree.nodes[at] {
            Node::Leaf(value) => return *value,
            Node::Split(split) => {
                at = match split.side(row[usize::from(split.input)]) {
                    Side::Left => split.left,
                    Side::Right => split.right,
                } as usize;
            }
        }
    }
}

/// The forest's score of a row of inputs.
///
/// # Panics
/// As [`leaf`].
pub fn score(forest: &ForestSpec, row: &[f64]) -> f64 {
    forest.score(raw(forest, row))
}

/// The sum of the leaves that a row of inputs reaches, before mean and transform.
///
/// # Panics
/// As [`leaf`].
pub fn raw(forest: &ForestSpec, row: &[f64]) -> f64 {
    let row: Vec<f64> = row.iter().map(|&value| forest.inputs_as.round(value)).collect();
    let sum = |sum, tree| forest.add(sum, leaf(tree, &row));
    forest.trees.iter().fold(forest.sums_as.round(forest.base), sum)
}

/// What the transform takes: the sum of the leaves, or their mean where the forest asks for it. Libraries call it the raw
/// score too.
pub fn mean(forest: &ForestSpec, sum: f64) -> f64 {
    let divisor = if forest.mean { forest.trees.len() as f64 } else { 1.0 };
    forest.sums_as.round(sum / divisor)
}

#[cfg(test)]
mod tests {
    use engine::forest::{Calibration, Precision, Transform};

    use super::*;

    fn stump(threshold: f64) -> Tree {
        let split = Node::at_most(0, threshold, 1, 2);
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
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: true,
            transform: Transform::Identity,
            calibration: Calibration::None,
        };
        assert_eq!(score(&forest, &[5.0]), 0.5);
        forest.mean = false;
        forest.transform = Transform::Logistic { slope: 1.0 };
        forest.base = -1.0;
        assert_eq!(score(&forest, &[5.0]), 0.5);
    }
}
