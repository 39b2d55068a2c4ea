//! How much of a table is in use, as operators ask it, and forgetting all of it, as tests of rules do. Nothing of this is on the path of a check.

use super::Ordering;
use super::blocks::Blocks;
use super::claim::idle;
use super::slots::{EMPTY, Slots, touch};

/// Slots or blocks looked at to tell how many are in use; a table of no more is counted out. Keys stand where hashes put them, so that
/// of as many as these the share is right to half a percent, two times in three to a quarter.
const LOOKED_AT: usize = 1 << 15;

impl Slots {
    /// Keys whose windows have not all expired: those that would be lost if they were evicted.
    pub fn live(&self, now_ms: i64) -> u64 {
        let (now, heads) = (touch(now_ms), self.heads.words());
        estimate(heads.len(), |slot| idle(heads[slot].load(Ordering::Relaxed), now) < self.expiry)
    }

    /// Slots that hold or held a key.
    pub fn claimed(&self) -> u64 {
        self.heads.words().iter().filter(|head| head.load(Ordering::Relaxed) != EMPTY).count() as u64
    }

    /// Blocks of far words that such keys hold, and how many there are; `None` where every slot has its own.
    pub fn live_blocks(&self, now_ms: i64) -> Option<(u64, u64)> {
        let far = self.far.as_ref().filter(|far| !far.own())?;
        let (now, heads) = (touch(now_ms), self.heads.words());
        let live = |slot: usize| idle(heads[slot].load(Ordering::Relaxed), now) < self.expiry;
        let held = estimate(far.count(), |block| far.holder(block).is_some_and(live));
        Some((held, far.count() as u64))
    }

    /// Whether no key is ever without far words.
    pub fn has_blocks_for_all(&self) -> bool {
        self.far.as_ref().is_none_or(Blocks::own)
    }

    /// Forgets every key. Only for whoever has the table to himself.
    pub fn forget(&self) {
        for (slot, head) in self.heads.words().iter().enumerate() {
            if head.load(Ordering::Relaxed) != EMPTY {
                self.clear(slot);
                head.store(EMPTY, Ordering::Relaxed);
            }
        }
    }
}

/// How many of so many are that: counted, or reckoned from some at equal distances.
fn estimate(count: usize, is: impl Fn(usize) -> bool) -> u64 {
    // Odd: lines fill from their first slot on, and every place in a line must have its turn.
    let step = count.div_ceil(LOOKED_AT) | 1;
    let (looked_at, found) = (0..count)
        .step_by(step)
        .fold((0, 0), |(looked_at, found), at| (looked_at + 1, found + u64::from(is(at))));
    if step == 1 { found } else { (found as f64 * count as f64 / f64::from(looked_at)).round() as u64 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::super::Shape;
    use super::*;

    const EXPIRY_MS: i64 = 60_000;

    fn table(capacity: usize, busy: Option<usize>) -> Slots {
        let shape = Shape { near: 1, zeroed: 1, far: 2, busy, ..Shape::default() };
        Slots::new(capacity, shape, EXPIRY_MS, &Arc::default()).expect("small")
    }

    /// SplitMix64, for the keyed hash that keys are.
    fn spread(n: u64) -> u64 {
        let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ n >> 31
    }

    #[test]
    fn expired_keys_and_their_blocks_are_not_in_use() {
        let table = table(1_000, Some(100));
        for n in 0..500_u64 {
            let slot = table.find_or_claim(spread(n), 1_000_000).expect("room").slot;
            if n < 50 {
                assert!(!table.payload(slot).part(0, 0..2).open().is_empty());
            }
        }
        assert_eq!((table.live(1_000_000), table.live_blocks(1_000_000)), (500, Some((50, 100))));
        for n in 0..20 {
            table.find_or_claim(spread(n), 1_050_000).expect("there");
        }
        assert_eq!((table.live(1_070_000), table.live_blocks(1_070_000)), (20, Some((20, 100))));
        assert_eq!((table.live(2_000_000), table.live_blocks(2_000_000)), (0, Some((0, 100))));
    }

    #[test]
    fn a_large_table_is_reckoned_from_some_of_its_slots() {
        let table = table(200_000, None);
        for n in 0..120_000 {
            table.find_or_claim(spread(n), 1_000_000).expect("room");
        }
        let live = table.live(1_000_000) as f64;
        assert!((live - 120_000.0).abs() < 2_400.0, "{live}");
        assert_eq!((table.live(1_200_000), table.live_blocks(1_000_000)), (0, None));
    }

    #[test]
    fn a_table_that_forgot_everything_is_as_good_as_new() {
        let table = table(64, Some(8));
        for round in 1..=3 {
            // Time may begin anew as well.
            let now_ms = 10_000_000 / round;
            for n in 0..8 {
                let found = table.find_or_claim(spread(n), now_ms).expect("room");
                assert!(found.fresh && table.payload(found.slot).near()[0].swap(9, Ordering::Relaxed) == 0);
                let words = table.payload(found.slot).part(0, 0..2).open();
                assert!(words.iter().all(|word| word.swap(9, Ordering::Relaxed) == 0) && words.len() == 2);
            }
            table.forget();
            assert_eq!((table.live(now_ms), table.live_evictions()), (0, 0));
        }
    }
}
