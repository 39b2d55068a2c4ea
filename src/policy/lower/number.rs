//! Arithmetic and conversions. What is constant is computed now, and what would always fault is refused now.

use cel_core::{BinaryOp, SpannedExpr};
use engine::program::{Arithmetic, Op, Source};

use super::value::{Constant, Decimal, Number, Unit};
use super::{Expression, Lowered};
use crate::diagnostic::Code;

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
        let unit = match (a.unit, b.unit, operation) {
            (Unit::Int, Unit::Int, _) => Unit::Int,
            (Unit::Money, Unit::Money, Arithmetic::Add | Arithmetic::Subtract) => Unit::Money,
            (Unit::Money, Unit::Int, Arithmetic::Multiply)
            | (Unit::Int, Unit::Money, Arithmetic::Multiply) => Unit::Money,
            (Unit::Int, Unit::Double, _) | (Unit::Double, Unit::Int, _) => {
                let message = "a whole number and a double do not mix in arithmetic";
                let label = "convert one side with `double(…)` or `int(…)`";
                return self.refuse(Code::WrongType, &tree.span, message, label);
            }
            _ => Unit::Double,
        };
        if unit == Unit::Double {
            let (a, b) = (self.widen(a), self.widen(b));
            if operation == Arithmetic::Remainder {
                return self.refuse(Code::WrongType, &tree.span, "`%` takes whole numbers", "expected int");
            }
            if let (Some(Constant::Double(x)), Some(Constant::Double(y))) = (a.constant(), b.constant()) {
                return Ok(Number::double(float(operation, x, y)));
            }
            return Ok(self.emit_number(Unit::Double, operation, a.source, b.source));
        }
        if let (Some(Constant::Int(x)), Some(Constant::Int(y))) = (a.constant(), b.constant()) {
            return match whole(operation, x, y) {
                Some(n) => Ok(Number::of(unit, Source::Constant(n as u64))),
                None => self.always_fails(tree),
            };
        }
        let by_zero = matches!(operation, Arithmetic::Divide | Arithmetic::Remainder)
            && b.constant() == Some(Constant::Int(0));
        if by_zero {
            return self.always_fails(tree);
        }
        Ok(self.emit_number(unit, operation, a.source, b.source))
    }

    fn always_fails(&mut self, tree: &SpannedExpr) -> Lowered<Number> {
        let message = "this always fails: a division by zero, or a number out of range";
        self.refuse(Code::OutOfRange, &tree.span, message, "out of range")
    }

    fn emit_number(&mut self, unit: Unit, operation: Arithmetic, a: Source, b: Source) -> Number {
        let ty = unit.number_type();
        let to = self.lowering.builder.number(|to| Op::Calculate { to, ty, operation, a, b });
        Number::of(unit, Source::Register(to))
    }

    pub(super) fn negate(&mut self, number: Number, tree: &SpannedExpr) -> Lowered<Number> {
        match number.constant() {
            Some(Constant::Int(n)) => match n.checked_neg() {
                Some(n) => Ok(Number::of(number.unit, Source::Constant(n as u64))),
                None => self.always_fails(tree),
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
            None => {
                Ok(self.emit_number(number.unit, Arithmetic::Subtract, Source::Constant(0), number.source))
            }
        }
    }

    /// `double(x)`; money becomes major units.
    pub(super) fn widen(&mut self, number: Number) -> Number {
        let scale = match number.unit {
            Unit::Double => return number,
            Unit::Int => 1,
            Unit::Money => 100,
        };
        if let Some(Constant::Int(n)) = number.constant() {
            return Number::double(n as f64 / f64::from(scale));
        }
        let a = number.source;
        let to = self.lowering.builder.number(|to| Op::ToDouble { to, a, scale });
        Number::of(Unit::Double, Source::Register(to))
    }

    /// `int(x)`: towards zero; money becomes whole major units.
    pub(super) fn truncate(&mut self, number: Number, tree: &SpannedExpr) -> Lowered<Number> {
        match (number.unit, number.constant()) {
            (Unit::Int, _) => Ok(number),
            (Unit::Money, _) => {
                let hundred = Source::Constant(100);
                Ok(self.emit_number(Unit::Int, Arithmetic::Divide, number.source, hundred))
            }
            (Unit::Double, Some(Constant::Double(x))) => {
                if x > -9_223_372_036_854_775_808.0 && x < 9_223_372_036_854_775_808.0 {
                    Ok(Number::int(x as i64))
                } else {
                    self.always_fails(tree)
                }
            }
            (Unit::Double, _) => {
                let a = number.source;
                let to = self.lowering.builder.number(|to| Op::ToInt { to, a });
                Ok(Number { unit: Unit::Int, source: Source::Register(to), decimal: Decimal::Computed })
            }
        }
    }
}

/// CEL's arithmetic on whole numbers; `None` where it faults.
pub(crate) fn whole(operation: Arithmetic, a: i64, b: i64) -> Option<i64> {
    match operation {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    }
}

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
