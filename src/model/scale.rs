//! The scale of a forest's scores. The engine cuts them at 0 and 1, which is where rules and bands live; margins, rates and
//! amounts of other libraries lie elsewhere, and a calibration brings them home.

use engine::forest::{Calibration, ForestSpec, Node, Transform};

use crate::calibrate::{self, Method};
use crate::dataset::Dataset;
use crate::{report, walk};

/// How far a score may be past 0 or 1 by rounding alone: leaves of a random forest sum to 1 in `float32`.
const SLACK: f64 = 1e-4;

/// Largest raw score that a sigmoid of slope 1 still tells from its neighbours: σ(16) is 1 − 1e-7.
const RAW_MAX: f64 = 16.0;

/// Bounds of all scores, if they are not within 0 and 1: every tree at its least leaf, and at its largest. Each transform only
/// rises or only falls.
pub fn outside(forest: &ForestSpec) -> Option<(f64, f64)> {
    let (mut least, mut most) = (forest.base, forest.base);
    for tree in &forest.trees {
        let leaves = || {
            tree.nodes
                .iter()
                .filter_map(|node| if let Node::Leaf(value) = node { Some(*value) } else { None })
        };
        least += leaves().fold(f64::INFINITY, f64::min);
        most += leaves().fold(f64::NEG_INFINITY, f64::max);
    }
    let (one, other) = (forest.score(least), forest.score(most));
    let (least, most) = (one.min(other), one.max(other));
    (least < -SLACK || most > 1.0 + SLACK).then_some((least, most))
}

/// Makes a forest's scores probabilities of fraud, by rows with labels. Where they are not within 0 and 1 a sigmoid over the raw
/// score first takes the transform's place: both rise, so that no ranking changes.
///
/// # Errors
/// If there is nothing to fit; the forest is then as it was.
pub fn calibrate(forest: &mut ForestSpec, rows: &Dataset, method: Method) -> Result<(), &'static str> {
    let before = forest.clone();
    forest.calibration = Calibration::None;
    if outside(forest).is_some() {
        let raw = |row| walk::mean(forest, walk::raw(forest, rows.row(row))).abs();
        let largest = (0..rows.len()).map(raw).fold(0.0, f64::max);
        forest.transform =
            Transform::Logistic { slope: if largest > RAW_MAX { RAW_MAX / largest } else { 1.0 } };
    }
    let scored = report::scored(forest, rows).unwrap_or_default();
    match calibrate::fit(&scored, method) {
        Calibration::None => {
            *forest = before;
            Err("the rows are all fraud or all honest, or fraud is rarer where scores are higher")
        }
        fitted => {
            forest.calibration = fitted;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::forest::{Precision, Tree};

    use super::*;

    /// Of a hundred rows in each leaf so many are fraud.
    const FRAUDS: [i64; 4] = [1, 10, 40, 90];

    /// Four leaves over one input, as a regression that was trained on something of that size.
    fn forest(size: f64, transform: Transform) -> ForestSpec {
        let nodes = vec![
            Node::at_most(0, 1.0, 1, 2),
            Node::at_most(0, 0.0, 3, 4),
            Node::at_most(0, 2.0, 5, 6),
            Node::Leaf(-2.0 * size),
            Node::Leaf(-size),
            Node::Leaf(size),
            Node::Leaf(2.0 * size),
        ];
        ForestSpec {
            version: String::new(),
            inputs: vec!["x".to_owned()],
            trees: vec![Tree { nodes }],
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: false,
            transform,
            calibration: Calibration::None,
        }
    }

    fn rows() -> Dataset {
        let mut rows = Dataset::new(vec!["x".to_owned()]);
        for row in 0..400_i64 {
            let leaf = row % 4;
            rows.push(row, &[leaf as f64], row / 4 < FRAUDS[leaf as usize]);
        }
        rows
    }

    #[test]
    fn margins_rates_and_amounts_become_the_share_of_fraud_among_rows_like_them() {
        for (size, transform) in [
            (2.0, Transform::Identity),
            (1.0, Transform::Exponential),
            (50_000.0, Transform::Identity),
            (1.5, Transform::SignedSquare),
        ] {
            let mut forest = forest(size, transform);
            assert!(outside(&forest).is_some(), "{transform:?}");
            calibrate(&mut forest, &rows(), Method::Isotonic).unwrap();
            assert_eq!(outside(&forest), None);
            for (leaf, frauds) in FRAUDS.into_iter().enumerate() {
                let score = walk::score(&forest, &[leaf as f64]);
                assert!(
                    (score - frauds as f64 / 100.0).abs() < 1e-9,
                    "{size} {transform:?}: {leaf} is {score}"
                );
            }
            calibrate(&mut forest, &rows(), Method::Platt).unwrap();
            let scores: Vec<f64> = (0..4).map(|leaf| walk::score(&forest, &[f64::from(leaf)])).collect();
            assert!(
                scores.is_sorted() && scores[0] < 0.05 && scores[3] > 0.7,
                "{size} {transform:?}: {scores:?}"
            );
        }
    }

    #[test]
    fn a_score_that_is_a_share_keeps_its_transform() {
        let mut forest = forest(1.0, Transform::Logistic { slope: 1.0 });
        calibrate(&mut forest, &rows(), Method::Platt).unwrap();
        assert_eq!(forest.transform, Transform::Logistic { slope: 1.0 });
    }

    #[test]
    fn a_forest_that_cannot_be_fitted_stays_as_it_was() {
        let honest = rows().filter(|row| !rows().is_fraud(row));
        let mut wrong = forest(-2.0, Transform::Identity);
        for (forest, rows) in [(&mut forest(2.0, Transform::Identity), honest), (&mut wrong, rows())] {
            let before = forest.clone();
            assert!(calibrate(forest, &rows, Method::Platt).is_err());
            assert_eq!(*forest, before);
        }
    }
}
