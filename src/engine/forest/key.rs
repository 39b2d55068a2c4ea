//! The number format that thresholds are compared in: `f32` wherever that changes nothing, for it is twice as fast.

/// A number that inputs and thresholds are compared in.
pub trait Key: Copy + PartialOrd + Default + Send + Sync + 'static {
    /// Above every threshold.
    const ABOVE: Self;

    /// A threshold. `x <= threshold` is the same as `Key::value(x) <= Key::threshold(threshold)`.
    fn threshold(threshold: f64) -> Self;

    /// An input, which is not NaN.
    fn value(value: f64) -> Self;

    /// As an `f64`.
    fn double(self) -> f64;
}

impl Key for f64 {
    const ABOVE: f64 = f64::INFINITY;

    fn threshold(threshold: f64) -> f64 {
        threshold
    }

    #[inline(always)]
    fn value(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
}

/// Rounding inputs up and thresholds down keeps every comparison's answer as long as one of the two is exact: where all
/// thresholds are `f32` numbers, or all inputs are rounded to `f32` before.
impl Key for f32 {
    const ABOVE: f32 = f32::INFINITY;

    fn threshold(threshold: f64) -> f32 {
        let near = threshold as f32;
        if f64::from(near) > threshold { near.next_down() } else { near }
    }

    #[inline(always)]
    fn value(value: f64) -> f32 {
        let near = value as f32;
        // The next number up, without branches: the same as `f32::next_up` for what is not NaN or +∞.
        let up =
            if near < 0.0 { near.to_bits().wrapping_sub(1) } else { (near + 0.0).to_bits().wrapping_add(1) };
        if f64::from(near) < value { f32::from_bits(up) } else { near }
    }

    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
}
