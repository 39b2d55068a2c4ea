//! A forest of the reference size whose thresholds are values seen in the traffic, so that walks spread over the trees.

use engine::feature::{FeatureId, FeatureTable, Type};
use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Trees of the reference model.
pub const TREES: usize = 100;
/// Leaves of each.
pub const LEAVES: usize = 31;
/// Features it reads.
pub const INPUTS: usize = 40;

/// The features read: the velocity features, then numeric fields and profiles.
pub fn inputs(features: &FeatureTable) -> Vec<FeatureId> {
    let numeric = features.iter().filter(|(id, row)| row.ty != Type::Text && !id.is_score());
    let mut inputs: Vec<FeatureId> = numeric.map(|(id, _)| id).collect();
    inputs.reverse();
    inputs.truncate(INPUTS);
    inputs
}

/// Grows the forest; `seen` holds values of each input, in the order of `inputs`.
pub fn grow(features: &FeatureTable, inputs: &[FeatureId], seen: &[Vec<f64>], seed: u64) -> ForestSpec {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed);
    ForestSpec {
        version: format!("reference-{seed}"),
        inputs: inputs.iter().map(|&id| features.row(id).name.clone()).collect(),
        trees: (0..TREES).map(|_| tree(seen, LEAVES, &mut draw)).collect(),
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: -3.0,
        mean: false,
        transform: Transform::Logistic { slope: 1.0 },
        calibration: Calibration::None,
    }
}

/// Splits leaves at random, as growth by the best leaf does: some branches come out deeper than others.
pub fn tree(seen: &[Vec<f64>], leaves_max: usize, draw: &mut Xoshiro256PlusPlus) -> Tree {
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut leaves = vec![0_usize];
    while leaves.len() < leaves_max {
        let at = leaves.swap_remove(draw.random_range(0..leaves.len()));
        let input = draw.random_range(0..seen.len());
        let values = &seen[input];
        let threshold = if values.is_empty() { 0.0 } else { values[draw.random_range(0..values.len())] };
        let left = nodes.len();
        nodes[at] = Node::at_most(input as u16, threshold, left as u32, left as u32 + 1);
        for leaf in [left, left + 1] {
            nodes.push(Node::Leaf(draw.random_range(-0.1..0.1)));
            leaves.push(leaf);
        }
    }
    Tree { nodes }
}
