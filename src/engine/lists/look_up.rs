//! Stage `lists`: on which lists the values of a batch stand.

use wire::Check;

use super::{Reading, key};
use crate::decide::lanes;
use crate::fields;
use crate::policy::Matching;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::tables::Tables;

/// Has the tags of exact lists' entries on the way into the cache.
pub(crate) fn prefetch(snapshot: &Snapshot, lists: &Reading, lanes: usize, scratch: &Scratch) {
    for (list, handle) in snapshot.policy.lists.iter().zip(&snapshot.lists) {
        let entries = lists.of(handle);
        if handle.matching == Matching::Exact && entries.len() > 0 {
            for &hash in scratch.hashes[list.on.index()][..lanes].iter().filter(|&&hash| hash != 0) {
                entries.prefetch(hash);
            }
        }
    }
}

/// Looks every value up at the time of its event.
pub(crate) fn look_up(
    snapshot: &Snapshot,
    tables: &Tables,
    lists: &Reading,
    checks: &[Check<'_>],
    fresh: u64,
    scratch: &mut Scratch,
) {
    for (at, (list, handle)) in snapshot.policy.lists.iter().zip(&snapshot.lists).enumerate() {
        let entries = lists.of(handle);
        if entries.len() == 0 {
            scratch.on_lists[at] = 0;
            continue;
        }
        let wanted = &mut scratch.wanted;
        wanted.clear();
        for lane in lanes(fresh) {
            let known = &scratch.lanes[lane];
            let hash = scratch.hashes[list.on.index()][lane];
            let text = fields::text(snapshot, &checks[lane], known, list.on);
            let value = (hash, text, known.ip);
            key::asked(&tables.seed, handle.matching, &entries.lengths, value, |hash| {
                if handle.matching != Matching::Exact {
                    entries.prefetch(hash);
                }
                wanted.push((lane, hash));
            });
        }
        scratch.on_lists[at] = wanted.iter().fold(0, |on, &(lane, hash)| {
            on | u64::from(entries.live(hash, scratch.lanes[lane].time_ms)) << lane
        });
    }
}
