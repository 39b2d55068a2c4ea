//! Distances on the globe.

const EARTH_RADIUS_KM: f64 = 6_371.0;

/// Great-circle distance of two places in degrees, by the haversine formula; no number if one of them is none.
pub(crate) fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(b.0 - a.0) + a.0.to_radians().cos() * b.0.to_radians().cos() * half(b.1 - a.1);
    // `min` would turn a place that is no number into the far side of the earth.
    let h = if h > 1.0 { 1.0 } else { h };
    2.0 * EARTH_RADIUS_KM * h.sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let km = distance_km((39.9042, 116.4074), (31.2304, 121.4737));
        assert!((km - 1067.0).abs() < 5.0, "Beijing to Shanghai, not {km}");
        assert!(distance_km((0.0, 179.9), (0.0, -179.9)) < 23.0, "across the date line");
        assert!((distance_km((0.0, 0.0), (0.0, 180.0)) - 20_015.0).abs() < 1.0, "half around");
        assert!(distance_km((f64::NAN, 0.0), (0.0, 0.0)).is_nan());
    }
}
