//! What a model compiles to, and what becomes of its trees' sum.

use super::calibration::Calibration;
use super::node::Tree;

/// What a model compiles to: plain data, checked and laid out for speed by [`crate::Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct ForestSpec {
    /// Name and version, as answers show it.
    pub version: String,
    /// Features read, in the order of the trees' inputs.
    pub inputs: Vec<String>,
    /// The trees.
    pub trees: Vec<Tree>,
    /// Precision that inputs are rounded to before a split looks at them: XGBoost and ONNX compare `float32`.
    pub inputs_as: Precision,
    /// Precision of the running sum, and of every leaf and the base in it: XGBoost and ONNX Runtime sum in `float32`.
    pub sums_as: Precision,
    /// What the sum starts from, before the first tree's leaf.
    pub base: f64,
    /// Whether the sum is divided by the number of trees before the transform: random and isolation forests.
    pub mean: bool,
    /// Output transform.
    pub transform: Transform,
    /// What makes a probability of the transform's number.
    pub calibration: Calibration,
}

impl ForestSpec {
    /// Adds a tree's leaf to the running sum.
    pub fn add(&self, sum: f64, leaf: f64) -> f64 {
        match self.sums_as {
            Precision::Double => sum + leaf,
            Precision::Single => f64::from(sum as f32 + leaf as f32),
        }
    }

    /// The score that a sum of leaves is.
    pub fn score(&self, sum: f64) -> f64 {
        self.output().score(sum)
    }

    pub(super) fn output(&self) -> Output {
        let divisor = if self.mean { self.trees.len() as f64 } else { 1.0 };
        let (transform, calibration) = (self.transform, self.calibration.clone());
        Output { sums_as: self.sums_as, divisor, transform, calibration }
    }
}

/// What a forest does with its sum.
pub(super) struct Output {
    sums_as: Precision,
    divisor: f64,
    transform: Transform,
    calibration: Calibration,
}

impl Output {
    pub fn score(&self, sum: f64) -> f64 {
        // A quotient of two `f32` numbers rounded twice is the one rounded once: 53 bits are enough for that.
        self.calibration.apply(self.transform.apply(self.sums_as.round(sum / self.divisor)))
    }
}

/// Precision of a floating point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 64 bits.
    Double,
    /// 32 bits.
    Single,
}

impl Precision {
    /// The nearest number of this precision.
    pub fn round(self, number: f64) -> f64 {
        match self {
            Precision::Double => number,
            Precision::Single => f64::from(number as f32),
        }
    }
}

/// What becomes of the sum or mean of the trees' leaves, called `x` below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transform {
    /// x: plain regression, and forests whose leaves hold probabilities.
    Identity,
    /// 1 / (1 + e^(−slope · x)). The slope is LightGBM's `sigmoid`, 1 for XGBoost and ONNX's `LOGISTIC`, 2 for ONNX's
    /// `SOFTMAX` over −x and x; over two classes of their own, x is the second's sum less the first's.
    Logistic {
        /// Steepness.
        slope: f64,
    },
    /// e^x: Poisson, gamma, Tweedie, Cox.
    Exponential,
    /// ln(1 + e^x): LightGBM's `cross_entropy_lambda`.
    Softplus,
    /// x · |x|: LightGBM's `reg_sqrt`.
    SignedSquare,
    /// 1 when x is above 0, else 0: XGBoost's `binary:hinge`.
    Step,
    /// √2 · erf⁻¹(2x − 1), by Winitzki's approximation with a = 0.147, as ONNX Runtime computes `PROBIT`.
    Probit,
    /// 2^(−x / path): isolation forests, where x is the mean length of the paths taken.
    Isolation {
        /// Mean path of an unsuccessful search over the training sample: c(n) of Liu, Ting and Zhou, 2008.
        path: f64,
    },
}

impl Transform {
    /// The transform of a number.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Transform::Identity => x,
            Transform::Logistic { slope } => 1.0 / (1.0 + (-slope * x).exp()),
            Transform::Exponential => x.exp(),
            Transform::Softplus => x.exp().ln_1p(),
            Transform::SignedSquare => x * x.abs(),
            Transform::Step => f64::from(u8::from(x > 0.0)),
            Transform::Probit => {
                let y = 2.0 * x - 1.0;
                let log = ((1.0 - y) * (1.0 + y)).ln();
                let half = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
                let root = ((half * half - log / 0.147).sqrt() - half).sqrt();
                std::f64::consts::SQRT_2 * root.copysign(y)
            }
            Transform::Isolation { path } => (-x / path).exp2(),
        }
    }

    /// Whether its parameter is a finite number above 0.
    pub fn is_sound(self) -> bool {
        match self {
            Transform::Logistic { slope: number } | Transform::Isolation { path: number } => {
                number.is_finite() && number > 0.0
            }
            _ => true,
        }
    }
}
