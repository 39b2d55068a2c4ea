//! A column of an Arrow batch as cells.

use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::cell::{Cell, Moment};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What the values of a column are, beyond their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// What their type says.
    Plain,
    /// UUIDs in 16 bytes.
    Uuid,
}

impl Meaning {
    /// Of a column of that type; `None` if it is not read.
    pub fn of(data_type: &DataType, uuid: bool) -> Option<Meaning> {
        let read = match data_type {
            DataType::Dictionary(_, values) => return Meaning::of(values, uuid),
            DataType::FixedSizeBinary(16) if uuid => return Some(Meaning::Uuid),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => true,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => true,
            DataType::Null | DataType::Boolean => true,
            other => other.is_numeric(),
        };
        read.then_some(Meaning::Plain)
    }
}

/// The row within the batch whose value cannot be read, and why.
pub type Unreadable = (usize, String);

/// Every value of a column whose [`Meaning`] is that.
///
/// # Errors
/// The first value that cannot be read.
pub fn cells(array: &ArrayRef, meaning: Meaning) -> Result<Vec<Cell>, Unreadable> {
    Ok(match array.data_type() {
        DataType::Null => vec![Cell::Null; array.len()],
        DataType::Boolean => array.as_boolean().iter().map(|b| b.map_or(Cell::Null, Cell::Bool)).collect(),
        DataType::Int8 => numbers::<Int8Type>(array, |n| Cell::Int(n.into())),
        DataType::Int16 => numbers::<Int16Type>(array, |n| Cell::Int(n.into())),
        DataType::Int32 => numbers::<Int32Type>(array, |n| Cell::Int(n.into())),
        DataType::Int64 => numbers::<Int64Type>(array, Cell::Int),
        DataType::UInt8 => numbers::<UInt8Type>(array, |n| Cell::Int(n.into())),
        DataType::UInt16 => numbers::<UInt16Type>(array, |n| Cell::Int(n.into())),
        DataType::UInt32 => numbers::<UInt32Type>(array, |n| Cell::Int(n.into())),
        DataType::UInt64 => numbers::<UInt64Type>(array, |n| Cell::decimal(&n.to_string())),
        DataType::Float16 => numbers::<Float16Type>(array, |x| single(x.to_f32())),
        DataType::Float32 => numbers::<Float32Type>(array, single),
        DataType::Float64 => {
            numbers::<Float64Type>(array, |x| if x.is_nan() { Cell::Null } else { Cell::Double(x) })
        }
        DataType::Decimal32(..) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(array),
        DataType::Timestamp(unit, zone) => {
            let moment = if zone.is_some() { Moment::Instant } else { Moment::Local };
            match unit {
                TimeUnit::Second => {
                    return times::<TimestampSecondType>(array, |s| s.checked_mul(1000).map(moment));
                }
                TimeUnit::Millisecond => {
                    numbers::<TimestampMillisecondType>(array, |ms| Cell::Time(moment(ms)))
                }
                TimeUnit::Microsecond => {
                    numbers::<TimestampMicrosecondType>(array, |us| Cell::Time(moment(us.div_euclid(1000))))
                }
                TimeUnit::Nanosecond => numbers::<TimestampNanosecondType>(array, |ns| {
                    Cell::Time(moment(ns.div_euclid(1_000_000)))
                }),
            }
        }
        DataType::Date32 => numbers::<Date32Type>(array, |day| Cell::Time(Moment::Day(day.into()))),
        DataType::Date64 => numbers::<Date64Type>(array, |ms| Cell::Time(Moment::Day(ms.div_euclid(DAY_MS)))),
        DataType::Utf8 => texts(array.as_string::<i32>().iter()),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().iter()),
        DataType::Utf8View => texts(array.as_string_view().iter()),
        DataType::Binary => return bytes(array.as_binary::<i32>().iter(), meaning),
        DataType::LargeBinary => return bytes(array.as_binary::<i64>().iter(), meaning),
        DataType::BinaryView => return bytes(array.as_binary_view().iter(), meaning),
        DataType::FixedSizeBinary(_) => return bytes(array.as_fixed_size_binary().iter(), meaning),
        DataType::Dictionary(..) => return words(array, meaning),
        other => return Err((0, format!("type {other} is not read"))),
    })
}

fn numbers<T: ArrowPrimitiveType>(array: &ArrayRef, cell: impl Fn(T::Native) -> Cell) -> Vec<Cell> {
    array.as_primitive::<T>().iter().map(|value| value.map_or(Cell::Null, &cell)).collect()
}

fn times<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    moment: impl Fn(T::Native) -> Option<Moment>,
) -> Result<Vec<Cell>, Unreadable>
where
    T::Native: Display,
{
    let cell = |(row, value): (usize, Option<T::Native>)| match value {
        Some(value) => moment(value).map(Cell::Time).ok_or_else(|| (row, format!("{value} is no time"))),
        None => Ok(Cell::Null),
    };
    array.as_primitive::<T>().iter().enumerate().map(cell).collect()
}

fn single(x: f32) -> Cell {
    if x.is_nan() { Cell::Null } else { Cell::Single(x) }
}

fn decimals<T: DecimalType>(array: &ArrayRef) -> Vec<Cell> {
    let array = array.as_primitive::<T>();
    let cell = |row| {
        if array.is_null(row) { Cell::Null } else { Cell::decimal(&array.value_as_string(row)) }
    };
    (0..array.len()).map(cell).collect()
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<Cell> {
    values.map(|text| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))).collect()
}

/// Bytes that are text: some writers do not say so of their texts.
fn bytes<'a>(
    values: impl Iterator<Item = Option<&'a [u8]>>,
    meaning: Meaning,
) -> Result<Vec<Cell>, Unreadable> {
    let cell = |(row, value): (usize, Option<&[u8]>)| {
        let Some(value) = value else { return Ok(Cell::Null) };
        if meaning == Meaning::Uuid {
            let uuid = uuid::Uuid::from_slice(value).map_err(|error| (row, error.to_string()))?;
            return Ok(Cell::Text(uuid.to_string()));
        }
        let text = std::str::from_utf8(value);
        let refused = |_| (row, format!("{} bytes that are not text in UTF-8", value.len()));
        text.map(|text| Cell::Text(text.to_owned())).map_err(refused)
    };
    values.enumerate().map(cell).collect()
}

/// Values that are kept once each, and named by number.
fn words(array: &ArrayRef, meaning: Meaning) -> Result<Vec<Cell>, Unreadable> {
    let dictionary = array.as_any_dictionary();
    let values = cells(dictionary.values(), meaning).map_err(|(_, why)| (0, why))?;
    if values.is_empty() {
        return Ok(vec![Cell::Null; array.len()]);
    }
    let keys = dictionary.keys();
    let number = dictionary.normalized_keys();
    let cell = |row: usize| match keys.is_null(row) {
        true => Cell::Null,
        false => values.get(number[row]).cloned().unwrap_or(Cell::Null),
    };
    Ok((0..array.len()).map(cell).collect())
}
