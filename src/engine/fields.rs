//! Stage `fields`: what the check itself says, into the columns, and the keyed hashes of its texts.

use std::fmt::Write as _;

use wire::fields::Visit;
use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};
use wire::{Check, Degraded, ExtValue, Field};

use crate::feature::{BUILTINS, Builtin, FIELDS, FeatureId, Scalar, Type};
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
    let amount = snapshot.currencies.amount(check);
    scratch.lanes[lane].own_amount = amount.filter(|(_, own)| *own).map(|(units, _)| units);
    scratch.lanes[lane].fingerprint = seed.fingerprint(check, &mut Columns { lane, scratch });
    if let Some((units, _)) = amount {
        scratch.set(Builtin::Amount.id(), lane, Scalar::Money(units));
    }
    if !check.text.is_empty() {
        scratch.set(Builtin::TextBytes.id(), lane, Scalar::Int(check.text.len() as i64));
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
        scratch.hashes[feature.index()][lane] = hash(snapshot, seed, check, feature);
    }
}

/// Puts the fields that are numbers into their columns, and notes which texts there are.
struct Columns<'s> {
    lane: usize,
    scratch: &'s mut Scratch,
}

/// The feature of each field, by its place in the table of fields.
const FEATURES: [Option<(FeatureId, Type)>; Field::ALL.len()] = {
    let mut features = [None; Field::ALL.len()];
    let mut at = 0;
    while at < FIELDS.len() {
        if let Some(field) = FIELDS[at] {
            features[field as usize] = Some((FeatureId(at as u16), BUILTINS[at].2));
        }
        at += 1;
    }
    features
};

impl Visit for Columns<'_> {
    #[inline(always)]
    fn text(&mut self, field: Field, _: &str) {
        if let Some((feature, Type::Text)) = FEATURES[field as usize] {
            self.scratch.present[feature.index()] |= 1 << self.lane;
        }
    }

    #[inline(always)]
    fn whole(&mut self, field: Field, number: i64) {
        let value = match FEATURES[field as usize] {
            Some((_, Type::Bool)) => Scalar::Bool(number != 0),
            // What an amount is worth depends on the policy's currencies.
            Some((_, Type::Int)) => Scalar::Int(number),
            _ => return,
        };
        if let Some((feature, _)) = FEATURES[field as usize] {
            self.scratch.set(feature, self.lane, value);
        }
    }

    #[inline(always)]
    fn decimal(&mut self, field: Field, number: f64) {
        if let Some((feature, Type::Double)) = FEATURES[field as usize] {
            self.scratch.set(feature, self.lane, Scalar::Double(number));
        }
    }

    #[inline(always)]
    fn bits(&mut self, field: Field, _: u128) {
        if let Some((feature, Type::Text)) = FEATURES[field as usize] {
            self.scratch.present[feature.index()] |= 1 << self.lane;
        }
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
        return ext_text(snapshot, check, feature);
    };
    match builtin {
        // Written out where a rule or list reads them.
        Builtin::Packet => &lane.packet_text,
        Builtin::Ip => &lane.ip_text,
        Builtin::Kind => check.kind.name(),
        Builtin::DeviceClass => check.device.class.name(),
        Builtin::Currency => wire::currency::text(&check.currency),
        _ => feature.field().map_or("", |field| field.text(check)),
    }
}

/// Hash of a text feature's value, the same for every way of writing it.
fn hash(snapshot: &Snapshot, seed: &Seed, check: &Check<'_>, feature: FeatureId) -> Hash {
    match feature.field() {
        Some(field) if field.form().bytes_max().is_some() => seed.text(field.text(check)),
        Some(field) => seed.value(&field.of(check)),
        None => seed.text(ext_text(snapshot, check, feature)),
    }
}

/// The text of a field of the site; empty where the check has none.
fn ext_text<'a>(snapshot: &Snapshot, check: &'a Check<'_>, feature: FeatureId) -> &'a str {
    let name = snapshot.ext_name(feature);
    let found = check.ext.iter().find_map(|(key, value)| match value {
        ExtValue::Text(text) if key == name => Some(text.as_ref()),
        _ => None,
    });
    found.unwrap_or("")
}
