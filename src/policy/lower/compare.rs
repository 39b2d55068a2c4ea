//! Comparisons: money in whole minor units, whole numbers against decimals exactly, texts and truths by their own rules.

use std::cmp::Ordering;

use cel_core::SpannedExpr;
use engine::limits::EXACT_COUNT_MAX;
use engine::policy::Witness;
use engine::program::{Comparison, Op, Source, Truth};

use super::money::is_money;
use super::value::{Constant, Number, Text, Unit, Value};
use super::{Expression, Lowered, Weight};
use crate::diagnostic::Code;

/// What is left of a comparison of a whole number with a double once it is made exact.
enum Exact {
    Known(bool),
    Whole(Comparison, i64),
}

impl Expression<'_, '_> {
    pub(super) fn compare(
        &mut self,
        comparison: Comparison,
        a: Value,
        b: Value,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        self.step(1, &tree.span)?;
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => self.compare_numbers(comparison, a, b, tree),
            (Value::Text(a), Value::Text(b)) => self.compare_texts(comparison, &a, &b, tree),
            (Value::Bytes(a), Value::Bytes(b)) => self.compare_texts(comparison, &a, &b, tree),
            (Value::Truth(a), Value::Truth(b)) => Ok(self.compare_truths(comparison, a, b)),
            (Value::Null, other) | (other, Value::Null) => self.compare_null(comparison, &other, tree),
            (Value::List(a), Value::List(b)) if is_equality(comparison) => {
                let same = self.same_lists(a, b, tree)?;
                let differ = comparison == Comparison::NotEqual;
                Ok(if differ { self.lowering.builder.not(same) } else { same })
            }
            (a, b) => self.unfit(sign(comparison), &[&a, &b], tree),
        }
    }

    /// False stands before true.
    fn compare_truths(&mut self, comparison: Comparison, a: Truth, b: Truth) -> Truth {
        let builder = &mut self.lowering.builder;
        let (not_b, no, yes) = (builder.not(b), builder.always(false), builder.always(true));
        let (if_a, if_not_a) = match comparison {
            Comparison::Equal => return self.same_truth(a, b, not_b),
            Comparison::NotEqual => return self.same_truth(a, not_b, b),
            Comparison::Less => (no, b),
            Comparison::LessOrEqual => (b, yes),
            Comparison::Greater => (not_b, no),
            Comparison::GreaterOrEqual => (yes, not_b),
        };
        let chosen = builder.choose(a, if_a, if_not_a);
        // Both sides are looked at, whichever decides.
        let sound = self.sound(&Value::Truth(b));
        self.guarded(sound, chosen)
    }

    /// `field == null`: whether an event left the field out. Nothing else is ever null.
    fn compare_null(&mut self, comparison: Comparison, other: &Value, tree: &SpannedExpr) -> Lowered<Truth> {
        let equal = comparison == Comparison::Equal;
        let feature = match other {
            Value::Null if is_equality(comparison) => return Ok(self.lowering.builder.always(equal)),
            Value::Number(Number { source: Source::Feature(id), .. }) | Value::Text(Text::Feature(id)) => *id,
            _ => return self.unfit(sign(comparison), &[other, &Value::Null], tree),
        };
        if !self.is_carried(feature) || !is_equality(comparison) {
            return self.unfit(sign(comparison), &[other, &Value::Null], tree);
        }
        let builder = &mut self.lowering.builder;
        let present = builder.truth(|to| Op::Present { to, feature });
        Ok(if equal { builder.not(present) } else { present })
    }

    /// `a ? b : not_b`, with what is known folded away.
    fn same_truth(&mut self, a: Truth, b: Truth, not_b: Truth) -> Truth {
        let builder = &mut self.lowering.builder;
        match builder.known(b) {
            Some(true) => a,
            Some(false) => builder.not(a),
            None => builder.choose(a, b, not_b),
        }
    }

    fn compare_numbers(
        &mut self,
        comparison: Comparison,
        a: Number,
        b: Number,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        // Types first: what is known now is not compared either where an event's own value would not be.
        if !are_comparable(a.unit, b.unit) {
            return self.unfit(sign(comparison), &[&Value::Number(a), &Value::Number(b)], tree);
        }
        match (a.constant(), b.constant()) {
            (Some(x), Some(y)) if a.unit == b.unit || !is_money(a) && !is_money(b) => {
                let truth = holds(comparison, order(x, y));
                return Ok(self.lowering.builder.always(truth));
            }
            // Constants stand on the right from here on.
            (Some(_), None) => return self.compare_numbers(flipped(comparison), b, a, tree),
            _ => {}
        }
        match (a.source, b.constant()) {
            (Source::Feature(feature), Some(constant)) => {
                self.check_range(feature, comparison, constant, b, tree);
            }
            (Source::Register(_), Some(constant)) => self.ask_of_counts(comparison, a, constant, tree),
            _ => {}
        }
        match (a.unit, b.unit) {
            (x, y) if x == y => Ok(self.emit(x, comparison, a.source, b.source)),
            (Unit::Money(places), _) => self.compare_money(comparison, a, places, b, tree),
            (_, Unit::Money(places)) => self.compare_money(flipped(comparison), b, places, a, tree),
            (Unit::Int, _) => match b.constant() {
                Some(Constant::Double(x)) => Ok(match exact(comparison, x) {
                    Exact::Known(truth) => self.known_where_sound(truth, a),
                    Exact::Whole(comparison, n) => {
                        self.emit(Unit::Int, comparison, a.source, Source::Constant(n as u64))
                    }
                }),
                _ => Ok(self.mixed(comparison, a, b)),
            },
            (Unit::Double, Unit::Int) => match b.constant() {
                Some(Constant::Int(n)) if n as f64 as i128 == i128::from(n) => {
                    let constant = Source::Constant((n as f64).to_bits());
                    Ok(self.emit(Unit::Double, comparison, a.source, constant))
                }
                _ => Ok(self.mixed(comparison, a, b)),
            },
            _ => Ok(self.mixed(comparison, a, b)),
        }
    }

    /// A truth known now of a number that may still fail.
    fn known_where_sound(&mut self, truth: bool, number: Number) -> Truth {
        let sound = self.sound(&Value::Number(number));
        let truth = self.lowering.builder.always(truth);
        self.guarded(sound, truth)
    }

    /// Two numbers of different types, neither rounded.
    fn mixed(&mut self, comparison: Comparison, a: Number, b: Number) -> Truth {
        let (a_ty, b_ty) = (a.unit.number_type(), b.unit.number_type());
        let (a, b) = (a.source, b.source);
        self.lowering.builder.truth(|to| Op::CompareMixed { to, comparison, a, a_ty, b, b_ty })
    }

    /// Money on the left against anything else.
    fn compare_money(
        &mut self,
        comparison: Comparison,
        a: Number,
        places: u8,
        b: Number,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        let is_constant = b.constant().is_some();
        match self.alike(a, b) {
            // A constant finer than what it is compared with says nothing that a coarser one does not.
            Some((a, b)) if !is_constant || a.unit == Unit::Money(places) => {
                // Both may be known by now.
                if let (Some(x), Some(y)) = (a.constant(), b.constant()) {
                    return Ok(self.lowering.builder.always(holds(comparison, order(x, y))));
                }
                Ok(self.emit(a.unit, comparison, a.source, b.source))
            }
            None if b.unit == Unit::Int => {
                self.refuse(Code::OutOfRange, &tree.span, "no amount is so large", "out of range")
            }
            _ if is_constant => {
                let message = format!("money is compared with at most {} decimals", counted(places));
                self.refuse(Code::WrongType, &tree.span, message, "expected a literal such as 5.00")
            }
            _ => {
                let major = self.widen(a);
                Ok(self.emit(Unit::Double, comparison, major.source, b.source))
            }
        }
    }

    /// The instruction, with what it tells about thresholds and reasons.
    fn emit(&mut self, unit: Unit, comparison: Comparison, a: Source, b: Source) -> Truth {
        let ty = unit.number_type();
        self.amounts.with_constant |=
            matches!((unit, b), (Unit::Money(_), Source::Constant(constant)) if constant != 0);
        if let (Source::Feature(feature), Source::Constant(bits)) = (a, b) {
            let weight = if self.is_velocity(feature) { Weight::Velocity } else { Weight::Number };
            self.quote(weight, Witness { feature, threshold: b, ty });
            // Beyond what can be held exactly, a constant asks for nothing.
            const MOST: i64 = EXACT_COUNT_MAX as i64;
            match (comparison, bits as i64) {
                _ if unit != Unit::Int => {}
                // As `> 64` and `<= 64`.
                (Comparison::GreaterOrEqual | Comparison::Less, constant) if constant == MOST + 1 => {
                    self.ask(feature, MOST);
                }
                (_, constant @ 0..=MOST) => self.ask(feature, constant),
                _ => {}
            }
        }
        self.lowering.builder.truth(|to| Op::Compare { to, ty, comparison, a, b })
    }
}

/// Whether numbers of these units have an order.
fn are_comparable(a: Unit, b: Unit) -> bool {
    let is_moment = |unit| matches!(unit, Unit::Time | Unit::Span);
    let is_money = |unit| matches!(unit, Unit::Money(_));
    match (a, b) {
        _ if is_moment(a) || is_moment(b) => a == b,
        (Unit::Uint, other) | (other, Unit::Uint) => !is_money(other),
        _ => true,
    }
}

/// A small number in words.
fn counted(places: u8) -> String {
    match places {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        4 => "four".to_owned(),
        _ => places.to_string(),
    }
}

/// The comparison with its sides swapped.
pub(super) fn flipped(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => comparison,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

/// Whether a comparison holds for two things in that order; unordered ones (NaN) only differ.
pub(crate) fn holds(comparison: Comparison, order: Option<Ordering>) -> bool {
    match (comparison, order) {
        (Comparison::NotEqual, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (Comparison::Equal, Some(order)) => order.is_eq(),
        (Comparison::Less, Some(order)) => order.is_lt(),
        (Comparison::LessOrEqual, Some(order)) => order.is_le(),
        (Comparison::Greater, Some(order)) => order.is_gt(),
        (Comparison::GreaterOrEqual, Some(order)) => order.is_ge(),
    }
}

fn is_equality(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Equal | Comparison::NotEqual)
}

/// A comparison as it is written.
pub(crate) fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// The exact order of two constants, whatever their types.
pub(crate) fn order(a: Constant, b: Constant) -> Option<Ordering> {
    match (a, b) {
        (Constant::Uint(a), Constant::Uint(b)) => Some(a.cmp(&b)),
        (Constant::Uint(a), b) => match i64::try_from(a) {
            Ok(a) => order(Constant::Int(a), b),
            Err(_) => match b {
                Constant::Double(b) => unsigned_order(a, b),
                _ => Some(Ordering::Greater),
            },
        },
        (a, Constant::Uint(b)) => order(Constant::Uint(b), a).map(Ordering::reverse),
        (Constant::Int(a), Constant::Int(b)) => Some(a.cmp(&b)),
        (Constant::Double(a), Constant::Double(b)) => a.partial_cmp(&b),
        (Constant::Int(a), Constant::Double(b)) => whole_order(a, b),
        (Constant::Double(a), Constant::Int(b)) => whole_order(b, a).map(Ordering::reverse),
    }
}

/// The order of a whole number and a double, without rounding either.
fn whole_order(n: i64, x: f64) -> Option<Ordering> {
    if x.is_nan() {
        return None;
    }
    // Beyond ±2^63 no whole number is left to compare with; within, the floor is a whole number exactly.
    if x >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if x < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let floor = x.floor();
    Some(n.cmp(&(floor as i64)).then(if x > floor { Ordering::Less } else { Ordering::Equal }))
}

/// The order of an unsigned number and a double, without rounding either.
fn unsigned_order(n: u64, x: f64) -> Option<Ordering> {
    if x.is_nan() {
        return None;
    }
    // Every whole float below 2^65 is one of these exactly.
    let floor = x.floor().clamp(-1.0, 36_893_488_147_419_103_232.0);
    Some(i128::from(n).cmp(&(floor as i128)).then(if x > floor { Ordering::Less } else { Ordering::Equal }))
}

/// A comparison of an unknown whole number with a double, as a comparison of whole numbers.
fn exact(comparison: Comparison, x: f64) -> Exact {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let beyond = whole_order(i64::MIN, x).filter(|order| order.is_gt());
    let above = whole_order(i64::MAX, x).filter(|order| order.is_lt());
    if x.is_nan() {
        return Exact::Known(comparison == NotEqual);
    }
    if beyond.is_some() {
        return Exact::Known(matches!(comparison, Greater | GreaterOrEqual | NotEqual));
    }
    if above.is_some() {
        return Exact::Known(matches!(comparison, Less | LessOrEqual | NotEqual));
    }
    let floor = x.floor();
    let n = floor as i64;
    if x == floor {
        return Exact::Whole(comparison, n);
    }
    match comparison {
        Equal => Exact::Known(false),
        NotEqual => Exact::Known(true),
        Less | LessOrEqual => Exact::Whole(LessOrEqual, n),
        Greater | GreaterOrEqual => Exact::Whole(Greater, n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_doubles_are_ordered_without_rounding() {
        assert_eq!(whole_order(3, 3.5), Some(Ordering::Less));
        assert_eq!(whole_order(-3, -3.5), Some(Ordering::Greater));
        assert_eq!(whole_order(i64::MAX, 9_223_372_036_854_775_807.0), Some(Ordering::Less));
        assert_eq!(whole_order((1 << 53) + 1, (1_i64 << 53) as f64), Some(Ordering::Greater));
        assert_eq!(whole_order(0, f64::NAN), None);
    }
}
