//! One check as an item of a frame.
//!
//! An item says by a bit which fields it has; those of fixed size follow in the order of their bits, then the
//! lengths of all texts, then all texts in one piece. So the decoder never searches, and asks once whether the
//! whole piece is UTF-8 instead of once a text.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::cursor::{Cursor, coded, not_utf8};
use super::ext::{put_ext, take_ext};
use crate::bounds::{self, FRACTION, LATITUDE, LONGITUDE};
use crate::check::{Check, DeviceClass, Geo, Kind, Text};
use crate::error::{DecodeError, ErrorCode};
use crate::limits::{IDENTIFIER_BYTES_MAX, QR_BYTES_MAX, TEXT_BYTES_MAX, TOKEN_BYTES_MAX};

/// Bits of the fields that are not text. The texts' bits follow, see [`text_bit`].
mod bit {
    pub const TIME: u32 = 1 << 0;
    pub const AMOUNT: u32 = 1 << 1;
    pub const CURRENCY: u32 = 1 << 2;
    pub const IP4: u32 = 1 << 3;
    pub const IP6: u32 = 1 << 4;
    pub const GEO: u32 = 1 << 5;
    pub const PACKET: u32 = 1 << 6;
    pub const FACE: u32 = 1 << 7;
    pub const VOICE: u32 = 1 << 8;
    pub const BUDGET: u32 = 1 << 9;
    pub const KYC: u32 = 1 << 10;
    pub const FACTORS: u32 = 1 << 11;
    pub const CLASS: u32 = 1 << 12;
    pub const EMULATOR: u32 = 1 << 13;
    pub const ROOTED: u32 = 1 << 14;
    pub const EXT: u32 = 1 << 15;
    /// Bits that no field has yet.
    pub const SPARE: u32 = 0b11 << 30;
}

/// Every text: its path in errors and its bound, in the order of the wire. Every check has the first two.
const TEXTS: [(&str, usize); 16] = [
    ("id", IDENTIFIER_BYTES_MAX),
    ("account", IDENTIFIER_BYTES_MAX),
    ("counterparty", IDENTIFIER_BYTES_MAX),
    ("device.id", IDENTIFIER_BYTES_MAX),
    ("device.imei", IDENTIFIER_BYTES_MAX),
    ("device.mac", IDENTIFIER_BYTES_MAX),
    ("device.os", IDENTIFIER_BYTES_MAX),
    ("device.model", IDENTIFIER_BYTES_MAX),
    ("device.app", IDENTIFIER_BYTES_MAX),
    ("token", TOKEN_BYTES_MAX),
    ("qr", QR_BYTES_MAX),
    ("channel", IDENTIFIER_BYTES_MAX),
    ("campaign", IDENTIFIER_BYTES_MAX),
    ("inviter", IDENTIFIER_BYTES_MAX),
    ("utm", IDENTIFIER_BYTES_MAX),
    ("text", TEXT_BYTES_MAX),
];
const REQUIRED: usize = 2;

/// The bit that says a text is there; none for those that always are.
const fn text_bit(at: usize) -> u32 {
    if at < REQUIRED { 0 } else { 1 << (16 + at - REQUIRED) }
}

pub(super) fn take_check(item: &[u8]) -> Result<Check<'_>, DecodeError> {
    let mut cursor = Cursor(item);
    let present = cursor.u32("")?;
    if present & bit::SPARE != 0 {
        return Err(bounds::unknown_bit().at(""));
    }
    let kind = cursor.u8("kind")?;
    let mut check = Check::new("", coded(Kind::from_code(kind), kind, "kind")?, "");
    take_fixed(present, &mut cursor, &mut check)?;
    take_texts(present, &mut cursor, &mut check)?;
    if present & bit::EXT != 0 {
        check.ext = take_ext(&mut cursor)?;
    }
    cursor.end()?;
    Ok(check)
}

fn take_fixed(present: u32, cursor: &mut Cursor<'_>, check: &mut Check<'_>) -> Result<(), DecodeError> {
    let has = |bit: u32| present & bit != 0;
    if has(bit::TIME) {
        check.time_ms = Some(bounds::time_ms(cursor.i64("time")?).map_err(|why| why.at("time"))?);
    }
    if has(bit::AMOUNT) {
        check.amount_minor =
            Some(bounds::amount_minor(cursor.i64("amount")?).map_err(|why| why.at("amount"))?);
    }
    if has(bit::CURRENCY) {
        check.currency =
            bounds::currency(&cursor.array::<3>("currency")?).map_err(|why| why.at("currency"))?;
    }
    if has(bit::IP4) {
        check.ip = Some(IpAddr::from(cursor.array::<4>("ip")?));
    }
    if has(bit::IP6) {
        if has(bit::IP4) {
            return Err(DecodeError::new(ErrorCode::Malformed, "ip", "the field is given twice"));
        }
        // An IPv4 address in IPv6 clothes is the same host.
        check.ip = Some(IpAddr::from(cursor.array::<16>("ip")?).to_canonical());
    }
    if has(bit::GEO) {
        let lat = take_number(cursor, "geo.lat", LATITUDE)?;
        check.geo = Some(Geo { lat, lon: take_number(cursor, "geo.lon", LONGITUDE)? });
    }
    if has(bit::PACKET) {
        check.packet = Some(Uuid::from_bytes(cursor.array("packet")?));
    }
    if has(bit::FACE) {
        check.face = Some(take_number(cursor, "biometric.face", FRACTION)?);
    }
    if has(bit::VOICE) {
        check.voice = Some(take_number(cursor, "biometric.voice", FRACTION)?);
    }
    if has(bit::BUDGET) {
        check.budget_us = Some(cursor.u32("budget_us")?);
    }
    if has(bit::KYC) {
        check.kyc = Some(bounds::level(cursor.u8("kyc")?.into()).map_err(|why| why.at("kyc"))?);
    }
    if has(bit::FACTORS) {
        check.factors = Some(bounds::level(cursor.u8("factors")?.into()).map_err(|why| why.at("factors"))?);
    }
    if has(bit::CLASS) {
        let class = cursor.u8("device.class")?;
        check.device.class = coded(DeviceClass::from_code(class), class, "device.class")?;
    }
    check.device.emulator = has(bit::EMULATOR);
    check.device.rooted = has(bit::ROOTED);
    Ok(())
}

fn take_number(
    cursor: &mut Cursor<'_>,
    field: &'static str,
    range: RangeInclusive<f64>,
) -> Result<f64, DecodeError> {
    bounds::number(cursor.f64(field)?, range).map_err(|why| why.at(field))
}

fn take_texts<'a>(present: u32, cursor: &mut Cursor<'a>, check: &mut Check<'a>) -> Result<(), DecodeError> {
    let mut lengths = [0_u16; TEXTS.len()];
    let mut total = 0;
    for (at, (field, bytes_max)) in TEXTS.into_iter().enumerate() {
        if at >= REQUIRED && present & text_bit(at) == 0 {
            continue;
        }
        lengths[at] = cursor.u16(field)?;
        let length = usize::from(lengths[at]);
        if length > bytes_max {
            return Err(bounds::too_long(length, bytes_max).at(field));
        }
        if at < REQUIRED && length == 0 {
            return Err(bounds::missing(field).at(field));
        }
        total += length;
    }
    let piece = cursor.bytes(total, "text")?;
    // A whole of valid parts is valid; a valid whole has valid parts where every cut lies between characters.
    let piece = std::str::from_utf8(piece).map_err(|error| at_fault(error.valid_up_to(), &lengths))?;
    let mut texts = Texts { piece, lengths, at: 0 };
    check.id = texts.take()?;
    check.account = texts.take()?;
    check.counterparty = texts.take()?;
    check.device.id = texts.take()?;
    check.device.imei = texts.take()?;
    check.device.mac = texts.take()?;
    check.device.os = texts.take()?;
    check.device.model = texts.take()?;
    check.device.app = texts.take()?;
    check.token = texts.take()?;
    check.qr = texts.take()?;
    check.channel = texts.take()?;
    check.campaign = texts.take()?;
    check.inviter = texts.take()?;
    check.utm = texts.take()?;
    check.text = texts.take()?;
    Ok(())
}

struct Texts<'a> {
    piece: &'a str,
    lengths: [u16; TEXTS.len()],
    at: usize,
}

impl<'a> Texts<'a> {
    #[inline]
    fn take(&mut self) -> Result<Text<'a>, DecodeError> {
        let length = usize::from(self.lengths[self.at]);
        let (text, rest) = self.piece.split_at_checked(length).ok_or_else(|| not_utf8(TEXTS[self.at].0))?;
        self.piece = rest;
        self.at += 1;
        Ok(Text::Borrowed(text))
    }
}

/// The text that holds this byte of the piece.
#[cold]
fn at_fault(byte: usize, lengths: &[u16; TEXTS.len()]) -> DecodeError {
    let mut end = 0;
    for (length, (field, _)) in lengths.iter().zip(TEXTS) {
        end += usize::from(*length);
        if byte < end {
            return not_utf8(field);
        }
    }
    not_utf8("")
}

pub(super) fn put_check(check: &Check<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(check.kind.code());
    let mut present = put_fixed(check, out);
    let device = &check.device;
    let texts: [&str; TEXTS.len()] = [
        &check.id,
        &check.account,
        &check.counterparty,
        &device.id,
        &device.imei,
        &device.mac,
        &device.os,
        &device.model,
        &device.app,
        &check.token,
        &check.qr,
        &check.channel,
        &check.campaign,
        &check.inviter,
        &check.utm,
        &check.text,
    ];
    for (at, (text, (field, bytes_max))) in texts.into_iter().zip(TEXTS).enumerate() {
        bounds::text(text, bytes_max).map_err(|why| why.at(field))?;
        if at < REQUIRED || !text.is_empty() {
            present |= text_bit(at);
            out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        }
    }
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
    if !check.ext.is_empty() {
        present |= bit::EXT;
        put_ext(&check.ext, out)?;
    }
    out[start..start + 4].copy_from_slice(&present.to_le_bytes());
    Ok(())
}

/// Writes the fields of fixed size and tells which there are.
fn put_fixed(check: &Check<'_>, out: &mut Vec<u8>) -> u32 {
    let mut present = 0;
    let mut put = |bit: u32, bytes: &[u8]| {
        present |= bit;
        out.extend_from_slice(bytes);
    };
    if let Some(ms) = check.time_ms {
        put(bit::TIME, &ms.to_le_bytes());
    }
    if let Some(minor) = check.amount_minor {
        put(bit::AMOUNT, &minor.to_le_bytes());
    }
    if check.currency != *b"CNY" {
        put(bit::CURRENCY, &check.currency);
    }
    match check.ip.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => put(bit::IP4, &address.octets()),
        Some(IpAddr::V6(address)) => put(bit::IP6, &address.octets()),
        None => {}
    }
    if let Some(geo) = check.geo {
        put(bit::GEO, &geo.lat.to_le_bytes());
        put(bit::GEO, &geo.lon.to_le_bytes());
    }
    if let Some(packet) = check.packet {
        put(bit::PACKET, packet.as_bytes());
    }
    if let Some(face) = check.face {
        put(bit::FACE, &face.to_le_bytes());
    }
    if let Some(voice) = check.voice {
        put(bit::VOICE, &voice.to_le_bytes());
    }
    if let Some(budget) = check.budget_us {
        put(bit::BUDGET, &budget.to_le_bytes());
    }
    if let Some(kyc) = check.kyc {
        put(bit::KYC, &[kyc]);
    }
    if let Some(factors) = check.factors {
        put(bit::FACTORS, &[factors]);
    }
    if check.device.class != DeviceClass::Phone {
        put(bit::CLASS, &[check.device.class.code()]);
    }
    if check.device.emulator {
        put(bit::EMULATOR, &[]);
    }
    if check.device.rooted {
        put(bit::ROOTED, &[]);
    }
    present
}
