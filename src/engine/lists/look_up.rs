//! Stage `lists`: on which lists the values of a batch stand.

use wire::Check;

use crate::decide::lanes;
use crate::fields;
use crate::policy::Matching;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::tables::Tables;

/// Has the entries of exact lists on the way into the cache.
pub(crate) fn prefetch(snapshot: &Snapshot, tables: &Tables, lanes: usize, scratch: &Scratch) {
    for (list, handle) in snapshot.policy.lists.iter().zip(&snapshot.lists) {
        if handle.matching == Matching::Exact {
            for &hash in scratch.hashes[list.on.index()][..lanes].iter().filter(|&&hash| hash != 0) {
                tables.lists.prefetch(hash ^ handle.salt);
            }
        }
    }
}

/// Looks every value up at the time of its event.
pub(crate) fn look_up(
    snapshot: &Snapshot,
    tables: &Tables,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) {
    let table = &tables.lists;
    for (at, (list, handle)) in snapshot.policy.lists.iter().zip(&snapshot.lists).enumerate() {
        let wanted = &mut scratch.wanted;
        wanted.clear();
        for lane in lanes(fresh) {
            let known = &scratch.lanes[lane];
            let hash = scratch.hashes[list.on.index()][lane];
            let text = fields::text(snapshot, &checks[lane], known, list.on);
            table.entries(handle, hash, text, known.ip, |hash| {
                if handle.matching != Matching::Exact {
                    table.prefetch(hash);
                }
                wanted.push((lane, hash));
            });
        }
        scratch.on_lists[at] = wanted.iter().fold(0, |on, &(lane, hash)| {
            on | u64::from(table.live(hash, scratch.lanes[lane].time_ms)) << lane
        });
    }
}
