//! UBJSON, the binary JSON that XGBoost writes, as a serde deserializer: one description of a model then reads both.
//!
//! Ours because no kept crate reads it. It is bounded by the bytes it is given: a claimed length is never trusted past them,
//! nothing is set aside for it, and nesting ends at [`DEPTH_MAX`].

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Deepest nesting of arrays and objects; XGBoost needs eight.
const DEPTH_MAX: usize = 32;

/// Reads one value that takes all the bytes.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn from_slice<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    let mut reader = Reader { bytes, at: 0, depth: 0 };
    let read = T::deserialize(Element { reader: &mut reader, marker: None }).and_then(|value| {
        match reader.at == bytes.len() {
            true => Ok(value),
            false => Err(Error::custom("something follows the value")),
        }
    });
    read.map_err(|error| format!("byte {}: {error}", reader.at))
}

type Error = de::value::Error;

struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn take(&mut self, count: usize) -> Result<&'de [u8], Error> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or_else(|| Error::custom("it ends where more was expected: it is cut off"))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next marker; the one that means nothing is passed over.
    fn marker(&mut self) -> Result<u8, Error> {
        loop {
            match self.array::<1>()?[0] {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    fn integer(&mut self, marker: u8) -> Result<i64, Error> {
        Ok(match marker {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => u8::from_be_bytes(self.array()?).into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?),
            other => {
                return Err(Error::custom(format_args!("marker {other} where a whole number was expected")));
            }
        })
    }

    /// A length, or a number of elements; each takes at least a byte, so that a count past the bytes left is refused here.
    fn length(&mut self) -> Result<usize, Error> {
        let marker = self.marker()?;
        let length = usize::try_from(self.integer(marker)?).ok();
        let left = self.bytes.len() - self.at;
        length
            .filter(|&length| length <= left)
            .ok_or_else(|| Error::custom("a length is past the end of the file"))
    }

    fn string(&mut self) -> Result<&'de str, Error> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(Error::custom)
    }

    /// The head of an array or object: the type of all elements and their number, where given.
    fn container(&mut self) -> Result<Elements, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::custom(format_args!("nested deeper than {DEPTH_MAX}")));
        }
        let mut elements = Elements { marker: None, left: None };
        if self.peek() == Some(b'$') {
            self.at += 1;
            let marker = self.array::<1>()?[0];
            // Values without bytes would make a short file a long array.
            if !b"iUIlLdDSC[{".contains(&marker) || self.peek() != Some(b'#') {
                return Err(Error::custom("a type of elements that cannot be"));
            }
            elements.marker = Some(marker);
        }
        if self.peek() == Some(b'#') {
            self.at += 1;
            elements.left = Some(self.length()?);
        }
        Ok(elements)
    }

    fn value<V: Visitor<'de>>(&mut self, marker: u8, visitor: V) -> Result<V::Value, Error> {
        match marker {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'd' => visitor.visit_f32(f32::from_be_bytes(self.array()?)),
            b'D' => visitor.visit_f64(f64::from_be_bytes(self.array()?)),
            b'C' => visitor.visit_char(self.array::<1>()?[0].into()),
            b'S' => visitor.visit_borrowed_str(self.string()?),
            b'[' | b'{' => {
                let elements = self.container()?;
                let inside = Container { reader: self, elements, end: marker + 2 };
                let value = match marker {
                    b'[' => visitor.visit_seq(inside),
                    _ => visitor.visit_map(inside),
                }?;
                self.depth -= 1;
                Ok(value)
            }
            other => match self.integer(other)? {
                number if number >= 0 => visitor.visit_u64(number as u64),
                number => visitor.visit_i64(number),
            },
        }
    }
}

struct Elements {
    /// Type of all elements; each has its own when none is given.
    marker: Option<u8>,
    /// Elements to come; up to a closing bracket when not given.
    left: Option<usize>,
}

/// An array or object being read.
struct Container<'a, 'de> {
    reader: &'a mut Reader<'de>,
    elements: Elements,
    /// The bracket that closes it.
    end: u8,
}

impl Container<'_, '_> {
    /// Whether there is another element.
    fn more(&mut self) -> Result<bool, Error> {
        if let Some(left) = &mut self.elements.left {
            let more = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(more);
        }
        while self.reader.peek() == Some(b'N') {
            self.reader.at += 1;
        }
        if self.reader.peek() == Some(self.end) {
            self.reader.at += 1;
            return Ok(false);
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Container<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !self.more()? {
            return Ok(None);
        }
        let marker = self.elements.marker;
        seed.deserialize(Element { reader: self.reader, marker }).map(Some)
    }
}

impl<'de> MapAccess<'de> for Container<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.more()? {
            return Ok(None);
        }
        let key: StrDeserializer<'_, Error> = self.reader.string()?.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let marker = self.elements.marker;
        seed.deserialize(Element { reader: self.reader, marker })
    }
}

/// An element, whose type may have been given for all.
struct Element<'a, 'de> {
    reader: &'a mut Reader<'de>,
    marker: Option<u8>,
}

impl<'de> Deserializer<'de> for Element<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let marker = match self.marker {
            Some(marker) => marker,
            None => self.reader.marker()?,
        };
        self.reader.value(marker, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let marker = match self.marker {
            Some(marker) => marker,
            None => self.reader.marker()?,
        };
        match marker {
            b'Z' => visitor.visit_none(),
            marker => visitor.visit_some(Element { reader: self.reader, marker: Some(marker) }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Small {
        name: String,
        #[serde(default)]
        numbers: Vec<f32>,
        deep: Option<BTreeMap<String, Vec<i32>>>,
    }

    fn small(bytes: &[u8]) -> Result<Small, String> {
        from_slice(bytes)
    }

    #[test]
    fn counted_typed_and_closed_containers_read_alike() {
        let expected = Small {
            name: "a".to_owned(),
            numbers: vec![1.0, -2.0],
            deep: Some(BTreeMap::from([("k".to_owned(), vec![3, -1])])),
        };
        let typed = b"{U\x04nameSU\x01aU\x07numbers[$d#U\x02\x3f\x80\0\0\xc0\0\0\0U\x04deep{#U\x01U\x01k[$i#U\x02\x03\xff}";
        let closed = b"{U\x04nameSU\x01aU\x07numbers[d\x3f\x80\0\0Ni\xfe]U\x04deep{U\x01k[I\0\x03l\xff\xff\xff\xff]}N}";
        assert_eq!(small(typed).unwrap(), expected);
        assert_eq!(small(closed).unwrap(), expected);
    }

    #[test]
    fn lengths_past_the_end_are_refused_before_anything_is_set_aside() {
        for bytes in [
            &b"{L\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
            b"{U\x04nameSL\0\0\0\x02\x54\x0b\xe4\0a}",
            b"{U\x07numbers[$d#L\0\0\0\x02\x54\x0b\xe4\0}",
            b"{U\x07numbers[#l\xff\xff\xff\xff}",
        ] {
            let error = small(bytes).unwrap_err();
            assert!(error.contains("past the end"), "{error}");
        }
        assert!(small(b"{U\x04nameSU\x01a").unwrap_err().contains("cut off"));
        assert!(small(b"{U\x04nameSU\x01a}}").unwrap_err().contains("follows"));
        // A million nulls in ten bytes.
        assert!(from_slice::<IgnoredAny>(b"[$Z#l\0\x0f\x42\x40").unwrap_err().contains("type of elements"));
    }

    #[test]
    fn deep_nesting_is_refused_before_the_stack_ends() {
        let error = from_slice::<IgnoredAny>(&[b'['; 1_000_000]).unwrap_err();
        assert!(error.contains("nested deeper"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(
            prop_oneof![prop::sample::select(b"[]{}$#ZNTFiUIlLdDSCU\x01\x02".to_vec()), any::<u8>()], 0..80,
        )) {
            let _ = from_slice::<IgnoredAny>(&bytes);
            let _ = from_slice::<Small>(&bytes);
        }
    }
}
