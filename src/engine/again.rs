//! Deciding checks of a batch again, so that its answers are those of one check after the other.
//!
//! All lanes of a group reserve before the first is answered. Where one is not allowed after all, what it had reserved falls
//! away, and those behind it that looked at the same windows have seen too much. They give back what they took and are decided
//! anew together, once all before the first of them are committed; none are where every lane is allowed or shares no key. Each
//! time that one falls away among those decided anew, half as many are taken at once, so that no frame costs much more than its
//! checks alone.

use wire::{Check, Degraded};

use crate::decide::{Now, conclude, lanes, reserve};
use crate::feature::Builtin;
use crate::limits::LANES;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::tables::Tables;
use crate::{models, profile, velocity, verdict};

/// What the stages from velocity on say of a check's quality; said anew.
const SAID_ANEW: u16 = Degraded::Velocity.bit() | Degraded::Model.bit() | Degraded::Shadow.bit();

/// The lanes that have to be decided again.
pub(crate) struct Again {
    waiting: u64,
    /// Lanes that were decided again.
    decided: u64,
    /// How many are decided at once.
    width: u32,
}

impl Default for Again {
    fn default() -> Again {
        Again { waiting: 0, decided: 0, width: LANES as u32 }
    }
}

impl Again {
    /// The lanes to decide again now that it is a lane's turn: none, or that lane and others.
    pub fn due(&mut self, lane: usize) -> u64 {
        if self.waiting >> lane & 1 == 0 {
            return 0;
        }
        let mut rest = self.waiting;
        for _ in 0..self.width {
            rest &= rest.wrapping_sub(1);
        }
        let due = self.waiting & !rest;
        self.waiting = rest;
        self.decided |= due;
        due
    }

    /// Of these lanes, those that wait for nothing.
    pub fn settled(&self, lanes: u64) -> u64 {
        lanes & !self.waiting
    }

    /// Takes in lanes that have to be decided again.
    pub fn add(&mut self, found: u64) {
        if found & self.decided != 0 {
            self.width = (self.width / 2).max(1);
        }
        self.decided &= !found;
        self.waiting |= found;
    }
}

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
        let (kinds, key) = (group.approved_kinds, sought.keys[lane]);
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

/// Decides lanes anew, as far as it depends on those before them; `open` are all that are not committed yet.
pub(crate) fn decide(
    snapshot: &Snapshot,
    tables: &Tables,
    now: Now,
    checks: &[Check<'_>],
    those: u64,
    open: u64,
    scratch: &mut Scratch,
) {
    verdict::uncount(snapshot, now.ms, checks, those, scratch);
    models::uncount(snapshot, those, scratch);
    for lane in lanes(those) {
        let state = &mut scratch.lanes[lane];
        state.pending.clear();
        state.refused.clear();
        state.matches.clear();
        (state.unkept, state.unkept_score) = (0, 0);
        state.degraded &= !SAID_ANEW;
        for score in [Builtin::ModelScore, Builtin::AnomalyScore] {
            scratch.forget(snapshot, score.id(), lane);
        }
        profile::forget(snapshot, lane, scratch);
    }
    reserve(snapshot, tables, now, checks, those, open, scratch);
    conclude(snapshot, now, checks, those, scratch);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_that_fall_away_one_after_the_other_are_decided_a_few_times_each_at_most() {
        let (mut again, mut decided) = (Again::default(), 0);
        for lane in 0..LANES {
            let due = again.due(lane);
            assert!(lane == 0 || due >> lane & 1 == 1, "a lane is decided again before its turn is over");
            decided += due.count_ones();
            // Each commit makes whatever is behind it wrong.
            again.add(again.settled(behind(lane)));
        }
        assert!(decided <= 3 * LANES as u32, "{decided}");
    }
}
