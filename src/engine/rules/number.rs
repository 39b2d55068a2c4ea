//! Numbers: arithmetic and conversions of CEL, distances, and comparisons across types.

use std::cmp::Ordering;

use super::{Inputs, Registers, moment};
use crate::geo::distance_km;
use crate::limits::LANES;
use crate::program::{Arithmetic, Comparison, Number, NumberType, Op, Source};
use crate::scratch::Column;

/// One past the largest whole number, and the smallest: both exact in a float.
const INT_END: f64 = 9_223_372_036_854_775_808.0;
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

impl Inputs<'_> {
    pub(super) fn number_op(&self, op: &Op, to: Number, registers: &mut Registers) {
        match *op {
            Op::Calculate { ty: NumberType::Int, operation, a, b, .. } => {
                self.calculate(to, a, b, registers, |a, b| {
                    operation.ints(a as i64, b as i64).map(|n| n as u64)
                });
            }
            Op::Calculate { ty: NumberType::Uint, operation, a, b, .. } => {
                self.calculate(to, a, b, registers, |a, b| operation.uints(a, b));
            }
            Op::Calculate { ty: NumberType::Double, operation, a, b, .. } => {
                self.calculate(to, a, b, registers, |a, b| {
                    Some(float(operation, f64::from_bits(a), f64::from_bits(b)).to_bits())
                });
            }
            Op::Bounded { a, low, high, .. } => {
                self.calculate(to, a, a, registers, |a, _| (low..=high).contains(&(a as i64)).then_some(a));
            }
            Op::ToDouble { ty, a, scale, .. } => {
                let scale = f64::from(scale);
                self.calculate(to, a, a, registers, |a, _| {
                    let wide = if ty == NumberType::Uint { a as f64 } else { a as i64 as f64 };
                    Some((wide / scale).to_bits())
                });
            }
            Op::ToWhole { ty, a, .. } => {
                self.calculate(to, a, a, registers, |a, _| {
                    let float = f64::from_bits(a);
                    match ty {
                        NumberType::Uint => (float > -1.0 && float < UINT_END).then_some(float as u64),
                        // The smallest whole number is refused as well: as CEL has it, since floats near it are it.
                        _ => (float > -INT_END && float < INT_END).then_some(float as i64 as u64),
                    }
                });
            }
            Op::Calendar { part, a, zone, .. } => {
                let zone = &self.program.zones[usize::from(zone)];
                self.calculate(to, a, a, registers, |a, _| {
                    moment::part(part, a as i64, zone).map(|n| n as u64)
                });
            }
            Op::Time { .. } => {
                let times = self.lanes.iter().map(|lane| (lane.time_ms * 1_000) as u64);
                self.fill(to, registers, times.map(Some));
            }
            Op::Kilometres { places, .. } => {
                let mut column = [None; LANES];
                let sources = self.program.places[usize::from(places)];
                for lane in self.span.clone() {
                    let at = sources.map(|source| {
                        let (bits, fault) = self.number(source, registers);
                        (fault >> lane & 1 == 0).then(|| f64::from_bits(bits.at(lane)))
                    });
                    if let [Some(lat_a), Some(lon_a), Some(lat_b), Some(lon_b)] = at {
                        column[lane] = Some(distance_km((lat_a, lon_a), (lat_b, lon_b)).to_bits());
                    }
                }
                self.fill(to, registers, column.into_iter());
            }
            _ => self.number_of_text(op, to, registers),
        }
    }

    /// Puts a value or a fault into each lane.
    pub(super) fn fill(
        &self,
        to: Number,
        registers: &mut Registers,
        values: impl Iterator<Item = Option<u64>>,
    ) {
        let to = usize::from(to.0);
        let mut fault = 0;
        let column = &mut registers.numbers[to];
        let all = column.iter_mut().zip(values).enumerate();
        for (lane, (number, value)) in all.take(self.span.end).skip(self.span.start) {
            *number = value.unwrap_or(0);
            fault |= u64::from(value.is_none()) << lane;
        }
        registers.number_faults[to] = fault;
    }

    /// Computes a number register; a lane without a result is a fault. Registers are written once, so `to` is neither `a`
    /// nor `b`, and its column is taken out while it is written.
    #[inline(always)]
    pub(super) fn calculate(
        &self,
        to: Number,
        a: Source,
        b: Source,
        registers: &mut Registers,
        result: impl Fn(u64, u64) -> Option<u64>,
    ) {
        let to = usize::from(to.0);
        let mut column = std::mem::replace(&mut registers.numbers[to], [0; LANES]);
        let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
        let mut fault = fault_a | fault_b;
        for (lane, number) in column.iter_mut().enumerate().take(self.span.end).skip(self.span.start) {
            match result(a.at(lane), b.at(lane)) {
                Some(bits) => *number = bits,
                None => {
                    *number = 0;
                    fault |= 1 << lane;
                }
            }
        }
        registers.numbers[to] = column;
        registers.number_faults[to] = fault;
    }

    /// CEL `condition ? a : b`; only the chosen side's fault counts.
    pub(super) fn choose_number(
        &self,
        to: Number,
        when: super::Mask,
        a: Source,
        b: Source,
        registers: &mut Registers,
    ) {
        let at = usize::from(to.0);
        let mut column: Column = std::mem::replace(&mut registers.numbers[at], [0; LANES]);
        let ((a, fault_a), (b, fault_b)) = (self.number(a, registers), self.number(b, registers));
        for (lane, number) in column.iter_mut().enumerate().take(self.span.end).skip(self.span.start) {
            *number = if when.truth >> lane & 1 != 0 { a.at(lane) } else { b.at(lane) };
        }
        registers.numbers[at] = column;
        registers.number_faults[at] = (when.truth & fault_a) | (!when.truth & fault_b) | when.fault;
    }
}

fn float(operation: Arithmetic, a: f64, b: f64) -> f64 {
    match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    }
}

/// Whether a comparison of two numbers of different types holds, neither of them rounded.
pub(super) fn mixed(comparison: Comparison, a: (u64, NumberType), b: (u64, NumberType)) -> bool {
    let order = order(a, b);
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// The exact order of two numbers; none where one is not a number.
fn order((a, a_ty): (u64, NumberType), (b, b_ty): (u64, NumberType)) -> Option<Ordering> {
    let wide = |bits: u64, ty: NumberType| match ty {
        NumberType::Uint => i128::from(bits),
        _ => i128::from(bits as i64),
    };
    let against = |n: i128, x: f64| {
        if x.is_nan() {
            return None;
        }
        // Every float within these bounds has a whole part that i128 holds exactly.
        let floor = x.floor().clamp(-2.0 * UINT_END, 2.0 * UINT_END);
        Some(n.cmp(&(floor as i128)).then(if x > floor { Ordering::Less } else { Ordering::Equal }))
    };
    match (a_ty, b_ty) {
        (NumberType::Double, NumberType::Double) => f64::from_bits(a).partial_cmp(&f64::from_bits(b)),
        (NumberType::Double, _) => against(wide(b, b_ty), f64::from_bits(a)).map(Ordering::reverse),
        (_, NumberType::Double) => against(wide(a, a_ty), f64::from_bits(b)),
        _ => Some(wide(a, a_ty).cmp(&wide(b, b_ty))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_two_types_are_ordered_without_rounding() {
        let int = |n: i64| (n as u64, NumberType::Int);
        let uint = |n: u64| (n, NumberType::Uint);
        let double = |x: f64| (x.to_bits(), NumberType::Double);
        assert_eq!(order(int(-1), uint(u64::MAX)), Some(Ordering::Less));
        assert_eq!(order(uint(u64::MAX), double(UINT_END)), Some(Ordering::Less));
        assert_eq!(order(int(i64::MAX), double(INT_END)), Some(Ordering::Less));
        assert_eq!(order(double(-3.5), int(-3)), Some(Ordering::Less));
        assert_eq!(order(int((1 << 53) + 1), double((1_i64 << 53) as f64)), Some(Ordering::Greater));
        assert_eq!(order(int(0), double(f64::NAN)), None);
        assert_eq!(order(double(f64::NEG_INFINITY), int(i64::MIN)), Some(Ordering::Less));
    }
}
