//! Rows with the scores that the library gave them: an imported model must give the same.

use engine::forest::{ForestSpec, Precision};
use model::{Dataset, walk};

use crate::print::{self, counted, thousands};

/// Largest difference to the library's own score where trees are summed in `double`, against 1 or the score if that is larger:
/// the score may have been written down with few digits.
const DOUBLE_TOLERANCE: f64 = 1e-6;

/// The same where trees are summed in `float`. The library that trained may itself sum in `double`: scikit-learn's forests of
/// 500 trees and CatBoost's regressors were up to 5.4e-6 from what their ONNX says.
const SINGLE_TOLERANCE: f64 = 1e-5;

/// From here on it is not rounding that makes scores differ.
const ROUNDING_MAX: f64 = 1e-3;

/// A row's number in its file, what the forest gives, what the library gave, and their difference.
struct Apart {
    row: usize,
    found: f64,
    expected: f64,
    by: f64,
}

/// How far scores may be from the library's if nobody says.
pub fn usual_tolerance(forest: &ForestSpec) -> f64 {
    match forest.sums_as {
        Precision::Double => DOUBLE_TOLERANCE,
        Precision::Single => SINGLE_TOLERANCE,
    }
}

/// Holds a forest to the scores that stand last in each row, after its inputs.
///
/// # Errors
/// How many rows differ, the one that does most, and what is likely behind it.
pub fn hold(forest: &ForestSpec, rows: &Dataset, tolerance: f64) -> Result<(), String> {
    let apart = |row: usize| {
        let (inputs, score) = rows.row(row).split_at(forest.inputs.len());
        let (found, expected) = (walk::score(forest, inputs), score.first().copied().unwrap_or(f64::NAN));
        let by = (found - expected).abs() / expected.abs().max(1.0);
        // A score that is no number is as far away as can be.
        Apart { row, found, expected, by: if by.is_nan() { f64::INFINITY } else { by } }
    };
    let bar = print::progress(Some(rows.len() as u64), "comparing");
    let all = bar.wrap_iter(0..rows.len()).map(apart);
    let differ: Vec<Apart> = all.filter(|apart| apart.by > tolerance).collect();
    bar.finish_and_clear();
    let Some(most) = differ.iter().max_by(|one, other| one.by.total_cmp(&other.by)) else { return Ok(()) };
    let advice = if most.by < ROUNDING_MAX {
        format!("if the library rounds so far, --tolerance {} lets it", rounded_up(most.by))
    } else {
        "are the features in the order of training, and in its units?".to_owned()
    };
    Err(format!(
        "{} of {} differ by more than {tolerance:e} of 1, or of a score above; most in row {}: the model gives {}, the file \
         says {}, {:.1e} apart; {advice}",
        thousands(differ.len() as u64),
        counted(rows.len(), "row"),
        most.row + 2,
        most.found,
        most.expected,
        most.by,
    ))
}

/// A larger number of one digit, as a person would type it; larger however the division rounds.
fn rounded_up(number: f64) -> String {
    let exponent = number.log10().floor();
    format!("{}e{exponent}", (number * (1.0 + 1e-9) / 10_f64.powf(exponent)).floor() + 1.0)
}

#[cfg(test)]
mod tests {
    use engine::forest::{Calibration, Node, Transform, Tree};

    use super::*;

    /// A forest that gives 0.25 to every row, and rows that say so up to these differences.
    fn case(sums_as: Precision, off: &[f64]) -> (ForestSpec, Dataset) {
        let forest = ForestSpec {
            version: String::new(),
            inputs: vec!["x".to_owned()],
            trees: vec![Tree { nodes: vec![Node::Leaf(0.25)] }],
            inputs_as: Precision::Double,
            sums_as,
            base: 0.0,
            mean: false,
            transform: Transform::Identity,
            calibration: Calibration::None,
        };
        let mut rows = Dataset::new(["x", "score"].map(str::to_owned).to_vec());
        off.iter().for_each(|off| rows.push(0, &[1.0, 0.25 + off], false));
        (forest, rows)
    }

    fn held(sums_as: Precision, off: &[f64]) -> Result<(), String> {
        let (forest, rows) = case(sums_as, off);
        hold(&forest, &rows, usual_tolerance(&forest))
    }

    #[test]
    fn sums_in_single_precision_may_be_a_little_further_away() {
        assert_eq!(held(Precision::Single, &[0.0, 5.4e-6, -2.9e-6]), Ok(()));
        assert!(held(Precision::Double, &[0.0, 5.4e-6]).is_err());
        assert!(held(Precision::Single, &[0.0, 1.1e-5]).is_err());
    }

    #[test]
    fn what_differs_is_counted_and_the_worst_is_shown_with_what_may_be_behind_it() {
        let rounding = held(Precision::Double, &[0.0, 5.4e-6, -2e-6, 0.0]).unwrap_err();
        assert!(rounding.starts_with("2 of 4 rows differ by more than 1e-6"), "{rounding}");
        assert!(rounding.contains("row 3: the model gives 0.25"), "{rounding}");
        assert!(
            rounding.contains("5.4e-6 apart") && rounding.ends_with("--tolerance 6e-6 lets it"),
            "{rounding}"
        );
        let order = held(Precision::Double, &[0.0, 5.4e-6, 0.5]).unwrap_err();
        assert!(order.starts_with("2 of 3 rows") && order.contains("order of training"), "{order}");
        assert!(held(Precision::Double, &[f64::NAN]).unwrap_err().contains("order of training"));
    }

    #[test]
    fn the_tolerance_that_is_advised_is_enough() {
        for off in [1.04e-6, 9.99e-6, 3e-4] {
            let (forest, rows) = case(Precision::Double, &[off]);
            let refused = hold(&forest, &rows, DOUBLE_TOLERANCE).unwrap_err();
            let advice = refused.split("--tolerance ").nth(1).unwrap();
            let tolerance = advice.split(' ').next().unwrap().parse().unwrap();
            assert!(hold(&forest, &rows, tolerance).is_ok() && tolerance < 2.0 * off, "{off}: {refused}");
        }
    }
}
