//! The number of distinct values of a key within a sliding window, exact up to N.
//!
//! A word holds 32 bits of a value's keyed hash and the stamp of when it was last seen, so a value is taken in by one
//! compare-and-swap. Two values are taken for one with probability 2⁻³² a pair. The N values seen last are always kept, so
//! up to N the number is exact; those that had to make room go into a [`Sketch`], which estimates how many more there are.

use super::four;
use super::payload::{Far, Room};
use super::sketch::Sketch;
use super::span::{FREE, Span};
use super::stamps::{self, Holds};
use super::{Ordering, Word, fence};

const STAMP: u64 = u32::MAX as u64;

/// Words near the head: values of which a key with few needs no far words.
const NEAR: usize = 4;

/// A view over the words of [`Distinct::room`].
#[derive(Clone, Copy)]
pub struct Distinct<'a> {
    near: &'a [Word],
    far: Far<'a>,
    /// The others, beyond the exact range.
    more: Sketch<'a>,
    span: &'a Span,
}

impl<'a> Distinct<'a> {
    /// Words of a set that is exact up to `exact` values.
    pub fn room(exact: usize) -> Room {
        let far = exact.saturating_sub(NEAR);
        Room { near: exact.min(NEAR), far, soon: far, rare: Sketch::WORDS }
    }

    /// The set that lies in these words; `more` are the rare ones.
    #[inline]
    pub fn new(near: &'a [Word], far: Far<'a>, more: Far<'a>, span: &'a Span) -> Distinct<'a> {
        Distinct { near, far, more: Sketch::new(more, span), span }
    }

    /// The near words, where there are as many as one look takes in.
    #[inline]
    fn quiet(&self) -> Option<&'a [[Word; 2]; 2]> {
        self.near.as_chunks().0.first_chunk()
    }

    fn words(&self) -> impl Iterator<Item = &'a Word> {
        self.near.iter().chain(self.far.used())
    }

    /// Takes a value in and gives the number of distinct ones, it included: exact up to the range, an estimate beyond.
    pub fn add(&self, time_ms: i64, hash: u64) -> usize {
        loop {
            match self.try_add(time_ms, hash) {
                Step::Retry => {}
                // An event too late to be told counts for itself.
                Step::Counted => return self.count(time_ms).max(1),
                Step::Late => {
                    // It may be among the others already, and must not count twice.
                    self.more.put(hash, time_ms);
                    return self.count(time_ms).max(1);
                }
            }
        }
    }

    fn try_add(&self, time_ms: i64, hash: u64) -> Step {
        let value = hash & !STAMP;
        let wanted = value | u64::from(self.span.stamp(time_ms));
        let exchange = |word: &Word, held| match word.compare_exchange(
            held,
            wanted,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => Step::Counted,
            Err(_) => Step::Retry,
        };
        let renew = |word: &Word, held| match self.span.age(held as u32, time_ms) {
            ..=0 => Step::Counted,
            1.. => exchange(word, held),
        };
        if let Some(words) = self.quiet() {
            let (four, same) = four::values(words, (hash >> 32) as u32, self.span.ages(time_ms));
            let own = same & !four.free;
            if own | four.free != 0 {
                let word = &self.near[if own == 0 { four.free } else { own }.trailing_zeros() as usize];
                let held = word.load(Ordering::Acquire);
                return match held as u32 {
                    FREE if own == 0 => exchange(word, held),
                    stamp if own != 0 && stamp != FREE && held & !STAMP == value => renew(word, held),
                    _ => Step::Retry,
                };
            }
        }
        // Read once: a try that has not looked at the far words must not take a near one because of them.
        let far = self.far.used();
        let mut oldest: Option<(&Word, u64, i64)> = None;
        for word in self.near.iter().chain(far) {
            let held = word.load(Ordering::Acquire);
            // Free words stand behind all others.
            if held as u32 == FREE {
                return exchange(word, held);
            }
            if held & !STAMP == value {
                return renew(word, held);
            }
            let age = self.span.age(held as u32, time_ms);
            if oldest.is_none_or(|(_, _, most)| age > most) {
                oldest = Some((word, held, age));
            }
        }
        let Some((word, held, age)) = oldest else { return Step::Late };
        if !self.span.gone(age) && far.is_empty() && !self.far.open().is_empty() {
            // Full of values that still count: the far words begin to be used, and the first of them is free.
            return Step::Retry;
        }
        if age <= 0 {
            // Earlier than all that are kept: it is not among the N latest.
            return Step::Late;
        }
        if matches!(exchange(word, held), Step::Retry) {
            return Step::Retry;
        }
        // Another thread may have brought the same value into another word: the first word of the two stays.
        fence(Ordering::SeqCst);
        let twin = self.words().find(|other| other.load(Ordering::Acquire) & !STAMP == value);
        if twin.is_some_and(|twin| !std::ptr::eq(twin, word)) {
            let outside = value | u64::from(self.span.outside(time_ms));
            let _ = word.compare_exchange(wanted, outside, Ordering::AcqRel, Ordering::Relaxed);
        }
        if !self.span.gone(age) {
            self.more.put(held, self.span.time_ms(age, time_ms));
            self.more.take(value, time_ms);
        }
        Step::Counted
    }

    /// Distinct values within the window ending at `time_ms`: exact up to the range, an estimate beyond. Of a value only the
    /// latest time is known: one seen a little later than `time_ms` may have been seen before as well, and counts.
    pub fn count(&self, time_ms: i64) -> usize {
        let ages = self.span.ages_with_later(time_ms);
        if let Some(words) = self.quiet() {
            let (four, _) = four::values(words, 0, ages);
            if four.overdue == 0 && four.free != 0 {
                return four.count() as usize;
            }
        }
        let (mut inside, mut oldest) = (0, 0);
        for words in [self.near, self.far.used()] {
            let seen = stamps::look(words, Holds::Value, ages);
            if ages.overdue(seen.rank) {
                self.move_forward(words, time_ms);
            }
            inside += seen.inside as usize;
            if seen.free.is_some() {
                // Free words stand behind all others.
                return inside;
            }
            oldest = oldest.max(seen.rank);
        }
        // If one of the N latest is before the window, so are all that made room for it.
        if ages.all_hold(oldest) { inside + self.more.estimate(time_ms) } else { inside }
    }

    fn move_forward(&self, words: &[Word], time_ms: i64) {
        for word in words {
            let held = word.load(Ordering::Acquire);
            let age = self.span.age(held as u32, time_ms);
            if let Some(later) = self.span.moved_forward(age, time_ms).filter(|_| held as u32 != FREE) {
                let moved = held & !STAMP | u64::from(later);
                let _ = word.compare_exchange(held, moved, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }
}

/// What became of a try to take a value in.
enum Step {
    /// Another thread was at the same word.
    Retry,
    /// It is among those that a count finds.
    Counted,
    /// It is not: all that are kept are later.
    Late,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Near words, flags and far words.
    type Words = (Vec<Word>, Word, Vec<Word>);

    fn words(exact: usize) -> Words {
        let words = |count| (0..count).map(|_| Word::new(0)).collect();
        let Room { near, far, rare, .. } = Distinct::room(exact);
        (words(near), Word::new(0), words(far + rare))
    }

    fn set<'a>((near, flags, far): &'a Words, span: &'a Span) -> Distinct<'a> {
        let (far, more) = Far::new(flags, far).split(far.len() - Sketch::WORDS);
        Distinct::new(near, far, more, span)
    }

    fn spread(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 40
    }

    #[test]
    fn past_its_exact_range_it_goes_on_counting() {
        let words = words(4);
        let span = Span::new(10_000);
        let set = set(&words, &span);
        let counts: Vec<usize> = (1..=70).map(|n| set.add(1_000_000 + n, spread(n as u64))).collect();
        // Sixty-four values beyond the exact ones are still told apart; then each stands for two, and so on.
        assert_eq!(counts[..68], (1..=68).collect::<Vec<_>>());
        assert!((50..90).contains(&counts[69]), "{}", counts[69]);
        assert!((50..90).contains(&set.add(1_000_071, spread(1))), "one seen before is none more");
        assert_eq!(set.count(1_010_069), 2, "and exact again when few are left");
    }

    #[test]
    fn threads_that_bring_the_same_value_count_it_once() {
        for _ in 0..200 {
            let words = words(8);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| set(&words, &Span::new(10_000)).add(1_000_000, spread(7)));
                }
            });
            assert_eq!(set(&words, &Span::new(10_000)).count(1_000_000), 1);
        }
    }

    proptest! {
        #[test]
        fn it_is_exact_up_to_its_capacity(
            events in prop::collection::vec((0_i64..3_000, 0_u64..12), 1..300),
            window_ms in 1_000_i64..30_000,
        ) {
            let words = words(16);
            let span = Span::new(window_ms);
            let set = set(&words, &span);
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

    #[test]
    fn a_late_value_displaces_none_that_is_later_and_counts_with_those() {
        let (words, span) = (words(4), Span::new(3_000));
        let set = set(&words, &span);
        for value in 1..=4 {
            set.add(10_000, spread(value));
        }
        assert_eq!(set.add(9_000, spread(4)), 4, "each may have been seen before nine as well");
        assert!(set.add(5_000, spread(5)) >= 4);
        assert_eq!(set.add(1_000, spread(4)), 1, "too late to be told");
        assert_eq!(set.count(10_000), 4);
        assert_eq!(set.count(13_000), 0);
    }

    #[test]
    fn a_value_seen_before_a_late_event_and_after_it_counts_for_it() {
        let (words, span) = (words(4), Span::new(3_000));
        let set = set(&words, &span);
        set.add(10_000, spread(1));
        set.add(12_000, spread(1));
        assert_eq!(set.add(11_000, spread(2)), 2);
    }

    #[test]
    fn threads_that_bring_new_values_past_the_near_words_lose_none() {
        for _ in 0..200 {
            let (words, span) = (words(12), Span::new(10_000));
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (words, span) = (&words, &span);
                    scope.spawn(move || {
                        for n in 0..3 {
                            set(words, span).add(1_000_000, spread(1 + thread * 3 + n));
                        }
                    });
                }
            });
            assert_eq!(set(&words, &span).count(1_000_000), 12);
        }
    }
}
