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

use arrayvec::ArrayVec;
use wire::{Check, Degraded, Kind};

use crate::feature::Builtin;
use crate::limits::LANES;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::table::{Ordering, Slots, Word};
use crate::tables::Tables;
use crate::{again, decide, key};

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

/// Takes a check into both profiles, and reads into the columns what every check leaves there.
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

/// Checks of a group that come before others of it, by what an approved one leaves in a profile. Most accounts come once a group,
/// so that a few bits of their keys say that there is nothing to look for.
#[derive(Default)]
struct Earlier {
    accounts: [u64; 8],
    /// Lanes with an amount, and lanes that bind their device.
    amounts: u64,
    binds: u64,
}

impl Earlier {
    /// Where an account stands among the few bits.
    fn place(account: u64) -> (usize, u64) {
        ((account >> 6 & 7) as usize, 1 << (account & 63))
    }

    /// Takes a check in for those that come after it.
    fn take(&mut self, kind: Kind, lane: usize, scratch: &Scratch) {
        if scratch.lanes[lane].own_amount.is_some() {
            let (word, bit) = Earlier::place(scratch.accounts.keys[lane]);
            self.accounts[word] |= bit;
            self.amounts |= 1 << lane;
        }
        self.binds |= u64::from(kind == Kind::Bind) << lane;
    }

    /// Those of an account with an amount.
    fn of_account(&self, account: u64, scratch: &Scratch) -> u64 {
        let (word, bit) = Earlier::place(account);
        if self.accounts[word] & bit == 0 {
            0
        } else {
            again::same(&scratch.accounts.keys, account) & self.amounts
        }
    }
}

/// Reads into the columns of some lanes what approved checks leave in both profiles, as if the `open` ones before each, which are
/// not committed yet, were allowed.
pub(crate) fn compare(tables: &Tables, checks: &[Check<'_>], those: u64, open: u64, scratch: &mut Scratch) {
    let mut earlier = Earlier::default();
    for lane in decide::lanes(those | open) {
        let check = &checks[lane];
        if those >> lane & 1 != 0 {
            compare_lane(tables, checks, lane, &earlier, scratch);
        }
        if open >> lane & 1 != 0 {
            earlier.take(check.kind, lane, scratch);
        }
    }
}

fn compare_lane(
    tables: &Tables,
    checks: &[Check<'_>],
    lane: usize,
    earlier: &Earlier,
    scratch: &mut Scratch,
) {
    if let (Some(slot), Some(amount)) = (scratch.accounts.kept(lane), scratch.lanes[lane].own_amount) {
        let before = earlier.of_account(scratch.accounts.keys[lane], scratch);
        let (words, kind) = (tables.accounts.payload(slot).near(), checks[lane].kind);
        if before == 0 {
            account::compare_amount(words, kind, amount, &[], lane, scratch);
        } else {
            let approved = |at: usize| scratch.lanes[at].own_amount.map(|amount| (checks[at].kind, amount));
            let approved: ArrayVec<_, LANES> = decide::lanes(before).filter_map(approved).collect();
            account::compare_amount(words, kind, amount, &approved, lane, scratch);
        }
    }
    if let Some(slot) = scratch.devices.kept(lane) {
        let before = match earlier.binds {
            0 => 0,
            binds => again::same(&scratch.devices.keys, scratch.devices.keys[lane]) & binds,
        };
        let bound_to = (before != 0).then(|| scratch.accounts.keys[before.ilog2() as usize]);
        let words = tables.devices.payload(slot).near();
        device::see_owner(words, scratch.accounts.keys[lane], bound_to, lane, scratch);
    }
}

/// Forgets of a lane what approved checks left in both profiles.
pub(crate) fn forget(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch) {
    for feature in [Builtin::AmountMean, Builtin::AmountRatio, Builtin::AmountZscore] {
        scratch.forget(snapshot, feature.id(), lane);
    }
}

/// The lanes of `later` that have read a profile as if that lane were allowed.
pub(crate) fn followers(checks: &[Check<'_>], lane: usize, later: u64, scratch: &Scratch) -> u64 {
    let mut found = 0;
    if scratch.lanes[lane].own_amount.is_some() {
        let those = again::same(&scratch.accounts.keys, scratch.accounts.keys[lane]) & later;
        let with_amount = decide::lanes(those).filter(|&at| scratch.lanes[at].own_amount.is_some());
        found |= with_amount.fold(0, |mask, at| mask | 1 << at);
    }
    if checks[lane].kind == Kind::Bind && scratch.devices.keys[lane] != 0 {
        found |= again::same(&scratch.devices.keys, scratch.devices.keys[lane]) & later;
    }
    found
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
