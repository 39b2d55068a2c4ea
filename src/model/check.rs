//! Whether a forest may be used: every bound and every shape that the engine relies on.
//!
//! A model file is outside input. A cycle, a child out of range or a leaf that is no number is found here, with its place.

use engine::forest::{ForestSpec, Node, Precision, Split, Test, Tree};
use engine::limits;

/// Why a forest is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum ForestError {
    /// It has no tree.
    Empty,
    /// More of something than [`engine::limits`] allows.
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many were found.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A tree of the wrong shape.
    Tree {
        /// Which tree, from 0.
        tree: usize,
        /// Which node, from 0.
        node: usize,
        /// What is wrong with it.
        fault: TreeFault,
    },
    /// The number that the sum starts from is not finite in its precision.
    BaseNotFinite,
    /// The transform's parameter is not a finite number above 0.
    Transform,
    /// The calibration does not rise from 0 to 1, or has too many knots.
    Calibration,
    /// The same input twice.
    DuplicateInput(String),
}

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TreeFault {
    /// The tree has no node.
    NoNode,
    /// A child that does not exist.
    ChildOutOfRange,
    /// Reached twice: a cycle, or two parents.
    ReachedTwice,
    /// Reached by nothing.
    Unreachable,
    /// A leaf or threshold that is infinite or not a number.
    NotFinite,
    /// A leaf that is infinite in the precision of the sum. Two of them would make a sum that is no number.
    LeafTooLarge,
    /// An input past the forest's inputs.
    InputOutOfRange,
    /// Deeper than [`limits::DEPTH_MAX`].
    TooDeep,
}

impl std::fmt::Display for TreeFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TreeFault::NoNode => f.write_str("the tree has no node"),
            TreeFault::ChildOutOfRange => f.write_str("a child does not exist"),
            TreeFault::ReachedTwice => f.write_str("reached twice: a cycle, or two parents"),
            TreeFault::Unreachable => f.write_str("reached by no parent"),
            TreeFault::NotFinite => f.write_str("the number is infinite or not a number"),
            TreeFault::LeafTooLarge => {
                f.write_str("the leaf is past the largest number that the sum can hold")
            }
            TreeFault::InputOutOfRange => f.write_str("the input is past the last one"),
            TreeFault::TooDeep => write!(f, "deeper than {} splits", limits::DEPTH_MAX),
        }
    }
}

impl std::fmt::Display for ForestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ForestError::Empty => f.write_str("the forest has no tree"),
            ForestError::TooMany { what, found, max } => {
                write!(f, "{found} {what}, at most {max} are allowed")
            }
            ForestError::Tree { tree, node, fault } => write!(f, "tree {tree}, node {node}: {fault}"),
            ForestError::BaseNotFinite => {
                f.write_str("the base is infinite or not a number in the precision of the sum")
            }
            ForestError::Transform => f.write_str("the transform's parameter is not a finite number above 0"),
            ForestError::Calibration => f.write_str("the calibration does not rise from 0 to 1"),
            ForestError::DuplicateInput(name) => write!(f, "input `{name}` is named twice"),
        }
    }
}

impl std::error::Error for ForestError {}

/// Checks bounds and structure of a forest, without regard to what its inputs are called in the feature table.
///
/// # Errors
/// The first fault found.
pub fn check_forest(forest: &ForestSpec) -> Result<(), ForestError> {
    let nodes = forest.trees.iter().map(|tree| tree.nodes.len()).sum();
    for (what, found, max) in [
        ("trees", forest.trees.len(), limits::TREES_MAX),
        ("nodes", nodes, limits::NODES_MAX),
        ("inputs", forest.inputs.len(), limits::FOREST_INPUTS_MAX),
        (
            "words of categories",
            forest.trees.iter().flat_map(|tree| &tree.nodes).map(category_words).sum(),
            limits::CATEGORY_WORDS_MAX,
        ),
    ] {
        if found > max {
            return Err(ForestError::TooMany { what, found, max });
        }
    }
    if forest.trees.is_empty() {
        return Err(ForestError::Empty);
    }
    if !forest.sums_as.round(forest.base).is_finite() {
        return Err(ForestError::BaseNotFinite);
    }
    if !forest.transform.is_sound() {
        return Err(ForestError::Transform);
    }
    if !forest.calibration.is_sound() {
        return Err(ForestError::Calibration);
    }
    for (place, name) in forest.inputs.iter().enumerate() {
        if forest.inputs[..place].contains(name) {
            return Err(ForestError::DuplicateInput(name.clone()));
        }
    }
    for (tree, nodes) in forest.trees.iter().enumerate() {
        check_tree(nodes, forest.inputs.len(), forest.sums_as)
            .map_err(|(node, fault)| ForestError::Tree { tree, node, fault })?;
    }
    Ok(())
}

fn category_words(node: &Node) -> usize {
    match node {
        Node::Split(Split { test: Test::OneOf(set), .. }) => set.words().len(),
        _ => 0,
    }
}

/// Checks one tree: finite numbers, leaves as the sum takes them, inputs and children in range, every node reached exactly
/// once, bounded depth.
///
/// # Errors
/// The node at fault and what is wrong with it.
pub fn check_tree(tree: &Tree, inputs: usize, sums_as: Precision) -> Result<(), (usize, TreeFault)> {
    if tree.nodes.is_empty() {
        return Err((0, TreeFault::NoNode));
    }
    let mut reached = vec![false; tree.nodes.len()];
    let mut open = vec![(0_usize, 0_usize)];
    while let Some((at, depth)) = open.pop() {
        let node = tree.nodes.get(at).ok_or((at, TreeFault::ChildOutOfRange))?;
        if depth > limits::DEPTH_MAX {
            return Err((at, TreeFault::TooDeep));
        }
        if std::mem::replace(&mut reached[at], true) {
            return Err((at, TreeFault::ReachedTwice));
        }
        match node {
            Node::Leaf(value) if !value.is_finite() => return Err((at, TreeFault::NotFinite)),
            Node::Leaf(value) if !sums_as.round(*value).is_finite() => {
                return Err((at, TreeFault::LeafTooLarge));
            }
            Node::Leaf(_) => {}
            Node::Split(split) => {
                if let Test::AtMost(number) | Test::Equal(number) = split.test
                    && !number.is_finite()
                {
                    return Err((at, TreeFault::NotFinite));
                }
                if usize::from(split.input) >= inputs {
                    return Err((at, TreeFault::InputOutOfRange));
                }
                open.push((split.right as usize, depth + 1));
                open.push((split.left as usize, depth + 1));
            }
        }
    }
    match reached.iter().position(|reached| !reached) {
        Some(node) => Err((node, TreeFault::Unreachable)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use engine::forest::{Calibration, Transform};

    use super::*;

    fn forest(nodes: Vec<Node>) -> ForestSpec {
        ForestSpec {
            version: String::new(),
            inputs: vec!["amount".to_owned(), "hour".to_owned()],
            trees: vec![Tree { nodes }],
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: true,
            transform: Transform::Identity,
            calibration: Calibration::None,
        }
    }

    fn fault(nodes: Vec<Node>) -> TreeFault {
        match check_forest(&forest(nodes)) {
            Err(ForestError::Tree { fault, .. }) => fault,
            other => panic!("expected a faulty tree, found {other:?}"),
        }
    }

    #[test]
    fn a_sound_tree_passes() {
        let nodes = vec![Node::at_most(1, 3.5, 1, 2), Node::Leaf(0.0), Node::Leaf(1.0)];
        assert_eq!(check_forest(&forest(nodes)), Ok(()));
    }

    #[test]
    fn every_broken_shape_is_named() {
        let (split, leaf) = (Node::at_most, Node::Leaf(0.5));
        assert_eq!(fault(vec![]), TreeFault::NoNode);
        assert_eq!(fault(vec![split(0, 1.0, 1, 2), leaf.clone()]), TreeFault::ChildOutOfRange);
        assert_eq!(fault(vec![split(0, 1.0, 0, 1), leaf.clone()]), TreeFault::ReachedTwice);
        assert_eq!(fault(vec![split(0, 1.0, 1, 1), leaf.clone()]), TreeFault::ReachedTwice);
        assert_eq!(fault(vec![leaf.clone(), leaf.clone()]), TreeFault::Unreachable);
        assert_eq!(fault(vec![Node::Leaf(f64::NAN)]), TreeFault::NotFinite);
        assert_eq!(fault(vec![Node::Leaf(f64::INFINITY)]), TreeFault::NotFinite);
        assert_eq!(fault(vec![split(0, f64::NAN, 1, 2), leaf.clone(), leaf.clone()]), TreeFault::NotFinite);
        assert_eq!(fault(vec![split(2, 1.0, 1, 2), leaf.clone(), leaf.clone()]), TreeFault::InputOutOfRange);
        let mut deep = Vec::new();
        for level in 0..=limits::DEPTH_MAX as u32 {
            deep.extend([split(0, 1.0, 2 * level + 1, 2 * level + 2), leaf.clone()]);
        }
        deep.push(leaf);
        // Right children continue the chain, so that node 2k is the k-th split.
        assert_eq!(fault(deep), TreeFault::TooDeep);
    }

    #[test]
    fn a_leaf_or_base_that_the_sum_cannot_hold_is_refused() {
        // Infinite as floats: a row that met both leaves would have no score at all.
        let single = |base, leaves: [f64; 2]| ForestSpec {
            sums_as: Precision::Single,
            base,
            trees: leaves.map(|leaf| Tree { nodes: vec![Node::Leaf(leaf)] }).to_vec(),
            ..forest(vec![])
        };
        let refused = check_forest(&single(0.0, [0.5, -1e300])).unwrap_err().to_string();
        assert_eq!(refused, "tree 1, node 0: the leaf is past the largest number that the sum can hold");
        assert_eq!(check_forest(&single(1e39, [0.5, 0.5])), Err(ForestError::BaseNotFinite));
        let largest = f64::from(f32::MAX);
        assert_eq!(check_forest(&single(largest, [largest, -largest])), Ok(()));
        let double = ForestSpec { sums_as: Precision::Double, ..single(1e39, [1e300, -1e300]) };
        assert_eq!(check_forest(&double), Ok(()));
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        let mut many = forest(vec![Node::Leaf(0.5)]);
        many.trees = vec![Tree { nodes: vec![Node::Leaf(0.5)] }; limits::TREES_MAX + 1];
        assert!(matches!(check_forest(&many), Err(ForestError::TooMany { what: "trees", .. })));
        let mut wide = forest(vec![Node::Leaf(0.5)]);
        wide.inputs = (0..=limits::FOREST_INPUTS_MAX).map(|i| format!("f{i}")).collect();
        assert!(matches!(check_forest(&wide), Err(ForestError::TooMany { what: "inputs", .. })));
        let mut big = forest(vec![]);
        big.trees = vec![Tree { nodes: vec![Node::Leaf(0.5); limits::NODES_MAX + 1] }];
        assert!(matches!(check_forest(&big), Err(ForestError::TooMany { what: "nodes", .. })));
    }
}
