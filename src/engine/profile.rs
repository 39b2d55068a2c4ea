//! Stage `device`: what is known of the account and of the device from their earlier checks.
//!
//! Profiles are statistics, not limits: two checks of one account at the same instant may each miss the other's update of a
//! mean. What decides about money stands in velocity.

use wire::{Check, Degraded, Kind};

use crate::feature::{Builtin, Scalar};
use crate::geo::distance_km;
use crate::key::{self, Hash};
use crate::scratch::{Scratch, Sought};
use crate::table::{Ordering, Word};
use crate::tables::Tables;

/// A profile untouched for this long may go without being counted as a loss: ninety days.
pub const EXPIRY_MS: i64 = 90 * 86_400_000;

/// Words of an account's profile.
pub const ACCOUNT_WORDS: usize = 14;
const FIRST: usize = 0;
const LAST: usize = 1;
const EVENTS: usize = 2;
const PLACE: usize = 3;
const PLACE_MS: usize = 4;
const AMOUNTS: usize = 5;
const AMOUNT_SUM: usize = 6;
const AMOUNT_SQUARES: usize = 7;
/// Four devices, the latest written over the oldest.
const DEVICES: std::ops::Range<usize> = 8..12;
/// Two words of twelve hours each, five bits an hour.
const HOURS: usize = 12;

/// Words of a device's profile, after the first two that both kinds share.
pub const DEVICE_WORDS: usize = 12;
const ATTRIBUTES: usize = 2;
const BOUND: usize = 3;
const ACCOUNTS: std::ops::Range<usize> = 4..12;

/// Distances under this are noise of the positioning.
const PLACE_NOISE_KM: f64 = 5.0;
/// Amounts and hours are compared with the account's own only after this many.
const AMOUNTS_MIN: u64 = 3;
const HOURS_MIN: u64 = 20;

fn load(words: &[Word], at: usize) -> u64 {
    words[at].load(Ordering::Relaxed)
}

/// Keys of both profiles.
pub(crate) fn key_up(lane: usize, scratch: &mut Scratch) {
    scratch.accounts.keys[lane] = key::short(scratch.hashes[Builtin::Account.id().index()][lane]);
    scratch.devices.keys[lane] = key::short(scratch.hashes[Builtin::DeviceId.id().index()][lane]);
}

/// Has the heads of both profiles on the way into the cache.
pub(crate) fn prefetch_heads(tables: &Tables, lanes: usize, scratch: &Scratch) {
    scratch.accounts.prefetch_heads(&tables.accounts, lanes);
    scratch.devices.prefetch_heads(&tables.devices, lanes);
}

/// Has both profiles on the way into the cache.
pub(crate) fn prefetch_near(tables: &Tables, now_ms: i64, lanes: usize, scratch: &mut Scratch) {
    scratch.accounts.prefetch_near(&tables.accounts, now_ms, lanes);
    scratch.devices.prefetch_near(&tables.devices, now_ms, lanes);
}

/// Reads both profiles into the columns, then takes the check into them.
pub(crate) fn visit(tables: &Tables, now_ms: i64, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    let (account, device) = (scratch.accounts.keys[lane], scratch.devices.keys[lane]);
    let find = |sought: &Sought, table| Some(sought.claim(table, lane, now_ms)?.slot);
    let slots = &mut scratch.lanes[lane];
    slots.account_slot = find(&scratch.accounts, &tables.accounts);
    slots.device_slot = find(&scratch.devices, &tables.devices);
    if slots.account_slot.is_none() || (device != 0 && slots.device_slot.is_none()) {
        slots.degraded |= Degraded::Profile.bit();
    }
    let (account_slot, device_slot) = (slots.account_slot, slots.device_slot);
    if let Some(slot) = account_slot {
        visit_account(tables.accounts.payload(slot).near(), device, check, lane, scratch);
    }
    if let Some(slot) = device_slot {
        visit_device(tables, tables.devices.payload(slot).near(), account, check, lane, scratch);
    }
}

fn visit_account(words: &[Word], device: u64, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    let time_ms = scratch.lanes[lane].time_ms;
    let since = |then: u64| Scalar::Int((time_ms - then as i64).max(0) / 1000);
    let events = words[EVENTS].fetch_add(1, Ordering::Relaxed);
    scratch.set(Builtin::AccountEvents.id(), lane, Scalar::Int(events as i64));
    if load(words, FIRST) == 0 {
        words[FIRST].store(time_ms as u64, Ordering::Relaxed);
    } else {
        scratch.set(Builtin::AccountIdle.id(), lane, since(load(words, LAST)));
    }
    scratch.set(Builtin::AccountAge.id(), lane, since(load(words, FIRST)));
    words[LAST].fetch_max(time_ms as u64, Ordering::Relaxed);

    if device != 0 {
        let devices = &words[DEVICES];
        let known = devices.iter().any(|word| word.load(Ordering::Relaxed) == device);
        scratch.set(Builtin::DeviceNew.id(), lane, Scalar::Bool(!known && events > 0));
        if !known {
            let free = devices.iter().position(|word| word.load(Ordering::Relaxed) == 0);
            devices[free.unwrap_or(events as usize % devices.len())].store(device, Ordering::Relaxed);
        }
    }
    if let Some(geo) = check.geo {
        let here = pack_place(geo.lat, geo.lon);
        let (before, before_ms) = (load(words, PLACE), load(words, PLACE_MS) as i64);
        if before_ms != 0 {
            let km = distance_km(unpack_place(before), (geo.lat, geo.lon));
            let hours = (time_ms - before_ms).max(1_000) as f64 / 3_600_000.0;
            let speed = if km < PLACE_NOISE_KM { 0.0 } else { km / hours };
            scratch.set(Builtin::DistanceKm.id(), lane, Scalar::Double(km));
            scratch.set(Builtin::SpeedKmh.id(), lane, Scalar::Double(speed));
        }
        words[PLACE].store(here, Ordering::Relaxed);
        words[PLACE_MS].store(time_ms as u64, Ordering::Relaxed);
    }
    if let Some(amount) = check.amount_minor {
        compare_amount(words, amount, lane, scratch);
    }
    visit_hours(&words[HOURS..HOURS + 2], lane, scratch);
}

/// The amount against the account's approved ones: ratio to the mean, and distance in standard deviations.
fn compare_amount(words: &[Word], amount: i64, lane: usize, scratch: &mut Scratch) {
    let count = load(words, AMOUNTS);
    if count < AMOUNTS_MIN {
        return;
    }
    let mean = load(words, AMOUNT_SUM) as i64 as f64 / count as f64;
    let squares = f64::from_bits(load(words, AMOUNT_SQUARES));
    // A floor of a tenth of the mean: somebody who always pays the same is not alarmed by a cent.
    let deviation = (squares / count as f64 - mean * mean).max(0.0).sqrt().max(mean / 10.0).max(1.0);
    scratch.set(Builtin::AmountRatio.id(), lane, Scalar::Double(amount as f64 / mean.max(1.0)));
    scratch.set(Builtin::AmountZscore.id(), lane, Scalar::Double((amount as f64 - mean) / deviation));
}

/// The share of the account's checks near this hour, then this check among them. Counters of five bits: when one is full
/// all are halved, so the profile follows a change of habit.
fn visit_hours(words: &[Word], lane: usize, scratch: &mut Scratch) {
    const HOUR_BITS: u32 = 5;
    const FULL: u64 = (1 << HOUR_BITS) - 1;
    let hour = scratch.columns[Builtin::Hour.id().index()][lane] as usize;
    let held = [words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)];
    let count = |hour: usize| held[hour / 12] >> (hour % 12 * HOUR_BITS as usize) & FULL;
    let total: u64 = (0..24).map(count).sum();
    if total >= HOURS_MIN {
        let near = count((hour + 23) % 24) + count(hour) + count((hour + 1) % 24);
        scratch.set(Builtin::HourShare.id(), lane, Scalar::Double(near as f64 / total as f64));
    }
    let unit = 1_u64 << (hour % 12 * HOUR_BITS as usize);
    if count(hour) < FULL {
        words[hour / 12].fetch_add(unit, Ordering::Relaxed);
    } else {
        // Each counter's lowest bit is dropped, so that no bit crosses into its neighbour.
        const LOW_BITS: u64 = 0x0084_2108_4210_8421;
        for (word, held) in words.iter().zip(held) {
            word.store((held & !LOW_BITS) >> 1, Ordering::Relaxed);
        }
    }
}

fn visit_device(
    tables: &Tables,
    words: &[Word],
    account: u64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let time_ms = scratch.lanes[lane].time_ms;
    if load(words, FIRST) == 0 {
        words[FIRST].store(time_ms as u64, Ordering::Relaxed);
    }
    words[LAST].fetch_max(time_ms as u64, Ordering::Relaxed);
    let age = Scalar::Int((time_ms - load(words, FIRST) as i64).max(0) / 1000);
    scratch.set(Builtin::DeviceAge.id(), lane, age);

    let device = &check.device;
    if !device.os.is_empty() || !device.model.is_empty() {
        let mut shown = tables.seed.text(&device.os);
        shown = key::fold(shown, tables.seed.text(&device.model));
        let shown = key::short(key::fold(shown, Hash::from(device.rooted))).max(1);
        let before = words[ATTRIBUTES].swap(shown, Ordering::Relaxed);
        scratch.set(Builtin::DeviceChanged.id(), lane, Scalar::Bool(before != 0 && before != shown));
    }
    let accounts = &words[ACCOUNTS];
    for word in accounts {
        let held = word.load(Ordering::Relaxed);
        let taken =
            held == 0 && word.compare_exchange(0, account, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if held == account || taken {
            break;
        }
    }
    let count = accounts.iter().filter(|word| word.load(Ordering::Relaxed) != 0).count();
    scratch.set(Builtin::DeviceAccounts.id(), lane, Scalar::Int(count as i64));
    let bound = load(words, BOUND);
    scratch.set(Builtin::DeviceBound.id(), lane, Scalar::Bool(bound == account));
    scratch.set(Builtin::DeviceBoundOther.id(), lane, Scalar::Bool(bound != 0 && bound != account));
}

/// Takes an approved check into the profiles: its amount into the account's own mean, a bind into the device.
pub(crate) fn approve(tables: &Tables, check: &Check<'_>, lane: usize, scratch: &Scratch) {
    let slots = &scratch.lanes[lane];
    if let (Some(slot), Some(amount)) = (slots.account_slot, check.amount_minor) {
        let words = tables.accounts.payload(slot).near();
        words[AMOUNTS].fetch_add(1, Ordering::Relaxed);
        words[AMOUNT_SUM].fetch_add(amount as u64, Ordering::Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + amount as f64 * amount as f64).to_bits());
        let _ = words[AMOUNT_SQUARES].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
    if let (Some(slot), Kind::Bind) = (slots.device_slot, check.kind) {
        let account = scratch.hashes[Builtin::Account.id().index()][lane];
        tables.devices.payload(slot).near()[BOUND].store(key::short(account), Ordering::Relaxed);
    }
}

/// A place in one word, to a millionth of a degree (eleven centimetres).
fn pack_place(lat: f64, lon: f64) -> u64 {
    let micro = |degrees: f64| (degrees * 1e6).round() as i32 as u32;
    u64::from(micro(lat)) << 32 | u64::from(micro(lon))
}

fn unpack_place(word: u64) -> (f64, f64) {
    let degrees = |micro: u32| f64::from(micro as i32) / 1e6;
    (degrees((word >> 32) as u32), degrees(word as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_packing() {
        let (lat, lon) = unpack_place(pack_place(-33.8688, 151.2093));
        assert!((lat + 33.8688).abs() < 1e-6 && (lon - 151.2093).abs() < 1e-6);
    }
}
