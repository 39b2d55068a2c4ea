//! Stage `breaker`: circuits of keys that opened refuse, and events that meet a breaker's condition open them.
//!
//! It runs after the model, since a condition may read what a rule may. A key's slot is the one that velocity claimed for the
//! lane, so that a closed breaker costs the look at one word that is in the cache already.

use wire::Kind;

use crate::policy::{BreakerState, Mode, Origin};
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

/// Takes a check through the breakers of its keys.
pub(crate) fn pass(snapshot: &Snapshot, now_ms: i64, kind: Kind, lane: usize, scratch: &mut Scratch) {
    if snapshot.policy.breakers.is_empty() {
        return;
    }
    for (at, group) in snapshot.plan.groups.iter().enumerate() {
        for wired in &group.breakers {
            let breaker = &snapshot.policy.breakers[wired.breaker];
            if !breaker.kinds.has(kind) || scratch.windows[at].keys[lane] == 0 {
                continue;
            }
            if scratch.registers.failed(breaker.when) >> lane & 1 != 0 {
                let origin = Origin::Breaker(wired.breaker, BreakerState::Opened);
                verdict::note_error(snapshot, origin, lane, scratch);
            }
            let trips = scratch.registers.applies(breaker.when, breaker.on_error, lane);
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

/// Whole seconds, a begun one counted as one.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000) + i64::from(ms.rem_euclid(1_000) > 0)
}
