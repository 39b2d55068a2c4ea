//! Stage `fields`: what the check itself says, into the columns, and the keyed hashes of its texts.

use std::fmt::Write as _;
use std::net::IpAddr;

use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};
use wire::{Check, Degraded, ExtValue};

use crate::feature::{BUILTINS, Builtin, FeatureId, Scalar, Type};
use crate::key::{Hash, Seed};
use crate::scratch::{Lane, Scratch};
use crate::snapshot::Snapshot;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Event time within its bounds around arrival; flags a time that had to be moved.
pub(crate) fn event_time(check: &Check<'_>, now_ms: i64, degraded: &mut u16) -> i64 {
    let Some(stated) = check.time_ms else { return now_ms };
    let time_ms = stated.clamp(now_ms - CLOCK_BEHIND_MS_MAX, now_ms + CLOCK_AHEAD_MS_MAX).max(0);
    if time_ms != stated {
        *degraded |= Degraded::ClockSkew.bit();
    }
    time_ms
}

/// Fills the columns of one check's fields, and the hashes that keys, lists and sets are made of.
pub(crate) fn fill(snapshot: &Snapshot, seed: &Seed, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    texts(snapshot, check, &mut scratch.lanes[lane]);
    let time_ms = scratch.lanes[lane].time_ms;
    let local_ms = time_ms + snapshot.policy.zone.offset_ms(time_ms);
    scratch.set(Builtin::Hour.id(), lane, Scalar::Int(local_ms.rem_euclid(DAY_MS) / HOUR_MS));
    // The epoch was a Thursday.
    scratch.set(
        Builtin::Weekday.id(),
        lane,
        Scalar::Int((local_ms.div_euclid(DAY_MS) + 3).rem_euclid(7) + 1),
    );
    scratch.set(Builtin::DeviceEmulator.id(), lane, Scalar::Bool(check.device.emulator));
    scratch.set(Builtin::DeviceRooted.id(), lane, Scalar::Bool(check.device.rooted));
    if let Some(geo) = check.geo {
        scratch.set(Builtin::Lat.id(), lane, Scalar::Double(geo.lat));
        scratch.set(Builtin::Lon.id(), lane, Scalar::Double(geo.lon));
    }
    let amount = snapshot.currencies.amount(check);
    scratch.lanes[lane].own_amount = amount.filter(|(_, own)| *own).map(|(units, _)| units);
    let optional = [
        (Builtin::Amount, amount.map(|(units, _)| Scalar::Money(units))),
        (Builtin::Kyc, check.kyc.map(|n| Scalar::Int(i64::from(n)))),
        (Builtin::Factors, check.factors.map(|n| Scalar::Int(i64::from(n)))),
        (Builtin::Face, check.face.map(Scalar::Double)),
        (Builtin::Voice, check.voice.map(Scalar::Double)),
        (Builtin::TextBytes, (!check.text.is_empty()).then_some(Scalar::Int(check.text.len() as i64))),
    ];
    for (feature, value) in optional {
        if let Some(value) = value {
            scratch.set(feature.id(), lane, value);
        }
    }
    for (name, value) in &check.ext {
        let Some((feature, ty)) = snapshot.ext_feature(name) else { continue };
        let scalar = match (value, ty) {
            (ExtValue::Bool(b), Type::Bool) => Scalar::Bool(*b),
            (ExtValue::Int(n), Type::Int) => Scalar::Int(*n),
            (ExtValue::Int(n), Type::Double) => Scalar::Double(*n as f64),
            (ExtValue::Double(x), Type::Double) => Scalar::Double(*x),
            (ExtValue::Text(_), Type::Text) => Scalar::NoText,
            _ => continue,
        };
        scratch.set(feature, lane, scalar);
    }
    for &feature in &snapshot.asked {
        if !text(snapshot, check, &scratch.lanes[lane], feature).is_empty() {
            scratch.present[feature.index()] |= 1 << lane;
        }
    }
    for &feature in &snapshot.hashed {
        scratch.hashes[feature.index()][lane] = hash(snapshot, seed, check, &scratch.lanes[lane], feature);
    }
}

/// Texts that the check holds in another form, written out only where a rule reads them.
fn texts(snapshot: &Snapshot, check: &Check<'_>, lane: &mut Lane) {
    lane.ip = check.ip.map(|ip| ip.to_canonical());
    if let Some(ip) = lane.ip.filter(|_| snapshot.reads(Builtin::Ip)) {
        // 45 characters hold every address, so neither of these can fail.
        let _ = write!(lane.ip_text, "{ip}");
    }
    if let Some(packet) = check.packet.filter(|_| snapshot.reads(Builtin::Packet)) {
        let mut buffer = [0; 36];
        let _ = lane.packet_text.try_push_str(packet.hyphenated().encode_lower(&mut buffer));
    }
}

/// The text of a text feature; empty where the check has none.
pub(crate) fn text<'a>(
    snapshot: &Snapshot,
    check: &'a Check<'_>,
    lane: &'a Lane,
    feature: FeatureId,
) -> &'a str {
    let Some(&(builtin, ..)) = BUILTINS.get(feature.index()) else {
        let name = snapshot.ext_name(feature);
        return check
            .ext
            .iter()
            .find_map(|(key, value)| match value {
                ExtValue::Text(text) if key == name => Some(text.as_ref()),
                _ => None,
            })
            .unwrap_or("");
    };
    match builtin {
        Builtin::Kind => check.kind.name(),
        Builtin::Account => &check.account,
        Builtin::Counterparty => &check.counterparty,
        Builtin::DeviceId => &check.device.id,
        Builtin::DeviceImei => &check.device.imei,
        Builtin::DeviceMac => &check.device.mac,
        Builtin::DeviceOs => &check.device.os,
        Builtin::DeviceModel => &check.device.model,
        Builtin::DeviceApp => &check.device.app,
        Builtin::DeviceClass => check.device.class.name(),
        Builtin::Currency => std::str::from_utf8(&check.currency).unwrap_or(""),
        Builtin::Packet => &lane.packet_text,
        Builtin::Channel => &check.channel,
        Builtin::Campaign => &check.campaign,
        Builtin::Inviter => &check.inviter,
        Builtin::Utm => &check.utm,
        Builtin::Text => &check.text,
        Builtin::Ip => &lane.ip_text,
        _ => "",
    }
}

/// Hash of a text feature. Addresses and packets are hashed by their bits: the same for every way of writing them.
fn hash(snapshot: &Snapshot, seed: &Seed, check: &Check<'_>, lane: &Lane, feature: FeatureId) -> Hash {
    if feature == Builtin::Ip.id() {
        return match lane.ip {
            None => 0,
            Some(IpAddr::V4(v4)) => seed.bytes(&v4.octets()),
            Some(IpAddr::V6(v6)) => seed.bytes(&v6.octets()),
        };
    }
    if feature == Builtin::Packet.id() {
        return check.packet.map_or(0, |packet| seed.bytes(packet.as_bytes()));
    }
    seed.text(text(snapshot, check, lane, feature))
}
