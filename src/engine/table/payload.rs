//! What a slot holds of its key: near words, and far ones that most keys never need.
//!
//! Most keys see a few events a window. Those fit into the near words, which lie on one or two cache lines; the near words of all
//! keys are small enough for address translation to keep up. Only a busy key's windows go on into the far words, in a
//! memory of their own, [`super::Blocks`], neither read nor cleared until they have been used.

use super::slots::Slots;
use super::{Ordering, Word};

/// A slot's words after its key.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    pub(super) table: &'a Slots,
    pub(super) slot: usize,
    /// Which parts of the far words were written, a bit each, and which block they are in.
    pub(super) flags: &'a Word,
    pub(super) near: &'a [Word],
}

impl<'a> Payload<'a> {
    /// The near words; those that its [`super::Shape`] says are zero when the key came in.
    #[inline]
    pub fn near(&self) -> &'a [Word] {
        self.near
    }

    /// All far words of a slot that has a block of its own, whether they were written or not; else none.
    pub fn far(&self) -> &'a [Word] {
        self.table.own_block(self.slot)
    }

    /// A part of the far words, below [`super::PARTS_MAX`].
    #[inline]
    pub fn part(&self, part: usize, words: std::ops::Range<usize>) -> Far<'a> {
        let block = Block::Slot(self.table, self.slot);
        Far { flags: self.flags, bit: 1 << part, first: words.start, count: words.len(), block }
    }
}

/// Far words of one window, and the bit that says whether any was ever written.
#[derive(Clone, Copy)]
pub struct Far<'a> {
    flags: &'a Word,
    bit: u64,
    /// Place in the block.
    first: usize,
    count: usize,
    block: Block<'a>,
}

/// Where far words stand.
#[derive(Clone, Copy)]
enum Block<'a> {
    /// In these words.
    Words(&'a [Word]),
    /// In the block of a slot, if it has one.
    Slot(&'a Slots, usize),
}

impl<'a> Far<'a> {
    /// Far words marked by bit 0 of the flags.
    pub fn new(flags: &'a Word, words: &'a [Word]) -> Far<'a> {
        Far { flags, bit: 1, first: 0, count: words.len(), block: Block::Words(words) }
    }

    /// The words if they were written, else none.
    #[inline]
    pub(super) fn used(&self) -> &'a [Word] {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & self.bit == 0 { &[] } else { self.words(flags) }
    }

    /// The words, to be written; none if the table has no block left.
    #[inline]
    pub(super) fn open(&self) -> &'a [Word] {
        let flags = self.flags.load(Ordering::Acquire);
        if flags & self.bit != 0 {
            return self.words(flags);
        }
        match self.block {
            _ if self.count == 0 => &[],
            Block::Words(_) => self.words(self.flags.fetch_or(self.bit, Ordering::AcqRel)),
            Block::Slot(table, slot) => match table.open(slot, self.bit) {
                Some(flags) => self.words(flags),
                None => &[],
            },
        }
    }

    /// [`Far::open`], for those who look on from outside.
    #[cfg(loom)]
    pub fn opened(&self) -> &'a [Word] {
        self.open()
    }

    #[inline]
    fn words(&self, flags: u64) -> &'a [Word] {
        let block = match self.block {
            Block::Words(words) => words,
            Block::Slot(table, slot) => table.block(slot, flags),
        };
        &block[self.first..self.first + self.count]
    }

    /// Stamps that the words hold.
    pub(super) fn stamps(&self) -> usize {
        2 * self.count
    }

    /// All but the last `count` words, and these, under the same bit.
    #[inline]
    pub fn split_last(&self, count: usize) -> (Far<'a>, Far<'a>) {
        self.split(self.count - count)
    }

    /// The first `count` words and the rest, under the same bit.
    #[inline]
    pub fn split(&self, count: usize) -> (Far<'a>, Far<'a>) {
        (Far { count, ..*self }, Far { first: self.first + count, count: self.count - count, ..*self })
    }
}

/// Words that one window needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Near ones.
    pub near: usize,
    /// Far ones.
    pub far: usize,
    /// Of these the first ones, which are needed whenever the far ones are.
    pub soon: usize,
    /// Far ones that few busy keys need either: they lie behind those of all windows, and nobody asks for them in advance.
    pub rare: usize,
}

impl Room {
    /// Room for this and another, one behind the other.
    pub const fn with(self, other: Room) -> Room {
        Room {
            near: self.near + other.near,
            far: self.far + other.far,
            soon: self.far + other.soon,
            rare: self.rare + other.rare,
        }
    }
}
