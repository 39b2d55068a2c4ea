//! Arithmetic and conversions. What is constant is computed now, and what would always fault is refused now.

use cel_core::{BinaryOp, SpannedExpr};
use engine::program::{Arithmetic, Comparison, Op, Source, Truth};

use super::compare::{holds, order};
use super::decimal::Exact;
use super::expression::sign;
use super::money::{self, is_money};
use super::value::{Constant, Number, Unit, Value};
use super::{Expression, Lowered, SPAN_US_MAX, TIME_US_MAX, TIME_US_MIN};

impl Expression<'_, '_> {
    /// Arithmetic of CEL; money as in [`super::money`].
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
        if a.unit != b.unit && (is_money(a) || is_money(b)) || is_money(a) && !stays_money(operation) {
            return self.calculate_money(op, a, b, tree);
        }
        let Some(unit) = unit_of(a.unit, b.unit, operation) else {
            return self.unfit(sign(op), &[&Value::Number(a), &Value::Number(b)], tree);
        };
        if unit == Unit::Double {
            return Ok(self.doubles(operation, a, b));
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

    /// Arithmetic of two doubles, and of two literals also of what they are exactly.
    pub(super) fn doubles(&mut self, operation: Arithmetic, a: Number, b: Number) -> Number {
        let (Some(Constant::Double(x)), Some(Constant::Double(y))) = (a.constant(), b.constant()) else {
            return self.emit_number(Unit::Double, operation, a.source, b.source);
        };
        let exact = a.exact.zip(b.exact).and_then(|(a, b)| match operation {
            Arithmetic::Add => a.plus(b, false),
            Arithmetic::Subtract => a.plus(b, true),
            Arithmetic::Multiply => a.times(b),
            Arithmetic::Divide => a.divided_by(b),
            Arithmetic::Remainder => None,
        });
        Number::decimal(float(operation, x, y), exact)
    }

    /// `abs(x)`
    pub(super) fn absolute(&mut self, a: Number, tree: &SpannedExpr) -> Lowered<Number> {
        if matches!(a.unit, Unit::Uint | Unit::Time) {
            return self.unfit("abs", &[&Value::Number(a)], tree);
        }
        let negated = self.negate(a, tree)?;
        // All bits of 0.0 are 0 as well.
        let zero = Number::of(a.unit, Source::Constant(0));
        let below = self.in_order(Comparison::Less, a, zero);
        Ok(self.choose_number(below, negated, a))
    }

    /// `min(x, y)` and `max(x, y)`: of two doubles no number where one is none.
    pub(super) fn extreme(
        &mut self,
        name: &str,
        a: Number,
        b: Number,
        tree: &SpannedExpr,
    ) -> Lowered<Number> {
        let Some((a, b)) = self.alike(a, b) else {
            return self.unfit(name, &[&Value::Number(a), &Value::Number(b)], tree);
        };
        let comparison = if name == "min" { Comparison::LessOrEqual } else { Comparison::GreaterOrEqual };
        let otherwise = match a.unit {
            Unit::Double => {
                let none = self.doubles(Arithmetic::Add, a, b);
                let sound = self.in_order(comparison, b, a);
                self.choose_number(sound, b, none)
            }
            _ => b,
        };
        let before = self.in_order(comparison, a, b);
        Ok(self.choose_number(before, a, otherwise))
    }

    /// A comparison of two numbers of one unit that nobody wrote: it asks no exactness, and no reason quotes it.
    fn in_order(&mut self, comparison: Comparison, a: Number, b: Number) -> Truth {
        if let (Some(x), Some(y)) = (a.constant(), b.constant()) {
            return self.lowering.builder.always(holds(comparison, order(x, y)));
        }
        let (ty, a, b) = (a.unit.number_type(), a.source, b.source);
        self.lowering.builder.truth(|to| Op::Compare { to, ty, comparison, a, b })
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
            Some(Constant::Double(x)) => Ok(Number::decimal(-x, number.exact.and_then(Exact::negated))),
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
            Unit::Money(places) => 10_u32.pow(u32::from(places)),
            _ => 1,
        };
        match number.constant() {
            Some(Constant::Int(n)) => {
                let exact = money::decimals(number).map(|places| Exact::of(n, places));
                return Number::decimal(n as f64 / f64::from(scale), exact);
            }
            Some(Constant::Uint(n)) => return Number::double(n as f64),
            _ => {}
        }
        let (a, ty) = (number.source, number.unit.number_type());
        let to = self.lowering.builder.number(|to| Op::ToDouble { to, ty, a, scale });
        Number::of(Unit::Double, Source::Register(to))
    }

    /// Whole major units of money, towards zero.
    pub(super) fn whole_major(&mut self, money: Number) -> Number {
        let places = money::decimals(money).unwrap_or_default();
        let major = Source::Constant(10_u64.pow(u32::from(places)));
        self.emit_number(Unit::Int, Arithmetic::Divide, money.source, major)
    }
}

/// Whether that of two amounts is one.
fn stays_money(operation: Arithmetic) -> bool {
    matches!(operation, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Remainder)
}

/// The unit of a sum, difference, product or quotient; none where CEL has no such thing.
fn unit_of(a: Unit, b: Unit, operation: Arithmetic) -> Option<Unit> {
    use Arithmetic::{Add, Remainder, Subtract};
    Some(match (a, b, operation) {
        (Unit::Int, Unit::Int, _) => Unit::Int,
        (Unit::Uint, Unit::Uint, _) => Unit::Uint,
        (Unit::Double, Unit::Double, Remainder) => return None,
        (Unit::Double, Unit::Double, _) => Unit::Double,
        (Unit::Money(a), Unit::Money(b), Add | Subtract | Remainder) if a == b => Unit::Money(a),
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
