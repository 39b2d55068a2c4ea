//! Arithmetic with money: whole units of a power of ten for as long as that is exact, else a rounded double, said at load.

use cel_core::{BinaryOp, SpannedExpr};
use engine::feature::{Builtin, FeatureId, Type};
use engine::program::{Arithmetic, NumberType, Op, Source, Truth};

use super::decimal::{Exact, PLACES_MAX, shifted};
use super::expression::sign;
use super::value::{Number, Unit, Value};
use super::{Expression, Lowered};
use crate::diagnostic::{Code, Diagnostic};

impl Expression<'_, '_> {
    /// Decimals of an amount in this policy.
    pub(super) fn places(&self) -> u8 {
        self.lowering.symbols.money_places()
    }

    /// Whether an amount is of the event's own currency, whichever that is.
    pub(super) fn is_of_any_currency(&self, id: FeatureId) -> bool {
        let symbols = self.lowering.symbols;
        let window = symbols.windows.iter().find(|window| window.feature == id);
        id == Builtin::Amount.id()
            || symbols.features.row(id).ty == Type::Money && window.is_some_and(|of| of.currency.is_none())
    }

    /// Warns where an amount of whatever currency is compared with one number.
    pub(super) fn check_currencies(&mut self, tree: &SpannedExpr) {
        let symbols = self.lowering.symbols;
        let super::Amounts { read, with_constant, by_currency } = self.amounts;
        if symbols.is_of_currencies() && read && with_constant && !by_currency {
            let names = symbols.currency_names();
            let together = symbols.currencies_together();
            let message = format!("amounts of {together} are compared with one number");
            let fault = Diagnostic::warning(Code::OutOfRange, self.text.place(&tree.span), message);
            self.sink.push(fault.label(format!(
                "expected a condition on `currency`, such as `currency == \"{}\"`",
                names[0]
            )));
        }
    }

    /// Both numbers in one unit: as they are, or as money with as many decimals as the finer of them has. None where they
    /// are of different units, or one is not a decimal that is known exactly.
    pub(super) fn alike(&mut self, a: Number, b: Number) -> Option<(Number, Number)> {
        if a.unit == b.unit {
            return Some((a, b));
        }
        if !is_money(a) && !is_money(b) {
            return None;
        }
        let places = decimals(a)?.max(decimals(b)?);
        (places <= PLACES_MAX).then(|| Some((self.as_money(a, places)?, self.as_money(b, places)?)))?
    }

    /// The number as money with that many decimals; none where it has more of them, or is not known exactly.
    pub(super) fn as_money(&mut self, number: Number, places: u8) -> Option<Number> {
        let digits = digits(number)?;
        let source = self.shift(digits.digits, places.checked_sub(digits.places)?)?;
        Some(Number::of(Unit::Money(places), source))
    }

    /// A whole number times a power of ten.
    fn shift(&mut self, source: Source, places: u8) -> Option<Source> {
        match source {
            _ if places == 0 => Some(source),
            Source::Constant(n) => shifted(n as i64, places).map(|n| Source::Constant(n as u64)),
            _ => {
                let power = Source::Constant(shifted(1, places)? as u64);
                Some(self.whole(Arithmetic::Multiply, source, power))
            }
        }
    }

    fn whole(&mut self, operation: Arithmetic, a: Source, b: Source) -> Source {
        let ty = NumberType::Int;
        Source::Register(self.lowering.builder.number(|to| Op::Calculate { to, ty, operation, a, b }))
    }

    /// What `condition ? a : b` of two doubles is exactly.
    pub(super) fn choose_exact(&mut self, condition: Truth, a: Number, b: Number) -> Option<Exact> {
        let (a, b) = (a.exact?, b.exact?);
        let places = a.places.max(b.places);
        let a = self.shift(a.digits, places - a.places)?;
        let b = self.shift(b.digits, places - b.places)?;
        Some(Exact { digits: self.lowering.builder.choose_number(condition, a, b), places })
    }

    /// Arithmetic of which at least one side is money.
    pub(super) fn calculate_money(
        &mut self,
        op: BinaryOp,
        a: Number,
        b: Number,
        tree: &SpannedExpr,
    ) -> Lowered<Number> {
        let fits = |number: Number| matches!(number.unit, Unit::Money(_) | Unit::Int | Unit::Double);
        if !fits(a) || !fits(b) {
            return self.unfit(sign(op), &[&Value::Number(a), &Value::Number(b)], tree);
        }
        let found = match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod => match self.alike(a, b) {
                Some((a, b)) => return self.calculate(op, a, b, tree),
                None if op == BinaryOp::Mod => {
                    return self.unfit(sign(op), &[&Value::Number(a), &Value::Number(b)], tree);
                }
                None => None,
            },
            BinaryOp::Mul if is_money(a) => self.multiple(a, digits(b).filter(|_| !is_money(b))),
            BinaryOp::Mul => self.multiple(b, digits(a)),
            _ => {
                let inverse = digits(b).filter(|_| is_money(a) && !is_money(b)).and_then(Exact::inverse);
                self.multiple(a, inverse).or_else(|| self.quotient(a, b))
            }
        };
        Ok(match found {
            Some(number) => number,
            None => self.rounded(op, a, b, tree),
        })
    }

    /// Money times a decimal, where that is money with no more decimals than there is room for.
    fn multiple(&mut self, money: Number, by: Option<Exact>) -> Option<Number> {
        let (by, places) = (by?, decimals(money)?);
        let places = places.checked_add(by.places).filter(|places| *places <= PLACES_MAX)?;
        let unit = Unit::Money(places);
        if let (Source::Constant(a), Source::Constant(b)) = (money.source, by.digits) {
            return (a as i64).checked_mul(b as i64).map(|n| Number::constant_of(unit, n));
        }
        Some(Number::of(unit, self.whole(Arithmetic::Multiply, money.source, by.digits)))
    }

    /// The quotient of two numbers that are known exactly, rounded once: the nearest double of what it is, so that it meets
    /// the decimals that it is equal to.
    fn quotient(&mut self, a: Number, b: Number) -> Option<Number> {
        let (a, b) = (digits(a)?, digits(b)?);
        let places = a.places.max(b.places);
        let mut side = |exact: Exact| {
            let whole = self.widen(Number::of(Unit::Int, exact.digits));
            let power = Number::double(shifted(1, places - exact.places)? as f64);
            Some(if places == exact.places {
                whole
            } else {
                self.doubles(Arithmetic::Multiply, whole, power)
            })
        };
        let (a, b) = (side(a)?, side(b)?);
        Some(self.doubles(Arithmetic::Divide, a, b))
    }

    /// Arithmetic in doubles of major units, which may round.
    fn rounded(&mut self, op: BinaryOp, a: Number, b: Number, tree: &SpannedExpr) -> Number {
        let message = format!("this `{}` of money is rounded to a double", sign(op));
        let label = "expected money, a whole number or a decimal that is written out";
        let fault = Diagnostic::warning(Code::WrongType, self.text.place(&tree.span), message).label(label);
        self.sink.push(fault.help("`double(…)` around the money says that rounding is meant"));
        let operation = match op {
            BinaryOp::Add => Arithmetic::Add,
            BinaryOp::Sub => Arithmetic::Subtract,
            BinaryOp::Mul => Arithmetic::Multiply,
            _ => Arithmetic::Divide,
        };
        let (a, b) = (self.widen(a), self.widen(b));
        self.doubles(operation, a, b)
    }
}

pub(super) fn is_money(number: Number) -> bool {
    matches!(number.unit, Unit::Money(_))
}

/// The digits of a number that is known exactly.
fn digits(number: Number) -> Option<Exact> {
    match number.unit {
        Unit::Money(places) => Some(Exact { digits: number.source, places }),
        Unit::Int => Some(Exact { digits: number.source, places: 0 }),
        Unit::Double => number.exact,
        Unit::Uint | Unit::Time | Unit::Span => None,
    }
}

/// How many decimals a number that is known exactly has.
pub(super) fn decimals(number: Number) -> Option<u8> {
    digits(number).map(|digits| digits.places)
}
