//! Calibration: what share of the rows with a score is really fraud, fitted on rows that the trees have not seen.

mod isotonic;
mod platt;

use engine::forest::Calibration;

use crate::quality::Scored;

/// How to calibrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Any rising curve: isotonic regression by pool-adjacent-violators.
    Isotonic,
    /// A sigmoid over the log odds: two numbers, for when frauds are few.
    Platt,
}

/// Fits a calibration. None where there is nothing to fit: one class only, or scores that fall where fraud rises.
pub fn fit(rows: &[Scored], method: Method) -> Calibration {
    let frauds = rows.iter().filter(|row| row.fraud).count();
    if frauds == 0 || frauds == rows.len() {
        return Calibration::None;
    }
    let fitted = match method {
        Method::Isotonic => isotonic::fit(rows),
        Method::Platt => platt::fit(rows),
    };
    if fitted.is_sound() { fitted } else { Calibration::None }
}
