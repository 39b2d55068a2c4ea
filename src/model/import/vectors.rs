//! Test vectors of an imported model: the rows that its manifest will hold it to.

use engine::forest::{ForestSpec, Node, Test};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::manifest::Vector;
use crate::walk;

/// Most vectors of a manifest.
const VECTORS: usize = 24;

/// Rows, spread over those given, or made where none are; those whose score is not finite are left out.
pub fn of(forest: &ForestSpec, rows: &[Vec<f64>]) -> Vec<Vector> {
    let made;
    let rows = if rows.is_empty() {
        made = make(forest);
        &made
    } else {
        rows
    };
    let step = rows.len().div_ceil(VECTORS).max(1);
    let vector = |inputs: &Vec<f64>| Vector { inputs: inputs.clone(), score: walk::score(forest, inputs) };
    rows.iter().step_by(step).map(vector).filter(|vector| vector.score.is_finite()).collect()
}

/// Rows that stand on the forest's thresholds or beside them, and now and then miss a value. The same forest gives the same.
fn make(forest: &ForestSpec) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(1);
    let mut edges = vec![Vec::new(); forest.inputs.len()];
    for node in forest.trees.iter().flat_map(|tree| &tree.nodes) {
        let Node::Split(split) = node else { continue };
        let edges = &mut edges[usize::from(split.input)];
        match &split.test {
            Test::AtMost(number) | Test::Equal(number) => edges.push(*number),
            Test::OneOf(set) => {
                let word = set.words().iter().position(|word| *word != 0).unwrap_or(0);
                let bit = set.words().get(word).map_or(0, |word| word.trailing_zeros());
                edges.push((word * 64) as f64 + f64::from(bit));
            }
        }
    }
    let mut value = |edges: &Vec<f64>| match (random.random_range(0..10_u8), edges.len()) {
        (0, _) => f64::NAN,
        (_, 0) => 0.0,
        (kind, count) => {
            let edge = edges[random.random_range(0..count)];
            if kind < 6 { edge } else { edge + edge.abs() * 0.01 + 1.0 }
        }
    };
    (0..VECTORS).map(|_| edges.iter().map(&mut value).collect()).collect()
}
