//! The number of distinct values of a key within a sliding window, exact up to N.
//!
//! A word holds 32 bits of a value's keyed hash and the time it was last seen, so a value is taken in by one
//! compare-and-swap. Two values are taken for one with probability 2⁻³² a pair. Past N values the least recently seen one
//! makes room and the answer stays N: "N or more".

use super::{Ordering, Word};

const FREE: u64 = 0;

/// A view over N words.
#[derive(Clone, Copy)]
pub struct Distinct<'a> {
    words: &'a [Word],
    window_ms: i64,
}

impl<'a> Distinct<'a> {
    /// The set that lies in these words; the window is at most thirty days, so that 32 bits of milliseconds tell ages apart.
    pub fn new(words: &'a [Word], window_ms: i64) -> Distinct<'a> {
        Distinct { words, window_ms }
    }

    /// Takes a value in and gives the number of distinct ones, it included.
    pub fn add(&self, time_ms: i64, hash: u64) -> usize {
        while !self.try_add(time_ms, hash) {}
        self.count(time_ms)
    }

    fn try_add(&self, time_ms: i64, hash: u64) -> bool {
        // Never all zero: that is a free word.
        let value = (hash >> 32).max(1) << 32;
        let wanted = value | time_ms as u32 as u64;
        let mut room: Option<(&Word, u64, i64)> = None;
        for word in self.words {
            let held = word.load(Ordering::Acquire);
            if held & !0xffff_ffff == value {
                let newer = age(held, time_ms) > 0;
                return !newer
                    || word.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok();
            }
            let held_age = if held == FREE { i64::MAX } else { age(held, time_ms) };
            if room.is_none_or(|(_, _, oldest)| held_age > oldest) {
                room = Some((word, held, held_age));
            }
        }
        let Some((word, held, _)) = room else { return true };
        if word.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        // Another thread may have brought the same value into another word: the first word of the two stays.
        let twin = self.words.iter().find(|other| other.load(Ordering::SeqCst) & !0xffff_ffff == value);
        if twin.is_some_and(|twin| !std::ptr::eq(twin, word)) {
            let _ = word.compare_exchange(wanted, FREE, Ordering::AcqRel, Ordering::Relaxed);
        }
        true
    }

    /// Distinct values within the window ending at `time_ms`.
    pub fn count(&self, time_ms: i64) -> usize {
        let inside = |held: &u64| *held != FREE && (0..self.window_ms).contains(&age(*held, time_ms));
        self.words.iter().map(|word| word.load(Ordering::Acquire)).filter(inside).count()
    }
}

/// Milliseconds since the value was seen; negative for a value seen after `time_ms`.
fn age(held: u64, time_ms: i64) -> i64 {
    let behind = (time_ms as u32).wrapping_sub(held as u32);
    // Thirty days of window and five minutes of disorder leave the upper part of the circle for the future.
    if behind > u32::MAX - 600_000 { -i64::from(u32::MAX - behind) - 1 } else { i64::from(behind) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 40
    }

    #[test]
    fn past_its_capacity_it_says_so_many_or_more() {
        let words: Vec<Word> = (0..4).map(|_| Word::new(0)).collect();
        let set = Distinct::new(&words, 10_000);
        let counts: Vec<usize> = (1..=6).map(|n| set.add(1_000_000 + n, spread(n as u64))).collect();
        assert_eq!(counts, [1, 2, 3, 4, 4, 4]);
    }

    #[test]
    fn threads_that_bring_the_same_value_count_it_once() {
        for _ in 0..200 {
            let words: Vec<Word> = (0..8).map(|_| Word::new(0)).collect();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| Distinct::new(&words, 10_000).add(1_000_000, spread(7)));
                }
            });
            assert_eq!(Distinct::new(&words, 10_000).count(1_000_000), 1);
        }
    }

    proptest! {
        #[test]
        fn it_is_exact_up_to_its_capacity(
            events in prop::collection::vec((0_i64..3_000, 0_u64..12), 1..300),
            window_ms in 1_000_i64..30_000,
        ) {
            let words: Vec<Word> = (0..16).map(|_| Word::new(0)).collect();
            let set = Distinct::new(&words, window_ms);
            let mut last_seen = std::collections::HashMap::new();
            let mut now = i64::from(u32::MAX) - 20_000;
            for (step, value) in events {
                now += step;
                last_seen.insert(value, now);
                let truth = last_seen.values().filter(|t| **t > now - window_ms).count();
                prop_assert_eq!(set.add(now, spread(value + 1)), truth);
            }
        }
    }
}
