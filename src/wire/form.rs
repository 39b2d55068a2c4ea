//! Forms: how a field's values are written, bounded and compared.
//!
//! Each form has one canonical spelling. JSON, frames, lists, rule files and models bring a value into it through the same
//! function, so that two spellings of one address, packet or MAC address never are two values; what has no canonical
//! spelling is refused.

use std::borrow::Cow;
use std::net::IpAddr;

use uuid::Uuid;

use crate::bounds::{self, FRACTION, LATITUDE, LONGITUDE, Refusal};
use crate::check::{DeviceClass, Kind, Named, Text};
use crate::currency;
use crate::fields::{Field, Visit};
use crate::instant;
use crate::limits::{IDENTIFIER_BYTES_MAX, QR_BYTES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::near::{nearest, shortened};
use crate::visible;

/// How a field's values are written, bounded and compared. Fields of one form can be compared with each other, and looked
/// up in each other's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The caller's own key: taken to the byte, so that it can be found again in the answer.
    Id,
    /// A name: without white space around it, control or invisible characters.
    Identifier,
    /// IMEI or MEID: digits and capitals, without separators.
    Imei,
    /// MAC address: pairs of lower-case hexadecimal digits with colons.
    Mac,
    /// A sealed token, as it was minted.
    Token,
    /// A payload, as it was scanned.
    Qr,
    /// Free text, as it was written.
    Memo,
    /// A kind of event.
    Kind,
    /// A class of device.
    Class,
    /// ISO 4217 code.
    Currency,
    /// IPv4 or IPv6 address; IPv4 within IPv6 (`::ffff:a.b.c.d`) is the IPv4 address.
    Address,
    /// UUID.
    Packet,
    /// Unix milliseconds.
    Time,
    /// Minor units of the check's currency.
    Money,
    /// 0, 1, 2 or 3.
    Level,
    /// A number from 0 to 1.
    Fraction,
    /// Degrees of latitude.
    Latitude,
    /// Degrees of longitude.
    Longitude,
    /// True or false.
    Flag,
    /// Microseconds.
    Micros,
}

/// A value of a field in its canonical form.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// The check does not have the field.
    Absent,
    /// A text; never empty.
    Text(Text<'a>),
    /// True or false.
    Flag(bool),
    /// A whole number: levels, milliseconds, microseconds, minor units.
    Whole(i64),
    /// A finite number.
    Decimal(f64),
    /// A kind of event.
    Kind(Kind),
    /// A class of device.
    Class(DeviceClass),
    /// ISO 4217 code.
    Currency([u8; 3]),
    /// An address.
    Address(IpAddr),
    /// A packet.
    Packet(Uuid),
}

impl FieldValue<'_> {
    /// As text in the canonical spelling; empty if absent.
    pub fn into_text(self) -> String {
        match self {
            FieldValue::Absent => String::new(),
            FieldValue::Text(text) => text.into_owned(),
            FieldValue::Flag(flag) => flag.to_string(),
            FieldValue::Whole(number) => number.to_string(),
            FieldValue::Decimal(number) => number.to_string(),
            FieldValue::Kind(kind) => kind.name().to_owned(),
            FieldValue::Class(class) => class.name().to_owned(),
            FieldValue::Currency(code) => currency::text(&code).to_owned(),
            FieldValue::Address(address) => address.to_string(),
            FieldValue::Packet(packet) => packet.hyphenated().to_string(),
        }
    }
}

/// What a check holds values in.
pub(crate) trait Held<'a> {
    fn value(&self) -> FieldValue<'_>;
    /// Takes a value of the field's form.
    fn hold(&mut self, value: FieldValue<'a>);
    /// Hands the value to the method of its type, if it is there.
    fn visit(&self, field: Field, visitor: &mut impl Visit);
    /// The text; empty for what is held as anything else.
    #[inline(always)]
    fn text(&self) -> &str {
        ""
    }
}

impl<'a> Held<'a> for Text<'a> {
    #[inline]
    fn value(&self) -> FieldValue<'_> {
        if self.is_empty() { FieldValue::Absent } else { FieldValue::Text(Cow::Borrowed(self)) }
    }

    #[inline(always)]
    fn visit(&self, field: Field, visitor: &mut impl Visit) {
        if !self.is_empty() {
            visitor.text(field, self);
        }
    }

    #[inline(always)]
    fn text(&self) -> &str {
        self
    }

    #[inline]
    fn hold(&mut self, value: FieldValue<'a>) {
        match value {
            FieldValue::Text(text) => *self = text,
            other => {
                debug_assert!(other == FieldValue::Absent);
                *self = Cow::Borrowed("");
            }
        }
    }
}

/// Holders of one value, which absence leaves as they are.
macro_rules! held {
    ($($ty:ty: $get:expr, $set:expr, |$held:ident, $field:ident, $visitor:ident| $visit:expr;)+) => {$(
        impl<'a> Held<'a> for $ty {
            #[inline]
            fn value(&self) -> FieldValue<'_> {
                let get: fn(&$ty) -> FieldValue<'static> = $get;
                get(self)
            }

            #[inline(always)]
            fn visit(&self, $field: Field, $visitor: &mut impl Visit) {
                let $held = self;
                $visit;
            }

            #[inline]
            fn hold(&mut self, value: FieldValue<'a>) {
                let set: fn(FieldValue<'a>) -> Option<$ty> = $set;
                match set(value) {
                    Some(held) => *self = held,
                    None => debug_assert!(false, "a value of another form"),
                }
            }
        }
    )+};
}

macro_rules! matched {
    ($variant:ident) => {
        |value| match value {
            FieldValue::$variant(held) => Some(held.into()),
            _ => None,
        }
    };
}

macro_rules! optional {
    ($variant:ident) => {
        |held| held.map_or(FieldValue::Absent, |held| FieldValue::$variant(held.into()))
    };
}

macro_rules! narrowed {
    () => {
        |value| match value {
            FieldValue::Whole(number) => number.try_into().ok().map(Some),
            _ => None,
        }
    };
}

held! {
    bool: |flag| FieldValue::Flag(*flag), matched!(Flag), |held, field, to| if *held { to.whole(field, 1) };
    Kind: |kind| FieldValue::Kind(*kind), matched!(Kind), |held, field, to| to.text(field, held.name());
    DeviceClass: |class| FieldValue::Class(*class), matched!(Class), |held, field, to| to.text(field, held.name());
    [u8; 3]: |code| FieldValue::Currency(*code), matched!(Currency), |held, field, to| to.text(field, currency::text(held));
    Option<i64>: optional!(Whole), matched!(Whole), |held, field, to| if let Some(number) = *held { to.whole(field, number) };
    Option<u8>: optional!(Whole), narrowed!(), |held, field, to| if let Some(number) = *held { to.whole(field, number.into()) };
    Option<u32>: optional!(Whole), narrowed!(), |held, field, to| if let Some(number) = *held { to.whole(field, number.into()) };
    Option<f64>: optional!(Decimal), matched!(Decimal), |held, field, to| if let Some(number) = *held { to.decimal(field, number) };
    Option<IpAddr>: optional!(Address), matched!(Address), |held, field, to| match *held {
        None => {}
        Some(IpAddr::V4(address)) => to.bits(field, address.to_bits().into()),
        Some(IpAddr::V6(address)) => to.bits(field, address.to_bits()),
    };
    Option<Uuid>: optional!(Packet), matched!(Packet), |held, field, to| if let Some(packet) = *held { to.bits(field, packet.as_u128()) };
}

impl Form {
    /// Longest text in bytes; none for what is no text.
    pub const fn bytes_max(self) -> Option<usize> {
        match self {
            Form::Id | Form::Identifier | Form::Imei | Form::Mac => Some(IDENTIFIER_BYTES_MAX),
            Form::Token => Some(TOKEN_BYTES_MAX),
            Form::Qr => Some(QR_BYTES_MAX),
            Form::Memo => Some(TEXT_BYTES_MAX),
            _ => None,
        }
    }

    /// What is expected, for errors and documentation.
    pub const fn expected(self) -> &'static str {
        match self {
            Form::Id => {
                "text of 1 to 64 bytes without control or invisible characters or white space around it"
            }
            Form::Identifier => "text of at most 64 bytes without control or invisible characters",
            Form::Imei => "an IMEI or MEID: digits and letters, such as 490154203237518",
            Form::Mac => "a MAC address of 6 or 8 bytes, such as 02:00:5e:10:00:01",
            Form::Token => "text of at most 256 bytes",
            Form::Qr | Form::Memo => "text of at most 512 bytes",
            Form::Kind => "`mint` `scan` `claim` `pay` `transfer` `withdraw` `login` `bind`",
            Form::Class => "`phone` `pos` `kiosk` `car` `iot`",
            Form::Currency => "an ISO 4217 code, such as CNY",
            Form::Address => "an IPv4 or IPv6 address, such as 203.0.113.9",
            Form::Packet => "a UUID, such as 0192f6c4-7c1e-7000-8000-000000000001",
            Form::Time => "RFC 3339 with an offset, such as 2026-02-17T08:30:00Z, or whole Unix milliseconds",
            Form::Money => "a decimal with at most the currency's decimals, such as 8.88",
            Form::Level => "0, 1, 2 or 3",
            Form::Fraction => "a number from 0 to 1",
            Form::Latitude => "a number from -90 to 90",
            Form::Longitude => "a number from -180 to 180",
            Form::Flag => "true or false",
            Form::Micros => "whole microseconds from 0 to 4294967295",
        }
    }

    /// Reads a value as people write it: in JSON texts, list keys, rule files, CSV. Money is read by [`crate::money`], which
    /// has to know the currency. Empty text, and white space alone where a name is expected, is absent.
    ///
    /// # Errors
    /// [`Refusal`] where the text has no canonical form.
    #[inline]
    pub fn read(self, text: Text<'_>) -> Result<FieldValue<'_>, Refusal> {
        if let Some(bytes_max) = self.bytes_max() {
            bounds::text(&text, bytes_max)?;
        }
        let read = match self {
            Form::Id => FieldValue::Text(visible::id(text)?),
            Form::Identifier => FieldValue::Text(visible::identifier(text)?),
            Form::Imei => FieldValue::Text(imei(text)?),
            Form::Mac => FieldValue::Text(mac(text)?),
            Form::Token | Form::Qr | Form::Memo => FieldValue::Text(text),
            Form::Kind => FieldValue::Kind(named(&text)?),
            Form::Class => FieldValue::Class(named(&text)?),
            Form::Currency => FieldValue::Currency(currency::read(&text)?),
            Form::Address => FieldValue::Address(address(&text)?),
            Form::Packet => FieldValue::Packet(packet(&text)?),
            Form::Time => FieldValue::Whole(instant::read(&text)?),
            Form::Flag => match &*text {
                "true" => FieldValue::Flag(true),
                "false" => FieldValue::Flag(false),
                _ => return Err(self.unlike(&text)),
            },
            Form::Level => {
                let number = text.parse().map_err(|_| self.unlike(&text))?;
                FieldValue::Whole(bounds::level(number)?.into())
            }
            Form::Micros => {
                let number: u32 = text.parse().map_err(|_| self.unlike(&text))?;
                FieldValue::Whole(number.into())
            }
            Form::Fraction | Form::Latitude | Form::Longitude => {
                let number = text.parse().map_err(|_| self.unlike(&text))?;
                FieldValue::Decimal(bounds::number(number, self.range())?)
            }
            Form::Money => return Err(self.unlike(&text)),
        };
        Ok(match read {
            FieldValue::Text(text) if text.is_empty() => FieldValue::Absent,
            read => read,
        })
    }

    /// The canonical spelling of a text; empty if the text means an absent value.
    ///
    /// # Errors
    /// [`Refusal`] where it has none.
    pub fn canonical(self, text: &str) -> Result<Cow<'_, str>, Refusal> {
        Ok(match self.read(Cow::Borrowed(text))? {
            FieldValue::Text(text) => text,
            other => Cow::Owned(other.into_text()),
        })
    }

    /// The range of a number's form.
    pub(crate) const fn range(self) -> std::ops::RangeInclusive<f64> {
        match self {
            Form::Latitude => LATITUDE,
            Form::Longitude => LONGITUDE,
            _ => FRACTION,
        }
    }

    #[cold]
    pub(crate) fn unlike(self, found: &str) -> Refusal {
        Refusal::out_of_range(format!("found `{}`, expected {}", shortened(found), self.expected()))
    }
}

/// An address; one of IPv4 written as IPv6 is the same host.
fn address(text: &str) -> Result<IpAddr, Refusal> {
    text.parse().map(|address: IpAddr| address.to_canonical()).map_err(|_| Form::Address.unlike(text))
}

fn packet(text: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(text).map_err(|_| Form::Packet.unlike(text))
}

/// A name of a closed set, in any case.
pub(crate) fn named<T: Named>(text: &str) -> Result<T, Refusal> {
    let found = T::from_name(text);
    found.or_else(|| T::from_name(&text.to_ascii_lowercase())).ok_or_else(|| unknown_name::<T>(text))
}

#[cold]
fn unknown_name<T: Named>(found: &str) -> Refusal {
    let found = shortened(found);
    let known = || T::ALL.iter().map(|value| value.name());
    Refusal::out_of_range(match nearest(&found, known()) {
        Some(near) => format!("found `{found}`; did you mean `{near}`?"),
        None => format!("found `{found}`, expected one of {}", known().collect::<Vec<_>>().join(", ")),
    })
}

/// Digits and capitals; handsets and people write spaces, hyphens, dots and slashes between them.
fn imei(text: Text<'_>) -> Result<Text<'_>, Refusal> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        return Ok(text);
    }
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/')).collect();
    if bare.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(Cow::Owned(bare.to_ascii_uppercase()))
    } else {
        Err(Form::Imei.unlike(&text))
    }
}

/// Pairs of hexadecimal digits with colons, from any usual spelling: `02-00-5E-10-00-01`, `0200.5e10.0001`, `02005e100001`.
fn mac(text: Text<'_>) -> Result<Text<'_>, Refusal> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let bytes = text.as_bytes();
    let canonical =
        bytes.iter().enumerate().all(|(at, &byte)| if at % 3 == 2 { byte == b':' } else { digit(byte) });
    if bytes.is_empty() || canonical && matches!(bytes.len(), 17 | 23) {
        return Ok(text);
    }
    let trimmed = text.trim();
    let separator = trimmed.bytes().find(|byte| !byte.is_ascii_hexdigit());
    let digits: String = trimmed
        .chars()
        .filter(|&c| Some(c) != separator.map(char::from))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let even = separator.is_none_or(|separator| {
        let separator = char::from(separator);
        let width = trimmed.find(separator).unwrap_or_default();
        matches!(width, 2 | 4) && trimmed.split(separator).all(|part| part.len() == width)
    });
    let known = separator.is_none_or(|separator| matches!(separator, b':' | b'-' | b'.'));
    if !known || !even || !digits.bytes().all(digit) || !matches!(digits.len(), 12 | 16) {
        return Err(Form::Mac.unlike(&text));
    }
    let pairs: Vec<&str> = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect();
    Ok(Cow::Owned(pairs.join(":")))
}
