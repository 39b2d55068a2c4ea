//! Keys of a batch on their way to their slots.
//!
//! A batch visits its keys table by table and lane by lane. What stands at a key is asked for some visits ahead, and only a
//! little at each visit: the processor has few requests to memory under way at a time, and whoever asks for more waits. So the
//! work on one key hides the way to others.

use super::slots::{Found, Slots};
use crate::limits::LANES;

/// Visits that the heads of a key's set are asked for ahead: two tables of a full batch, or all of a small one.
const HEADS_AHEAD: usize = 2 * LANES;
/// Visits that near words are asked for ahead.
const NEAR_AHEAD: usize = LANES;
/// Visits that far words are asked for ahead: the near words, which say where they are, should be there.
const FAR_AHEAD: usize = 8;

/// No slot: a table has fewer than 32 bits tell apart.
const NOWHERE: u32 = u32::MAX;

/// Keys of one table by lane, 0 where there is none, and where they stand.
#[derive(Clone)]
pub struct Sought {
    /// The keys.
    pub keys: [u64; LANES],
    /// First where their sets begin, then the slots they most likely have, then those they were found in.
    slots: [u32; LANES],
}

impl Default for Sought {
    fn default() -> Sought {
        Sought { keys: [0; LANES], slots: [NOWHERE; LANES] }
    }
}

impl Sought {
    /// Has the heads of a lane's key on the way into the cache.
    #[inline]
    pub fn prefetch_heads(&mut self, table: &Slots, lane: usize) {
        let key = self.keys[lane];
        self.slots[lane] = if key == 0 { NOWHERE } else { table.prefetch_heads(key) };
    }

    /// Has the near words of a lane's key on the way into the cache; its heads should be there.
    #[inline]
    pub fn prefetch_near(&mut self, table: &Slots, lane: usize, now_ms: i64) {
        let slot = &mut self.slots[lane];
        if *slot != NOWHERE {
            *slot = table.likely(*slot, self.keys[lane], now_ms);
            table.prefetch_near(*slot);
        }
    }

    #[inline]
    fn prefetch_far(&self, table: &Slots, lane: usize) {
        if self.slots[lane] != NOWHERE {
            table.prefetch_far(self.slots[lane]);
        }
    }

    /// The slot of a lane's key, kept for the stages after: under the batch's pin it stays the key's. `None` if the lane has no
    /// key, or the table no room.
    #[inline]
    pub fn claim(&mut self, table: &Slots, lane: usize, now_ms: i64) -> Option<Found> {
        let key = self.keys[lane];
        let found = if key == 0 { None } else { table.claim(self.slots[lane], key, now_ms) };
        self.slots[lane] = found.map_or(NOWHERE, |found| found.slot as u32);
        found
    }

    /// The slot that was kept for a lane.
    #[inline]
    pub fn kept(&self, lane: usize) -> Option<usize> {
        Some(self.slots[lane]).filter(|&slot| slot != NOWHERE).map(|slot| slot as usize)
    }
}

/// Has the heads of the first visits on the way into the cache. `sought` has the keys of each table.
pub fn prefetch_heads<T: AsRef<Slots>>(tables: &[T], sought: &mut [Sought], lanes: usize) {
    for visit in Visits::first(HEADS_AHEAD, tables.len(), lanes) {
        sought[visit.table].prefetch_heads(tables[visit.table].as_ref(), visit.lane);
    }
}

/// Has the near words of the first visits on the way into the cache; their heads should be there.
pub fn prefetch_near<T: AsRef<Slots>>(tables: &[T], sought: &mut [Sought], lanes: usize, now_ms: i64) {
    for visit in Visits::first(NEAR_AHEAD, tables.len(), lanes) {
        sought[visit.table].prefetch_near(tables[visit.table].as_ref(), visit.lane, now_ms);
    }
}

/// Visits the keys of the lanes that `mask` says, table by table, after [`prefetch_heads`] and [`prefetch_near`]: `work` is
/// given the table's place, the lane and where the key was found, if there was room for it.
pub fn visit<T: AsRef<Slots>>(
    tables: &[T],
    sought: &mut [Sought],
    lanes: usize,
    mask: u64,
    now_ms: i64,
    mut work: impl FnMut(usize, usize, Option<Found>),
) {
    let table = |visit: Visit| tables[visit.table].as_ref();
    for visit in Visits::first(FAR_AHEAD, tables.len(), lanes) {
        sought[visit.table].prefetch_far(table(visit), visit.lane);
    }
    let from = |ahead| Visits::from(ahead, tables.len(), lanes);
    let (mut heads, mut near, mut far) = (from(HEADS_AHEAD), from(NEAR_AHEAD), from(FAR_AHEAD));
    for now in from(0) {
        if let Some(ahead) = heads.next() {
            sought[ahead.table].prefetch_heads(table(ahead), ahead.lane);
        }
        if let Some(ahead) = near.next() {
            sought[ahead.table].prefetch_near(table(ahead), ahead.lane, now_ms);
        }
        if let Some(ahead) = far.next() {
            sought[ahead.table].prefetch_far(table(ahead), ahead.lane);
        }
        if mask >> now.lane & 1 != 0 && sought[now.table].keys[now.lane] != 0 {
            work(now.table, now.lane, sought[now.table].claim(table(now), now.lane, now_ms));
        }
    }
}

/// A key's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Visit {
    table: usize,
    lane: usize,
}

/// The visits of a batch in their order.
struct Visits {
    next: Visit,
    tables: usize,
    lanes: usize,
}

impl Visits {
    /// All but the first `skipped`.
    fn from(skipped: usize, tables: usize, lanes: usize) -> Visits {
        let lanes = lanes.max(1);
        Visits { next: Visit { table: skipped / lanes, lane: skipped % lanes }, tables, lanes }
    }

    /// The first `count`.
    fn first(count: usize, tables: usize, lanes: usize) -> impl Iterator<Item = Visit> {
        Visits::from(0, tables, lanes).take(count)
    }
}

impl Iterator for Visits {
    type Item = Visit;

    #[inline]
    fn next(&mut self) -> Option<Visit> {
        let visit = self.next;
        if visit.table >= self.tables {
            return None;
        }
        self.next = if visit.lane + 1 < self.lanes {
            Visit { lane: visit.lane + 1, ..visit }
        } else {
            Visit { table: visit.table + 1, lane: 0 }
        };
        Some(visit)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::super::{Pins, Shape};
    use super::*;

    struct Table(Slots);

    impl AsRef<Slots> for Table {
        fn as_ref(&self) -> &Slots {
            &self.0
        }
    }

    #[test]
    fn every_key_is_visited_once_in_its_turn_whatever_the_size_of_the_batch() {
        for (count, lanes) in [(1, 1), (1, 64), (3, 5), (4, 64), (16, 1), (16, 64)] {
            let pins: Arc<Pins> = Arc::default();
            let shape = Shape { near: 2, zeroed: 2, ..Shape::default() };
            let table = || Table(Slots::new(1_000, shape, 1_000, &pins).expect("small"));
            let tables: Vec<Table> = (0..count).map(|_| table()).collect();
            let mut sought = vec![Sought::default(); count];
            let key = |table: usize, lane: usize| (lane % 7 != 3).then_some((1 + table * 100 + lane) as u64);
            for (at, sought) in sought.iter_mut().enumerate() {
                (0..lanes).for_each(|lane| sought.keys[lane] = key(at, lane).unwrap_or(0));
            }
            let mask = u64::MAX >> (64 - lanes) & !(1 << 2);
            for fresh in [true, false] {
                let _pin = pins.enter(0, 100_000);
                prefetch_heads(&tables, &mut sought, lanes);
                prefetch_near(&tables, &mut sought, lanes, 100_000);
                let mut visited = Vec::new();
                visit(&tables, &mut sought, lanes, mask, 100_000, |table, lane, found| {
                    let found = found.expect("room");
                    assert_eq!(found.fresh, fresh);
                    assert!(tables[table].0.holds(found.slot, key(table, lane).expect("a key")));
                    visited.push((table, lane));
                });
                let all = (0..count).flat_map(|table| (0..lanes).map(move |lane| (table, lane)));
                let wanted: Vec<_> =
                    all.filter(|&(table, lane)| lane != 2 && key(table, lane).is_some()).collect();
                assert_eq!(visited, wanted);
            }
        }
    }
}
