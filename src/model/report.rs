//! What is said of a model after training, on rows that it has not seen: quality, calibration, and what each input is worth.

use engine::forest::{Calibration, Forest, ForestSpec};
use serde::Serialize;

use crate::dataset::Dataset;
use crate::manifest::Quality;
use crate::quality::{Curve, Scored, brier, log_loss};

/// Lower ends of the bins of the reliability curve; narrow where most scores are.
const BINS: [f64; 10] = [0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9];
/// Rows that inputs are weighed on: all frauds up to this number, and honest rows up to it.
const WEIGHED_ROWS: usize = 20_000;
/// Larger than any number of such rows, so that its multiples meet every one of them once.
const PRIME: usize = 2_654_435_761;

/// How near scores are to probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Mean −ln of the probability given to what came true.
    pub log_loss: f64,
    /// Mean squared distance from the truth.
    pub brier: f64,
    /// Mean distance between score and share of fraud over the bins, weighted by rows.
    pub calibration_error: f64,
}

/// A bin of the reliability curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Least score.
    pub from: f64,
    /// Rows in it.
    pub rows: usize,
    /// Their mean score.
    pub score: f64,
    /// The share of them that is fraud.
    pub fraud: f64,
}

/// What an input is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The input.
    pub input: String,
    /// By how much average precision falls when the input's values change places among rows.
    pub loss: f64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Ranking.
    pub quality: Quality,
    /// Without calibration.
    pub raw: Fit,
    /// With it.
    pub calibrated: Fit,
    /// Share of fraud by score, with calibration; bins without rows are left out.
    pub reliability: Vec<Bin>,
    /// Inputs, the most important first.
    pub importances: Vec<Importance>,
}

impl Report {
    /// Measures a forest on those rows; `done` is told how many inputs are weighed. `None` without both fraud and honest rows, or
    /// if the engine refuses the forest.
    pub fn of(forest: &ForestSpec, rows: &Dataset, done: &(dyn Fn(usize) + Sync)) -> Option<Report> {
        let calibrated = scored(forest, rows)?;
        let raw = scored(&ForestSpec { calibration: Calibration::None, ..forest.clone() }, rows)?;
        Some(Report {
            quality: quality(&calibrated)?,
            raw: fit(&raw),
            calibrated: fit(&calibrated),
            reliability: reliability(&calibrated),
            importances: importances(forest, rows, done)?,
        })
    }
}

/// Scores of rows beside their truth. `None` if the engine refuses the forest.
pub fn scored(forest: &ForestSpec, rows: &Dataset) -> Option<Vec<Scored>> {
    let flat = Forest::new(forest).ok()?;
    let mut scores = vec![0.0; rows.len()];
    flat.score_rows(rows.values(), rows.inputs().len(), &mut scores);
    let truth = scores.into_iter().enumerate();
    Some(truth.map(|(row, score)| Scored { score, fraud: rows.is_fraud(row) }).collect())
}

/// The figures of a ranking; `None` without both fraud and honest rows.
pub fn quality(scored: &[Scored]) -> Option<Quality> {
    let curve = Curve::new(scored);
    let rounded = |x: f64| (x * 1e6).round() / 1e6;
    Some(Quality {
        rows: scored.len(),
        frauds: curve.frauds(),
        roc_auc: rounded(curve.roc_auc()?),
        average_precision: rounded(curve.average_precision()?),
        recall_at_1_percent: rounded(curve.recall_at_false_positives(0.01)?),
        recall_at_0_1_percent: rounded(curve.recall_at_false_positives(0.001)?),
    })
}

fn fit(rows: &[Scored]) -> Fit {
    let far = |bin: &Bin| bin.rows as f64 * (bin.score - bin.fraud).abs();
    let error = reliability(rows).iter().map(far).sum::<f64>() / rows.len().max(1) as f64;
    Fit { log_loss: log_loss(rows), brier: brier(rows), calibration_error: error }
}

fn reliability(rows: &[Scored]) -> Vec<Bin> {
    let mut bins = BINS.map(|from| Bin { from, rows: 0, score: 0.0, fraud: 0.0 });
    for row in rows {
        let bin = &mut bins[BINS.partition_point(|from| *from <= row.score).saturating_sub(1)];
        bin.rows += 1;
        bin.score += row.score;
        bin.fraud += f64::from(u8::from(row.fraud));
    }
    let filled = bins.into_iter().filter(|bin| bin.rows > 0);
    filled
        .map(|bin| Bin { score: bin.score / bin.rows as f64, fraud: bin.fraud / bin.rows as f64, ..bin })
        .collect()
}

/// Each input's values change places among the rows, all others staying. Places are multiples of a prime, which scatters
/// them and is the same in every run.
fn importances(
    forest: &ForestSpec,
    rows: &Dataset,
    done: &(dyn Fn(usize) + Sync),
) -> Option<Vec<Importance>> {
    let step = |fraud| {
        let of_kind = (0..rows.len()).filter(|row| rows.is_fraud(*row) == fraud).count();
        of_kind.div_ceil(WEIGHED_ROWS).max(1)
    };
    let steps = [step(false), step(true)];
    let mut seen = [0_usize; 2];
    let kept: Vec<bool> = (0..rows.len())
        .map(|row| {
            let kind = usize::from(rows.is_fraud(row));
            seen[kind] += 1;
            (seen[kind] - 1).is_multiple_of(steps[kind])
        })
        .collect();
    let rows = rows.filter(|row| kept[row]);
    let flat = Forest::new(forest).ok()?;
    let width = rows.inputs().len();
    let mut scores = vec![0.0; rows.len()];
    let mut precision = |values: &[f64]| {
        flat.score_rows(values, width, &mut scores);
        let scored = scores.iter().enumerate();
        let scored: Vec<Scored> =
            scored.map(|(row, score)| Scored { score: *score, fraud: rows.is_fraud(row) }).collect();
        Curve::new(&scored).average_precision()
    };
    let whole = precision(rows.values())?;
    let mut values = rows.values().to_vec();
    let mut found = Vec::with_capacity(width);
    for (input, name) in rows.inputs().iter().enumerate() {
        for row in 0..rows.len() {
            values[row * width + input] = rows.row((row * PRIME + 1) % rows.len())[input];
        }
        found.push(Importance { input: name.clone(), loss: whole - precision(&values)? });
        for row in 0..rows.len() {
            values[row * width + input] = rows.row(row)[input];
        }
        done(input + 1);
    }
    found.sort_by(|a, b| b.loss.total_cmp(&a.loss));
    Some(found)
}

#[cfg(test)]
mod tests {
    use engine::forest::{Node, Precision, Transform, Tree};

    use super::*;

    /// Fraud is where `x` is above 0.9; `y` says nothing. The forest gives one in two there.
    fn case() -> (ForestSpec, Dataset) {
        let nodes = vec![Node::at_most(0, 0.9, 1, 2), Node::Leaf(0.0), Node::Leaf(0.5)];
        let forest = ForestSpec {
            version: String::new(),
            inputs: vec!["y".to_owned(), "x".to_owned()],
            trees: vec![Tree { nodes }],
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: true,
            transform: Transform::Identity,
            calibration: Calibration::None,
        };
        let mut forest = forest;
        if let Node::Split(split) = &mut forest.trees[0].nodes[0] {
            split.input = 1;
        }
        let mut rows = Dataset::new(forest.inputs.clone());
        for n in 0..1_000 {
            let x = f64::from(n % 100) / 100.0;
            rows.push(n.into(), &[f64::from(n % 7), x], x > 0.9);
        }
        (forest, rows)
    }

    #[test]
    fn quality_reliability_and_importance_are_those_of_the_case() {
        let (forest, rows) = case();
        let report = Report::of(&forest, &rows, &|_| {}).unwrap();
        assert_eq!((report.quality.frauds, report.quality.average_precision), (90, 1.0));
        let curve: Vec<(usize, f64, f64)> =
            report.reliability.iter().map(|bin| (bin.rows, bin.score, bin.fraud)).collect();
        assert_eq!(curve, [(910, 0.0, 0.0), (90, 0.5, 1.0)]);
        assert!((report.raw.brier - 0.25 * 0.09).abs() < 1e-12, "{:?}", report.raw);
        assert!((report.raw.calibration_error - 0.5 * 0.09).abs() < 1e-12);
        assert_eq!(report.importances[0].input, "x");
        assert_eq!(report.importances[1].loss, 0.0, "nothing asks for y");
    }

    #[test]
    fn calibration_changes_the_fit_and_not_the_ranking() {
        let (mut forest, rows) = case();
        forest.calibration = Calibration::Isotonic { knots: vec![[0.5, 0.99]] };
        let report = Report::of(&forest, &rows, &|_| {}).unwrap();
        assert_eq!(report.quality.roc_auc, 1.0);
        assert!(report.calibrated.brier < report.raw.brier / 100.0);
        assert!(report.calibrated.log_loss < report.raw.log_loss);
    }

    #[test]
    fn one_class_is_no_report() {
        let (forest, rows) = case();
        assert_eq!(Report::of(&forest, &rows.filter(|row| rows.is_fraud(row)), &|_| {}), None);
    }
}
