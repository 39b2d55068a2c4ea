//! Reads the trees out of a trained smartcore forest.
//!
//! The library keeps nodes private, so they come through its serialisation, as values and never as text: every float
//! stays bit for bit. Its split goes left on `value <= threshold`, as the engine's does, so thresholds are taken over unchanged.

use engine::forest::{Node, Tree};
use serde::{Deserialize, Serialize};

/// The part of the serialised forest that is read; the names are the library's.
#[derive(Deserialize)]
struct Outer {
    forest_regressor: Inner,
}

#[derive(Deserialize)]
struct Inner {
    trees: Vec<LibraryTree>,
}

#[derive(Deserialize)]
struct LibraryTree {
    nodes: Vec<LibraryNode>,
}

#[derive(Deserialize)]
struct LibraryNode {
    output: f64,
    split_feature: u16,
    split_value: Option<f64>,
    true_child: Option<u32>,
    false_child: Option<u32>,
}

/// The trees of a trained `RandomForestRegressor`.
///
/// # Errors
/// If the library's serialised form is not the one expected: another version of it.
pub fn trees(forest: &impl Serialize) -> Result<Vec<Tree>, serde_json::Error> {
    let outer: Outer = serde_json::from_value(serde_json::to_value(forest)?)?;
    Ok(outer.forest_regressor.trees.iter().map(tree).collect())
}

fn tree(tree: &LibraryTree) -> Tree {
    let node = |node: &LibraryNode| match (node.split_value, node.true_child, node.false_child) {
        (Some(threshold), Some(left), Some(right)) => {
            Node::at_most(node.split_feature, threshold, left, right)
        }
        // A node whose best split was found but not taken (depth reached) has no children: it is a leaf.
        _ => Node::Leaf(node.output),
    };
    Tree { nodes: tree.nodes.iter().map(node).collect() }
}
