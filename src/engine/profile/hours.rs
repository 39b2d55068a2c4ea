//! At which hours of the day an account is seen: a counter of five bits an hour, twelve to a word.
//!
//! When one is full all are halved, so the profile follows a change of habit. No bit of a counter ever crosses into its
//! neighbour, whoever else counts at the same instant.

use crate::table::{Ordering, Word};

/// Words of the counters.
pub const WORDS: usize = 2;

/// Hours are compared with the account's own only after so many checks.
const TOTAL_MIN: u64 = 20;
const HOURS_A_WORD: usize = 12;
const BITS: usize = 5;
const FULL: u64 = (1 << BITS) - 1;
/// The lowest bit of each counter.
const LOW_BITS: u64 = 0x0084_2108_4210_8421;

/// A view over [`WORDS`] words.
#[derive(Clone, Copy)]
pub(super) struct Hours<'a>(pub &'a [Word]);

impl Hours<'_> {
    /// The share of the checks within an hour of this hour; `None` while they are few.
    pub fn share(self, hour: usize) -> Option<f64> {
        let held = [0, 1].map(|word| self.0[word].load(Ordering::Relaxed));
        let count = |hour: usize| held[hour / HOURS_A_WORD] >> shift(hour) & FULL;
        let total: u64 = (0..24).map(count).sum();
        let near = count((hour + 23) % 24) + count(hour) + count((hour + 1) % 24);
        (total >= TOTAL_MIN).then(|| near as f64 / total as f64)
    }

    /// Counts a check of that hour.
    pub fn add(self, hour: usize) {
        let is_full = |held: u64| held >> shift(hour) & FULL == FULL;
        let next = |held| Some(if is_full(held) { halved(held) } else { held + (1 << shift(hour)) });
        let word = hour / HOURS_A_WORD;
        let held = self.0[word].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        // One alone finds it full, and halves the others as well.
        if held.is_ok_and(is_full) {
            let next = |held| Some(halved(held));
            let _ = self.0[1 - word].fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }
}

fn shift(hour: usize) -> usize {
    hour % HOURS_A_WORD * BITS
}

fn halved(held: u64) -> u64 {
    (held & !LOW_BITS) >> 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn counts(words: &[Word]) -> Vec<u64> {
        let count = |hour: usize| words[hour / HOURS_A_WORD].load(Ordering::Relaxed) >> shift(hour) & FULL;
        (0..24).map(count).collect()
    }

    #[test]
    fn all_are_halved_when_one_is_full() {
        let words = [Word::new(0), Word::new(0)];
        (0..8).for_each(|_| Hours(&words).add(3));
        assert_eq!(Hours(&words).share(3), None);
        (0..FULL).for_each(|_| Hours(&words).add(20));
        assert_eq!(Hours(&words).share(20), Some(31.0 / 39.0));
        Hours(&words).add(20);
        let counts = counts(&words);
        assert_eq!((counts[3], counts[20], counts.iter().sum::<u64>()), (4, 15, 19));
    }

    #[test]
    fn threads_that_fill_an_hour_leave_its_neighbours_alone() {
        for _ in 0..2_000 {
            let words = [Word::new(0), Word::new(0)];
            (0..FULL - 1).for_each(|_| Hours(&words).add(7));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| Hours(&words).add(7));
                }
            });
            let counts = counts(&words);
            // One fills it, one halves it, one counts again.
            assert_eq!((counts[7], counts.iter().sum::<u64>()), (16, 16));
        }
    }
}
