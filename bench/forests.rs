//! Forests alone, of two sizes and both precisions, by each instruction set there is: what a row costs alone and among 64.

use std::hint::black_box;

use engine::forest::{Calibration, Forest, ForestSpec, Lanes, Precision, Transform, Vectors};
use engine::limits::LANES;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::codec::time;
use crate::forest::{INPUTS, tree};
use crate::report::Row;
use crate::run::Plan;

/// Trees and leaves of each.
const SIZES: [(usize, usize); 3] = [(100, 31), (300, 63), (100, 300)];

/// Rows scored in turn, so that no branch can be learned by heart.
const ROWS: usize = 16 * LANES;

/// Names of these cases.
pub fn stages() -> Vec<String> {
    cases().into_iter().map(|(name, ..)| name).collect()
}

fn cases() -> Vec<(String, (usize, usize), Precision, Vectors)> {
    let mut cases = Vec::new();
    for size in SIZES {
        for (precision, word) in [(Precision::Single, "float"), (Precision::Double, "double")] {
            for vectors in Vectors::available() {
                let name = format!("forest {}x{} {word} {}", size.0, size.1, vectors.name());
                cases.push((name, size, precision, vectors));
            }
        }
    }
    cases
}

/// Runs those that are wanted.
///
/// # Errors
/// What could not be made, in words.
pub fn run(plan: &Plan, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>, String> {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(11);
    let rows: Vec<f64> = (0..ROWS * INPUTS).map(|_| draw.random_range(0.0..1000.0)).collect();
    let seen: Vec<Vec<f64>> =
        (0..INPUTS).map(|_| (0..1000).map(|_| draw.random_range(0.0..1000.0)).collect()).collect();
    let mut found = Vec::new();
    for (name, (trees, leaves), precision, vectors) in cases() {
        if !wanted(&name) {
            continue;
        }
        let spec = ForestSpec {
            version: name.clone(),
            inputs: (0..INPUTS).map(|n| n.to_string()).collect(),
            trees: (0..trees).map(|_| tree(&seen, leaves, &mut draw)).collect(),
            inputs_as: precision,
            sums_as: precision,
            base: 0.0,
            mean: false,
            transform: Transform::Logistic { slope: 1.0 },
            calibration: Calibration::None,
        };
        let forest = Forest::with_vectors(&spec, vectors).map_err(|error| error.to_string())?;
        found.push(measure(name, &forest, &rows, plan));
    }
    Ok(found)
}

fn measure(name: String, forest: &Forest, rows: &[f64], plan: &Plan) -> Row {
    let mut lanes = Lanes::default();
    lanes.fit(forest);
    let mut one = [0.0];
    let turns = (plan.checks / LANES as u64).max(1);
    let mut ns = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        let mut blocks = rows.chunks(LANES * INPUTS).cycle();
        ns[0].push(time(turns, &mut || {
            for row in blocks.next().unwrap_or_default().chunks(INPUTS) {
                lanes.write(0, black_box(row));
                forest.score_lanes(&mut lanes, &mut one);
                black_box(one);
            }
        }));
        // The engine writes lanes, so writing them is measured; their order in memory is that of its columns.
        let mut scores = [0.0; LANES];
        ns[1].push(time(turns, &mut || {
            let block = blocks.next().unwrap_or_default();
            for (input, column) in block.chunks(LANES).enumerate() {
                lanes.input(input)[..column.len()].copy_from_slice(column);
            }
            forest.score_lanes(&mut lanes, &mut scores);
            black_box(&scores);
        }));
    }
    Row::new(name, ns)
}
