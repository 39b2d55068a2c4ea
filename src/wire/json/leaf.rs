//! Values without structure: one reader takes any of them, the field then says which it wanted.
//!
//! `null` stands for an absent field, as many writers of JSON put it. Objects and arrays are refused at their
//! first byte, so that no depth of nesting costs more than that byte.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use uuid::Uuid;

use super::trail::{Trail, nearest, shortened};
use crate::bounds::{self, Refusal};
use crate::check::{Named, Text};
use crate::error::ErrorCode;
use crate::instant;
use crate::money;

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

impl Leaf<'_> {
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
    fn unlike(&self, expected: &str) -> Refusal {
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
    fn value<'de, A: MapAccess<'de>, T>(
        &self,
        map: &mut A,
        judge: impl FnOnce(Leaf<'de>) -> Result<T, Refusal>,
    ) -> Result<Option<T>, A::Error> {
        match map.next_value()? {
            Leaf::Null => Ok(None),
            leaf => judge(leaf).map(Some).map_err(|refusal| self.refuse(refusal)),
        }
    }

    pub fn text<'de, A: MapAccess<'de>>(&self, map: &mut A, bytes_max: usize) -> Result<Text<'de>, A::Error> {
        let text = self.value(map, |leaf| match leaf {
            Leaf::Text(text) => bounds::text(&text, bytes_max).map(|()| text),
            other => Err(other.unlike("a string")),
        })?;
        Ok(text.unwrap_or_default())
    }

    pub fn flag<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<bool, A::Error> {
        let flag = self.value(map, |leaf| match leaf {
            Leaf::Bool(flag) => Ok(flag),
            other => Err(other.unlike("true or false")),
        })?;
        Ok(flag.unwrap_or(false))
    }

    pub fn level<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<u8>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Int(value) => bounds::level(value),
            Leaf::Huge(_) => bounds::level(i64::MAX),
            other => Err(other.unlike("0, 1, 2 or 3")),
        })
    }

    pub fn micros<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<u32>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Int(value) => u32::try_from(value)
                .map_err(|_| Refusal::out_of_range("expected microseconds from 0 to 4294967295")),
            other => Err(other.unlike("whole microseconds from 0 to 4294967295")),
        })
    }

    pub fn number<'de, A: MapAccess<'de>>(
        &self,
        map: &mut A,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Double(value) => bounds::number(value, range),
            Leaf::Int(value) => bounds::number(value as f64, range),
            Leaf::Huge(value) => bounds::number(value as f64, range),
            other => Err(other.unlike("a number")),
        })
    }

    pub fn name<'de, T: Named, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<T>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Text(text) => T::from_name(&text).ok_or_else(|| not_a_name::<T>(&text)),
            other => Err(other.unlike("a string")),
        })
    }

    pub fn time<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<i64>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Int(ms) => bounds::time_ms(ms),
            Leaf::Huge(_) => bounds::time_ms(i64::MAX),
            Leaf::Text(text) => match instant::parse(&text) {
                Ok(time) => bounds::time_ms(time.ms()),
                Err(error) => Err(Refusal::out_of_range(format!("found `{}`: {error}", shortened(&text)))),
            },
            other => Err(other.unlike("RFC 3339 text or whole Unix milliseconds")),
        })
    }

    pub fn amount<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<i64>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Text(text) => money::parse_minor(&text).map_err(Refusal::out_of_range),
            Leaf::Double(major) => bounds::amount_major(major),
            Leaf::Int(major) => bounds::amount_minor(major.saturating_mul(100)),
            Leaf::Huge(_) => bounds::amount_minor(i64::MAX),
            other => Err(other.unlike("a decimal such as \"8.88\" or 8.88")),
        })
    }

    pub fn currency<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<[u8; 3]>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Text(text) => bounds::currency(text.as_bytes()),
            other => Err(other.unlike("a string")),
        })
    }

    pub fn address<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<IpAddr>, A::Error> {
        self.value(map, |leaf| match leaf {
            // An IPv4 address in IPv6 clothes is the same host.
            Leaf::Text(text) => text
                .parse()
                .map(|address: IpAddr| address.to_canonical())
                .map_err(|_| Refusal::out_of_range("expected an IPv4 or IPv6 address, such as 203.0.113.9")),
            other => Err(other.unlike("a string")),
        })
    }

    pub fn uuid<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<Uuid>, A::Error> {
        self.value(map, |leaf| match leaf {
            Leaf::Text(text) => Uuid::try_parse(&text).map_err(|_| {
                Refusal::out_of_range("expected a UUID such as 0192f6c4-7c1e-7000-8000-000000000001")
            }),
            other => Err(other.unlike("a string")),
        })
    }
}

#[cold]
fn not_a_name<T: Named>(found: &str) -> Refusal {
    let found = shortened(found);
    let known = || T::ALL.iter().map(|value| value.name());
    let message = match nearest(&found, known()) {
        Some(near) => format!("found `{found}`; did you mean `{near}`?"),
        None => format!("found `{found}`, expected one of {}", known().collect::<Vec<_>>().join(", ")),
    };
    Refusal::out_of_range(message)
}
