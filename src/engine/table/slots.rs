//! A table of slots found by key: sets of sixteen, lock-free claim and eviction.
//!
//! A slot has a head and a payload. The head is one word: 32 bits of the key and the time it was last touched. The sixteen
//! heads of a set lie side by side in two cache lines. The payload begins with the whole key; what follows, near and far words,
//! belongs to whoever owns the table and starts zeroed. A key, once in, stays in its slot until the slot is given to another key: slots never
//! become empty again, so two threads that bring the same new key meet at the same slot.

use std::sync::Arc;

use super::blocks::Blocks;
use super::payload::Payload;
use super::{Memory, Ordering, Pins, Word};

/// Slots of a set: all a key may stand in. At the full load of two thirds one set in twenty-five is fuller than that and
/// gives up its least recently used key early.
#[cfg(not(loom))]
pub(super) const WAYS: usize = 16;
/// So few that all interleavings can be gone through.
#[cfg(loom)]
pub(super) const WAYS: usize = 2;
/// Words of a payload before what belongs to the owner: the key, and flags of the far words.
const HEAD_WORDS: usize = 2;

/// A head that no key has ever had.
pub(super) const EMPTY: u64 = 0;
/// The tag of a slot given up by a thread that found its key elsewhere: free for eviction at once.
pub(super) const ABANDONED: u32 = 1;
/// The time of a slot that is being cleared for the key of its tag.
pub(super) const PREPARING: u32 = u32::MAX;
/// Milliseconds of the time in a head, as a power of two: sixteen, so that 32 bits last for two years.
const TOUCH_SHIFT: u32 = 4;

/// What a payload is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Near words.
    pub near: usize,
    /// Near words that a new key finds zeroed, the first ones; the rest is written before it is read.
    pub zeroed: usize,
    /// Far words: zeroed, if parts of them were used.
    pub far: usize,
    /// Far words behind those that are never prefetched.
    pub rare: usize,
    /// Keys that have far words at a time; every slot has its own if this is `None`.
    pub busy: Option<usize>,
    /// Whether a key that comes back after everything of it has expired finds its payload zeroed.
    pub renewed: bool,
}

/// A slot of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Place of the slot in the table.
    pub slot: usize,
    /// Whether this call put the key in.
    pub fresh: bool,
}

/// The table.
pub struct Slots {
    pub(super) heads: Memory,
    near: Memory,
    pub(super) far: Option<Blocks>,
    /// Which batches are in flight, by all tables that they may work on.
    pub(super) pins: Arc<Pins>,
    sets: usize,
    /// Words from one slot's near words to the next one's.
    stride: usize,
    pub(super) shape: Shape,
    /// A key untouched for longer holds nothing of value: it is evicted first, and its eviction is no loss.
    pub(super) expiry: u32,
    /// Far words of each part that are needed whenever the part is looked at.
    soon: Vec<std::ops::Range<usize>>,
    pub(super) counters: Counters,
}

/// What is counted, apart from what every look-up reads: whoever puts a key in must not take that from the others' caches.
#[repr(align(128))]
pub(super) struct Counters {
    pub live_evictions: Word,
    pub claimed: Word,
}

/// The time of a head.
#[inline]
pub(super) fn touch(now_ms: i64) -> u32 {
    match (now_ms >> TOUCH_SHIFT) as u32 {
        PREPARING => 0,
        time => time,
    }
}

/// Any 64 bits as a tag that is no mark.
#[inline]
pub(super) fn tag(key: u64) -> u32 {
    (key as u32).max(ABANDONED + 1)
}

#[inline]
pub(super) fn head(tag: u32, touched: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(touched)
}

#[inline]
pub(super) fn tag_of(head: u64) -> u32 {
    (head >> 32) as u32
}

#[inline]
pub(super) fn touched(head: u64) -> u32 {
    head as u32
}

impl Slots {
    /// A table for `capacity` keys of that shape; it is built half as large again. Whoever works on it holds one of `pins`.
    /// `None` if there is no memory for it.
    pub fn new(capacity: usize, shape: Shape, expiry_ms: i64, pins: &Arc<Pins>) -> Option<Slots> {
        let sets = capacity.checked_add(capacity / 2)?.div_ceil(WAYS).max(1);
        let slots = sets.checked_mul(WAYS).filter(|&slots| u32::try_from(slots).is_ok())?;
        let stride = (HEAD_WORDS + shape.near).next_multiple_of(Memory::LINE_WORDS);
        let far = match shape.far + shape.rare {
            0 => None,
            words => Some(Blocks::new(slots, words, shape.busy)?),
        };
        Some(Slots {
            heads: Memory::new(slots)?,
            near: Memory::new(slots.checked_mul(stride)?)?,
            far,
            pins: pins.clone(),
            sets,
            stride,
            shape,
            // A touch is dated up to one unit early.
            expiry: u32::try_from((expiry_ms >> TOUCH_SHIFT) + 2).unwrap_or(u32::MAX),
            soon: Vec::new(),
            counters: Counters { live_evictions: Word::new(0), claimed: Word::new(0) },
        })
    }

    /// The same with far words to be brought into the cache before a key's payload is worked on: of each part the ones that
    /// are needed whenever it is looked at.
    #[must_use]
    pub fn with_soon(self, soon: Vec<std::ops::Range<usize>>) -> Slots {
        Slots { soon, ..self }
    }

    /// The pins that keep slots in the hands of batches.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Cache lines that a slot of so many near words takes.
    pub const fn lines(near: usize) -> usize {
        (HEAD_WORDS + near).div_ceil(Memory::LINE_WORDS)
    }

    /// The slots a key may stand in.
    #[inline]
    pub(super) fn places(&self, key: u64) -> std::ops::Range<usize> {
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = ((u128::from(spread) * self.sets as u128) >> 64) as usize * WAYS;
        first..first + WAYS
    }

    /// The key of a slot, its flags, and its near words.
    #[inline]
    pub(super) fn split(&self, slot: usize) -> (&Word, &Word, &[Word]) {
        let words = &self.near.words()[slot * self.stride..(slot + 1) * self.stride];
        (&words[0], &words[1], &words[HEAD_WORDS..HEAD_WORDS + self.shape.near])
    }

    /// The payload of a slot.
    #[inline]
    pub fn payload(&self, slot: usize) -> Payload<'_> {
        let (_, flags, near) = self.split(slot);
        Payload { table: self, slot, flags, near }
    }

    /// Brings the heads of a key's set into the cache, and gives the first slot of the set.
    #[inline]
    pub(super) fn prefetch_heads(&self, key: u64) -> u32 {
        let first = self.places(key).start;
        self.heads.prefetch(first, WAYS);
        first as u32
    }

    /// Brings the near words of a slot into the cache.
    #[inline]
    pub(super) fn prefetch_near(&self, slot: u32) {
        self.near.prefetch(slot as usize * self.stride, self.stride);
    }

    /// Brings the far words of a slot into the cache that are used and soon needed. The near ones should be there.
    #[inline]
    pub(super) fn prefetch_far(&self, slot: u32) {
        let slot = slot as usize;
        let flags = self.split(slot).1.load(Ordering::Relaxed);
        if let Some(far) = &self.far
            && flags != 0
            && let Some(block) = far.of(slot, flags)
        {
            let used = self.soon.iter().enumerate().filter(|(part, _)| flags >> part & 1 != 0);
            used.for_each(|(_, words)| far.prefetch(block, words.clone()));
        }
    }

    /// The far words of a slot with these flags.
    #[inline]
    pub(super) fn block(&self, slot: usize, flags: u64) -> &[Word] {
        let block = self.far.as_ref().and_then(|far| Some(far.words(far.of(slot, flags)?)));
        block.unwrap_or(&[])
    }

    /// The far words of a slot that has a block of its own.
    #[inline]
    pub(super) fn own_block(&self, slot: usize) -> &[Word] {
        self.far.as_ref().filter(|far| far.own()).map_or(&[], |far| far.words(slot))
    }

    /// Whether the slot is the key's; for a slot found under a pin the answer holds as long as the pin.
    #[inline]
    pub fn holds(&self, slot: usize, key: u64) -> bool {
        self.split(slot).0.load(Ordering::Acquire) == key
    }

    /// Keys evicted before their windows had expired.
    pub fn live_evictions(&self) -> u64 {
        self.counters.live_evictions.load(Ordering::Relaxed)
    }

    /// Slots that hold or held a key.
    pub fn claimed(&self) -> u64 {
        self.counters.claimed.load(Ordering::Relaxed)
    }

    /// Blocks of far words that keys hold or held, and how many there are; `None` where every slot has its own.
    pub fn blocks(&self) -> Option<(u64, u64)> {
        self.far.as_ref().and_then(|far| Some((far.taken()?, far.count() as u64)))
    }

    /// Slots there are.
    pub fn slots(&self) -> usize {
        self.sets * WAYS
    }
}
