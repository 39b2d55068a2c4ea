//! One slot: the whole hash of an entry and when it ends, given from one entry to another while checks read it.

use super::Hash;
use crate::table::{Ordering, Word};

/// A view of the words of a slot: both halves of the hash, and the end.
#[derive(Clone, Copy)]
pub struct Slot<'a>(pub &'a [Word; Slot::WORDS]);

impl Slot<'_> {
    /// Words of a slot.
    pub const WORDS: usize = 3;

    /// Whether the entry of that hash is in force at a time; `None` if the slot is not, or no longer, its. Any thread.
    pub fn live(self, hash: Hash, at_ms: i64) -> Option<bool> {
        while self.holds(hash) {
            let found = self.0[2].load(Ordering::Acquire);
            // A slot that was given away in between may have shown the end of its next entry. Then it shows the next hash
            // too, or, given back since, another end.
            if self.holds(hash) && self.0[2].load(Ordering::Acquire) == found {
                return Some(found as i64 > at_ms);
            }
        }
        None
    }

    /// Whether the entry of that hash stands here.
    pub fn holds(self, hash: Hash) -> bool {
        self.0[0].load(Ordering::Acquire) == (hash >> 64) as u64
            && self.0[1].load(Ordering::Acquire) == hash as u64
    }

    /// Gives the slot to an entry. The writer alone.
    pub fn fill(self, hash: Hash, expires_ms: i64) {
        // In this order: whoever finds both halves of the hash finds the end that goes with it, or none yet.
        self.end();
        self.0[0].store((hash >> 64) as u64, Ordering::Release);
        self.0[1].store(hash as u64, Ordering::Release);
        self.date(expires_ms);
    }

    /// Gives its entry another end. The writer alone.
    pub fn date(self, expires_ms: i64) {
        self.0[2].store(expires_ms as u64, Ordering::Release);
    }

    /// Puts its entry out of force. The writer alone.
    pub fn end(self) {
        self.0[2].store(0, Ordering::Release);
    }

    /// The hash and the end of its entry. The writer alone.
    pub fn entry(self) -> (Hash, i64) {
        let [high, low, expires] = self.0.each_ref().map(|word| word.load(Ordering::Acquire));
        (u128::from(high) << 64 | u128::from(low), expires as i64)
    }
}
