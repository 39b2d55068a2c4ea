//! The latest few of something, each known by 32 bits, the one met last in front: two to a word.
//!
//! Two threads that change one at the same instant may lose an entry of the other's or leave one twice; meeting it again
//! mends that. Where nothing changes, nothing is written.

use crate::table::{Ordering, Word};

/// Most entries, so that all of them fit into registers.
const ENTRIES_MAX: usize = 8;

/// A view over words; 0 is no entry.
#[derive(Clone, Copy)]
pub(super) struct Latest<'a>(pub &'a [Word]);

impl Latest<'_> {
    /// All entries, the latest first.
    pub fn entries(self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().map(|word| word.load(Ordering::Relaxed));
        words.flat_map(|word| [word as u32, (word >> 32) as u32]).filter(|&entry| entry != 0)
    }

    /// Puts an entry in front, in the place of the one it was met as; a new one pushes out the last.
    pub fn meet(self, met_as: Option<u32>, entry: u32) {
        let mut next = [0; ENTRIES_MAX];
        next[0] = entry;
        let others = self.entries().filter(|&other| other != entry && Some(other) != met_as);
        next[1..2 * self.0.len()].iter_mut().zip(others).for_each(|(place, other)| *place = other);
        for (word, pair) in self.0.iter().zip(next.chunks(2)) {
            let wanted = u64::from(pair[0]) | u64::from(pair[1]) << 32;
            if word.load(Ordering::Relaxed) != wanted {
                word.store(wanted, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_latest_are_those_a_list_would_hold(
            words in 1_usize..=4,
            met in prop::collection::vec((1_u32..12, prop::option::weighted(0.2, 1_u32..12)), 0..200),
        ) {
            let held: Vec<Word> = (0..words).map(|_| Word::new(0)).collect();
            let latest = Latest(&held);
            let mut twin: Vec<u32> = Vec::new();
            for (entry, met_as) in met {
                latest.meet(met_as, entry);
                twin.retain(|&other| other != entry && Some(other) != met_as);
                twin.insert(0, entry);
                twin.truncate(2 * words);
                prop_assert_eq!(latest.entries().collect::<Vec<_>>(), twin.clone());
            }
        }
    }
}
