//! One check out of a JSON object, in one pass: texts without escapes are borrowed, only `ext` needs a list.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::leaf::Leaf;
use super::object::{Object, nested};
use super::trail::Trail;
use crate::bounds::{self, Refusal};
use crate::check::{Check, Ext, ExtValue, Kind, Text};
use crate::currency;
use crate::error::ErrorCode;
use crate::fields::{Field, Group};
use crate::form::{FieldValue, Form};
use crate::limits::TEXT_BYTES_MAX;
use crate::money::Decimal;

/// A check being read: what can only be judged once every field is known stands beside it.
struct Draft<'de> {
    check: Check<'de>,
    /// The currency, which may come later, says what its last digit is worth.
    amount: Option<Decimal>,
    kind_stated: bool,
    /// One bit a field of [`Field::ALL`], then one each for the keys that hold objects.
    seen: u64,
}

/// A key of a check or of an object within it.
enum Key {
    Field(Field),
    Group(Group),
    Ext,
}

const EXT: &str = "ext";

impl Key {
    fn of(group: Group, name: &str) -> Option<Key> {
        if let Some(field) = Field::in_group(group, name) {
            return Some(Key::Field(field));
        }
        if group != Group::Check {
            return None;
        }
        let within = Group::NESTED.into_iter().find(|nested| nested.name() == name).map(Key::Group);
        within.or_else(|| (name == EXT).then_some(Key::Ext))
    }

    fn name(&self) -> &'static str {
        match self {
            Key::Field(field) => field.spec().name,
            Key::Group(group) => group.name(),
            Key::Ext => EXT,
        }
    }

    fn bit(&self) -> u64 {
        const OBJECTS: usize = Field::ALL.len();
        const { assert!(OBJECTS + 5 <= 64) };
        1 << match self {
            Key::Field(field) => *field as usize,
            Key::Group(group) => OBJECTS + *group as usize,
            Key::Ext => OBJECTS + 4,
        }
    }
}

impl<'de> Object<'de> for Check<'de> {
    const EXPECTED: &'static str = "a check: an object with id, kind and account";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Check<'de>, A::Error> {
        let mut draft =
            Draft { check: Check::new("", Kind::Mint, ""), amount: None, kind_stated: false, seen: 0 };
        draft.read(trail, Group::Check, map)?;
        draft.finish(trail)
    }
}

impl<'de> Draft<'de> {
    /// Reads every field of an object.
    fn read<A: MapAccess<'de>>(&mut self, trail: &Trail, group: Group, map: &mut A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed { trail, group })? {
            trail.field.set(key.name());
            if self.seen & key.bit() != 0 {
                return Err(trail.refuse(Refusal::new(ErrorCode::Malformed, "the field is given twice")));
            }
            self.seen |= key.bit();
            match key {
                Key::Field(Field::Amount) => self.amount = amount(trail, map)?,
                Key::Field(field) => {
                    let form = field.form();
                    if let Some(value) = trail.value(map, |leaf| leaf.into_value(form))? {
                        self.kind_stated |= field == Field::Kind;
                        field.put(&mut self.check, value);
                    }
                }
                Key::Group(group) => {
                    trail.object.set(trail.field.replace(""));
                    map.next_value_seed(GroupSeed { trail, group, draft: self })?;
                    trail.object.set("");
                }
                Key::Ext => self.check.ext = nested(trail, map)?.unwrap_or_default(),
            }
            trail.field.set("");
        }
        Ok(())
    }

    fn finish<E: de::Error>(mut self, trail: &Trail) -> Result<Check<'de>, E> {
        if self.check.id.is_empty() {
            return Err(trail.missing("id"));
        }
        if !self.kind_stated {
            return Err(trail.missing("kind"));
        }
        if self.check.account.is_empty() {
            return Err(trail.missing("account"));
        }
        if let Some(geo) = self.check.geo {
            trail.object.set(Group::Geo.name());
            if geo.lat.is_nan() {
                return Err(trail.missing("lat"));
            }
            if geo.lon.is_nan() {
                return Err(trail.missing("lon"));
            }
            trail.object.set("");
        }
        if let Some(amount) = self.amount {
            trail.field.set("amount");
            let minor = currency::decimals(self.check.currency)
                .ok_or_else(|| currency::unknown(currency::text(&self.check.currency)))
                .and_then(|decimals| amount.minor(decimals));
            self.check.amount_minor = Some(minor.map_err(|refusal| trail.refuse(refusal))?);
        }
        Ok(self.check)
    }
}

/// Reads an amount from its digits: a double in between would lose some of them.
fn amount<'de, A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Option<Decimal>, A::Error> {
    let literal = map.next_value::<&RawValue>()?.get();
    let read = match literal.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Text<'_>>(literal) {
            Ok(text) => Decimal::plain(&text),
            Err(_) => {
                Err(Refusal::new(ErrorCode::Malformed, "the text has an escape that JSON does not know"))
            }
        },
        Some(b'n') => return Ok(None),
        Some(b'-' | b'0'..=b'9') => Decimal::json(literal),
        other => {
            let found = match other {
                Some(b'{') => "an object",
                Some(b'[') => "an array",
                _ => "a boolean",
            };
            let expected = Form::Money.expected();
            Err(Refusal::new(ErrorCode::WrongType, format!("found {found}, expected {expected}")))
        }
    };
    read.map(Some).map_err(|refusal| trail.refuse(refusal))
}

struct KeySeed<'t> {
    trail: &'t Trail,
    group: Group,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
        Key::of(self.group, name).ok_or_else(|| {
            let fields = Field::of_group(self.group).map(|field| field.spec().name);
            let objects = Group::NESTED.iter().map(|group| group.name()).chain([EXT]);
            let objects = objects.filter(|_| self.group == Group::Check);
            self.trail.unknown(name, fields.chain(objects))
        })
    }
}

/// Reads an object within a check; a device may also be a string that is its id.
struct GroupSeed<'t, 'd, 'de> {
    trail: &'t Trail,
    group: Group,
    draft: &'d mut Draft<'de>,
}

impl GroupSeed<'_, '_, '_> {
    fn expected(&self) -> &'static str {
        match self.group {
            Group::Device => "a device: an object, or a string that is its id",
            Group::Geo => "a place: an object with lat and lon",
            _ => "an object with face or voice",
        }
    }

    fn text<'de, E: de::Error>(self, id: Text<'de>) -> Result<FieldValue<'de>, E> {
        if self.group == Group::Device {
            return Field::DeviceId.form().read(id).map_err(|refusal| self.trail.refuse(refusal));
        }
        let message = format!("found a string, expected {}", self.expected());
        Err(self.trail.refuse(Refusal::new(ErrorCode::WrongType, message)))
    }
}

impl<'de> DeserializeSeed<'de> for GroupSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for GroupSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        let GroupSeed { trail, group, draft } = self;
        let id = GroupSeed { trail, group, draft }.text(Cow::Borrowed(text))?;
        Field::DeviceId.put(&mut draft.check, id);
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let GroupSeed { trail, group, draft } = self;
        let id = GroupSeed { trail, group, draft }.text(Cow::Owned(text.to_owned()))?;
        Field::DeviceId.put(&mut draft.check, id);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.draft.read(self.trail, self.group, &mut map)?;
        if self.group == Group::Geo && self.draft.check.geo.is_none() {
            return Err(self.trail.missing("lat"));
        }
        Ok(())
    }
}

impl<'de> Object<'de> for Ext<'de> {
    const EXPECTED: &'static str = "an object of booleans, numbers and strings";

    fn read<A: MapAccess<'de>>(trail: &Trail, map: &mut A) -> Result<Ext<'de>, A::Error> {
        let mut ext: Ext<'de> = Vec::new();
        while let Some(key) = map.next_key::<Leaf<'de>>()? {
            let Leaf::Text(name) = key else {
                return Err(
                    trail.refuse(Refusal::new(ErrorCode::Malformed, "the name of a field is a string"))
                );
            };
            let refuse = |refusal: Refusal| {
                trail.within(&name);
                trail.refuse(refusal)
            };
            bounds::ext_name(&name, &ext).map_err(refuse)?;
            let value = match map.next_value().inspect_err(|_| trail.within(&name))? {
                Leaf::Null => continue,
                Leaf::Bool(flag) => ExtValue::Bool(flag),
                Leaf::Int(number) => ExtValue::Int(number),
                Leaf::Double(number) => ExtValue::Double(number),
                Leaf::Text(text) => {
                    bounds::text(&text, TEXT_BYTES_MAX).map_err(refuse)?;
                    ExtValue::Text(text)
                }
                Leaf::Huge(_) => {
                    return Err(refuse(Refusal::out_of_range(
                        "expected a whole number of 64 bits with sign",
                    )));
                }
            };
            ext.push((name, value));
        }
        Ok(ext)
    }
}
