//! Stage `device`: what is known of the account and of the device from their earlier checks.
//!
//! Profiles are statistics, not limits: two checks of one account at the same instant may each miss the other's update of a
//! mean. What decides about money stands in velocity. They are small: with the two words that a slot begins with an account
//! fills two cache lines and a device one.

mod account;
mod amounts;
mod device;
mod hours;
mod latest;

use wire::{Check, Degraded, Kind};

use crate::feature::Builtin;
use crate::key;
use crate::scratch::Scratch;
use crate::table::{Ordering, Slots, Word};
use crate::tables::Tables;

pub use account::WORDS as ACCOUNT_WORDS;
pub use device::WORDS as DEVICE_WORDS;

/// A profile untouched for this long may go without being counted as a loss: ninety days.
pub const EXPIRY_MS: i64 = 90 * 86_400_000;

const _: () = assert!(Slots::lines(ACCOUNT_WORDS) == 2 && Slots::lines(DEVICE_WORDS) == 1);

/// Bits of a word beside a time of 44: what fits there is small.
const BESIDE_BITS: u32 = 20;
const BESIDE: u64 = (1 << BESIDE_BITS) - 1;

fn load(words: &[Word], at: usize) -> u64 {
    words[at].load(Ordering::Relaxed)
}

/// The time of a word that holds another number beside it.
fn time_of(word: u64) -> i64 {
    (word >> BESIDE_BITS) as i64
}

/// A word of a time and a number of [`BESIDE_BITS`].
fn timed(time_ms: i64, beside: u64) -> u64 {
    (time_ms as u64) << BESIDE_BITS | beside & BESIDE
}

/// Keys of both profiles.
pub(crate) fn key_up(lane: usize, scratch: &mut Scratch) {
    scratch.accounts.keys[lane] = key::short(scratch.hashes[Builtin::Account.id().index()][lane]);
    scratch.devices.keys[lane] = key::short(scratch.hashes[Builtin::DeviceId.id().index()][lane]);
}

/// Has the heads of both profiles on the way into the cache.
pub(crate) fn prefetch_heads(tables: &Tables, lanes: usize, scratch: &mut Scratch) {
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
    let of_account = scratch.accounts.claim(&tables.accounts, lane, now_ms);
    let of_device = scratch.devices.claim(&tables.devices, lane, now_ms);
    if of_account.is_none() || (device != 0 && of_device.is_none()) {
        scratch.lanes[lane].degraded |= Degraded::Profile.bit();
    }
    if let Some(found) = of_account {
        account::visit(tables.accounts.payload(found.slot).near(), device, check, lane, scratch);
    }
    if let Some(found) = of_device {
        let words = tables.devices.payload(found.slot).near();
        device::visit(&tables.seed, words, account, check, lane, scratch);
    }
}

/// Takes an approved check into the profiles: its amount into the account's own mean, a bind into the device.
pub(crate) fn approve(tables: &Tables, check: &Check<'_>, lane: usize, scratch: &Scratch) {
    if let (Some(slot), Some(amount)) = (scratch.accounts.kept(lane), scratch.lanes[lane].own_amount) {
        account::approve(tables.accounts.payload(slot).near(), check.kind, amount);
    }
    if let (Some(slot), Kind::Bind) = (scratch.devices.kept(lane), check.kind) {
        device::bind(tables.devices.payload(slot).near(), scratch.accounts.keys[lane]);
    }
}
