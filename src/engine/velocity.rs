//! Stage `velocity`: windows over keys, read and updated; approved ones reserved, limits kept.

use wire::{Check, Degraded};

use crate::feature::{Builtin, Scalar, Type};
use crate::key;
use crate::plan::{Group, Laid};
use crate::policy::{Aggregate, Status};
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::table::{Distinct, Full, MaxRing, Ordering, Reserved, Stamps, SumRing, Word};
use crate::tables::Tables;

/// Words of a key's windows asked for ahead: more would push other lanes' lines out again.
const PREFETCH_WORDS_MAX: usize = 128;

/// A reservation: what has to be given back if the verdict is not allow or the event fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// Key of the window's slot.
    pub key: u64,
    /// Identity of the window over reloads.
    pub tag: u32,
    pub time_ms: i64,
    pub delta: i64,
}

/// A limit that left no room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Place among the policy's limits.
    pub limit: usize,
    /// What the value would have been.
    pub value: i64,
}

/// Keys of the plan's groups, and the heads of their slots on the way into the cache.
pub(crate) fn key_up(snapshot: &Snapshot, tables: &Tables, lane: usize, scratch: &mut Scratch) {
    for (group, plan) in snapshot.plan.groups.iter().enumerate() {
        let mut hash = 0;
        for (at, field) in plan.fields.iter().enumerate() {
            let part = scratch.hashes[field.index()][lane];
            if part == 0 {
                hash = 0;
                break;
            }
            hash = if at == 0 { part } else { key::fold(hash, part) };
        }
        scratch.lanes[lane].keys[group] = key::short(hash);
        if hash != 0 {
            plan.table.prefetch(key::short(hash));
        }
    }
    tables.accounts.prefetch(key::short(scratch.hashes[Builtin::Account.id().index()][lane]));
    tables.devices.prefetch(key::short(scratch.hashes[Builtin::DeviceId.id().index()][lane]));
}

/// Finds the slots of the keys, and has their windows on the way into the cache while other lanes are looked at.
pub(crate) fn find(snapshot: &Snapshot, tables: &Tables, now_ms: i64, lane: usize, scratch: &mut Scratch) {
    for (at, group) in snapshot.plan.groups.iter().enumerate() {
        let key = scratch.lanes[lane].keys[at];
        if key == 0 {
            continue;
        }
        let found = group.table.find_or_claim(key, now_ms, &tables.pins);
        scratch.lanes[lane].slots[at] = found.map(|found| {
            group.table.prefetch_payload(found.slot, PREFETCH_WORDS_MAX);
            found.slot as u32
        });
    }
}

/// Takes a check into its windows and reads them; on a refused limit gives back what it had reserved.
pub(crate) fn reserve(
    snapshot: &Snapshot,
    now_ms: i64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    for (at, group) in snapshot.plan.groups.iter().enumerate() {
        let key = scratch.lanes[lane].keys[at];
        if key == 0 {
            continue;
        }
        let Some(slot) = scratch.lanes[lane].slots[at] else {
            scratch.lanes[lane].degraded |= Degraded::Velocity.bit();
            refuse_limits(snapshot, group, check, lane, scratch);
            continue;
        };
        let payload = group.table.payload(slot as usize);
        for window in &group.windows {
            let words = &payload[window.offset..window.offset + window.words];
            let number = match window.status {
                Status::Attempt => attempt(window, words, check, lane, scratch),
                Status::Approved => approve(snapshot, window, words, key, now_ms, check, lane, scratch),
            };
            let scalar = if window.ty == Type::Money { Scalar::Money(number) } else { Scalar::Int(number) };
            scratch.set(window.feature, lane, scalar);
        }
    }
    if !scratch.lanes[lane].refused.is_empty() {
        give_back(snapshot, lane, scratch);
    }
}

/// A window over every check: the value includes this one if it is of the window's kinds.
fn attempt(window: &Laid, words: &[Word], check: &Check<'_>, lane: usize, scratch: &Scratch) -> i64 {
    let time_ms = scratch.lanes[lane].time_ms;
    let takes = window.kinds.has(check.kind);
    match window.aggregate {
        Aggregate::Count => {
            let (ring, stamps) = views(window, words);
            let ring = SumRing::new(ring, window.window_ms);
            let total = if takes { ring.add(time_ms, 1) } else { ring.value(time_ms) };
            let exact = stamps.map_or(usize::MAX, |words| {
                let stamps = Stamps::new(words, window.window_ms);
                if takes { stamps.add(time_ms) } else { stamps.count(time_ms) }
            });
            exact_or_more(exact, window.exact, total)
        }
        Aggregate::Sum(field) => {
            let ring = SumRing::new(words, window.window_ms);
            if takes { ring.add(time_ms, amount(scratch, field, lane)) } else { ring.value(time_ms) }
        }
        Aggregate::Max(field) => {
            let ring = MaxRing::new(words, window.window_ms);
            if takes {
                ring.add(time_ms, amount(scratch, field, lane));
            }
            ring.value(time_ms)
        }
        Aggregate::Distinct(field) => {
            let set = Distinct::new(words, window.window_ms);
            let hash = scratch.hashes[field.index()][lane];
            let count =
                if takes && hash != 0 { set.add(time_ms, key::short(hash)) } else { set.count(time_ms) };
            count as i64
        }
        Aggregate::Last => {
            let before = if takes {
                words[0].fetch_max(time_ms as u64, Ordering::AcqRel)
            } else {
                words[0].load(Ordering::Acquire)
            } as i64;
            if before == 0 || time_ms - before >= window.window_ms {
                -1
            } else {
                (time_ms - before).max(0) / 1000
            }
        }
        Aggregate::First => {
            let first = words[0].load(Ordering::Acquire) as i64;
            if first == 0 && takes {
                let _ = words[0].compare_exchange(0, time_ms as u64, Ordering::AcqRel, Ordering::Acquire);
            }
            if first == 0 { 0 } else { (time_ms - first).max(0) / 1000 }
        }
    }
}

/// A window over approved checks: reserved now, dated at the decision, within the tightest limit that applies.
#[expect(clippy::too_many_arguments, reason = "one check's whole context, passed by reference")]
fn approve(
    snapshot: &Snapshot,
    window: &Laid,
    words: &[Word],
    key: u64,
    now_ms: i64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) -> i64 {
    let (ring_words, stamp_words) = views(window, words);
    let ring = SumRing::new(ring_words, window.window_ms);
    let stamps = stamp_words.map(|words| Stamps::new(words, window.window_ms));
    let exact_now = |stamps: &Option<Stamps<'_>>| stamps.map_or(usize::MAX, |stamps| stamps.count(now_ms));
    if !window.kinds.has(check.kind) {
        return exact_or_more(exact_now(&stamps), window.exact, ring.value(now_ms));
    }
    let delta = match window.aggregate {
        Aggregate::Sum(field) => amount(scratch, field, lane),
        _ => 1,
    };
    let limit = tightest(snapshot, window, lane, scratch);
    let max = limit.map_or(i64::MAX, |limit| snapshot.policy.limits[limit].max);
    let reserved = match &stamps {
        // Within the exact range the permits decide; the ring follows.
        Some(stamps) if max <= i64::from(window.exact) => {
            stamps.reserve(now_ms, max.max(0) as usize).map(|reserved| {
                let total = ring.add(reserved.time_ms, delta);
                Reserved { value: exact_or_more(reserved.value as usize, window.exact, total), ..reserved }
            })
        }
        _ => ring.reserve(now_ms, delta, max).map(|reserved| {
            let mut value = reserved.value;
            if let Some(stamps) = &stamps {
                stamps.take(reserved.time_ms);
                value = exact_or_more(stamps.count(reserved.time_ms), window.exact, value);
            }
            Reserved { value, ..reserved }
        }),
    };
    match reserved {
        Ok(Reserved { value, time_ms }) => {
            // The snapshot refuses policies with more windows a kind than there is room for.
            let _ = scratch.lanes[lane].pending.try_push(Pending { key, tag: window.tag, time_ms, delta });
            value
        }
        Err(Full { current }) => {
            let value = current.saturating_add(delta);
            if let Some(limit) = limit {
                let _ = scratch.lanes[lane].refused.try_push(Refused { limit, value });
            }
            value
        }
    }
}

/// The limit with the smallest maximum among those of the window that apply to the check.
fn tightest(snapshot: &Snapshot, window: &Laid, lane: usize, scratch: &Scratch) -> Option<usize> {
    let limits = &snapshot.policy.limits;
    let applies = |&limit: &usize| limits[limit].when.is_none_or(|when| scratch.registers.holds(when, lane));
    window.limits.iter().copied().filter(applies).min_by_key(|&limit| limits[limit].max)
}

/// A key without room cannot be shown to be within its limits, so they refuse.
fn refuse_limits(snapshot: &Snapshot, group: &Group, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    for window in group.windows.iter().filter(|window| window.kinds.has(check.kind)) {
        if let Some(limit) = tightest(snapshot, window, lane, scratch) {
            let value = snapshot.policy.limits[limit].max;
            let _ = scratch.lanes[lane].refused.try_push(Refused { limit, value });
        }
    }
}

/// Gives back everything a check has reserved, and remembers what that was.
pub(crate) fn release_all(snapshot: &Snapshot, lane: usize, scratch: &Scratch) {
    for pending in &scratch.lanes[lane].pending {
        release(snapshot, pending);
    }
}

/// Gives back everything a check has reserved.
pub(crate) fn give_back(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch) {
    release_all(snapshot, lane, scratch);
    scratch.lanes[lane].pending.clear();
}

/// Takes a reservation out of its window, if the window and the key are still there.
pub(crate) fn release(snapshot: &Snapshot, pending: &Pending) {
    with_window(snapshot, pending, |ring, stamps| {
        if let Some(stamps) = stamps {
            stamps.release(pending.time_ms);
        }
        ring.release(pending.time_ms, pending.delta);
    });
}

/// Puts a reservation into its window again, dated now and whatever its limits say; gives it as it stands then.
pub(crate) fn restore(snapshot: &Snapshot, pending: &Pending, now_ms: i64) -> Pending {
    let mut restored = Pending { time_ms: now_ms, ..*pending };
    with_window(snapshot, pending, |ring, stamps| {
        if let Some(stamps) = stamps {
            restored.time_ms = stamps.take(now_ms);
        }
        ring.add(restored.time_ms, pending.delta);
    });
    restored
}

fn with_window(snapshot: &Snapshot, pending: &Pending, act: impl FnOnce(SumRing<'_>, Option<Stamps<'_>>)) {
    let Some((group, window)) = snapshot.plan.window(pending.tag) else { return };
    let Some(slot) = group.table.find(pending.key) else { return };
    let words = &group.table.payload(slot)[window.offset..window.offset + window.words];
    let (ring, stamps) = views(window, words);
    act(SumRing::new(ring, window.window_ms), stamps.map(|words| Stamps::new(words, window.window_ms)));
}

/// The ring of a count or sum, and its stamps if it has an exact range.
fn views<'a>(window: &Laid, words: &'a [Word]) -> (&'a [Word], Option<&'a [Word]>) {
    let (ring, stamps) = words.split_at(SumRing::WORDS);
    (ring, (window.exact > 0).then_some(stamps))
}

/// A count below its exact range is exact; beyond it the ring answers, which is never below the truth.
fn exact_or_more(count: usize, exact: u16, total: i64) -> i64 {
    if count < usize::from(exact) { count as i64 } else { total.max(i64::from(exact)) }
}

/// A whole-number or money feature of the event itself; negative ones count as nothing.
fn amount(scratch: &Scratch, field: crate::feature::FeatureId, lane: usize) -> i64 {
    (scratch.columns[field.index()][lane] as i64).clamp(0, wire::limits::AMOUNT_MINOR_MAX)
}
