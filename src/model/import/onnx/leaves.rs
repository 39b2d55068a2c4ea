//! What the leaves of `TreeEnsembleClassifier` and `TreeEnsembleRegressor` give, and what becomes of their sum.
//!
//! ONNX leaves open what two classes with one set of weights mean. The answers here are those of ONNX Runtime from 1.26 on
//! (`bench/parity/onnx_layouts.py` goes through all layouts): where it has no answer of its own, or one that leaves trees out,
//! the model is refused.

use std::collections::{HashMap, HashSet};

use engine::forest::{Precision, Transform};
use engine::limits;

use super::super::{Refusal, unsupported};
use super::graph::Attributes;

/// What the leaves give, and what becomes of it.
pub struct Leaves {
    /// By tree and node.
    pub values: HashMap<(i64, i64), f64>,
    /// Added when all trees are summed, or to their mean.
    pub base: f64,
    pub sums_as: Precision,
    pub mean: bool,
    pub transform: Transform,
}

/// Which classes the weights are for.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    First,
    Second,
    Both,
}

/// Longest name of a class that is shown, in characters.
const CLASS_CHARS_MAX: usize = 40;

/// What the two classes are called, if it is not 0 and 1.
pub fn named(attributes: &Attributes<'_>) -> Option<[String; 2]> {
    let text = |text: &[u8]| {
        let shown: String = String::from_utf8_lossy(text).chars().take(CLASS_CHARS_MAX).collect();
        format!("{shown:?}")
    };
    match (attributes.texts("classlabels_strings"), attributes.integers("classlabels_int64s")) {
        ([first, second], _) => {
            Some([text(first), text(second)]).filter(|names| *names != ["\"0\"", "\"1\""])
        }
        (_, [first, second]) if [*first, *second] != [0, 1] => Some([first.to_string(), second.to_string()]),
        _ => None,
    }
}

/// Leaves of a classifier of two classes: the score is the second's.
pub fn classes(attributes: &Attributes<'_>, inputs_as: Precision) -> Result<Leaves, Refusal> {
    let labels = match attributes.texts("classlabels_strings").len() {
        0 => attributes.integers("classlabels_int64s").len(),
        strings => strings,
    };
    if labels != 2 {
        return unsupported(format!("{labels} classes: a score is one number, so there must be two"));
    }
    let (ids, weights) = (attributes.integers("class_ids"), attributes.numbers("class_weights")?);
    if ids.iter().any(|id| !matches!(id, 0 | 1)) {
        return Err("a weight for a class that is not there".to_owned().into());
    }
    if ids.len() != weights.len() {
        return Err("class_ids and class_weights differ in length".to_owned().into());
    }
    let layout = match (ids.contains(&0), ids.contains(&1)) {
        (true, true) => Layout::Both,
        (_, true) => Layout::Second,
        _ => Layout::First,
    };
    let base = attributes.numbers("base_values")?;
    match (layout, base.len()) {
        (_, 0) | (Layout::First, 1) => {}
        (Layout::First, _) => {
            return unsupported(
                "two base values and weights for the first class alone: ONNX Runtime answers for the second class without the \
                 trees; write the weights for both classes, or one base value",
            );
        }
        _ => {
            return unsupported(
                "base values together with weights for the second class: runtimes do not agree on them, and ONNX Runtime leaves \
                 trees out; put them into the leaves of a tree",
            );
        }
    }
    let keys: Vec<(i64, i64)> = leaf_keys(attributes, "class", weights.len())?.collect();
    if layout == Layout::Both && !always_second(attributes, &keys, ids) {
        return unsupported(
            "some rows reach no weight of the second class, and for those ONNX Runtime answers with the first's: write a weight \
             of 0 where there is none",
        );
    }
    let logistic = Transform::Logistic { slope: 1.0 };
    // With the sum, what the weights of the first class count where both have some.
    let one = (inputs_as, Transform::Identity, 0.0);
    // Two classes: the second's share is the logistic function of the difference.
    let shares = (Precision::Double, logistic, -1.0);
    let (sums_as, transform, first) = match (attributes.text("post_transform").unwrap_or("NONE"), layout) {
        ("NONE", _) => one,
        ("LOGISTIC", _) => (inputs_as, logistic, 0.0),
        // One set of weights is no two shares: it stays what it is.
        ("SOFTMAX" | "SOFTMAX_ZERO", Layout::First) => one,
        ("SOFTMAX", _) => shares,
        ("SOFTMAX_ZERO", Layout::Both) if never_zero(&weights) => shares,
        ("SOFTMAX_ZERO", _) => {
            return unsupported(
                "the transform `SOFTMAX_ZERO`, which jumps where a sum is 0: export with SOFTMAX",
            );
        }
        ("PROBIT", Layout::First) => {
            return unsupported(
                "the transform `PROBIT` with weights for the first class alone: ONNX Runtime leaves the second's score unset",
            );
        }
        ("PROBIT", _) => (inputs_as, Transform::Probit, 0.0),
        (other, _) => return unsupported(format!("the transform `{other}`")),
    };
    let first = if layout == Layout::First { 1.0 } else { first };
    let mut values = HashMap::new();
    for ((key, &id), weight) in keys.into_iter().zip(ids).zip(weights) {
        *values.entry(key).or_insert(0.0) += if id == 0 { first * weight } else { weight };
    }
    let base = base.first().copied().unwrap_or(0.0);
    Ok(Leaves { values, base, sums_as, mean: false, transform })
}

/// Whether a tree gives each row a weight of the second class.
fn always_second(attributes: &Attributes<'_>, keys: &[(i64, i64)], ids: &[i64]) -> bool {
    let second: HashSet<(i64, i64)> =
        keys.iter().zip(ids).filter(|(_, id)| **id == 1).map(|(key, _)| *key).collect();
    let nodes = attributes.integers("nodes_treeids").iter().zip(attributes.integers("nodes_nodeids"));
    let modes = attributes.texts("nodes_modes");
    // By tree, whether all of its leaves have one.
    let mut all: HashMap<i64, bool> = HashMap::new();
    for ((&tree, &node), mode) in nodes.zip(modes) {
        if mode == b"LEAF" {
            *all.entry(tree).or_insert(true) &= second.contains(&(tree, node));
        }
    }
    all.values().any(|all| *all)
}

/// Whether no sum of these weights is a number that `SOFTMAX_ZERO` takes for 0.
fn never_zero(weights: &[f64]) -> bool {
    let least = f64::from(1e-7_f32);
    weights.iter().all(|&weight| weight > least) || weights.iter().all(|&weight| weight < -least)
}

/// Leaves of a regression.
pub fn targets(attributes: &Attributes<'_>, inputs_as: Precision) -> Result<Leaves, Refusal> {
    if attributes.integer("n_targets") > 1 {
        return unsupported("several targets: a score is one number");
    }
    let weights = attributes.numbers("target_weights")?;
    if attributes.integers("target_ids").iter().any(|&id| id != 0) {
        return Err("a weight for a target that is not there".to_owned().into());
    }
    let base = attributes.numbers("base_values")?;
    if base.len() > 1 {
        return Err("more base values than targets".to_owned().into());
    }
    let trees: HashSet<i64> = attributes.integers("nodes_treeids").iter().copied().collect();
    let mean = is_mean(attributes.text("aggregate_function").unwrap_or("SUM"), trees.len())?;
    let transform = transform(attributes.text("post_transform").unwrap_or("NONE"))?;
    let mut values = HashMap::new();
    for (key, weight) in leaf_keys(attributes, "target", weights.len())?.zip(weights) {
        *values.entry(key).or_insert(0.0) += weight;
    }
    Ok(Leaves { values, base: base.first().copied().unwrap_or(0.0), sums_as: inputs_as, mean, transform })
}

/// Whether trees are joined to their mean and not to their sum. One tree is its own sum, mean, least and largest.
pub fn is_mean(aggregate: &str, trees: usize) -> Result<bool, Refusal> {
    match aggregate {
        "SUM" => Ok(false),
        "AVERAGE" | "MIN" | "MAX" if trees == 1 => Ok(false),
        "AVERAGE" => Ok(true),
        other => unsupported(format!("`{other}` of the trees: it takes sum and mean")),
    }
}

/// What becomes of a sum that is no class's.
pub fn transform(name: &str) -> Result<Transform, Refusal> {
    match name {
        "NONE" => Ok(Transform::Identity),
        "PROBIT" => Ok(Transform::Probit),
        other => unsupported(format!(
            "the transform `{other}` of a regression: ONNX Runtime leaves it out, other runtimes do not; write it as an operation \
             after the trees"
        )),
    }
}

/// Tree and node of each weight.
pub fn leaf_keys<'a>(
    attributes: &Attributes<'a>,
    prefix: &str,
    count: usize,
) -> Result<impl Iterator<Item = (i64, i64)> + 'a, String> {
    let trees = attributes.integers(&format!("{prefix}_treeids"));
    let nodes = attributes.integers(&format!("{prefix}_nodeids"));
    if trees.len() != count || nodes.len() != count {
        return Err(format!("the arrays of {prefix} weights differ in length"));
    }
    if count > limits::NODES_MAX {
        return Err(format!("{count} {prefix} weights, a forest has at most {} nodes", limits::NODES_MAX));
    }
    Ok(trees.iter().copied().zip(nodes.iter().copied()))
}
