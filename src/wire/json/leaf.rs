//! Values without structure: one reader takes any of them, the field then says which it wanted.
//!
//! `null` stands for an absent field, as many writers of JSON put it. Objects and arrays are refused at their
//! first byte, so that no depth of nesting costs more than that byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::trail::Trail;
use crate::bounds::{self, Refusal};
use crate::check::Text;
use crate::error::ErrorCode;
use crate::form::{FieldValue, Form};

/// Any JSON value but an object or an array.
#[derive(Debug)]
pub(crate) enum Leaf<'de> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond `Int`.
    Huge(u64),
    Double(f64),
    Text(Text<'de>),
}

impl<'de> Leaf<'de> {
    /// The value of a field of that form. Money is not among them: see [`crate::money::Decimal`].
    #[inline]
    pub fn into_value(self, form: Form) -> Result<FieldValue<'de>, Refusal> {
        Ok(match (form, self) {
            (_, Leaf::Null) => FieldValue::Absent,
            (Form::Flag, Leaf::Bool(flag)) => FieldValue::Flag(flag),
            (Form::Level, Leaf::Int(value)) => FieldValue::Whole(bounds::level(value)?.into()),
            (Form::Level, Leaf::Huge(_)) => FieldValue::Whole(bounds::level(i64::MAX)?.into()),
            (Form::Micros, Leaf::Int(value)) => {
                FieldValue::Whole(u32::try_from(value).map_err(|_| form.unlike(&value.to_string()))?.into())
            }
            (Form::Time, Leaf::Int(ms)) => FieldValue::Whole(bounds::time_ms(ms)?),
            (Form::Time, Leaf::Huge(_)) => FieldValue::Whole(bounds::time_ms(i64::MAX)?),
            (Form::Fraction | Form::Latitude | Form::Longitude, Leaf::Double(value)) => {
                FieldValue::Decimal(bounds::number(value, form.range())?)
            }
            (Form::Fraction | Form::Latitude | Form::Longitude, Leaf::Int(value)) => {
                FieldValue::Decimal(bounds::number(value as f64, form.range())?)
            }
            (Form::Fraction | Form::Latitude | Form::Longitude, Leaf::Huge(value)) => {
                FieldValue::Decimal(bounds::number(value as f64, form.range())?)
            }
            // What has a type of its own in JSON is not written as text.
            (
                Form::Flag | Form::Level | Form::Micros | Form::Fraction | Form::Latitude | Form::Longitude,
                other,
            ) => return Err(other.unlike(form.expected())),
            (_, Leaf::Text(text)) => form.read(text)?,
            (Form::Time, other) => return Err(other.unlike(form.expected())),
            (_, other) => return Err(other.unlike("a string")),
        })
    }

    fn sort(&self) -> &'static str {
        match self {
            Leaf::Null => "null",
            Leaf::Bool(_) => "a boolean",
            Leaf::Int(_) | Leaf::Huge(_) => "a whole number",
            Leaf::Double(_) => "a number",
            Leaf::Text(_) => "a string",
        }
    }

    #[cold]
    pub fn unlike(&self, expected: &str) -> Refusal {
        Refusal::new(ErrorCode::WrongType, format!("found {}, expected {expected}", self.sort()))
    }
}

impl<'de> Deserialize<'de> for Leaf<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Leaf<'de>, D::Error> {
        deserializer.deserialize_any(LeafVisitor)
    }
}

struct LeafVisitor;

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number or boolean")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Leaf<'de>, E> {
        Ok(i64::try_from(value).map_or(Leaf::Huge(value), Leaf::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Double(value))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Owned(value.to_owned())))
    }
}

/// Readers of the value that follows a key; `None` or an empty text for `null`.
impl Trail {
    /// Reads a value and judges it.
    #[inline]
    pub fn value<'de, A: MapAccess<'de>, T>(
        &self,
        map: &mut A,
        judge: impl FnOnce(Leaf<'de>) -> Result<T, Refusal>,
    ) -> Result<Option<T>, A::Error> {
        match map.next_value()? {
            Leaf::Null => Ok(None),
            leaf => judge(leaf).map(Some).map_err(|refusal| self.refuse(refusal)),
        }
    }

    /// Reads a value of that form.
    pub fn of_form<'de, A: MapAccess<'de>>(
        &self,
        map: &mut A,
        form: Form,
    ) -> Result<FieldValue<'de>, A::Error> {
        Ok(self.value(map, |leaf| leaf.into_value(form))?.unwrap_or(FieldValue::Absent))
    }
}
