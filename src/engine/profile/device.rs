//! What is known of a device: since when, what it showed of itself, whose it is, and who has used it.

use wire::Check;

use super::{BESIDE, load, time_of, timed};
use crate::feature::{Builtin, Scalar};
use crate::key::{self, Seed};
use crate::scratch::Scratch;
use crate::table::{Ordering, Word};

/// Words of a device's profile: with those of its slot, one cache line.
pub const WORDS: usize = 6;
/// When it was first seen, and beside it what system it last showed.
const FIRST: usize = 0;
/// When it was last seen, and beside it what model it last showed.
const LAST: usize = 1;
/// The account that it is bound to, but for the two lowest bits of its key, and its rooted flag.
const BOUND: usize = 2;
/// Nine accounts, three a word.
const ACCOUNTS: std::ops::Range<usize> = 3..6;

/// It showed itself rooted at its last check that showed anything.
const ROOTED: u64 = 1;
/// It showed itself rooted at any check.
const ROOTED_EVER: u64 = 2;
const FLAGS: u64 = ROOTED | ROOTED_EVER;
/// Bits of an account among those of a device: one in a quarter of a million is taken for one of the others.
const ACCOUNT_BITS: u32 = 21;
const ACCOUNT: u64 = (1 << ACCOUNT_BITS) - 1;
/// Where the accounts of a word stand.
const SHIFTS: [u32; 3] = [0, ACCOUNT_BITS, 2 * ACCOUNT_BITS];

/// Reads the profile into the columns, then takes the check into it.
pub(super) fn visit(
    seed: &Seed,
    words: &[Word],
    account: u64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let time_ms = scratch.lanes[lane].time_ms;
    let since = |then_ms: i64| Scalar::Int((time_ms - then_ms).max(0) / 1000);
    let (first, last) = (load(words, FIRST), load(words, LAST));
    if last != 0 {
        scratch.set(Builtin::DeviceIdle.id(), lane, since(time_of(last)));
    }
    let first_ms = if first == 0 { time_ms } else { time_of(first) };
    scratch.set(Builtin::DeviceAge.id(), lane, since(first_ms));

    let device = &check.device;
    // 0 stands for nothing shown.
    let shown = |text: &str| if text.is_empty() { 0 } else { (key::short(seed.text(text)) & BESIDE).max(1) };
    let (os, os_changed) = next(first & BESIDE, shown(&device.os));
    let (model, model_changed) = next(last & BESIDE, shown(&device.model));
    store(&words[FIRST], first, timed(first_ms, os));
    store(&words[LAST], last, timed(time_of(last).max(time_ms), model));
    scratch.set(Builtin::DeviceOsChanged.id(), lane, Scalar::Bool(os_changed));
    scratch.set(Builtin::DeviceModelChanged.id(), lane, Scalar::Bool(model_changed));

    let bound = load(words, BOUND);
    let mut rooted_changed = false;
    // A check that says nothing of its device says nothing of the flag either.
    if device.rooted || !device.os.is_empty() || !device.model.is_empty() {
        let seen_before = first & BESIDE != 0 || last & BESIDE != 0;
        rooted_changed = seen_before && (bound & ROOTED != 0) != device.rooted;
        let flags = if device.rooted { FLAGS } else { bound & ROOTED_EVER };
        if bound & FLAGS != flags {
            let next = |held: u64| Some(held & !FLAGS | flags);
            let _ = words[BOUND].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }
    let changed = os_changed || model_changed || rooted_changed;
    scratch.set(Builtin::DeviceChanged.id(), lane, Scalar::Bool(changed));
    scratch.set(Builtin::DeviceRootedBefore.id(), lane, Scalar::Bool(bound & ROOTED_EVER != 0));
    meet(&words[ACCOUNTS], account);
    scratch.set(Builtin::DeviceAccounts.id(), lane, Scalar::Int(count(&words[ACCOUNTS])));
}

/// Whether the device is bound to the account, or to another one. `bound_to` is the account that an earlier check binds it to which
/// is not committed yet.
pub(super) fn see_owner(
    words: &[Word],
    account: u64,
    bound_to: Option<u64>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let owner = bound_to.unwrap_or_else(|| load(words, BOUND)) & !FLAGS;
    let own = owner == account & !FLAGS;
    scratch.set(Builtin::DeviceBound.id(), lane, Scalar::Bool(owner != 0 && own));
    scratch.set(Builtin::DeviceBoundOther.id(), lane, Scalar::Bool(owner != 0 && !own));
}

/// Binds the device to an account.
pub(super) fn bind(words: &[Word], account: u64) {
    let next = |held: u64| Some(account & !FLAGS | held & FLAGS);
    let _ = words[BOUND].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
}

/// What is kept of an attribute after a check shows that, and whether it has changed.
fn next(held: u64, shown: u64) -> (u64, bool) {
    if shown == 0 { (held, false) } else { (shown, held != 0 && held != shown) }
}

fn store(word: &Word, held: u64, wanted: u64) {
    if held != wanted {
        word.store(wanted, Ordering::Relaxed);
    }
}

/// Takes an account in among those that have used the device, if there is room.
fn meet(words: &[Word], account: u64) {
    let account = (account >> (u64::BITS - ACCOUNT_BITS)).max(1);
    for word in words {
        let mut held = word.load(Ordering::Relaxed);
        for shift in SHIFTS {
            if held >> shift & ACCOUNT == 0 {
                let wanted = held | account << shift;
                match word.compare_exchange(held, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(seen) => held = seen,
                }
            }
            if held >> shift & ACCOUNT == account {
                return;
            }
        }
    }
}

/// How many accounts there are.
fn count(words: &[Word]) -> i64 {
    let of_word = |word: &Word| {
        let held = word.load(Ordering::Relaxed);
        SHIFTS.iter().filter(|&shift| held >> shift & ACCOUNT != 0).count()
    };
    words.iter().map(of_word).sum::<usize>() as i64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn accounts_are_counted_as_a_set_of_nine_would(accounts in prop::collection::vec(0_u64..14, 1..100)) {
            let words: Vec<Word> = ACCOUNTS.map(|_| Word::new(0)).collect();
            let mut twin = Vec::new();
            for account in accounts {
                if !twin.contains(&account) && twin.len() < 9 {
                    twin.push(account);
                }
                // Keys differ in all their bits.
                let key = (account + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                meet(&words, key);
                prop_assert_eq!(count(&words), twin.len() as i64);
            }
        }
    }
}
