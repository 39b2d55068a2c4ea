//! A table of slots found by key: two lines of eight to choose from, lock-free claim and eviction.
//!
//! A slot has a head and a payload. The head is one word: 28 bits of the key and the time it was last touched; eight heads are
//! a cache line. A key may stand in either of two lines, and comes into the one with more room. That choice is what makes
//! lines fill evenly (Azar, Broder, Karlin and Upfal 1999): the share of lines with one more live key than others falls by
//! squares, where in one set of sixteen it would fall by Poisson's tail, one in thirteen at two thirds. The payload begins with
//! the other half of the key and the time it came in; what follows, near and far words, belongs to whoever owns the table and starts zeroed. A key, once in, stays
//! in its slot until the slot is given to another key, and slots never become empty again, but for [`Slots::forget`].

use std::ops::Range;
use std::sync::Arc;

use super::blocks::Blocks;
use super::payload::Payload;
use super::upkeep::Part;
use super::{Memory, Ordering, Pins, Striped, Word};

/// Slots of a line; a key may stand in two lines.
#[cfg(not(loom))]
pub(super) const LINE: usize = Memory::LINE_WORDS;
/// So few that all interleavings can be gone through.
#[cfg(loom)]
pub(super) const LINE: usize = 1;
/// Words of a payload before what belongs to the owner: half of the key and when it came in, and flags of the far words.
const HEAD_WORDS: usize = 2;

/// A head that no key has ever had.
pub(super) const EMPTY: u64 = 0;
/// The tag of a slot given up by a thread that found its key elsewhere: free for eviction at once.
pub(super) const ABANDONED: u32 = 1;
/// Bits of the time in a head, the lower ones: with units of sixteen milliseconds it begins again after 34 years.
pub(super) const TIME_BITS: u32 = 36;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// The time of a slot that is being cleared, or kept up, for the key of its tag.
pub(super) const PREPARING: u64 = TIME;
/// Milliseconds of the time in a head, as a power of two.
pub(super) const TOUCH_SHIFT: u32 = 4;
/// Units of an era, as a power of two: a slot is kept up at the first touch in each. No batch is under way for as long.
const ERA_BITS: u32 = 20;
pub(super) const ERA_UNITS: u32 = 1 << ERA_BITS;
/// Milliseconds of an era: 4.7 hours.
pub(super) const ERA_MS: i64 = (ERA_UNITS as i64) << TOUCH_SHIFT;

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
    /// Whether a key must not go before its time for no fault but chance: the table is then twice as large as its capacity
    /// and not half as large again. With lines half full both of a key's are full of live ones once in 10¹⁰ keys; at two
    /// thirds, once in two thousand.
    pub certain: bool,
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
    lines: usize,
    /// Words from one slot's near words to the next one's.
    stride: usize,
    pub(super) shape: Shape,
    /// A key untouched for longer holds nothing of value: it is evicted first, and its eviction is no loss.
    pub(super) expiry: u32,
    /// What lies in the slots, by part.
    pub(super) parts: Vec<Part>,
    /// Lines of a block that are needed whenever a part of it is looked at, by part.
    soon: Vec<Range<usize>>,
    /// The parts that have such lines, a bit each.
    soon_parts: u64,
    /// When a key last went before its time, and one; 0 if none has.
    pub(super) evicted: Word,
    /// Keys that went before their time. Whoever puts a key in must not take from the others' caches what every look-up reads.
    pub(super) live_evictions: Arc<Striped>,
}

/// The time of a head.
#[inline]
pub(super) fn touch(now_ms: i64) -> u64 {
    match (now_ms >> TOUCH_SHIFT) as u64 & TIME {
        PREPARING => 0,
        time => time,
    }
}

/// Any 64 bits as a tag that is no mark.
#[inline]
pub(super) fn tag(key: u64) -> u32 {
    (key as u32 & (1 << (u64::BITS - TIME_BITS)) - 1).max(ABANDONED + 1)
}

#[inline]
pub(super) fn head(tag: u32, touched: u64) -> u64 {
    u64::from(tag) << TIME_BITS | touched
}

#[inline]
pub(super) fn tag_of(head: u64) -> u32 {
    (head >> TIME_BITS) as u32
}

#[inline]
pub(super) fn touched(head: u64) -> u64 {
    head & TIME
}

/// Units from one time to another, the way round.
#[inline]
pub(super) fn units(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) & TIME
}

/// Whether two times lie in different eras.
#[inline]
pub(super) fn is_other_era(one: u64, other: u64) -> bool {
    (one ^ other) >> ERA_BITS != 0
}

/// What a table is built of.
struct Size {
    lines: usize,
    slots: usize,
    stride: usize,
}

impl Size {
    fn of(capacity: usize, shape: &Shape) -> Option<Size> {
        let spare = if shape.certain { capacity } else { capacity / 2 };
        let lines = capacity.checked_add(spare)?.div_ceil(LINE).max(2);
        let slots = lines.checked_mul(LINE).filter(|&slots| u32::try_from(slots).is_ok())?;
        let stride = (HEAD_WORDS + shape.near).next_multiple_of(Memory::LINE_WORDS);
        Some(Size { lines, slots, stride })
    }
}

impl Slots {
    /// A table for `capacity` keys of that shape, built larger than that as [`Shape::certain`] says. Whoever works on it holds
    /// one of `pins`. `None` if there is no memory for it.
    pub fn new(capacity: usize, shape: Shape, expiry_ms: i64, pins: &Arc<Pins>) -> Option<Slots> {
        let Size { lines, slots, stride } = Size::of(capacity, &shape)?;
        let far = match shape.far + shape.rare {
            0 => None,
            words => Some(Blocks::new(slots, words, shape.busy)?),
        };
        Some(Slots {
            heads: Memory::new(slots)?,
            near: Memory::new(slots.checked_mul(stride)?)?,
            far,
            pins: pins.clone(),
            lines,
            stride,
            shape,
            // A touch is dated up to one unit early.
            expiry: u32::try_from((expiry_ms >> TOUCH_SHIFT) + 2).unwrap_or(u32::MAX),
            parts: Vec::new(),
            soon: Vec::new(),
            soon_parts: 0,
            evicted: Word::new(0),
            live_evictions: Arc::default(),
        })
    }

    /// The same with far words to be brought into the cache before a key's payload is worked on: of each part, in the order in
    /// which they lie, the ones that are needed whenever it is looked at.
    #[must_use]
    pub fn with_soon(self, soon: &[Range<usize>]) -> Slots {
        let parts = soon.iter().enumerate().filter(|(_, words)| !words.is_empty());
        let soon_parts = parts.fold(0, |parts, (part, _)| parts | 1 << part);
        let lines =
            |words: &Range<usize>| words.start / Memory::LINE_WORDS..words.end.div_ceil(Memory::LINE_WORDS);
        Slots { soon: soon.iter().map(lines).collect(), soon_parts, ..self }
    }

    /// The same with the windows that lie in its slots, by part.
    #[must_use]
    pub fn with_parts(self, parts: Vec<Part>) -> Slots {
        Slots { parts, ..self }
    }

    /// The same with a count of evictions that other tables share and that outlives this one.
    #[must_use]
    pub fn with_evictions(self, live_evictions: &Arc<Striped>) -> Slots {
        Slots { live_evictions: live_evictions.clone(), ..self }
    }

    /// Bytes that a table for `capacity` keys of that shape takes; `None` if they are more than can be counted.
    pub fn bytes(capacity: usize, shape: &Shape) -> Option<u64> {
        let Size { slots, stride, .. } = Size::of(capacity, shape)?;
        let far = Blocks::all_words(slots, shape.far + shape.rare, shape.busy)?;
        let words = slots.checked_mul(1 + stride)?.checked_add(far)?;
        u64::try_from(words.checked_mul(size_of::<Word>())?).ok()
    }

    /// The pins that keep slots in the hands of batches.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Cache lines that a slot of so many near words takes.
    pub const fn lines(near: usize) -> usize {
        (HEAD_WORDS + near).div_ceil(Memory::LINE_WORDS)
    }

    /// The first slots of the two lines that a key may stand in, never the same one.
    #[inline]
    pub(super) fn places(&self, key: u64) -> [usize; 2] {
        let below = |count: usize, spread: u64| ((u128::from(spread) * count as u128) >> 64) as usize;
        let first = below(self.lines, key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let apart = 1 + below(self.lines - 1, key.rotate_left(32).wrapping_mul(0xd134_2543_de82_ef95));
        let second = first + apart;
        [first, if second < self.lines { second } else { second - self.lines }].map(|line| line * LINE)
    }

    /// The slots of a line with their heads.
    #[inline]
    pub(super) fn line(&self, first: usize) -> impl Iterator<Item = (usize, &Word)> {
        (first..).zip(&self.heads.words()[first..first + LINE])
    }

    /// The upper half of the key of a slot beside the time it came in, the slot's flags, and its near words.
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

    /// Brings the heads of a line into the cache.
    #[inline]
    pub(super) fn prefetch_heads(&self, first: u32) {
        self.heads.prefetch_line(first as usize);
    }

    /// Brings the near words of a slot into the cache.
    #[inline]
    pub(super) fn prefetch_near(&self, slot: u32) {
        let first = slot as usize * self.stride;
        (0..self.stride).step_by(Memory::LINE_WORDS).for_each(|at| self.near.prefetch_line(first + at));
    }

    /// Brings the far words of a slot into the cache that are used and soon needed. The near ones should be there.
    #[inline]
    pub(super) fn prefetch_far(&self, slot: u32) {
        let Some(far) = &self.far else { return };
        let slot = slot as usize;
        let flags = self.split(slot).1.load(Ordering::Relaxed);
        let mut used = flags & self.soon_parts;
        if used == 0 {
            return;
        }
        let (Some(block), mut next) = (far.of(slot, flags), 0) else { return };
        // Parts lie one behind the other, and may share a line.
        while used != 0 {
            let lines = &self.soon[used.trailing_zeros() as usize];
            far.prefetch(block, lines.start.max(next)..lines.end);
            next = lines.end;
            used &= used - 1;
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

    /// Whether the slot, whose head has the key's tag, is the key's; for a slot found under a pin the answer holds as long as the
    /// pin.
    #[inline]
    pub fn holds(&self, slot: usize, key: u64) -> bool {
        (self.split(slot).0.load(Ordering::Acquire) ^ key) >> 32 == 0
    }

    /// Whether a slot of a key, found under a pin, was the key's at that time too and has not been given away and back since.
    /// A slot given away was last touched an earlier unit of time, so those two lives of a key never share one.
    pub fn held_since(&self, slot: usize, time_ms: i64) -> bool {
        let claimed = self.split(slot).0.load(Ordering::Acquire) as u32;
        (touch(time_ms) as u32).wrapping_sub(claimed) < 1 << 31
    }

    /// For how long, in milliseconds, nothing of a slot's key can have been lost: since the key came in, or since a key of the
    /// table last went before its time. For ever if none has.
    #[inline]
    pub fn complete_ms(&self, slot: usize, now_ms: i64) -> i64 {
        match self.evicted.load(Ordering::Acquire) {
            0 => i64::MAX,
            evicted => self.complete_since(slot, touch(now_ms), evicted - 1),
        }
    }

    #[cold]
    fn complete_since(&self, slot: usize, now: u64, evicted: u64) -> i64 {
        let claimed = self.split(slot).0.load(Ordering::Acquire) as u32;
        // Either may be that of a thread which entered later.
        let held = (now as u32).wrapping_sub(claimed).cast_signed().max(0);
        let quiet = units(evicted, now);
        let quiet = if quiet > TIME / 2 { 0 } else { quiet as i64 };
        quiet.max(i64::from(held)) << TOUCH_SHIFT
    }

    /// Keys evicted before their windows had expired, of this table and those that share its count.
    pub fn live_evictions(&self) -> u64 {
        self.live_evictions.count()
    }

    /// Slots there are.
    pub fn slots(&self) -> usize {
        self.lines * LINE
    }
}
