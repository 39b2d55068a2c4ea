//! What a sub-expression lowers to: a truth, a number with its unit, a text, or a list or map known at compile time.

use engine::feature::FeatureId;
use engine::program::{NumberType, Source, Truth, Words};

use super::decimal::Exact;
use crate::limits::STEP_BYTES;

/// Unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Int,
    Uint,
    /// Whole units of a power of ten: so many decimals of a major unit. What is made of money by an exact product or quotient
    /// may have more of them than an amount has.
    Money(u8),
    Double,
    /// Microseconds since 1970.
    Time,
    /// Microseconds.
    Span,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Int => "int",
            Unit::Uint => "uint",
            Unit::Money(_) => "money",
            Unit::Double => "double",
            Unit::Time => "timestamp",
            Unit::Span => "duration",
        }
    }

    /// How its bits are read.
    pub(crate) fn number_type(self) -> NumberType {
        match self {
            Unit::Int | Unit::Money(_) | Unit::Time | Unit::Span => NumberType::Int,
            Unit::Uint => NumberType::Uint,
            Unit::Double => NumberType::Double,
        }
    }
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub unit: Unit,
    pub source: Source,
    /// Of a double: what it is exactly, where that is known. Money is compared and summed with this.
    pub exact: Option<Exact>,
}

impl Number {
    pub(crate) fn int(n: i64) -> Number {
        Number::constant_of(Unit::Int, n)
    }

    pub(crate) fn constant_of(unit: Unit, n: i64) -> Number {
        Number::of(unit, Source::Constant(n as u64))
    }

    pub(crate) fn double(x: f64) -> Number {
        Number::of(Unit::Double, Source::Constant(x.to_bits()))
    }

    pub(crate) fn of(unit: Unit, source: Source) -> Number {
        Number { unit, source, exact: None }
    }

    /// The double with what it is exactly.
    pub(crate) fn decimal(x: f64, exact: Option<Exact>) -> Number {
        Number { exact, ..Number::double(x) }
    }

    /// The constant it is, if it is one.
    pub(crate) fn constant(self) -> Option<Constant> {
        let Source::Constant(bits) = self.source else { return None };
        Some(match self.unit {
            Unit::Double => Constant::Double(f64::from_bits(bits)),
            Unit::Uint => Constant::Uint(bits),
            _ => Constant::Int(bits as i64),
        })
    }
}

/// A number known at compile time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Constant {
    Int(i64),
    Uint(u64),
    Double(f64),
}

/// A text or byte string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Feature(FeatureId),
    Constant(Vec<u8>),
    Register(Words),
}

impl Text {
    /// How many bytes of it are known now.
    pub(crate) fn constant_bytes(&self) -> usize {
        match self {
            Text::Constant(bytes) => bytes.len(),
            Text::Feature(_) | Text::Register(_) => 0,
        }
    }
}

/// A list: values in order, each there where its condition holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub items: Vec<Item>,
    /// True, or a fault where some part of the list is one: CEL makes a list before it looks into it.
    pub sound: Truth,
}

impl List {
    /// As [`Value::parts`].
    pub(crate) fn parts(&self) -> usize {
        1 + self.items.iter().map(|item| item.value.parts()).sum::<usize>()
    }
}

/// One value of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub given: Truth,
    pub value: Value,
}

/// A map whose keys are known; the keys are constants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub keys: List,
    pub values: Vec<Value>,
}

/// A constant that a policy gives a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Truth(bool),
    Number(Number),
    Text(String),
}

impl Literal {
    /// Its type in words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Literal::Truth(_) => "bool",
            Literal::Number(number) => number.unit.name(),
            Literal::Text(_) => "text",
        }
    }

    /// A whole number where the other is a decimal one, as `5` beside `2.50`, as a decimal one.
    pub(crate) fn widened(self, other: &Literal) -> Literal {
        match (&self, other) {
            (
                Literal::Number(Number { unit: Unit::Int, source: Source::Constant(n), .. }),
                Literal::Number(Number { unit: Unit::Double, .. }),
            ) => {
                let n = *n as i64;
                Literal::Number(Number::decimal(n as f64, Some(Exact::of(n, 0))))
            }
            _ => self,
        }
    }
}

/// Any value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Truth(Truth),
    Number(Number),
    Text(Text),
    Bytes(Text),
    Null,
    List(List),
    Map(Map),
}

impl Value {
    /// A constant text.
    pub(crate) fn text(text: &str) -> Value {
        Value::Text(Text::Constant(text.as_bytes().to_vec()))
    }

    /// How many parts it has, pieces of a long text among them: what copying it takes, in steps.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Value::Text(text) | Value::Bytes(text) => 1 + text.constant_bytes() / STEP_BYTES,
            Value::List(list) => list.parts(),
            Value::Map(map) => map.keys.parts() + map.values.iter().map(Value::parts).sum::<usize>(),
            Value::Truth(_) | Value::Number(_) | Value::Null => 1,
        }
    }

    /// Its type in words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Truth(_) => "bool",
            Value::Number(number) => number.unit.name(),
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Null => "null",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
