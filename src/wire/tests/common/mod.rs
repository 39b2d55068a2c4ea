//! Random checks and answers within their bounds.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;
use wire::frame::{self, FrameKind};
use wire::limits::{AMOUNT_MINOR_MAX, REASONS_MAX, TIME_MS_MAX};
use wire::{
    Challenge, Check, Degraded, Device, DeviceClass, ExtValue, Form, Geo, Kind, OwnedAnswer, OwnedReason,
    Text, Value, Verdict,
};

/// Text of at most `bytes_max` bytes with all that has to be escaped, and characters of every length.
pub fn text(bytes_min: usize, bytes_max: usize) -> impl Strategy<Value = String> {
    let char = prop_oneof![
        8 => proptest::char::range(' ', '~'),
        1 => proptest::char::range('\0', '\u{1f}'),
        1 => any::<char>(),
        1 => Just('🧧'),
    ];
    vec(char, bytes_min..=bytes_max).prop_map(move |chars| {
        let text: String = chars.into_iter().collect();
        text[..text.floor_char_boundary(bytes_max)].to_owned()
    })
}

/// A text in its canonical form, whatever characters it is made of.
fn canonical(form: Form) -> impl Strategy<Value = Text<'static>> {
    text(1, 64).prop_filter_map("no canonical form", move |text| {
        let canonical = form.canonical(&text).ok().filter(|text| !text.is_empty())?;
        Some(Text::Owned(canonical.into_owned()))
    })
}

/// The id of a check.
pub fn id() -> impl Strategy<Value = String> {
    canonical(Form::Id).prop_map(Text::into_owned)
}

fn identifier() -> impl Strategy<Value = Text<'static>> {
    prop_oneof![2 => Just(Text::Borrowed("")), 3 => canonical(Form::Identifier)]
}

fn device() -> impl Strategy<Value = Device<'static>> {
    let texts = [(); 4].map(|()| identifier());
    let numbers = ("([0-9]{15})?", "((0a|5e|00)(:[0-9a-f]{2}){5})?");
    (texts, numbers, any::<bool>(), any::<bool>(), select(DeviceClass::ALL)).prop_map(
        |([id, os, model, app], (imei, mac), emulator, rooted, class)| Device {
            id,
            imei: Text::Owned(imei),
            mac: Text::Owned(mac),
            os,
            model,
            app,
            emulator,
            rooted,
            class,
        },
    )
}

fn ext() -> impl Strategy<Value = Vec<(Text<'static>, ExtValue<'static>)>> {
    let value = prop_oneof![
        any::<bool>().prop_map(ExtValue::Bool),
        any::<i64>().prop_map(ExtValue::Int),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(ExtValue::Double),
        text(0, 40).prop_map(|text| ExtValue::Text(Text::Owned(text))),
    ];
    proptest::collection::btree_map(text(1, 20), value, 0..6)
        .prop_map(|map| map.into_iter().map(|(name, value)| (Text::Owned(name), value)).collect())
}

fn select<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn fraction() -> impl Strategy<Value = f64> {
    0.0..=1.0
}

/// Any check that decoding lets through.
pub fn check() -> impl Strategy<Value = Check<'static>> {
    let who = (canonical(Form::Id), select(Kind::ALL), canonical(Form::Identifier), device());
    let texts = [(); 7].map(|()| identifier());
    let long = (text(0, 512), text(0, 512));
    let place = (
        option::of(any::<IpAddr>().prop_map(|address| address.to_canonical())),
        option::of((-90.0..=90.0, -180.0..=180.0)),
    );
    let money = (option::of(0..=AMOUNT_MINOR_MAX), "CNY|USD|JPY|KWD|EUR", option::of(0..=TIME_MS_MAX));
    let levels = (option::of(0..=3_u8), option::of(0..=3_u8), option::of(any::<u32>()));
    let proofs = (option::of(any::<u128>()), option::of(fraction()), option::of(fraction()));
    (who, texts, long, place, money, levels, proofs, ext()).prop_map(
        |((id, kind, account, device), texts, (text, qr), (ip, geo), money, levels, proofs, ext)| {
            let [counterparty, token, channel, campaign, inviter, utm, _] = texts;
            let (amount_minor, currency, time_ms) = money;
            let (kyc, factors, budget_us) = levels;
            let (packet, face, voice) = proofs;
            Check {
                id,
                kind,
                time_ms,
                account,
                counterparty,
                device,
                ip,
                geo: geo.map(|(lat, lon)| Geo { lat, lon }),
                amount_minor,
                currency: currency.into_bytes().try_into().unwrap(),
                packet: packet.map(Uuid::from_u128),
                token,
                qr: Text::Owned(qr),
                channel,
                campaign,
                inviter,
                utm,
                kyc,
                factors,
                face,
                voice,
                text: Text::Owned(text),
                ext,
                budget_us,
            }
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        any::<i64>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Money),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::Double),
    ]
}

fn reason() -> impl Strategy<Value = OwnedReason> {
    (text(0, 64), text(0, 64), text(0, 512), text(0, 100), value(), value()).prop_map(
        |(code, rule, text, customer, value, threshold)| OwnedReason {
            code,
            rule,
            text,
            customer,
            value,
            threshold,
        },
    )
}

/// Any answer of a daemon.
pub fn answer() -> impl Strategy<Value = OwnedAnswer> {
    let verdict = (select(Verdict::ALL), option::of(select(Challenge::ALL)), 0..=1_000_000_u32);
    let versions = (text(0, 64), text(0, 64));
    let degraded = 0..1_u16 << Degraded::ALL.len();
    (text(1, 64), verdict, vec(reason(), 0..=REASONS_MAX), degraded, any::<bool>(), versions, any::<u64>())
        .prop_map(
            |(
                id,
                (verdict, challenge, millionths),
                reasons,
                degraded,
                replayed,
                (policy, model),
                decision,
            )| OwnedAnswer {
                id,
                verdict,
                challenge,
                score: f64::from(millionths) / 1e6,
                reasons,
                degraded,
                replayed,
                policy,
                model,
                decision,
            },
        )
}

/// Reads bytes as whatever frame they say they are, to the last item.
pub fn read_any_frame(bytes: &[u8]) {
    let Ok(Some(frame)) = frame::split(bytes) else { return };
    let (header, body) = (&frame.header, frame.body);
    match header.kind {
        FrameKind::Checks => drop(frame::decode_checks(header, body).map(Iterator::count)),
        FrameKind::Answers => drop(frame::decode_answers(header, body).map(Iterator::count)),
        FrameKind::Outcomes => drop(frame::decode_outcomes(header, body).map(Iterator::count)),
        FrameKind::Results => drop(frame::decode_results(header, body).map(Iterator::count)),
        FrameKind::Error => drop(frame::decode_error(header, body)),
        FrameKind::Ping | FrameKind::Pong => {}
    }
}
