//! Gauss–Legendre quadrature between 0 and 1: N points give the integral of every polynomial below degree 2N exactly.

/// Points and weights.
#[derive(Clone, Debug)]
pub struct Rule<const N: usize> {
    /// Points between 0 and 1, both left out.
    pub points: [f64; N],
    /// 1 less each point.
    pub rests: [f64; N],
    /// 1 over each of these.
    pub over_rests: [f64; N],
    /// Weights, 1 together.
    pub weights: [f64; N],
}

impl<const N: usize> Rule<N> {
    /// The roots of the Legendre polynomial of degree N, by Newton's method from Tricomi's estimates, and their weights.
    pub fn new() -> Rule<N> {
        let mut rule = Rule { points: [0.0; N], rests: [0.0; N], over_rests: [0.0; N], weights: [0.0; N] };
        for at in 0..N {
            let mut x = (std::f64::consts::PI * (at as f64 + 0.75) / (N as f64 + 0.5)).cos();
            // Each step doubles the digits; the estimates have two.
            for _ in 0..8 {
                let (value, slope) = legendre(N, x);
                x -= value / slope;
            }
            let (_, slope) = legendre(N, x);
            // From (−1, 1) to (0, 1).
            rule.points[at] = (1.0 - x) / 2.0;
            rule.rests[at] = (1.0 + x) / 2.0;
            rule.over_rests[at] = 2.0 / (1.0 + x);
            rule.weights[at] = 1.0 / ((1.0 - x * x) * slope * slope);
        }
        rule
    }
}

/// The Legendre polynomial of that degree, and its slope.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 2..=degree {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds<const N: usize>() {
        let rule = Rule::<N>::new();
        for degree in 0..2 * N as i32 {
            let sum: f64 = rule.points.iter().zip(rule.weights).map(|(t, w)| w * t.powi(degree)).sum();
            let truth = 1.0 / f64::from(degree + 1);
            assert!((sum - truth).abs() < 1e-15, "{N} points, degree {degree}: {sum}, not {truth}");
        }
    }

    #[test]
    fn polynomials_below_twice_the_points_are_integrated_exactly() {
        holds::<4>();
        holds::<8>();
        holds::<16>();
        holds::<32>();
        holds::<64>();
    }
}
