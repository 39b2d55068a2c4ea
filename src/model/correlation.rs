//! How alike two models score the same rows.

/// Pearson's correlation of two scores of the same rows; `None` where one of them is constant, or there are too few rows.
pub fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    // The mean of equal numbers may be off by its rounding: that is no variation.
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    (varies(a) && varies(b)).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's: the correlation of ranks, ties sharing the middle of theirs.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    correlation(&ranks(a), &ranks(b))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let middle = first as f64 + (tied.len() - 1) as f64 / 2.0;
        tied.iter().for_each(|&row| ranks[row] = middle);
        first += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hand_example_holds() {
        let (a, b) = ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]);
        assert_eq!((correlation(&a, &a), correlation(&a, &[3.0, 2.0, 1.0])), (Some(1.0), Some(-1.0)));
        assert!((correlation(&a, &b).unwrap() - 0.5).abs() < 1e-12);
        // Any rising curve keeps the ranks.
        assert_eq!(rank_correlation(&a, &[0.1, 0.2, 900.0]), Some(1.0));
        assert_eq!((correlation(&a, &[0.1; 3]), rank_correlation(&[], &[])), (None, None));
    }

    proptest! {
        #[test]
        fn a_rank_is_the_number_of_lower_rows_and_half_of_the_equal_ones(values in prop::collection::vec(0_u8..5, 0..30)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let counted = values.iter().map(|value| {
                let lower = values.iter().filter(|other| *other < value).count() as f64;
                let equal = values.iter().filter(|other| *other == value).count() as f64;
                lower + (equal - 1.0) / 2.0
            });
            prop_assert_eq!(ranks(&values), counted.collect::<Vec<f64>>());
        }
    }
}
