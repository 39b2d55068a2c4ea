//! Two stamps of 32 bits to a word.

use super::span::FREE;
use super::{Ordering, Word};

/// Words that hold so many stamps.
pub(super) const fn words(stamps: usize) -> usize {
    stamps.div_ceil(2)
}

/// A stamp, where it stands, and the word it was read with.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub stamp: u32,
    word: &'a Word,
    shift: u32,
    held: u64,
}

/// All stamps in their places.
pub(super) fn iter(words: &[Word]) -> impl Iterator<Item = Place<'_>> {
    words.iter().flat_map(|word| {
        let held = word.load(Ordering::Acquire);
        [place(word, held, 0), place(word, held, 1)]
    })
}

/// One half of a word that was read as `held`.
#[inline]
pub(super) fn place(word: &Word, held: u64, half: usize) -> Place<'_> {
    let shift = 32 * half as u32;
    Place { stamp: (held >> shift) as u32, word, shift, held }
}

impl Place<'_> {
    /// Writes another stamp here, if the word is still what it was.
    #[inline]
    pub fn exchange(&self, stamp: u32) -> bool {
        let wanted = self.held & !(u64::from(u32::MAX) << self.shift) | u64::from(stamp) << self.shift;
        self.word.compare_exchange(self.held, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Frees the place, if its word still holds this stamp there.
    pub fn free(self) -> bool {
        self.replace(FREE)
    }

    /// Writes another stamp here, if its word still holds this one there.
    pub fn replace(mut self, other: u32) -> bool {
        let stamp = self.stamp;
        while self.stamp == stamp {
            if self.exchange(other) {
                return true;
            }
            self.held = self.word.load(Ordering::Acquire);
            self.stamp = (self.held >> self.shift) as u32;
        }
        false
    }
}
