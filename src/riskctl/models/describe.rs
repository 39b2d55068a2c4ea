//! What a manifest says of a model that was trained here: command, units, rows that must reproduce.

use engine::feature::FeatureTable;
use engine::forest::{Calibration, ForestSpec};
use model::manifest::{FORMAT_NATIVE, Kind, Manifest, PrecisionName, Training, TransformName, Vector};
use model::split::Parts;
use model::{CoverOf, Dataset, Drift, Settings, inputs, walk};

/// Test vectors put in a manifest: half of them frauds, where there are so many.
const VECTORS: usize = 24;

/// The manifest of a trained forest; what the forest itself tells is filled in when it is saved.
pub fn manifest(
    name: String,
    forest: &ForestSpec,
    training: Training,
    parts: &Parts,
    features: &FeatureTable,
) -> Manifest {
    let rows = &parts.train;
    let odd = training.kind == Kind::Isolation;
    let objective =
        if odd { "how odd the event is, without labels" } else { "probability that the event is fraud" };
    Manifest {
        format: FORMAT_NATIVE.to_owned(),
        name,
        file: String::new(),
        sha256: String::new(),
        objective: objective.to_owned(),
        transform: TransformName::Identity,
        slope: None,
        path: None,
        mean: true,
        base: 0.0,
        inputs_as: PrecisionName::Double,
        sums_as: PrecisionName::Double,
        covers: CoverOf::Halves,
        calibration: calibration(forest, &training),
        platt: None,
        isotonic: None,
        training: Some(training),
        source: None,
        drift: Some(drift(forest, parts)),
        inputs: rows.inputs().iter().map(|name| inputs::of(name, features)).collect(),
        vectors: vectors(rows, forest),
    }
}

/// The bins of what was trained on. A forest is surer of rows that it has seen, so that its scores are those of held-out rows.
fn drift(forest: &ForestSpec, parts: &Parts) -> Drift {
    let (scored, which) = match parts.held_out.is_empty() {
        true => (&parts.train, "training rows"),
        false => (&parts.held_out, "held-out rows"),
    };
    let scores = (0..scored.len()).map(|row| walk::score(forest, scored.row(row)));
    let inputs = (0..parts.train.len()).map(|row| parts.train.row(row));
    let rows = format!("inputs of {} training rows, scores of {} {which}", parts.train.len(), scored.len());
    Drift::of(rows, &forest.inputs, &inputs, scores)
}

/// The library that trains a kind, with its version.
pub fn library(settings: &Settings) -> &'static str {
    match settings.kind {
        Kind::Forest | Kind::ExtraTrees => "smartcore 0.7",
        Kind::Boosted => "forust-ml 0.8",
        Kind::Isolation => "riskd",
    }
}

/// What was done so that the score can be read as a probability.
fn calibration(forest: &ForestSpec, training: &Training) -> String {
    let share = training.honest_share;
    let trained = match training.kind {
        Kind::Isolation => {
            return "none: 0.5 is an event like any other, 1 one that a single cut parts".to_owned();
        }
        Kind::Boosted => "log odds of fraud",
        _ => "leaves hold the share of fraud among their training rows",
    };
    let sampled = match share {
        1.0 => String::new(),
        _ => format!("; honest rows sampled at {share}, corrected to the rate of fraud in all rows"),
    };
    let rows = format!("{} validation rows", training.validation_rows);
    format!("{trained}{sampled}{}", fitted(&forest.calibration, &rows))
}

/// A calibration in words, to be put behind what was calibrated; nothing if there is none.
pub fn fitted(calibration: &Calibration, rows: &str) -> String {
    match calibration {
        Calibration::None => String::new(),
        Calibration::Platt { .. } => format!("; a sigmoid fitted on {rows}"),
        Calibration::Isotonic { knots } => {
            format!("; isotonic regression on {rows}, {} knots", knots.len())
        }
    }
}

/// The command as it was typed, so that it can be typed again.
pub fn command() -> String {
    let arguments = std::env::args().skip(1).map(|argument| {
        if argument.contains(|c: char| c.is_whitespace() || c == '\'') {
            format!("{argument:?}")
        } else {
            argument
        }
    });
    format!("riskctl {}", arguments.collect::<Vec<_>>().join(" "))
}

/// Rows with their scores, spread evenly over frauds and over honest rows.
fn vectors(data: &Dataset, forest: &ForestSpec) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for fraud in [true, false] {
        let rows: Vec<usize> = (0..data.len()).filter(|row| data.is_fraud(*row) == fraud).collect();
        let step = rows.len().div_ceil(VECTORS / 2).max(1);
        for row in rows.into_iter().step_by(step) {
            let inputs = data.row(row).to_vec();
            let score = walk::score(forest, &inputs);
            vectors.push(Vector { inputs, score });
        }
    }
    vectors
}
