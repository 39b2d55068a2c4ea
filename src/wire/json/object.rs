//! Objects of known fields: each at most once, none unknown.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::trail::Trail;
use crate::bounds::Refusal;
use crate::check::{Named, Text};
use crate::error::ErrorCode;

/// What a JSON object can be read as.
pub(crate) trait Object<'de>: Sized {
    /// What it is, for errors.
    const EXPECTED: &'static str;

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Self, A::Error>;

    /// The object that a bare string stands for, where one does.
    fn from_text<E: de::Error>(trail: &Trail, _: Text<'de>) -> Result<Self, E> {
        Err(trail.refuse(Refusal::new(
            ErrorCode::WrongType,
            format!("found a string, expected {}", Self::EXPECTED),
        )))
    }
}

/// Reads an object, or `None` for `null`.
pub(crate) struct Read<'t, T> {
    trail: &'t Trail,
    object: PhantomData<T>,
}

impl<'t, T> Read<'t, T> {
    pub fn new(trail: &'t Trail) -> Read<'t, T> {
        Read { trail, object: PhantomData }
    }
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for Read<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for Read<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Option<T>, E> {
        T::from_text(self.trail, Cow::Borrowed(text)).map(Some)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<T>, E> {
        T::from_text(self.trail, Cow::Owned(text.to_owned())).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        T::read(self.trail, &mut map).map(Some)
    }
}

/// Reads the object that is the value of the current field.
pub(crate) fn nested<'de, T: Object<'de>, A: MapAccess<'de>>(
    trail: &Trail,
    map: &mut A,
) -> Result<Option<T>, A::Error> {
    trail.object.set(trail.field.replace(""));
    let value = map.next_value_seed(Read::new(trail))?;
    trail.object.set("");
    Ok(value)
}

/// Reads every field of an object; `read` takes the value of the field it is told.
pub(crate) fn fields<'de, F: Named, A: MapAccess<'de>>(
    trail: &Trail,
    map: &mut A,
    mut read: impl FnMut(F, &mut A) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    const { assert!(F::ALL.len() <= 64) };
    let mut seen = 0_u64;
    while let Some(key) = map.next_key_seed(Key::<F> { trail, names: PhantomData })? {
        trail.field.set(key.name());
        let bit = 1 << key.index();
        if seen & bit != 0 {
            return Err(trail.refuse(Refusal::new(ErrorCode::Malformed, "the field is given twice")));
        }
        seen |= bit;
        read(key, map)?;
        trail.field.set("");
    }
    Ok(())
}

struct Key<'t, F> {
    trail: &'t Trail,
    names: PhantomData<F>,
}

impl<'de, F: Named> DeserializeSeed<'de> for Key<'_, F> {
    type Value = F;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Named> Visitor<'_> for Key<'_, F> {
    type Value = F;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<F, E> {
        F::from_name(name).ok_or_else(|| self.trail.unknown(name, F::ALL.iter().map(|field| field.name())))
    }
}
