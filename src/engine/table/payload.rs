//! What a slot holds of its key: near words, and far ones that most keys never need.
//!
//! Most keys see a few events a window. Those fit into the near words, which lie on one or two cache lines; the near words of all
//! keys are small enough for address translation to keep up. Only a busy key's windows go on into the far words, in a
//! memory of their own, neither read nor cleared until they have been used.

use super::{Ordering, Word};

/// A slot's words after its key.
#[derive(Clone, Copy)]
pub struct Payload<'a> {
    /// One bit a part of the far words: whether it was written.
    pub(super) flags: &'a Word,
    pub(super) near: &'a [Word],
    pub(super) far: &'a [Word],
}

/// Most parts of the far words: a bit each.
pub const PARTS_MAX: usize = u64::BITS as usize;

impl<'a> Payload<'a> {
    /// The near words; those that its [`super::Shape`] says are zero when the key came in.
    pub fn near(&self) -> &'a [Word] {
        self.near
    }

    /// All far words, whether they were written or not.
    pub fn far(&self) -> &'a [Word] {
        self.far
    }

    /// A part of the far words, below [`PARTS_MAX`].
    pub fn part(&self, part: usize, words: std::ops::Range<usize>) -> Far<'a> {
        Far { flags: self.flags, bit: 1 << part, words: &self.far[words] }
    }

    /// Zeroes the first `near` words, and what was written of the far ones. Only for whoever has the slot to himself.
    pub(super) fn clear(&self, near: usize) {
        let used = self.flags.swap(0, Ordering::Relaxed) != 0;
        let far = if used { self.far } else { &[] };
        for word in self.near[..near].iter().chain(far) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Far words of one window, and the bit that says whether any was ever written.
#[derive(Clone, Copy)]
pub struct Far<'a> {
    flags: &'a Word,
    bit: u64,
    words: &'a [Word],
}

impl<'a> Far<'a> {
    /// Far words marked by bit 0 of the flags.
    pub fn new(flags: &'a Word, words: &'a [Word]) -> Far<'a> {
        Far { flags, bit: 1, words }
    }

    /// The words if they were written, else none.
    pub(super) fn used(&self) -> &'a [Word] {
        if self.flags.load(Ordering::Acquire) & self.bit == 0 { &[] } else { self.words }
    }

    /// The words, to be written.
    pub(super) fn open(&self) -> &'a [Word] {
        if self.flags.load(Ordering::Acquire) & self.bit == 0 {
            self.flags.fetch_or(self.bit, Ordering::AcqRel);
        }
        self.words
    }

    /// Stamps that the words hold.
    pub(super) fn stamps(&self) -> usize {
        2 * self.words.len()
    }

    /// The first `count` words and the rest, under the same bit.
    pub fn split(&self, count: usize) -> (Far<'a>, Far<'a>) {
        let (first, rest) = self.words.split_at(count);
        (Far { words: first, ..*self }, Far { words: rest, ..*self })
    }
}

/// Words that one window needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Near ones.
    pub near: usize,
    /// Far ones.
    pub far: usize,
}

impl Room {
    /// Room for this and another, one behind the other.
    pub const fn with(self, other: Room) -> Room {
        Room { near: self.near + other.near, far: self.far + other.far }
    }
}
