//! The stages in their order: read this first.
//!
//! A batch is cut into groups of 64 lanes, and each stage runs over all lanes of a group before the next one starts, so that
//! memory latency overlaps and rules run over masks. Its answers are those of one check after the other all the same: lanes are
//! committed in their order, and those that saw reservations which fell away are decided again ([`crate::again`]).

use wire::{Check, Degraded, Kind, Verdict};

use crate::again::Again;
use crate::decision::Decision;
use crate::feature::{FeatureId, Scalar};
use crate::key;
use crate::limits::LANES;
use crate::program::Kinds;
use crate::replay::{self, Made, Seen};
use crate::rules::Part;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::{
    again, breaker, fields, known, lists, models, profile, record, rules, velocity, verdict, verify,
};

/// The time of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Unix milliseconds; the caller sees to it that it never goes backwards.
    pub ms: i64,
    /// How long the batch has waited for this call, in microseconds: what is gone of its checks' budgets.
    pub waited_us: u32,
}

/// Decides checks, one decision each in their order, and leaves their records in the scratch.
pub fn decide(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    checks: &[Check<'_>],
    decisions: &mut Vec<Decision>,
    scratch: &mut Scratch,
) {
    scratch.fit(snapshot);
    scratch.records.bytes.clear();
    scratch.records.ends.clear();
    decisions.clear();
    for group in checks.chunks(LANES) {
        decide_lanes(snapshot, tables, now, group, decisions, scratch);
    }
}

/// The first answer to a check whose id is known, for a caller that decides nothing now; `None` for an id that is not. Nothing is
/// counted.
pub fn recall(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    check: &Check<'_>,
    scratch: &mut Scratch,
) -> Option<Decision> {
    let _pin = tables.pins.enter(scratch.worker, now.ms);
    let slot = replay::seen(tables, tables.seed.text(&check.id), now.ms)?;
    scratch.fit(snapshot);
    scratch.lanes[0].clear();
    for (column, &missing) in scratch.columns.iter_mut().zip(&snapshot.missing) {
        column[0] = missing;
    }
    scratch.present[..snapshot.missing.len()].fill(0);
    scratch.lanes[0].time_ms = fields::event_time(check, now.ms, &mut 0);
    fields::fill(snapshot, &tables.seed, check, 0, scratch);
    let first = replay::repeat(tables, slot, 0, scratch);
    Some(first.unwrap_or(Decision { in_flight: true, ..Decision::EMPTY }))
}

/// A decision under stated feature values and list memberships, as rule files' tests state them. Nothing is remembered of it
/// but what the windows and profiles take in; use tables of its own.
pub fn decide_given(
    snapshot: &Snapshot,
    tables: &Tables,
    now_ms: i64,
    check: &Check<'_>,
    given: &[(FeatureId, Scalar)],
    lists: &[u16],
    scratch: &mut Scratch,
) -> Decision {
    scratch.fit(snapshot);
    let checks = std::slice::from_ref(check);
    let now = Now { ms: now_ms, waited_us: 0 };
    let state = |scratch: &mut Scratch| {
        for &(feature, value) in given {
            scratch.set(feature, 0, value);
        }
        for &list in lists {
            scratch.on_lists[usize::from(list)] |= 1;
        }
    };
    let _pin = tables.pins.enter(scratch.worker, now.ms);
    scratch.lanes[0].clear();
    arrive(snapshot, tables, now, checks, 1, scratch);
    velocity::attempt_all(snapshot, now.ms, checks, 1, scratch);
    state(scratch);
    rules::run(snapshot, Part::Early, checks, 1, scratch);
    known::refuse(snapshot, now.ms, checks, 1, scratch);
    profile::compare(tables, checks, 1, 1, scratch);
    state(scratch);
    reserve_approved(snapshot, now, checks, 1, scratch);
    models::score(snapshot, now, checks, 1, scratch);
    state(scratch);
    conclude(snapshot, now, checks, 1, scratch);
    breaker::pass(snapshot, now.ms, check.kind, 0, scratch);
    verdict::decide(snapshot, 0, scratch)
}

/// Runs a snapshot's rules over what the latest batch left in the scratch, and says how many lanes any of them matched in;
/// [`Scratch::matched`] says which.
///
/// For whoever measures what rules cost: the snapshot may be another one, so long as its features are the same and its
/// program is no longer than that of the batch's.
pub fn run_rules(snapshot: &Snapshot, now: Now, checks: &[Check<'_>], scratch: &mut Scratch) -> u32 {
    scratch.lanes[..checks.len()].iter_mut().for_each(|lane| lane.matches.clear());
    rules::run(snapshot, Part::Early, checks, all(checks), scratch);
    conclude(snapshot, now, checks, all(checks), scratch);
    for (lane, check) in checks.iter().enumerate() {
        breaker::pass(snapshot, now.ms, check.kind, lane, scratch);
    }
    scratch.lanes[..checks.len()].iter().map(|lane| u32::from(!lane.matches.is_empty())).sum()
}

fn decide_lanes(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    checks: &[Check<'_>],
    decisions: &mut Vec<Decision>,
    scratch: &mut Scratch,
) {
    let _pin = tables.pins.enter(scratch.worker, now.ms);
    let first = decisions.len();
    decisions.resize(first + checks.len(), Decision::EMPTY);
    let decisions = &mut decisions[first..];

    // idempotency
    for (at, check) in checks.iter().enumerate() {
        let lane = &mut scratch.lanes[at];
        lane.clear();
        lane.id = tables.seed.text(&check.id);
        scratch.ids.keys[at] = key::short(lane.id);
    }
    scratch.ids.prefetch_heads(&tables.decisions, checks.len());
    scratch.ids.prefetch_near(&tables.decisions, now.ms, checks.len());
    let (mut fresh, mut seen) = (0_u64, [Seen::New(None); LANES]);
    for lane in lanes(all(checks)) {
        seen[lane] = replay::claim(tables, lane, fresh, now.ms, scratch);
        if let Seen::New(slot) = seen[lane] {
            scratch.lanes[lane].slot = slot;
            fresh |= 1 << lane;
            if slot.is_none() {
                scratch.lanes[lane].degraded |= Degraded::Idempotency.bit();
            }
        }
    }

    arrive(snapshot, tables, now, checks, fresh, scratch);
    velocity::prefetch_far(snapshot, checks.len(), scratch);
    velocity::attempt_all(snapshot, now.ms, checks, fresh, scratch);
    rules::run(snapshot, Part::Early, checks, fresh, scratch);
    known::refuse(snapshot, now.ms, checks, fresh, scratch);
    reserve(snapshot, tables, now, checks, fresh, fresh, scratch);
    conclude(snapshot, now, checks, fresh, scratch);

    // verdict, commit or roll back, record
    let number = tables.take_numbers(fresh.count_ones() as usize);
    let mut again = Again::default();
    for (at, lane) in lanes(fresh).enumerate() {
        let (check, decision) = (&checks[lane], &mut decisions[lane]);
        let due = again.due(lane);
        if due != 0 {
            again::decide(snapshot, tables, now, checks, due, fresh & u64::MAX << lane, scratch);
        }
        breaker::pass(snapshot, now.ms, check.kind, lane, scratch);
        scratch.tally.decided(check.kind);
        *decision = verdict::decide(snapshot, lane, scratch);
        decision.number = number + at as u64;
        let later = again.settled(fresh & again::behind(lane));
        if decision.verdict != Verdict::Allow && later != 0 && !verdict::is_refused(lane, scratch) {
            again.add(again::followers(snapshot, now.ms, checks, lane, later, scratch));
        }
        match decision.verdict {
            Verdict::Allow => {
                profile::approve(tables, check, lane, scratch);
                scratch.lanes[lane].pending.retain(|pending| pending.held);
            }
            // What it would have reserved is remembered, in case the challenge is passed.
            Verdict::Challenge => velocity::release_all(snapshot, now.ms, lane, scratch),
            _ => velocity::give_back(snapshot, now.ms, lane, scratch),
        }
        record::write(snapshot, now, check, lane, decision, scratch);
        if let Some(slot) = scratch.lanes[lane].slot {
            let made = Made { kind: check.kind, next_tag: snapshot.plan.next_tag };
            replay::publish(tables, slot, made, lane, scratch, decision);
        }
    }
    // Repetitions come last, so that those of this very batch find their decision.
    for lane in lanes(!fresh & all(checks)) {
        let repeated = match seen[lane] {
            Seen::Known(slot) => replay::repeat(tables, slot, lane, scratch),
            Seen::Beside(first) => Some(replay::repeat_beside(decisions[first], lane, first, scratch)),
            Seen::New(_) => None,
        };
        decisions[lane] = repeated.unwrap_or(Decision { in_flight: true, ..Decision::EMPTY });
    }
}

/// Fields, token, lists, profiles: all that is known before windows. Repetitions get their fields only.
fn arrive(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) {
    for (column, &missing) in scratch.columns.iter_mut().zip(&snapshot.missing) {
        column[..checks.len()].fill(missing);
    }
    scratch.present[..snapshot.missing.len()].fill(0);
    for (lane, check) in checks.iter().enumerate() {
        let mut degraded = scratch.lanes[lane].degraded;
        scratch.lanes[lane].time_ms = fields::event_time(check, now.ms, &mut degraded);
        scratch.lanes[lane].degraded = degraded;
        fields::fill(snapshot, &tables.seed, check, lane, scratch);
        velocity::key_up(snapshot, lane, scratch);
        profile::key_up(lane, scratch);
    }
    profile::prefetch_heads(tables, checks.len(), scratch);
    velocity::prefetch_heads(snapshot, checks.len(), scratch);
    let listed = tables.lists.read();
    lists::prefetch(snapshot, &listed, checks.len(), scratch);
    profile::prefetch_near(tables, now.ms, checks.len(), scratch);
    velocity::prefetch_near(snapshot, now.ms, checks.len(), scratch);
    lists::look_up(snapshot, tables, &listed, checks, fresh, scratch);
    for lane in lanes(fresh) {
        verify::verify(snapshot, &checks[lane], lane, scratch);
    }
    for lane in lanes(fresh) {
        profile::visit(tables, now.ms, &checks[lane], lane, scratch);
    }
}

/// What depends on the checks before: approved amounts and windows, and the models, which read them. `open` are the lanes that are
/// not committed yet.
pub(crate) fn reserve(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    checks: &[Check<'_>],
    those: u64,
    open: u64,
    scratch: &mut Scratch,
) {
    profile::compare(tables, checks, those, open & !scratch.refused, scratch);
    reserve_approved(snapshot, now, checks, those, scratch);
    models::score(snapshot, now, checks, those, scratch);
}

/// Windows of approved checks, within their limits.
fn reserve_approved(snapshot: &Snapshot, now: Now, checks: &[Check<'_>], those: u64, scratch: &mut Scratch) {
    rules::run(snapshot, Part::Gate, checks, those, scratch);
    verdict::limit_errors(snapshot, checks, those, scratch);
    for lane in lanes(those) {
        velocity::reserve_approved(snapshot, now.ms, &checks[lane], lane, scratch);
    }
}

/// The rules that match, once those that are known early have run.
pub(crate) fn conclude(
    snapshot: &Snapshot,
    now: Now,
    checks: &[Check<'_>],
    those: u64,
    scratch: &mut Scratch,
) {
    rules::run(snapshot, Part::Late, checks, those, scratch);
    verdict::matches(snapshot, now.ms, checks, those, scratch);
}

pub(crate) fn all(checks: &[Check<'_>]) -> u64 {
    u64::MAX >> (LANES - checks.len())
}

/// Lanes by the kind of their checks.
#[inline(always)]
pub(crate) fn by_kind(checks: &[Check<'_>], those: u64) -> [u64; Kind::ALL.len()] {
    let mut of_kind = [0; Kind::ALL.len()];
    lanes(those).for_each(|lane| of_kind[usize::from(checks[lane].kind.code())] |= 1 << lane);
    of_kind
}

/// The lanes of some kinds.
#[inline(always)]
pub(crate) fn of_kinds(kinds: Kinds, of_kind: &[u64; Kind::ALL.len()]) -> u64 {
    let mut those = 0;
    for (kind, &lanes) in of_kind.iter().enumerate() {
        those |= lanes & (u64::from(kinds.0 >> kind & 1)).wrapping_neg();
    }
    those
}

/// Those things for each kind, and at the end all of them; [`list_of`] says which serve a batch.
pub(crate) fn lists_by_kind<T: Copy>(all: &[T], kinds: impl Fn(&T) -> Kinds) -> Vec<Vec<T>> {
    let of = |kind: &Kind| all.iter().filter(|thing| kinds(thing).has(*kind)).copied().collect();
    Kind::ALL.iter().map(of).chain([all.to_vec()]).collect()
}

/// Which of the lists for each kind, and at the end for all, serves lanes of those kinds.
pub(crate) fn list_of(of_kind: &[u64; Kind::ALL.len()]) -> usize {
    let mut there = (0..of_kind.len()).filter(|&kind| of_kind[kind] != 0);
    match (there.next(), there.next()) {
        (Some(only), None) => only,
        _ => of_kind.len(),
    }
}

/// The lanes of a mask, lowest first.
pub(crate) fn lanes(mut mask: u64) -> impl Iterator<Item = usize> + Clone {
    std::iter::from_fn(move || {
        let lane = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        lane
    })
}
