//! Scores in fixed point: whole millionths add up to the same whatever their order, and 0.3 and 0.6 meet a band of 0.9.

/// Millionths of a score, rounded half away from zero; 0 of what is no number.
pub fn millionths(score: f64) -> i64 {
    // A score is small, so that half a millionth more loses nothing; a cast cuts towards zero.
    (score * 1e6 + 0.5_f64.copysign(score)) as i64
}

/// The double next to so many millionths: the one that a decimal of six places is read as.
pub fn of_millionths(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// What a model says and rules add, together, from 0 to 1.
pub fn total(model: f64, added: impl IntoIterator<Item = f64>) -> f64 {
    let sum = added.into_iter().fold(millionths(model), |sum, score| sum + millionths(score));
    of_millionths(sum.clamp(0, 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_of_six_decimals_comes_back_as_it_was_written() {
        for n in (-1_000_000..=1_000_000_i64).step_by(7) {
            let sign = if n < 0 { "-" } else { "" };
            let written: f64 = format!("{sign}0.{:06}", n.abs() % 1_000_000).parse().unwrap();
            let written = written + (n / 1_000_000) as f64;
            assert_eq!((millionths(written), of_millionths(n).to_bits()), (n, written.to_bits()));
        }
        assert_eq!((millionths(f64::NAN), millionths(0.000_000_5), millionths(-0.000_000_4)), (0, 1, 0));
    }

    #[test]
    fn a_total_does_not_depend_on_the_order() {
        assert_eq!(total(0.0, [0.3, 0.6]), 0.9);
        assert_eq!(total(0.0, [0.7, 0.1, 0.1]), total(0.1, [0.1, 0.7]));
        assert_eq!((total(0.9, [0.9]), total(0.1, [-0.4])), (1.0, 0.0));
    }
}
