//! What makes trees a forest: bounds, finite numbers, and every node reached once.

use super::node::{Node, Split, Test, Tree};
use super::spec::ForestSpec;
use crate::limits::{DEPTH_MAX, FOREST_INPUTS_MAX, NODES_MAX, TREES_MAX};

/// Checks all that evaluation relies on; the first fault in words.
pub fn check(spec: &ForestSpec) -> Result<(), String> {
    if spec.trees.is_empty() || spec.trees.len() > TREES_MAX {
        return Err(format!("a forest has 1 to {TREES_MAX} trees, not {}", spec.trees.len()));
    }
    if spec.inputs.len() > FOREST_INPUTS_MAX {
        return Err(format!("a forest has at most {FOREST_INPUTS_MAX} inputs, not {}", spec.inputs.len()));
    }
    let total: usize = spec.trees.iter().map(|tree| tree.nodes.len()).sum();
    if total > NODES_MAX {
        return Err(format!("a forest has at most {NODES_MAX} nodes, not {total}"));
    }
    if !spec.sums_as.round(spec.base).is_finite() {
        return Err("the base is not finite".to_owned());
    }
    if !spec.transform.is_sound() {
        return Err("the transform's parameter is not a finite number above 0".to_owned());
    }
    if !spec.calibration.is_sound() {
        return Err("the calibration does not rise from 0 to 1".to_owned());
    }
    for (at, tree) in spec.trees.iter().enumerate() {
        check_tree(tree, spec).map_err(|why| format!("tree {at}: {why}"))?;
    }
    Ok(())
}

fn check_tree(tree: &Tree, spec: &ForestSpec) -> Result<(), String> {
    let mut level = vec![0];
    let mut reached = 0;
    for _ in 0..=DEPTH_MAX {
        let mut next = Vec::new();
        for at in level {
            reached += 1;
            match tree.nodes.get(at as usize) {
                None => return Err(format!("node {at} does not exist")),
                // A node too many means that one was reached twice, so that cycles end here.
                Some(_) if reached > tree.nodes.len() => return Err("a node has two parents".to_owned()),
                // As the sum takes it: of two infinite leaves it could be no number.
                Some(Node::Leaf(value)) if !spec.sums_as.round(*value).is_finite() => {
                    return Err(format!("leaf {at} is not finite"));
                }
                Some(Node::Leaf(_)) => {}
                Some(Node::Split(split)) => {
                    check_split(split, spec.inputs.len()).map_err(|why| format!("node {at}: {why}"))?;
                    next.extend([split.left, split.right]);
                }
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(format!("it is deeper than {DEPTH_MAX}"))
}

fn check_split(split: &Split, inputs: usize) -> Result<(), String> {
    if usize::from(split.input) >= inputs {
        return Err(format!("it reads input {} of {inputs}", split.input));
    }
    match split.test {
        Test::AtMost(threshold) if threshold.is_nan() || threshold == f64::INFINITY => {
            Err(format!("{threshold} is no threshold"))
        }
        Test::Equal(number) if !number.is_finite() => Err(format!("it compares with {number}")),
        _ => Ok(()),
    }
}
