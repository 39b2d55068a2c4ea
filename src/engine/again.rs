//! Deciding checks of a batch again, so that its answers are those of one check after the other.
//!
//! All lanes of a group reserve before the first is answered. Where one is not allowed after all, what it had reserved falls
//! away, and those behind it that looked at the same windows have seen too much. They give back what they took and are decided
//! anew, each when its turn comes and all before it are committed: by one pass, at the price of single checks, and by none where
//! every lane is allowed or shares no key.

use wire::{Check, Degraded, Kind};

use crate::decide::{Now, lanes};
use crate::feature::Builtin;
use crate::limits::LANES;
use crate::scratch::{Lane, Scratch};
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::{models, profile, rules, velocity, verdict};

/// What the stages from velocity on say of a check's quality; said anew.
const SAID_ANEW: u16 = Degraded::Velocity.bit() | Degraded::Model.bit() | Degraded::Shadow.bit();

/// The lanes of `later` that have to be decided again because that lane is not allowed. They give back what they reserved, the
/// last first, so that every window is as if they had never been there.
pub(crate) fn followers(
    snapshot: &Snapshot,
    now_ms: i64,
    checks: &[Check<'_>],
    lane: usize,
    later: u64,
    scratch: &mut Scratch,
) -> u64 {
    let mut found = 0;
    if scratch.lanes[lane].pending.iter().any(|pending| pending.held) {
        found |= sharing(snapshot, checks, lane, later, true, scratch);
    }
    found |= profile::followers(checks, lane, later, scratch);
    // What these reserve may change, and so may what those behind them see of it.
    let mut reached = found;
    while reached != 0 {
        let next = reached.trailing_zeros() as usize;
        reached &= reached - 1;
        let more = sharing(snapshot, checks, next, later & behind(next) & !found, false, scratch);
        found |= more;
        reached |= more;
    }
    let mut back = found;
    while back != 0 {
        let last = LANES - 1 - back.leading_zeros() as usize;
        back &= !(1 << last);
        velocity::release_all(snapshot, now_ms, last, scratch);
    }
    found
}

/// The lanes behind one.
pub(crate) fn behind(lane: usize) -> u64 {
    (u64::MAX << lane) << 1
}

/// The lanes that have this key.
pub(crate) fn same(keys: &[u64; LANES], key: u64) -> u64 {
    (0..LANES).fold(0, |mask, lane| mask | u64::from(keys[lane] == key) << lane)
}

/// The lanes of `later` that see the approved windows of a lane's keys if it takes part in them, or else (`falls` is false) that
/// it would see.
fn sharing(
    snapshot: &Snapshot,
    checks: &[Check<'_>],
    lane: usize,
    later: u64,
    falls: bool,
    scratch: &Scratch,
) -> u64 {
    let mut found = 0;
    for (group, sought) in snapshot.plan.groups.iter().zip(&scratch.windows) {
        let (kinds, key) = (group.approved_kinds(), sought.keys[lane]);
        if kinds.0 == 0 || key == 0 {
            continue;
        }
        let those = same(&sought.keys, key) & later & !found;
        found |= if kinds.has(checks[lane].kind) {
            those
        } else if falls {
            0
        } else {
            lanes(those).filter(|&other| kinds.has(checks[other].kind)).fold(0, |mask, at| mask | 1 << at)
        };
    }
    found
}

/// Decides a lane from velocity on, as if it were alone, in a memory that holds one lane; attempts were counted before and stay.
pub(crate) fn decide(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    check: &Check<'_>,
    lane: usize,
    scratch: &mut Scratch,
) {
    let Some(mut alone) = scratch.alone.take() else { return };
    verdict::uncount(snapshot, now.ms, check.kind, lane, scratch);
    models::uncount(snapshot, lane, scratch);
    profile::visit_again(snapshot, tables, check, lane, scratch);
    swap(snapshot, lane, scratch, &mut alone);
    let state = &mut alone.lanes[0];
    state.pending.clear();
    state.refused.clear();
    state.matches.clear();
    (state.unkept, state.unkept_score) = (0, 0);
    state.degraded &= !SAID_ANEW;
    for score in [Builtin::ModelScore, Builtin::AnomalyScore] {
        alone.forget(snapshot, score.id(), 0);
    }

    let one = std::slice::from_ref(check);
    rules::run(snapshot, &snapshot.policy.gate, &snapshot.gate_schedule, one, &mut alone);
    verdict::limit_errors(snapshot, one, 1, &mut alone);
    velocity::reserve_approved(snapshot, now.ms, check, 0, &mut alone);
    models::score(snapshot, now, one, 1, &mut alone);
    rules::run(snapshot, &snapshot.policy.program, &snapshot.schedule, one, &mut alone);
    let mut kinds = [0_u64; Kind::ALL.len()];
    kinds[usize::from(check.kind.code())] = 1;
    verdict::matches(snapshot, now.ms, 1, &kinds, &mut alone);

    scratch.registers.adopt(&snapshot.policy.program, &alone.registers, lane);
    for (ours, theirs) in scratch.challenged.iter_mut().zip(&alone.challenged) {
        ours.lanes = ours.lanes & !(1 << lane) | (theirs.lanes & 1) << lane;
        ours.scores[lane] = theirs.scores[0];
    }
    swap(snapshot, lane, scratch, &mut alone);
    scratch.alone = Some(alone);
}

/// Exchanges a lane with the one of a memory for one, and what is counted of all lanes.
fn swap(snapshot: &Snapshot, lane: usize, scratch: &mut Scratch, alone: &mut Scratch) {
    for feature in 0..snapshot.missing.len() {
        std::mem::swap(&mut scratch.columns[feature][lane], &mut alone.columns[feature][0]);
        std::mem::swap(&mut scratch.hashes[feature][lane], &mut alone.hashes[feature][0]);
        swap_bit(&mut scratch.present[feature], lane, &mut alone.present[feature]);
    }
    for list in 0..snapshot.policy.lists.len() {
        swap_bit(&mut scratch.on_lists[list], lane, &mut alone.on_lists[list]);
    }
    swap_bit(&mut scratch.denied, lane, &mut alone.denied);
    let windows = scratch.windows.iter_mut().zip(&mut alone.windows);
    windows.take(snapshot.plan.groups.len()).for_each(|(ours, theirs)| ours.swap_lane(lane, theirs));
    std::mem::swap::<Lane>(&mut scratch.lanes[lane], &mut alone.lanes[0]);
    std::mem::swap(&mut scratch.tally, &mut alone.tally);
    std::mem::swap(&mut scratch.scores, &mut alone.scores);
}

/// Exchanges a lane's bit with that of lane 0.
fn swap_bit(ours: &mut u64, lane: usize, theirs: &mut u64) {
    let differ = (*ours >> lane ^ *theirs) & 1;
    *ours ^= differ << lane;
    *theirs ^= differ;
}
