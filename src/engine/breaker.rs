//! Stage `breaker`: circuits of keys that opened refuse, and events that meet a breaker's condition open them.
//!
//! It runs after the model, since a condition may read what a rule may. A key's slot is the one that velocity claimed for the
//! lane, so that a closed breaker costs the look at one word that is in the cache already.

use arrayvec::ArrayVec;

use crate::decide::lanes;
use crate::limits::LANES;
use crate::policy::{BreakerState, Mode, OnError, Origin};
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::table::Passage;
use crate::verdict;

/// A breaker that refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tripped {
    /// Place among the policy's breakers.
    pub breaker: usize,
    pub state: BreakerState,
    /// Seconds until it half-opens, or trials used.
    pub value: i64,
    /// Whether it only watches.
    pub shadow: bool,
}

/// Takes checks through the breakers of their keys; `kinds` are the lanes of each kind.
pub(crate) fn pass(snapshot: &Snapshot, now_ms: i64, fresh: u64, kinds: &[u64], scratch: &mut Scratch) {
    for (at, group) in snapshot.plan.groups.iter().enumerate() {
        for wired in &group.breakers {
            let breaker = &snapshot.policy.breakers[wired.breaker];
            let of_kinds = wire::Kind::ALL.iter().filter(|kind| breaker.kinds.has(**kind));
            let seen = fresh & of_kinds.fold(0, |mask, kind| mask | kinds[usize::from(kind.code())]);
            let mut met = scratch.registers.met(breaker.when);
            let failed = scratch.registers.failed(breaker.when) & seen;
            if failed != 0 {
                for lane in lanes(failed)
                    .filter(|&lane| scratch.windows[at].keys[lane] != 0)
                    .collect::<ArrayVec<_, LANES>>()
                {
                    let origin = Origin::Breaker(wired.breaker, BreakerState::Opened);
                    verdict::note_error(snapshot, origin, lane, scratch);
                }
                if breaker.on_error == OnError::Match {
                    met |= failed;
                }
            }
            for lane in lanes(seen) {
                if scratch.windows[at].keys[lane] == 0 {
                    continue;
                }
                let trips = met >> lane & 1 != 0;
                let passage = match scratch.windows[at].kept(lane) {
                    Some(slot) => wired.circuit(&group.table.payload(slot)).pass(now_ms, trips),
                    // A key without room has no state: what would open it is refused, and cannot be remembered.
                    None if trips => Passage::Opened,
                    None => Passage::Closed,
                };
                let (state, value) = match passage {
                    Passage::Closed => continue,
                    Passage::Trial | Passage::Recovered => {
                        scratch.tally.went_on(wired.breaker, passage);
                        continue;
                    }
                    Passage::Opened => (BreakerState::Opened, 0),
                    Passage::Open { left_ms } => (BreakerState::Open, seconds(left_ms)),
                    Passage::Spent { used } => (BreakerState::HalfOpen, i64::from(used)),
                };
                // There is room for every breaker of a policy.
                let shadow = breaker.mode == Mode::Shadow;
                let tripped = Tripped { breaker: wired.breaker, state, value, shadow };
                let _ = scratch.lanes[lane].tripped.try_push(tripped);
            }
        }
    }
}

/// Whole seconds, a begun one counted as one.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000) + i64::from(ms.rem_euclid(1_000) > 0)
}
