//! One check as an item of a frame.
//!
//! An item says by a bit which fields it has; those of fixed size follow in the order of their bits, then the
//! lengths of all texts, then all texts in one piece. So the decoder never searches, and asks once whether the
//! whole piece is UTF-8 instead of once a text.

use std::borrow::Cow;
use std::net::IpAddr;

use uuid::Uuid;

use super::cursor::{Cursor, coded, not_utf8};
use super::ext::{put_ext, take_ext};
use crate::bounds;
use crate::check::{Check, DeviceClass, Kind};
use crate::currency;
use crate::error::{DecodeError, ErrorCode};
use crate::fields::{BITS_COUNT, FIXED, Field, TEXTS, TEXTS_COUNT};
use crate::form::{FieldValue, Form};
use crate::money;
use crate::visible;

/// Says that `ext` follows at the end.
const EXT: u32 = 1 << (BITS_COUNT - 1);
/// Every item has the texts before this place.
const REQUIRED: usize = 2;
/// Place of the one text that people write, and that is long.
const MEMO: usize = TEXTS_COUNT - 1;
/// Bits that no field has yet.
const SPARE: u32 = !0 << (BITS_COUNT + TEXTS_COUNT - REQUIRED);

/// The bit that says a text is there; none for those that always are.
const fn text_bit(at: usize) -> u32 {
    if at < REQUIRED { 0 } else { 1 << (BITS_COUNT + at - REQUIRED) }
}

/// Bits of IPv4 and IPv6.
const IP4: u32 = 1 << 3;
const IP6: u32 = 1 << 4;
const _: () = assert!(matches!(Field::Ip.spec().at, crate::fields::At::Bit(3)) && FIXED[4][0].is_none());

pub(super) fn take_check(item: &[u8]) -> Result<Check<'_>, DecodeError> {
    let mut cursor = Cursor(item);
    let present = cursor.u32("")?;
    if present & SPARE != 0 {
        return Err(bounds::unknown_bit().at(""));
    }
    let kind = cursor.u8("kind")?;
    let mut check = Check::new("", coded(Kind::from_code(kind), kind, "kind")?, "");
    take_fixed(present, &mut cursor, &mut check)?;
    take_texts(present, &mut cursor, &mut check)?;
    if present & EXT != 0 {
        check.ext = take_ext(&mut cursor)?;
    }
    cursor.end()?;
    Ok(check)
}

fn take_fixed<'a>(present: u32, cursor: &mut Cursor<'a>, check: &mut Check<'a>) -> Result<(), DecodeError> {
    // One branch a bit, in which the compiler knows the field.
    macro_rules! take {
        ($($bit:literal)+) => {
            const { assert!([$($bit),+].len() == BITS_COUNT - 1) };
            $(if present & (1 << $bit) != 0 {
                const FIELDS: [Option<Field>; 2] = FIXED[$bit];
                if let Some(field) = FIELDS[0] {
                    field.put(check, take_value(field, cursor)?);
                }
                if let Some(field) = FIELDS[1] {
                    field.put(check, take_value(field, cursor)?);
                }
                if 1 << $bit == IP6 {
                    check.ip = Some(take_ip6(present, cursor)?);
                }
            })+
        };
    }
    take!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    if let Some(minor) = check.amount_minor {
        // The currency stands behind the amount.
        let decimals = currency::decimals(check.currency).unwrap_or(2);
        money::bounded(minor, decimals).map_err(|why| why.at("amount"))?;
    }
    Ok(())
}

/// An IPv6 address; one of IPv4 within it is the same host.
fn take_ip6(present: u32, cursor: &mut Cursor<'_>) -> Result<IpAddr, DecodeError> {
    if present & IP4 != 0 {
        return Err(DecodeError::new(ErrorCode::Malformed, "ip", "the field is given twice"));
    }
    Ok(IpAddr::from(cursor.array::<16>("ip")?).to_canonical())
}

/// A value of fixed size.
#[inline(always)]
fn take_value<'a>(field: Field, cursor: &mut Cursor<'a>) -> Result<FieldValue<'a>, DecodeError> {
    let path = field.path();
    let at = |why: bounds::Refusal| why.at(path);
    Ok(match field.form() {
        Form::Time => FieldValue::Whole(bounds::time_ms(cursor.i64(path)?).map_err(at)?),
        Form::Money => FieldValue::Whole(cursor.i64(path)?),
        Form::Currency => {
            let code = cursor.array::<3>(path)?;
            let known = currency::decimals(code).is_some();
            if !known {
                return Err(currency::unknown(&String::from_utf8_lossy(&code)).at(path));
            }
            FieldValue::Currency(code)
        }
        Form::Address => FieldValue::Address(IpAddr::from(cursor.array::<4>(path)?)),
        Form::Packet => FieldValue::Packet(Uuid::from_bytes(cursor.array(path)?)),
        form @ (Form::Fraction | Form::Latitude | Form::Longitude) => {
            FieldValue::Decimal(bounds::number(cursor.f64(path)?, form.range()).map_err(at)?)
        }
        Form::Micros => FieldValue::Whole(cursor.u32(path)?.into()),
        Form::Level => FieldValue::Whole(bounds::level(cursor.u8(path)?.into()).map_err(at)?.into()),
        Form::Class => {
            let class = cursor.u8(path)?;
            FieldValue::Class(coded(DeviceClass::from_code(class), class, path)?)
        }
        // The bit is the value.
        Form::Flag => FieldValue::Flag(true),
        _ => FieldValue::Absent,
    })
}

fn take_texts<'a>(present: u32, cursor: &mut Cursor<'a>, check: &mut Check<'a>) -> Result<(), DecodeError> {
    let mut lengths = [0_u16; TEXTS_COUNT];
    let mut total = 0;
    for (at, field) in TEXTS.into_iter().enumerate() {
        if at >= REQUIRED && present & text_bit(at) == 0 {
            continue;
        }
        lengths[at] = cursor.u16(field.path())?;
        let length = usize::from(lengths[at]);
        let bytes_max = field.form().bytes_max().unwrap_or(0);
        if length > bytes_max {
            return Err(bounds::too_long(length, bytes_max).at(field.path()));
        }
        if at < REQUIRED && length == 0 {
            return Err(bounds::missing(field.path()).at(field.path()));
        }
        total += length;
    }
    let piece = cursor.bytes(total, "text")?;
    // A whole of valid parts is valid; a valid whole has valid parts where every cut lies between characters.
    let piece = std::str::from_utf8(piece).map_err(|error| at_fault(error.valid_up_to(), &lengths))?;
    let names = piece.len() - usize::from(lengths[MEMO]);
    let plain = visible::is_plain(&piece.as_bytes()[..names]);
    let mut texts = Texts { piece, lengths, at: 0 };
    macro_rules! take {
        ($($at:literal)+) => {
            const { assert!([$($at),+].len() == TEXTS_COUNT) };
            $({
                const FIELD: Field = TEXTS[$at];
                let text = texts.take()?;
                // Numbers of handsets have several spellings even in plain text.
                let settled = match FIELD.form() {
                    Form::Token | Form::Qr | Form::Memo => true,
                    Form::Imei | Form::Mac => text.is_empty(),
                    _ => plain,
                };
                let value = match settled {
                    true => FieldValue::Text(Cow::Borrowed(text)),
                    false => canonical($at, text)?,
                };
                FIELD.put(check, value);
            })+
        };
    }
    take!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    Ok(())
}

/// A text in its canonical form.
#[cold]
#[inline(never)]
fn canonical(at: usize, text: &str) -> Result<FieldValue<'_>, DecodeError> {
    let field = TEXTS[at];
    let value = field.form().read(Cow::Borrowed(text)).map_err(|why| why.at(field.path()))?;
    if at < REQUIRED && value == FieldValue::Absent {
        return Err(bounds::missing(field.path()).at(field.path()));
    }
    Ok(value)
}

struct Texts<'a> {
    piece: &'a str,
    lengths: [u16; TEXTS_COUNT],
    at: usize,
}

impl<'a> Texts<'a> {
    #[inline]
    fn take(&mut self) -> Result<&'a str, DecodeError> {
        let length = usize::from(self.lengths[self.at]);
        let cut = self.piece.split_at_checked(length);
        let (text, rest) = cut.ok_or_else(|| not_utf8(TEXTS[self.at].path()))?;
        self.piece = rest;
        self.at += 1;
        Ok(text)
    }
}

/// The text that holds this byte of the piece.
#[cold]
fn at_fault(byte: usize, lengths: &[u16; TEXTS_COUNT]) -> DecodeError {
    let mut end = 0;
    for (length, field) in lengths.iter().zip(TEXTS) {
        end += usize::from(*length);
        if byte < end {
            return not_utf8(field.path());
        }
    }
    not_utf8("")
}

pub(super) fn put_check(check: &Check<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(check.kind.code());
    let mut present = put_fixed(check, out);
    for (at, field) in TEXTS.into_iter().enumerate() {
        let text = match field.of(check) {
            FieldValue::Text(text) => text,
            // That it has to be there is for the reader to say, who answers in its place.
            _ if at < REQUIRED => Cow::Borrowed(""),
            _ => continue,
        };
        bounds::text(&text, field.form().bytes_max().unwrap_or(0)).map_err(|why| why.at(field.path()))?;
        present |= text_bit(at);
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    }
    for field in TEXTS {
        if let FieldValue::Text(text) = field.of(check) {
            out.extend_from_slice(text.as_bytes());
        }
    }
    if !check.ext.is_empty() {
        present |= EXT;
        put_ext(&check.ext, out)?;
    }
    out[start..start + 4].copy_from_slice(&present.to_le_bytes());
    Ok(())
}

/// Writes the fields of fixed size and tells which there are.
fn put_fixed(check: &Check<'_>, out: &mut Vec<u8>) -> u32 {
    let mut present = 0;
    for (bit, fields) in FIXED.into_iter().enumerate() {
        for field in fields.into_iter().flatten() {
            let bit = 1 << bit;
            present |= match field.of(check) {
                FieldValue::Address(address) => match address.to_canonical() {
                    IpAddr::V4(address) => put(IP4, &address.octets(), out),
                    IpAddr::V6(address) => put(IP6, &address.octets(), out),
                },
                FieldValue::Flag(true) => bit,
                FieldValue::Class(class) if class != DeviceClass::Phone => put(bit, &[class.code()], out),
                FieldValue::Currency(code) if code != currency::DEFAULT => put(bit, &code, out),
                FieldValue::Packet(packet) => put(bit, packet.as_bytes(), out),
                FieldValue::Decimal(number) => put(bit, &number.to_le_bytes(), out),
                FieldValue::Whole(number) => match field.form() {
                    // The check holds them in these widths.
                    Form::Level => put(bit, &[number as u8], out),
                    Form::Micros => put(bit, &(number as u32).to_le_bytes(), out),
                    _ => put(bit, &number.to_le_bytes(), out),
                },
                _ => 0,
            };
        }
    }
    present
}

fn put(bit: u32, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
    out.extend_from_slice(bytes);
    bit
}
