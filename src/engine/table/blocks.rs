//! Far words: blocks that slots hold while their keys are busy.
//!
//! Either every slot has a block of its own, or fewer blocks than slots are shared: a slot takes one when its near words are
//! full and gives it back when it goes to another key. Free blocks are a stack (Treiber 1986) whose top also counts its
//! changes, so that a block that was taken and came back in the meantime is noticed.

use super::{Memory, Ordering, Word};

/// Where a block's number, and one, stands in a slot's flags; the bits below say which parts were written.
pub(super) const HELD_SHIFT: u32 = 32;
/// Most parts of a block: a bit each.
pub const PARTS_MAX: usize = HELD_SHIFT as usize;

/// The blocks of one table.
pub(super) struct Blocks {
    memory: Memory,
    /// Words of a block.
    words: usize,
    /// Words from one block to the next: whole lines.
    stride: usize,
    shared: Option<Shared>,
}

/// What shared blocks need beside their words.
struct Shared {
    /// Changes of the stack in the upper half, its top block and one in the lower. The first word of a free block names the
    /// next one in the same way.
    top: Word,
    /// Blocks that were ever taken; those behind have never been.
    fresh: Word,
    /// The slot that took each block last, and one.
    holders: Memory,
    /// Where whoever finds no free block looks for one next.
    hand: Word,
    count: usize,
}

impl Blocks {
    /// Blocks of so many words for so many slots: one each, or `shared` ones. `None` if there is no memory for them.
    pub fn new(slots: usize, words: usize, shared: Option<usize>) -> Option<Blocks> {
        let count = shared.map_or(slots, |count| count.clamp(1, slots));
        let shared = match shared {
            None => None,
            Some(_) => Some(Shared {
                top: Word::new(0),
                fresh: Word::new(0),
                holders: Memory::new(count)?,
                hand: Word::new(0),
                count,
            }),
        };
        let stride = stride(words);
        Some(Blocks { memory: Memory::new(count.checked_mul(stride)?)?, words, stride, shared })
    }

    /// Words that [`Blocks::new`] takes for those in all.
    pub fn all_words(slots: usize, words: usize, shared: Option<usize>) -> Option<usize> {
        match shared {
            _ if words == 0 => Some(0),
            None => slots.checked_mul(stride(words)),
            Some(count) => count.clamp(1, slots).checked_mul(1 + stride(words)),
        }
    }

    /// Whether every slot has a block of its own.
    #[inline]
    pub fn own(&self) -> bool {
        self.shared.is_none()
    }

    /// The block of a slot with these flags, if it has one.
    #[inline]
    pub fn of(&self, slot: usize, flags: u64) -> Option<usize> {
        if self.own() { Some(slot) } else { ((flags >> HELD_SHIFT) as usize).checked_sub(1) }
    }

    /// The words of a block.
    #[inline]
    pub fn words(&self, block: usize) -> &[Word] {
        &self.memory.words()[block * self.stride..block * self.stride + self.words]
    }

    /// Brings lines of a block into the cache.
    #[inline]
    pub fn prefetch(&self, block: usize, lines: std::ops::Range<usize>) {
        let first = block * self.stride;
        lines.for_each(|line| self.memory.prefetch_line(first + line * Memory::LINE_WORDS));
    }

    /// Takes a free block, zeroed, for a slot.
    pub fn take(&self, slot: usize) -> Option<usize> {
        let shared = self.shared.as_ref()?;
        let block = self.pop(shared).or_else(|| {
            let next = |fresh: u64| (fresh < shared.count as u64).then_some(fresh + 1);
            shared.fresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|n| n as usize)
        })?;
        self.hold(block, slot);
        Some(block)
    }

    /// Notes which slot holds a block.
    pub fn hold(&self, block: usize, slot: usize) {
        if let Some(shared) = &self.shared {
            shared.holders.words()[block].store(slot as u64 + 1, Ordering::Release);
        }
    }

    fn pop(&self, shared: &Shared) -> Option<usize> {
        let mut top = shared.top.load(Ordering::Acquire);
        loop {
            let block = (top as u32 as usize).checked_sub(1)?;
            // If another thread takes the block first this reads what it wrote, and the exchange fails.
            let next = self.words(block)[0].load(Ordering::Relaxed) as u32;
            match shared.top.compare_exchange_weak(
                top,
                changed(top, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    self.words(block)[0].store(0, Ordering::Relaxed);
                    return Some(block);
                }
                Err(seen) => top = seen,
            }
        }
    }

    /// Gives a block back that nobody works on any more; it was zeroed.
    pub fn give(&self, block: usize) {
        let Some(shared) = &self.shared else { return };
        shared.holders.words()[block].store(0, Ordering::Relaxed);
        let mut top = shared.top.load(Ordering::Relaxed);
        loop {
            self.words(block)[0].store(u64::from(top as u32), Ordering::Relaxed);
            let wanted = changed(top, block as u32 + 1);
            match shared.top.compare_exchange_weak(top, wanted, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(seen) => top = seen,
            }
        }
    }

    /// Zeroes a block.
    pub fn clear(&self, block: usize) {
        for word in self.words(block) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Slots that held the next `count` blocks a moment ago, with their blocks: each call looks further.
    pub fn holders(&self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let shared = self.shared.as_ref();
        let first = shared.map_or(0, |shared| shared.hand.fetch_add(count as u64, Ordering::Relaxed));
        shared.into_iter().flat_map(move |shared| {
            (0..count.min(shared.count)).filter_map(move |at| {
                let block = (first as usize + at) % shared.count;
                Some((self.holder(block)?, block))
            })
        })
    }

    /// The slot that held a shared block a moment ago.
    pub fn holder(&self, block: usize) -> Option<usize> {
        let holders = &self.shared.as_ref()?.holders;
        (holders.words()[block].load(Ordering::Acquire) as usize).checked_sub(1)
    }

    /// Blocks there are.
    pub fn count(&self) -> usize {
        self.memory.words().len() / self.stride
    }
}

/// Words from one block of so many to the next.
fn stride(words: usize) -> usize {
    words.next_multiple_of(Memory::LINE_WORDS)
}

/// The stack's top, changed once more.
fn changed(top: u64, block: u32) -> u64 {
    ((top >> 32).wrapping_add(1)) << 32 | u64::from(block)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_had_once_and_comes_back_zeroed() {
        let blocks = Blocks::new(100, 3, Some(10)).expect("small");
        for _ in 0..5 {
            let taken: Vec<usize> = std::iter::from_fn(|| blocks.take(7)).collect();
            let distinct: std::collections::HashSet<_> = taken.iter().collect();
            assert_eq!((taken.len(), distinct.len()), (10, 10));
            for &block in &taken {
                for word in blocks.words(block) {
                    assert_eq!(word.swap(9, Ordering::Relaxed), 0);
                }
                blocks.clear(block);
                blocks.give(block);
            }
        }
    }

    #[test]
    fn threads_that_take_and_give_never_share_a_block() {
        let blocks = Blocks::new(100, 2, Some(6)).expect("small");
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        let Some(block) = blocks.take(thread as usize) else { continue };
                        assert_eq!(blocks.words(block)[1].swap(thread, Ordering::Relaxed), 0);
                        assert_eq!(blocks.words(block)[1].swap(0, Ordering::Relaxed), thread);
                        blocks.clear(block);
                        blocks.give(block);
                    }
                });
            }
        });
        assert_eq!(std::iter::from_fn(|| blocks.take(1)).count(), 6, "none is lost");
    }
}
