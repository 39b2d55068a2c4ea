//! Platt's sigmoid (Platt, 1999) over the log odds of the score, fitted by Newton's method with halved steps (Lin, Lin and
//! Weng, 2007). Targets are a little inside 0 and 1, as Platt has them, so that a perfect ranking does not run to infinity.

use engine::forest::Calibration;

use crate::quality::Scored;

/// Log odds are taken of scores this far inside 0 and 1 at least.
const EDGE: f64 = 1e-9;

pub fn fit(rows: &[Scored]) -> Calibration {
    let points = points(rows);
    let (mut slope, mut shift) = (1.0, 0.0);
    let mut best = loss(&points, slope, shift);
    for _ in 0..100 {
        let mut gradient = [0.0; 2];
        // A trace on the diagonal keeps the system solvable.
        let mut hessian = [1e-12, 0.0, 1e-12];
        for (x, target) in &points {
            let p = sigmoid(slope * x + shift);
            let (error, weight) = (p - target, p * (1.0 - p));
            gradient = [gradient[0] + error * x, gradient[1] + error];
            hessian = [hessian[0] + weight * x * x, hessian[1] + weight * x, hessian[2] + weight];
        }
        if gradient.iter().all(|number| number.abs() < 1e-9 * points.len() as f64) {
            break;
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        let halves = (0..40).map(|half| 0.5_f64.powi(half));
        let better = halves
            .map(|part| (slope - part * step[0], shift - part * step[1]))
            .map(|(slope, shift)| (loss(&points, slope, shift), slope, shift))
            .find(|(found, ..)| *found < best);
        let Some(found) = better else { break };
        (best, slope, shift) = found;
    }
    Calibration::Platt { slope, shift }
}

/// Log odds and target of each row.
fn points(rows: &[Scored]) -> Vec<(f64, f64)> {
    let frauds = rows.iter().filter(|row| row.fraud).count() as f64;
    let honest = rows.len() as f64 - frauds;
    let point = |row: &Scored| {
        let score = row.score.clamp(EDGE, 1.0 - EDGE);
        let target = if row.fraud { (frauds + 1.0) / (frauds + 2.0) } else { 1.0 / (honest + 2.0) };
        ((score / (1.0 - score)).ln(), target)
    };
    rows.iter().map(point).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Cross entropy, in the form that neither overflows nor loses digits.
fn loss(points: &[(f64, f64)], slope: f64, shift: f64) -> f64 {
    let one = |(x, target): &(f64, f64)| {
        let z = slope * x + shift;
        z.max(0.0) - target * z + (-z.abs()).exp().ln_1p()
    };
    points.iter().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(risk: impl Fn(f64) -> f64) -> Vec<Scored> {
        let drawn = |n: u32| f64::from(n.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX);
        (1..4_000_u32)
            .map(|n| {
                let score = f64::from(n) / 4_000.0;
                Scored { score, fraud: drawn(n) < risk(score) }
            })
            .collect()
    }

    /// The slow way: ever finer steps along each of the two numbers.
    fn by_search(points: &[(f64, f64)]) -> (f64, f64) {
        let (mut at, mut step) = ((1.0, 0.0), 1.0);
        while step > 1e-7 {
            let around = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)];
            let moved = around.map(|by| (at.0 + by.0, at.1 + by.1));
            let nearest =
                moved.into_iter().min_by(|a, b| loss(points, a.0, a.1).total_cmp(&loss(points, b.0, b.1)));
            match nearest.filter(|to| loss(points, to.0, to.1) < loss(points, at.0, at.1)) {
                Some(to) => at = to,
                None => step /= 2.0,
            }
        }
        at
    }

    #[test]
    fn newton_finds_what_a_slow_search_finds() {
        for risk in [|p: f64| p * p, |p: f64| p / 10.0, |p: f64| 1.0 - (1.0 - p).powi(3)] {
            let rows = rows(risk);
            let (slope, shift) = by_search(&points(&rows));
            let Calibration::Platt { slope: found, shift: at } = fit(&rows) else { unreachable!() };
            assert!(
                (found - slope).abs() < 1e-4 && (at - shift).abs() < 1e-4,
                "{found} {at}, {slope} {shift}"
            );
        }
    }

    #[test]
    fn a_perfect_ranking_stays_finite() {
        let rows: Vec<Scored> =
            (0..100).map(|n| Scored { score: f64::from(n / 50), fraud: n >= 50 }).collect();
        assert!(fit(&rows).is_sound(), "{:?}", fit(&rows));
    }
}
