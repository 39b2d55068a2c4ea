//! Stage `velocity`: windows over keys, read and updated; approved ones reserved, limits kept.

use arrayvec::ArrayVec;
use wire::{Check, Degraded, Verdict};

use crate::decide::lanes;
use crate::feature::{FeatureId, Scalar, Type};
use crate::key;
use crate::limits::LIMITS_MAX;
use crate::plan::{Group, Laid};
use crate::policy::{Absent, Aggregate, Limit, Mode, Status};
use crate::replay::Made;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::table::{
    AMOUNT_MAX, Displaced, Distinct, First, Full, Held, Max, Ordering, Payload, Reading, Recent, Reserved,
    Sum, Work, vectorised,
};
use crate::verdict;

/// A reservation: what has to be given back if the verdict is not allow or the event fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// Key of the window's slot.
    pub key: u64,
    /// Identity of the window over reloads.
    pub tag: u32,
    pub time_ms: i64,
    pub delta: i64,
    /// The smallest maximum among the limits that applied to the check and ask for no challenge.
    pub max: i64,
    /// Whether it is held: a limit may have had no room for it, or its key none.
    pub held: bool,
    /// The permit that had to make room for it.
    pub displaced: Displaced,
}

/// A limit that left no room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Place among the policy's limits.
    pub limit: usize,
    /// What the value would have been; none where the event lacks the amount.
    pub value: Option<i64>,
    /// Whether it only watches.
    pub shadow: bool,
}

/// Keys of the plan's groups.
pub(crate) fn key_up(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch) {
    for (plan, sought) in snapshot.plan.groups.iter().zip(&mut scratch.windows) {
        let mut hash = 0;
        for (at, field) in plan.fields.iter().enumerate() {
            let part = scratch.hashes[field.index()][lane];
            if part == 0 {
                hash = 0;
                break;
            }
            hash = if at == 0 { part } else { key::fold(hash, part) };
        }
        sought.keys[lane] = key::short(hash);
    }
}

/// Has the heads of the keys on the way into the cache.
pub(crate) fn prefetch_heads(snapshot: &Snapshot, lanes: usize, scratch: &mut Scratch) {
    for (group, sought) in snapshot.plan.groups.iter().zip(&mut scratch.windows) {
        sought.prefetch_heads(&group.table, lanes);
    }
}

/// Has the windows of the keys on the way into the cache.
pub(crate) fn prefetch_near(snapshot: &Snapshot, now_ms: i64, lanes: usize, scratch: &mut Scratch) {
    for (group, sought) in snapshot.plan.groups.iter().zip(&mut scratch.windows) {
        sought.prefetch_near(&group.table, now_ms, lanes);
    }
}

/// Has the rest of what busy keys hold on the way into the cache.
pub(crate) fn prefetch_far(snapshot: &Snapshot, lanes: usize, scratch: &Scratch) {
    for (group, sought) in snapshot.plan.groups.iter().zip(&scratch.windows) {
        sought.prefetch_far(&group.table, lanes);
    }
}

/// Takes checks into their windows over all of them, and reads those.
pub(crate) fn attempt_all(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) {
    vectorised(Attempts { snapshot, now_ms, checks, fresh, scratch });
}

/// Checks taken into the windows over all of them. They count whatever becomes of a check, so one key's may go after another's
/// for the whole batch.
struct Attempts<'a> {
    snapshot: &'a Snapshot,
    now_ms: i64,
    checks: &'a [Check<'a>],
    fresh: u64,
    scratch: &'a mut Scratch,
}

impl Work for Attempts<'_> {
    #[inline(always)]
    fn run(self) {
        let Attempts { snapshot, now_ms, checks, fresh, scratch } = self;
        for (at, group) in snapshot.plan.groups.iter().enumerate() {
            for lane in lanes(fresh) {
                let Some(found) = scratch.windows[at].claim(&group.table, lane, now_ms) else { continue };
                let payload = group.table.payload(found.slot);
                // One dated ahead counts at its arrival: nothing that has yet to happen is in a window, or makes what is there
                // go.
                let time_ms = scratch.lanes[lane].time_ms.min(now_ms);
                let complete_ms = group.table.complete_ms(found.slot, now_ms);
                for window in group.of_status(Status::Attempt) {
                    let Reading { value, late } =
                        attempt(window, payload, time_ms, &checks[lane], lane, scratch);
                    set(window, lane, value, scratch);
                    if late || complete_ms < window.window_ms {
                        doubt(window, lane, scratch);
                    }
                }
            }
        }
    }
}

/// Reserves what a check would take if it were approved, or asks what that would be where it certainly will not be. Gives back what
/// it had reserved before a limit refused.
pub(crate) fn reserve_approved(
    snapshot: &Snapshot,
    now_ms: i64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let refused = verdict::is_refused(lane, scratch);
    for (at, group) in snapshot.plan.groups.iter().enumerate() {
        let key = scratch.windows[at].keys[lane];
        if key == 0 {
            continue;
        }
        let Some(slot) = scratch.windows[at].kept(lane) else {
            scratch.lanes[lane].degraded |= Degraded::Velocity.bit();
            refuse_limits(snapshot, group, key, now_ms, check, lane, scratch);
            continue;
        };
        if group.approved_kinds.0 == 0 {
            continue;
        }
        let payload = group.table.payload(slot);
        let complete_ms = group.table.complete_ms(slot, now_ms);
        for window in group.of_status(Status::Approved) {
            let held = window.held(&payload);
            if complete_ms < window.window_ms || held.is_late(now_ms) {
                doubt(window, lane, scratch);
            }
            let number = if !window.takes(check) {
                held.value(now_ms)
            } else {
                let pending = pending(snapshot, window, key, now_ms, lane, scratch);
                approve(snapshot, window, held, pending, refused, lane, scratch)
            };
            set(window, lane, number, scratch);
        }
    }
    if scratch.lanes[lane].refused.iter().any(|refused| !refused.shadow) {
        release_all(snapshot, now_ms, lane, scratch);
    }
}

/// Notes that a value may be another than the window's definition says: something later was there before, or some of what it
/// held may have been forgotten.
#[cold]
fn doubt(window: &Laid, lane: usize, scratch: &mut Scratch) {
    let unsure = &mut scratch.lanes[lane].unsure;
    // A check that is decided again comes here twice. There is room for every window of a policy.
    if !unsure.contains(&window.feature.0) {
        let _ = unsure.try_push(window.feature.0);
    }
}

fn set(window: &Laid, lane: usize, number: i64, scratch: &mut Scratch) {
    let scalar = if window.ty == Type::Money { Scalar::Money(number) } else { Scalar::Int(number) };
    scratch.set(window.feature, lane, scalar);
}

/// A window over every check: the value includes this one if it is of the window's kinds.
#[inline(always)]
fn attempt(
    window: &Laid,
    payload: Payload<'_>,
    time_ms: i64,
    check: &Check<'_>,
    lane: usize,
    scratch: &Scratch,
) -> Reading {
    let takes = window.takes(check);
    let (near, far) = window.words(&payload);
    match window.aggregate {
        Aggregate::Count => {
            let recent = Recent::new(near, far, &window.span);
            if takes { recent.add(time_ms) } else { recent.value(time_ms) }
        }
        Aggregate::Sum(field) => {
            let sum = Sum::new(near, far, &window.span);
            let late = sum.is_late(time_ms);
            let value =
                if takes { sum.add(time_ms, amount(scratch, field, lane)) } else { sum.value(time_ms) };
            Reading { value, late }
        }
        Aggregate::Max(field) => {
            let max = Max::new(near, far, &window.span);
            let late = max.is_late(time_ms);
            let value =
                if takes { max.add(time_ms, amount(scratch, field, lane)) } else { max.value(time_ms) };
            Reading { value, late }
        }
        Aggregate::Distinct(field) => {
            let set = Distinct::new(near, far, window.rare(&payload), &window.span);
            let hash = scratch.hashes[field.index()][lane];
            if takes && hash != 0 { set.add(time_ms, key::short(hash)) } else { set.count(time_ms) }
        }
        Aggregate::Last => {
            let before = if takes {
                near[0].fetch_max(time_ms as u64, Ordering::AcqRel)
            } else {
                near[0].load(Ordering::Acquire)
            } as i64;
            let value = if before == 0 || time_ms - before >= window.window_ms {
                -1
            } else {
                (time_ms - before).max(0) / 1000
            };
            Reading { value, late: before > time_ms }
        }
        Aggregate::First => {
            let first = First::new(near, far, &window.span);
            let late = first.is_late(time_ms);
            let age_ms = if takes { first.add(time_ms) } else { first.age_ms(time_ms) };
            Reading { value: age_ms / 1000, late }
        }
    }
}

/// A window over approved checks: reserved now, dated at the decision, within the tightest limit that applies. A check that is
/// `refused` takes nothing; its values and reasons are the same.
fn approve(
    snapshot: &Snapshot,
    window: &Laid,
    held: Held<'_>,
    pending: Pending,
    refused: bool,
    lane: usize,
    scratch: &mut Scratch,
) -> i64 {
    let (now_ms, delta) = (pending.time_ms, pending.delta);
    let lacks = lacks_amount(window, lane, scratch);
    let limit = if lacks { None } else { tightest(snapshot, window, lane, scratch) };
    let max = limit.map_or(i64::MAX, |limit| snapshot.policy.limits[limit].max);
    let reserved = if refused {
        let value = held.value(now_ms).saturating_add(delta);
        let kept = Reserved { value, time_ms: now_ms, displaced: Displaced::default() };
        if value > max { Err(Full { current: value - delta }) } else { Ok(kept) }
    } else {
        held.reserve(now_ms, delta, max)
    };
    let (pending, value) = match reserved {
        Ok(Reserved { value, time_ms, displaced }) => {
            if lacks {
                refuse(snapshot, window, None, lane, scratch, |_, limit| limit.absent == Absent::Deny);
            } else {
                // Those in shadow would have refused.
                let beyond = |_, limit: &Limit| limit.mode == Mode::Shadow && limit.max < value;
                refuse(snapshot, window, Some(value), lane, scratch, beyond);
            }
            (Pending { time_ms, held: !refused, displaced, ..pending }, value)
        }
        Err(Full { current }) => {
            let value = current.saturating_add(delta);
            // With the tightest every other that the value would pass: a challenge that one asks for must not hide that
            // another denies.
            refuse(snapshot, window, Some(value), lane, scratch, |at, other| {
                Some(at) == limit || other.max < value
            });
            (pending, value)
        }
    };
    // The snapshot refuses policies with more windows a kind than there is room for.
    let _ = scratch.lanes[lane].pending.try_push(pending);
    value
}

/// Whether a window sums amounts and the event has none.
fn lacks_amount(window: &Laid, lane: usize, scratch: &Scratch) -> bool {
    match window.aggregate {
        Aggregate::Sum(field) => window.ty == Type::Money && !scratch.is_present(field, lane),
        _ => false,
    }
}

/// What a check would take of an approved window.
fn pending(
    snapshot: &Snapshot,
    window: &Laid,
    key: u64,
    now_ms: i64,
    lane: usize,
    scratch: &Scratch,
) -> Pending {
    let delta = match window.aggregate {
        Aggregate::Sum(field) => amount(scratch, field, lane),
        _ => 1,
    };
    let acting = applying(snapshot, window, lane, scratch).filter(|(_, limit)| denies(limit));
    let max = acting.map(|(_, limit)| limit.max).min();
    Pending {
        key,
        tag: window.tag,
        time_ms: now_ms,
        delta,
        max: max.unwrap_or(i64::MAX),
        held: false,
        displaced: Displaced::default(),
    }
}

/// Whether a limit acts, and by more than asking for a challenge.
fn denies(limit: &Limit) -> bool {
    limit.mode == Mode::Live && limit.verdict != Verdict::Challenge
}

/// Remembers the limits of a window that refuse a value, or would if they acted.
fn refuse(
    snapshot: &Snapshot,
    window: &Laid,
    value: Option<i64>,
    lane: usize,
    scratch: &mut Scratch,
    refuses: impl Fn(usize, &Limit) -> bool,
) {
    if window.limits.is_empty() {
        return;
    }
    let mut refused: ArrayVec<Refused, LIMITS_MAX> = ArrayVec::new();
    let those = applying(snapshot, window, lane, scratch).filter(|(at, limit)| refuses(*at, limit));
    refused.extend(those.map(|(limit, of)| Refused { limit, value, shadow: of.mode == Mode::Shadow }));
    // There is room for every limit of a policy.
    scratch.lanes[lane].refused.extend(refused);
}

/// The limits of a window that apply to the check.
fn applying<'s>(
    snapshot: &'s Snapshot,
    window: &'s Laid,
    lane: usize,
    scratch: &'s Scratch,
) -> impl Iterator<Item = (usize, &'s Limit)> {
    let limits = &snapshot.policy.limits;
    let applies =
        move |limit: &Limit| limit.when.is_none_or(|when| scratch.gate.applies(when, limit.on_error, lane));
    let limits = window.limits.iter().map(move |&at| (at, &limits[at]));
    limits.filter(move |(_, limit)| limit.mode != Mode::Off && applies(limit))
}

/// The one with the smallest maximum of these that act.
fn tightest(snapshot: &Snapshot, window: &Laid, lane: usize, scratch: &Scratch) -> Option<usize> {
    let acting = applying(snapshot, window, lane, scratch).filter(|(_, limit)| limit.mode == Mode::Live);
    acting.min_by_key(|(_, limit)| limit.max).map(|(at, _)| at)
}

/// A key without room cannot be shown to be within its limits, so they refuse.
fn refuse_limits(
    snapshot: &Snapshot,
    group: &Group,
    key: u64,
    now_ms: i64,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let approved = |window: &&Laid| window.status == Status::Approved && window.takes(check);
    for window in group.windows.iter().filter(approved) {
        let pending = pending(snapshot, window, key, now_ms, lane, scratch);
        let _ = scratch.lanes[lane].pending.try_push(pending);
        if lacks_amount(window, lane, scratch) {
            refuse(snapshot, window, None, lane, scratch, |_, limit| limit.absent == Absent::Deny);
        } else if let Some(limit) = tightest(snapshot, window, lane, scratch) {
            let value = snapshot.policy.limits[limit].max;
            refuse(snapshot, window, Some(value), lane, scratch, |at, _| at == limit);
        }
    }
}

/// Gives back everything a check has reserved, and remembers what that was.
pub(crate) fn release_all(snapshot: &Snapshot, now_ms: i64, lane: usize, scratch: &mut Scratch) {
    for pending in scratch.lanes[lane].pending.iter_mut().filter(|pending| pending.held) {
        let Pending { time_ms, delta, displaced, .. } = *pending;
        with_held(snapshot, now_ms, pending, |_, held| held.undo(time_ms, delta, displaced));
        pending.held = false;
        pending.displaced = Displaced::default();
    }
}

/// Gives back everything a check has reserved.
pub(crate) fn give_back(snapshot: &Snapshot, now_ms: i64, lane: usize, scratch: &mut Scratch) {
    release_all(snapshot, now_ms, lane, scratch);
    scratch.lanes[lane].pending.clear();
}

/// Takes a reservation out of its window.
pub(crate) fn release(snapshot: &Snapshot, now_ms: i64, pending: &Pending) {
    with_held(snapshot, now_ms, pending, |_, held| held.release(pending.time_ms, pending.delta));
}

/// Has a reservation stand where it would have ended with a limit's time-out.
pub(crate) fn settle(snapshot: &Snapshot, now_ms: i64, pending: &Pending) {
    let Pending { time_ms, delta, .. } = *pending;
    if snapshot.plan.window(pending.tag).is_none_or(|(_, window)| window.open.is_none()) {
        return;
    }
    with_held(snapshot, now_ms, pending, |window, held| held.settle(&window.span, now_ms, time_ms, delta));
}

/// Acts on what holds a reservation, if its window is still there and the key was not forgotten since: what stands there now is
/// then others' alone.
fn with_held(snapshot: &Snapshot, now_ms: i64, pending: &Pending, act: impl FnOnce(&Laid, Held<'_>)) {
    let Some((group, window)) = snapshot.plan.window(pending.tag) else { return };
    // Words say times up to a turn: what is there of an event long past is another one's.
    if window.is_over(pending.time_ms, now_ms) {
        return;
    }
    let Some(slot) = group.table.find(pending.key, now_ms) else { return };
    if group.table.held_since(slot, pending.time_ms) {
        act(window, window.held(&group.table.payload(slot)));
    }
}

/// Why what a challenged check would have reserved is not taken.
pub(crate) enum NotRestored {
    /// The feature that is at its maximum, and the maximum.
    Full(FeatureId, i64),
    /// The window of a limit is no longer there.
    Gone,
}

/// Whether a limit without a condition refuses checks like that one by a window that came after it was decided: nobody knows what the
/// check takes of that.
pub(crate) fn is_new(snapshot: &Snapshot, made: Made) -> bool {
    let windows = snapshot.plan.groups.iter().flat_map(|group| &group.windows);
    windows.filter(|window| window.kinds.has(made.kind) && !made.knew(window.tag)).any(|window| {
        let mut limits = window.limits.iter().map(|&limit| &snapshot.policy.limits[limit]);
        limits.any(|limit| limit.when.is_none() && denies(limit))
    })
}

/// Takes what a challenged check would have reserved, dated now and within the limits that applied to it, and within those that
/// apply to every check by now; gives it as it stands then. Limits that ask for a challenge have got one.
///
/// # Errors
/// [`NotRestored`]. Nothing is taken then.
pub(crate) fn restore(snapshot: &Snapshot, now_ms: i64, pending: &Pending) -> Result<Pending, NotRestored> {
    let Some((group, window)) = snapshot.plan.window(pending.tag) else {
        // What a dropped window would hold nobody asks, but where a limit did.
        return if pending.max == i64::MAX { Ok(*pending) } else { Err(NotRestored::Gone) };
    };
    let limits = window.limits.iter().map(|&limit| &snapshot.policy.limits[limit]);
    let of_all = limits.filter(|limit| limit.when.is_none() && denies(limit));
    let unconditional = of_all.map(|limit| limit.max).min();
    let max = unconditional.map_or(pending.max, |max| max.min(pending.max));
    let full = NotRestored::Full(window.feature, max);
    let Some(found) = group.table.find_or_claim(pending.key, now_ms) else {
        // Without limits it goes uncounted, like a check whose key has no room.
        return if max == i64::MAX { Ok(*pending) } else { Err(full) };
    };
    let taken = window.held(&group.table.payload(found.slot)).reserve(now_ms, pending.delta, max);
    taken.map(|reserved| Pending { time_ms: reserved.time_ms, ..*pending }).map_err(|_| full)
}

/// A whole-number or money feature of the event itself; negative ones count as nothing. What is more than a window can hold is above
/// every maximum of a limit as well.
fn amount(scratch: &Scratch, field: FeatureId, lane: usize) -> i64 {
    (scratch.columns[field.index()][lane] as i64).clamp(0, AMOUNT_MAX)
}
