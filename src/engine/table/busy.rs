//! How a busy key comes by a block of far words, and what happens when all are taken.

use super::blocks::HELD_SHIFT;
use super::slots::{Slots, touched};
use super::{Ordering, Word};

/// Blocks looked at for one to take away: with so many the one taken is among the tenth that is longest untouched, nearly always.
const LOOKED_AT: usize = 32;
/// Times to look: another thread may have taken or given back what was found.
const TRIES: usize = 4;

impl Slots {
    /// Marks a part of a slot's far words as used and gives the slot's flags, which name its block. `None` if every block that
    /// was looked at is in somebody's hands: then what should have stood there is lost, and counted like an eviction. Only for
    /// slots found under a pin.
    pub(super) fn open(&self, slot: usize, part: u64) -> Option<u64> {
        let (_, flags, _) = self.split(slot);
        let far = self.far.as_ref()?;
        let mut held = flags.load(Ordering::Acquire);
        while far.of(slot, held).is_none() {
            let Some(block) = far.take(slot).or_else(|| (0..TRIES).find_map(|_| self.take_away(slot))) else {
                self.live_evictions.raise();
                return None;
            };
            let wanted = held | part | (block as u64 + 1) << HELD_SHIFT;
            match flags.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(wanted),
                Err(seen) => {
                    far.give(block);
                    held = seen;
                }
            }
        }
        Some(flags.fetch_or(part, Ordering::AcqRel) | part)
    }

    /// Evicts a key that was long untouched among those that hold blocks, and gives its block, zeroed, to the slot.
    fn take_away(&self, slot: usize) -> Option<usize> {
        let far = self.far.as_ref()?;
        let heads = self.heads.words();
        let now = touched(heads[slot].load(Ordering::Relaxed));
        let holders =
            far.holders(LOOKED_AT).map(|(holder, _)| (holder, heads[holder].load(Ordering::Acquire)));
        let (victim, held) = self.idlest(holders.filter(|(holder, _)| *holder != slot), now)?;
        if !self.seize(victim, held, super::slots::tag_of(held), now) {
            return None;
        }
        let block = self.empty(victim);
        self.abandon(victim);
        if let Some(block) = block {
            far.hold(block, slot);
        }
        block
    }

    /// Zeroes what a new key expects to find zeroed, and gives the block back. Only for whoever has the slot to himself.
    pub(super) fn clear(&self, slot: usize) {
        if let (Some(block), Some(far)) = (self.empty(slot), &self.far) {
            far.give(block);
        }
    }

    /// Zeroes a slot's words; gives the block that it no longer holds, zeroed too.
    fn empty(&self, slot: usize) -> Option<usize> {
        let (_, flags, near) = self.split(slot);
        near[..self.shape.zeroed].iter().for_each(zero);
        let held = flags.load(Ordering::Relaxed);
        let far = self.far.as_ref().filter(|_| held != 0)?;
        zero(flags);
        let block = far.of(slot, held)?;
        far.clear(block);
        Some(block)
    }
}

fn zero(word: &Word) {
    word.store(0, Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::super::{Permits, Recent, Shape, Span, Sum};
    use super::*;

    const NOW_MS: i64 = 1_600_000;

    fn table(busy: usize, far: usize) -> Slots {
        let shape =
            Shape { near: 8, zeroed: 8, far, rare: 0, busy: Some(busy), renewed: true, certain: false };
        Slots::new(64, shape, 60_000, &Arc::default()).expect("small")
    }

    #[test]
    fn the_longest_untouched_of_the_busy_keys_makes_room_and_is_counted() {
        let table = table(8, 4);
        let visit = |key: u64, at: i64| {
            let now_ms = NOW_MS + 16 * at;
            let _pin = table.pins.enter(0, now_ms);
            let slot = table.find_or_claim(key, now_ms).expect("room").slot;
            let words = table.payload(slot).part(0, 0..4).open();
            (words.len(), words[3].swap(key, Ordering::Relaxed))
        };
        for key in 1..=20 {
            assert_eq!(visit(key, key as i64), (4, 0), "a block, and nothing of the one before");
        }
        let held = |key| table.find(key, NOW_MS + 640).is_some();
        assert!((13..=20).all(held) && !(1..=12).any(held));
        assert_eq!(table.live_evictions(), 12);
        assert_eq!(visit(20, 40), (4, 20), "who has a block keeps it");
        // Blocks of keys that are evicted for their slots come back as well.
        for key in 100..1_000 {
            assert_eq!(visit(key, key as i64), (4, 0));
        }
    }

    #[test]
    fn without_blocks_limits_hold_and_nothing_but_counts_of_attempts_is_low() {
        let far = Sum::ROOM.far + Permits::room(10).far + Recent::room(10).far;
        let table = table(1, far);
        let _pin = table.pins.enter(0, NOW_MS);
        let slot = |key| table.find_or_claim(key, NOW_MS).expect("room").slot;
        assert!(!table.payload(slot(1)).part(0, 0..far).open().is_empty(), "the only block");
        let (span, payload) = (Span::new(60_000), table.payload(slot(2)));
        assert!(payload.part(0, 0..far).open().is_empty() && table.live_evictions() == 1);

        let permits = Permits::new(payload.near(), payload.part(1, 0..3), &span);
        let granted = (0..10).filter(|n| permits.reserve(NOW_MS + n, 10).is_ok()).count();
        assert_eq!(granted, 4, "as many as there are near words for, and none beyond");

        let payload = table.payload(slot(3));
        let sum = Sum::new(payload.near(), payload.part(0, 0..Sum::ROOM.far), &span);
        for n in 1..=12 {
            assert_eq!(sum.add(NOW_MS + n * 4_000, 5), 5 * n, "every event of the window");
        }
        assert_eq!(sum.value(NOW_MS + 12 * 4_000 + 70_000), 0, "and none for ever");

        let payload = table.payload(slot(4));
        let recent = Recent::new(payload.near(), payload.part(0, 0..Recent::room(10).far), &span);
        assert_eq!((1..=6).map(|n| recent.add(NOW_MS + n).value).max(), Some(4), "so many or more");
        assert!(table.live_evictions() > 1, "what is lost is counted");
    }

    #[test]
    fn threads_over_few_blocks_never_find_each_others_words() {
        let table = table(8, 2);
        std::thread::scope(|scope| {
            for worker in 0..4_u64 {
                let table = &table;
                scope.spawn(move || {
                    for round in 0..5_000_u64 {
                        let (now_ms, key) = (NOW_MS + 16 * round as i64, 1 + worker + 4 * (round % 50));
                        let _pin = table.pins.enter(worker as usize, now_ms);
                        let Some(found) = table.find_or_claim(key, now_ms) else { continue };
                        for word in table.payload(found.slot).part(0, 0..2).open() {
                            let before = word.swap(key, Ordering::Relaxed);
                            assert!(before == 0 || before == key, "{key} found {before}");
                        }
                    }
                });
            }
        });
    }
}
