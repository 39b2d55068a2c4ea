//! Keys of a batch on their way to their slots.
//!
//! What stands at them is brought into the cache in rounds that do little but ask: a look-up between two requests would keep
//! the second from being made before the first is answered.

use super::slots::{Found, Slots};
use super::vectors::{Work, vectorised};
use crate::limits::LANES;

/// Keys of one table by lane, 0 where there is none, and the slots they most likely stand in, or do where they were claimed.
#[derive(Clone)]
pub struct Sought {
    /// The keys.
    pub keys: [u64; LANES],
    /// The first slots of the lines they may stand in.
    lines: [[u32; 2]; LANES],
    /// The slots they most likely have, then those they were found in; [`NOWHERE`] for none.
    slots: [u32; LANES],
}

/// No slot: a table has fewer than 32 bits tell apart.
const NOWHERE: u32 = u32::MAX;

impl Default for Sought {
    fn default() -> Sought {
        Sought { keys: [0; LANES], lines: [[NOWHERE; 2]; LANES], slots: [NOWHERE; LANES] }
    }
}

impl Sought {
    /// Has the heads of the keys on the way into the cache.
    pub fn prefetch_heads(&mut self, table: &Slots, lanes: usize) {
        for (lines, &key) in self.lines[..lanes].iter_mut().zip(&self.keys) {
            *lines = if key == 0 { [NOWHERE; 2] } else { table.places(key).map(|first| first as u32) };
        }
        for &first in self.lines[..lanes].as_flattened().iter().filter(|&&first| first != NOWHERE) {
            table.prefetch_heads(first);
        }
    }

    /// Has the near words of the keys on the way into the cache; their heads should be there.
    pub fn prefetch_near(&mut self, table: &Slots, now_ms: i64, lanes: usize) {
        vectorised(Likely { sought: self, table, now_ms, lanes });
        for &slot in self.slots[..lanes].iter().filter(|&&slot| slot != NOWHERE) {
            table.prefetch_near(slot);
        }
    }

    /// Has the rest of what busy keys hold on the way into the cache; their near words should be there.
    pub fn prefetch_far(&self, table: &Slots, lanes: usize) {
        for &slot in self.slots[..lanes].iter().filter(|&&slot| slot != NOWHERE) {
            table.prefetch_far(slot);
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

/// Finds the slots that the keys most likely have.
struct Likely<'a> {
    sought: &'a mut Sought,
    table: &'a Slots,
    now_ms: i64,
    lanes: usize,
}

impl Work for Likely<'_> {
    #[inline(always)]
    fn run(self) {
        let Sought { keys, lines, slots } = self.sought;
        for ((slot, &key), &lines) in slots[..self.lanes].iter_mut().zip(&*keys).zip(&*lines) {
            *slot = if key == 0 { NOWHERE } else { self.table.likely(key, lines, self.now_ms) };
        }
    }
}
