//! Arithmetic and conversions. What is constant is computed now, and what would always fault is refused now.

use cel_core::{BinaryOp, SpannedExpr};
use engine::program::{Arithmetic, Op, Source};

use super::expression::sign;
use super::value::{Constant, Decimal, Number, Unit, Value};
use super::{Expression, Lowered, SPAN_US_MAX, TIME_US_MAX, TIME_US_MIN};

impl Expression<'_, '_> {
    /// Money plus or minus money and whole multiples of money stay money; money in any other sum is a double of major units.
    pub(super) fn calculate(
        &mut self,
        op: BinaryOp,
        a: Number,
        b: Number,
        tree: &SpannedExpr,
    ) -> Lowered<Number> {
        let operation = match op {
            BinaryOp::Add => Arithmetic::Add,
            BinaryOp::Sub => Arithmetic::Subtract,
            BinaryOp::Mul => Arithmetic::Multiply,
            BinaryOp::Div => Arithmetic::Divide,
            _ => Arithmetic::Remainder,
        };
        let Some(unit) = unit_of(a.unit, b.unit, operation) else {
            return self.unfit(sign(op), &[&Value::Number(a), &Value::Number(b)], tree);
        };
        if unit == Unit::Double {
            let (a, b) = (self.widen(a), self.widen(b));
            if let (Some(Constant::Double(x)), Some(Constant::Double(y))) = (a.constant(), b.constant()) {
                return Ok(Number::double(float(operation, x, y)));
            }
            return Ok(self.emit_number(Unit::Double, operation, a.source, b.source));
        }
        let known = match (a.constant(), b.constant()) {
            (Some(Constant::Int(x)), Some(Constant::Int(y))) => Some(operation.ints(x, y).map(|n| n as u64)),
            (Some(Constant::Uint(x)), Some(Constant::Uint(y))) => Some(operation.uints(x, y)),
            _ => None,
        };
        let by_zero = matches!(operation, Arithmetic::Divide | Arithmetic::Remainder)
            && b.source == Source::Constant(0);
        match known {
            Some(Some(bits))
                if range(unit).is_none_or(|(low, high)| (low..=high).contains(&(bits as i64))) =>
            {
                return Ok(Number::of(unit, Source::Constant(bits)));
            }
            Some(_) => return self.always_fails(unit, tree),
            None if by_zero => return self.always_fails(unit, tree),
            None => {}
        }
        let result = self.emit_number(unit, operation, a.source, b.source);
        Ok(match range(unit) {
            Some((low, high)) => self.bounded(unit, result.source, low, high),
            None => result,
        })
    }

    /// The number, and a fault outside those bounds.
    pub(super) fn bounded(&mut self, unit: Unit, a: Source, low: i64, high: i64) -> Number {
        let to = self.lowering.builder.number(|to| Op::Bounded { to, a, low, high });
        Number::of(unit, Source::Register(to))
    }

    fn emit_number(&mut self, unit: Unit, operation: Arithmetic, a: Source, b: Source) -> Number {
        let ty = unit.number_type();
        let to = self.lowering.builder.number(|to| Op::Calculate { to, ty, operation, a, b });
        Number::of(unit, Source::Register(to))
    }

    pub(super) fn negate(&mut self, number: Number, tree: &SpannedExpr) -> Lowered<Number> {
        match number.constant() {
            _ if matches!(number.unit, Unit::Uint | Unit::Time) => {
                self.unfit("-", &[&Value::Number(number)], tree)
            }
            Some(Constant::Int(n)) => match n.checked_neg() {
                Some(n) => Ok(Number::constant_of(number.unit, n)),
                None => self.always_fails(number.unit, tree),
            },
            Some(Constant::Double(x)) => {
                let decimal = match number.decimal {
                    // Never the smallest number: literals carry no sign of their own.
                    Decimal::Hundredths(n) => Decimal::Hundredths(-n),
                    other => other,
                };
                Ok(Number { decimal, ..Number::double(-x) })
            }
            None if number.unit == Unit::Double => {
                let minus_one = Source::Constant((-1.0_f64).to_bits());
                Ok(self.emit_number(Unit::Double, Arithmetic::Multiply, number.source, minus_one))
            }
            _ => Ok(self.emit_number(number.unit, Arithmetic::Subtract, Source::Constant(0), number.source)),
        }
    }

    /// `double(x)`; money becomes major units.
    pub(super) fn widen(&mut self, number: Number) -> Number {
        let scale = match number.unit {
            Unit::Double => return number,
            Unit::Money => 100,
            _ => 1,
        };
        match number.constant() {
            Some(Constant::Int(n)) => return Number::double(n as f64 / f64::from(scale)),
            Some(Constant::Uint(n)) => return Number::double(n as f64),
            _ => {}
        }
        let (a, ty) = (number.source, number.unit.number_type());
        let to = self.lowering.builder.number(|to| Op::ToDouble { to, ty, a, scale });
        Number::of(Unit::Double, Source::Register(to))
    }

    /// Whole major units of money, towards zero.
    pub(super) fn whole_major(&mut self, money: Number) -> Number {
        self.emit_number(Unit::Int, Arithmetic::Divide, money.source, Source::Constant(100))
    }
}

/// The unit of a sum, difference, product or quotient; none where CEL has no such thing.
fn unit_of(a: Unit, b: Unit, operation: Arithmetic) -> Option<Unit> {
    use Arithmetic::{Add, Multiply, Remainder, Subtract};
    Some(match (a, b, operation) {
        (Unit::Int, Unit::Int, _) => Unit::Int,
        (Unit::Uint, Unit::Uint, _) => Unit::Uint,
        (Unit::Double, Unit::Double, Remainder) => return None,
        (Unit::Double, Unit::Double, _) => Unit::Double,
        (Unit::Money, Unit::Money, Add | Subtract) => Unit::Money,
        (Unit::Money, Unit::Int, Multiply) | (Unit::Int, Unit::Money, Multiply) => Unit::Money,
        (Unit::Money, Unit::Money | Unit::Int | Unit::Double, operation)
        | (Unit::Int | Unit::Double, Unit::Money, operation)
            if operation != Remainder =>
        {
            Unit::Double
        }
        (Unit::Time, Unit::Span, Add | Subtract) | (Unit::Span, Unit::Time, Add) => Unit::Time,
        (Unit::Time, Unit::Time, Subtract) | (Unit::Span, Unit::Span, Add | Subtract) => Unit::Span,
        _ => return None,
    })
}

/// What a number of that unit may be, where that is less than its bits allow.
fn range(unit: Unit) -> Option<(i64, i64)> {
    match unit {
        Unit::Time => Some((TIME_US_MIN, TIME_US_MAX)),
        Unit::Span => Some((-SPAN_US_MAX, SPAN_US_MAX)),
        _ => None,
    }
}

/// One past the largest whole number of each type, exactly.
pub(super) const INT_END: f64 = 9_223_372_036_854_775_808.0;
pub(super) const UINT_END: f64 = 18_446_744_073_709_551_616.0;

/// IEEE 754 arithmetic.
pub(crate) fn float(operation: Arithmetic, a: f64, b: f64) -> f64 {
    match operation {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    }
}
