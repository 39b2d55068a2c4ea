//! What a sub-expression lowers to: a truth, a number with its unit, or a text.

use engine::feature::FeatureId;
use engine::program::{NumberType, Source, Truth};

/// Unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Int,
    /// Whole minor units.
    Money,
    Double,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Int => "int",
            Unit::Money => "money",
            Unit::Double => "double",
        }
    }

    /// How its bits are read.
    pub(crate) fn number_type(self) -> NumberType {
        match self {
            Unit::Int | Unit::Money => NumberType::Int,
            Unit::Double => NumberType::Double,
        }
    }
}

/// What is known of a decimal literal besides its nearest double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// It is a computed number, not a literal.
    Computed,
    /// Exactly this many hundredths.
    Hundredths(i64),
    /// More than two decimals, or an exponent.
    TooFine,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub unit: Unit,
    pub source: Source,
    pub decimal: Decimal,
}

impl Number {
    pub(crate) fn int(n: i64) -> Number {
        Number { unit: Unit::Int, source: Source::Constant(n as u64), decimal: Decimal::Computed }
    }

    pub(crate) fn double(x: f64) -> Number {
        Number { unit: Unit::Double, source: Source::Constant(x.to_bits()), decimal: Decimal::Computed }
    }

    pub(crate) fn of(unit: Unit, source: Source) -> Number {
        Number { unit, source, decimal: Decimal::Computed }
    }

    /// The constant it is, if it is one.
    pub(crate) fn constant(self) -> Option<Constant> {
        match (self.source, self.unit) {
            (Source::Constant(bits), Unit::Double) => Some(Constant::Double(f64::from_bits(bits))),
            (Source::Constant(bits), Unit::Int | Unit::Money) => Some(Constant::Int(bits as i64)),
            _ => None,
        }
    }
}

/// A number known at compile time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Constant {
    Int(i64),
    Double(f64),
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Feature(FeatureId),
    Constant(String),
}

/// Any value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Truth(Truth),
    Number(Number),
    Text(Text),
}

impl Value {
    /// Its type in words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Truth(_) => "bool",
            Value::Number(number) => number.unit.name(),
            Value::Text(_) => "text",
        }
    }
}

/// The hundredths of a plain decimal literal such as `5`, `5.0` or `5.00`.
pub(crate) fn decimal(literal: &str) -> Decimal {
    let (whole, fraction) = literal.split_once('.').unwrap_or((literal, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if fraction.len() > 2 || !digits(whole) || !digits(fraction) {
        return Decimal::TooFine;
    }
    match format!("0{whole}{fraction:0<2}").parse() {
        Ok(hundredths) => Decimal::Hundredths(hundredths),
        Err(_) => Decimal::TooFine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_at_most_two_decimals_are_exact() {
        assert_eq!(decimal("5.00"), Decimal::Hundredths(500));
        assert_eq!(decimal("0.1"), Decimal::Hundredths(10));
        assert_eq!(decimal(".5"), Decimal::Hundredths(50));
        for fine in ["5.000", "1e3", "1.5e2", "99999999999999999999.0"] {
            assert_eq!(decimal(fine), Decimal::TooFine, "{fine}");
        }
    }
}
