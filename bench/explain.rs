//! Explanations: what each input did to one score, for forests of the sizes that scoring is measured with. They are made off
//! the answer's path; this says what one costs there.

use std::hint::black_box;

use engine::forest::{Calibration, ForestSpec, Precision, Transform};
use engine::limits::LANES;
use model::{CoverOf, Covers, Explainer};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::codec::time;
use crate::forest::{INPUTS, tree};
use crate::report::Row;
use crate::run::Plan;

/// Trees and leaves of each.
const SIZES: [(usize, usize); 2] = [(100, 31), (300, 63)];

/// Rows explained in turn, and rows that covers are counted from.
const ROWS: usize = 256;

/// Names of these cases.
pub fn stages() -> Vec<String> {
    SIZES.map(|(trees, leaves)| format!("explain {trees}x{leaves}")).to_vec()
}

/// Runs those that are wanted. There is one way only, so that the figure for batches is the one for rows alone.
pub fn run(plan: &Plan, wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(12);
    let rows: Vec<f64> = (0..ROWS * INPUTS).map(|_| draw.random_range(0.0..1000.0)).collect();
    let seen: Vec<Vec<f64>> =
        (0..INPUTS).map(|_| (0..1000).map(|_| draw.random_range(0.0..1000.0)).collect()).collect();
    let mut found = Vec::new();
    for (name, (trees, leaves)) in stages().into_iter().zip(SIZES) {
        if !wanted(&name) {
            continue;
        }
        let spec = ForestSpec {
            version: name.clone(),
            inputs: (0..INPUTS).map(|n| n.to_string()).collect(),
            trees: (0..trees).map(|_| tree(&seen, leaves, &mut draw)).collect(),
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: false,
            transform: Transform::Logistic { slope: 1.0 },
            calibration: Calibration::None,
        };
        let covers = Covers::count(&spec, CoverOf::GivenRows, &rows);
        let explainer = Explainer::new(spec, &covers);
        let mut turns = rows.chunks(INPUTS).cycle();
        // Many times dearer than a score, so that a hundredth of the rows tells as much.
        let count = (plan.checks / 100 / LANES as u64).max(1);
        let mut ns = Vec::new();
        for _ in 0..plan.rounds {
            ns.push(time(count, &mut || {
                for row in turns.by_ref().take(LANES) {
                    black_box(explainer.explain(black_box(row)));
                }
            }));
        }
        found.push(Row::new(name, [ns.clone(), ns]));
    }
    found
}
