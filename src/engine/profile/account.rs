//! What is known of an account: since when, its places, devices, hours, and the amounts it receives, spends and moves.

use wire::{Check, Kind};

use super::amounts::Amounts;
use super::hours::{self, Hours};
use super::latest::Latest;
use super::{BESIDE, load, time_of, timed};
use crate::feature::{Builtin, Scalar};
use crate::geo::distance_km;
use crate::scratch::Scratch;
use crate::table::{Ordering, Word};

/// Words of an account's profile: with those of its slot, two cache lines.
pub const WORDS: usize = 14;
/// When it was first seen, and beside it its checks.
const FIRST: usize = 0;
const LAST: usize = 1;
/// Where it was last, to a millionth of a degree, and when.
const PLACE: usize = 2;
const PLACE_MS: usize = 3;
/// The latest four places, coarsely.
const PLACES: std::ops::Range<usize> = 4..6;
/// The latest six devices.
const DEVICES: std::ops::Range<usize> = 6..9;
/// The hours of the day that it is seen at.
const HOURS: std::ops::Range<usize> = 9..9 + hours::WORDS;
/// Amounts received, spent and moved.
const AMOUNTS: usize = 11;

/// Checks are counted up to here; the batches in flight can add no more than there is room for beyond it.
const EVENTS_MAX: u64 = 1_000_000;
/// Distances under this are noise of the positioning.
const PLACE_NOISE_KM: f64 = 5.0;
/// A place farther than this from all the latest ones is new.
const PLACE_NEW_KM: f64 = 50.0;

const _: () = assert!(EVENTS_MAX + (crate::limits::WORKERS_MAX as u64) < BESIDE);

/// Classes of amounts: what people receive, spend and move are sums of different size.
#[derive(Clone, Copy)]
enum Class {
    Received,
    Spent,
    Moved,
}

impl Class {
    fn of(kind: Kind) -> Class {
        match kind {
            Kind::Claim => Class::Received,
            Kind::Transfer | Kind::Withdraw => Class::Moved,
            Kind::Mint | Kind::Scan | Kind::Pay | Kind::Login | Kind::Bind => Class::Spent,
        }
    }

    fn word(self) -> usize {
        AMOUNTS + self as usize
    }
}

/// Reads the profile into the columns, then takes the check into it.
pub(super) fn visit(words: &[Word], device: u64, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    let time_ms = scratch.lanes[lane].time_ms;
    let since = |then_ms: i64| Scalar::Int((time_ms - then_ms).max(0) / 1000);
    let mut first = load(words, FIRST);
    if first == 0 {
        let fresh = timed(time_ms, 0);
        let held = words[FIRST].compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        first = held.map_or_else(|seen| seen, |_| fresh);
    } else {
        scratch.set(Builtin::AccountIdle.id(), lane, since(load(words, LAST) as i64));
    }
    let events = first & BESIDE;
    if events < EVENTS_MAX {
        words[FIRST].fetch_add(1, Ordering::Relaxed);
    }
    scratch.set(Builtin::AccountEvents.id(), lane, Scalar::Int(events as i64));
    scratch.set(Builtin::AccountAge.id(), lane, since(time_of(first)));
    words[LAST].fetch_max(time_ms as u64, Ordering::Relaxed);

    visit_devices(Latest(&words[DEVICES]), device, events > 0, lane, scratch);
    if let Some(geo) = check.geo {
        visit_place(words, (geo.lat, geo.lon), lane, scratch);
    }
    visit_hours(Hours(&words[HOURS]), lane, scratch);
}

/// Devices are known by half of their keys: one in a thousand million is taken for another.
fn visit_devices(devices: Latest<'_>, device: u64, known_account: bool, lane: usize, scratch: &mut Scratch) {
    if device != 0 {
        let device = (device as u32).max(1);
        let known = devices.entries().any(|entry| entry == device);
        scratch.set(Builtin::DeviceNew.id(), lane, Scalar::Bool(!known && known_account));
        devices.meet(None, device);
    }
    scratch.set(Builtin::AccountDevices.id(), lane, Scalar::Int(devices.entries().count() as i64));
}

fn visit_place(words: &[Word], here: (f64, f64), lane: usize, scratch: &mut Scratch) {
    let time_ms = scratch.lanes[lane].time_ms;
    let places = Latest(&words[PLACES]);
    let mut met_as = None;
    let before_ms = load(words, PLACE_MS) as i64;
    if before_ms != 0 {
        let km = distance_km(unpack_place(load(words, PLACE)), here);
        let hours = (time_ms - before_ms).abs().max(1_000) as f64 / 3_600_000.0;
        let speed = if km < PLACE_NOISE_KM { 0.0 } else { km / hours };
        scratch.set(Builtin::DistanceKm.id(), lane, Scalar::Double(km));
        scratch.set(Builtin::SpeedKmh.id(), lane, Scalar::Double(speed));
        let near = |place: &u32| distance_km(uncoarse(*place), here) <= PLACE_NEW_KM;
        // The last place stands in front: most checks come from there, and need no other distance.
        met_as = if km <= PLACE_NEW_KM { places.entries().next() } else { places.entries().find(near) };
        scratch.set(Builtin::PlaceNew.id(), lane, Scalar::Bool(met_as.is_none()));
    }
    if time_ms >= before_ms {
        places.meet(met_as, coarse(here));
        words[PLACE].store(pack_place(here), Ordering::Relaxed);
        words[PLACE_MS].store(time_ms as u64, Ordering::Relaxed);
    } else if met_as.is_none() {
        // It comes late: the place is known from now on, and the last one stays the last.
        let last = places.entries().next();
        places.meet(None, coarse(here));
        last.into_iter().for_each(|last| places.meet(None, last));
    }
}

/// The amount against the account's approved ones of its class; while they are few, of all that it spends and moves. `approved` are
/// earlier checks of the account that are not committed yet.
pub(super) fn compare_amount(
    words: &[Word],
    kind: Kind,
    amount: i64,
    approved: &[(Kind, i64)],
    lane: usize,
    scratch: &mut Scratch,
) {
    let class = Class::of(kind);
    let held = |class: Class| {
        let of_class = approved.iter().filter(|(kind, _)| Class::of(*kind) as usize == class as usize);
        let amounts = of_class.map(|&(_, amount)| amount);
        Amounts::of(amounts.fold(load(words, class.word()), Amounts::added))
    };
    let mut own = held(class);
    if !own.tell() && !matches!(class, Class::Received) {
        own = held(Class::Spent).and(held(Class::Moved));
    }
    if own.tell() {
        scratch.set(Builtin::AmountMean.id(), lane, Scalar::Money(own.mean_minor()));
        scratch.set(Builtin::AmountRatio.id(), lane, Scalar::Double(own.ratio(amount)));
        scratch.set(Builtin::AmountZscore.id(), lane, Scalar::Double(own.zscore(amount)));
    }
}

/// Takes an approved amount in.
pub(super) fn approve(words: &[Word], kind: Kind, amount: i64) {
    Amounts::add(&words[Class::of(kind).word()], amount);
}

/// The share of the account's checks near this hour, then this check among them.
fn visit_hours(hours: Hours<'_>, lane: usize, scratch: &mut Scratch) {
    let hour = scratch.columns[Builtin::Hour.id().index()][lane] as usize;
    if let Some(share) = hours.share(hour) {
        scratch.set(Builtin::HourShare.id(), lane, Scalar::Double(share));
    }
    hours.add(hour);
}

/// A place in one word, to a millionth of a degree (eleven centimetres).
fn pack_place((lat, lon): (f64, f64)) -> u64 {
    let micro = |degrees: f64| (degrees * 1e6).round() as i32 as u32;
    u64::from(micro(lat)) << 32 | u64::from(micro(lon))
}

fn unpack_place(word: u64) -> (f64, f64) {
    let degrees = |micro: u32| f64::from(micro as i32) / 1e6;
    (degrees((word >> 32) as u32), degrees(word as u32))
}

/// A place in 32 bits, to 350 metres; never 0.
fn coarse((lat, lon): (f64, f64)) -> u32 {
    let part = |share: f64| u32::from((share * f64::from(u16::MAX)).round() as u16);
    (part((lat + 90.0) / 180.0) << 16 | part((lon + 180.0) / 360.0)).max(1)
}

fn uncoarse(place: u32) -> (f64, f64) {
    let share = |part: u32| f64::from(part as u16) / f64::from(u16::MAX);
    (share(place >> 16) * 180.0 - 90.0, share(place) * 360.0 - 180.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_survives_packing(lat in -90.0..=90.0_f64, lon in -180.0..=180.0_f64) {
            let (packed_lat, packed_lon) = unpack_place(pack_place((lat, lon)));
            prop_assert!((lat - packed_lat).abs() < 1e-6 && (lon - packed_lon).abs() < 1e-6);
            prop_assert!(coarse((lat, lon)) != 0);
            prop_assert!(distance_km(uncoarse(coarse((lat, lon))), (lat, lon)) < 0.35);
        }
    }

    #[test]
    fn the_words_of_a_profile_do_not_overlap() {
        assert_eq!((Class::Received.word(), Class::Moved.word()), (HOURS.end, WORDS - 1));
    }
}
