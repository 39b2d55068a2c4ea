//! The number of distinct values of a key within a sliding window, exact up to N.
//!
//! A word holds 32 bits of a value's keyed hash and the stamp of when it was last seen, so a value is taken in by one
//! compare-and-swap. Two values are taken for one with probability 2⁻³² a pair. The N values seen last are always kept, so
//! up to N the number is exact; those that had to make room go into a [`Sketch`], which estimates how many more there are.

use super::four;
use super::payload::{Far, Room};
use super::sketch::Sketch;
use super::span::{FREE, Span};
use super::stamps::{self, Holds, Spot};
use super::values;
use super::{Ordering, Reading, Word, fence};

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

    /// The word that holds a value.
    fn find(&self, value: u32, far: &'a [Word]) -> Option<&'a Word> {
        [self.near, far].into_iter().find_map(|words| Some(&words[values::find(words, value)?]))
    }

    /// Takes a value in and gives the number of distinct ones, it included: exact up to the range, an estimate beyond.
    #[inline(always)]
    pub fn add(&self, time_ms: i64, hash: u64) -> Reading {
        match self.try_quiet(time_ms, hash) {
            Some(Step::Counted) => self.count(time_ms).at_least(1),
            _ => self.add_on(time_ms, hash),
        }
    }

    /// The same of a key that has many values, or that another thread is at.
    fn add_on(&self, time_ms: i64, hash: u64) -> Reading {
        loop {
            match self.try_quiet(time_ms, hash).unwrap_or_else(|| self.try_busy(time_ms, hash)) {
                Step::Retry => {}
                // An event too late to be told counts for itself.
                Step::Counted => return self.count(time_ms).at_least(1),
                Step::Late => {
                    // It may be among the others already, and must not count twice.
                    self.more.put(hash, time_ms);
                    return self.count(time_ms).at_least(1);
                }
            }
        }
    }

    /// The word of a value that was last seen at that time.
    #[inline]
    fn word(&self, hash: u64, time_ms: i64) -> u64 {
        hash & !STAMP | u64::from(self.span.stamp(time_ms))
    }

    /// Notes that the value of a word, read as `held`, was seen at that time too.
    #[inline]
    fn renew(&self, word: &Word, held: u64, time_ms: i64) -> Step {
        match self.span.age(held as u32, time_ms) {
            ..=0 => Step::Counted,
            1.. => exchange(word, held, self.word(held, time_ms)),
        }
    }

    /// A try that ends at the near words; `None` if they are full of other values.
    #[inline(always)]
    fn try_quiet(&self, time_ms: i64, hash: u64) -> Option<Step> {
        let words = self.quiet()?;
        let (four, same) = four::values(words, (hash >> 32) as u32, self.span.ages(time_ms));
        let own = same & !four.free;
        if own | four.free == 0 {
            return None;
        }
        let word = &self.near[if own == 0 { four.free } else { own }.trailing_zeros() as usize];
        let held = word.load(Ordering::Acquire);
        Some(match held as u32 {
            FREE if own == 0 => exchange(word, held, self.word(hash, time_ms)),
            stamp if own != 0 && stamp != FREE && (held ^ hash) & !STAMP == 0 => {
                self.renew(word, held, time_ms)
            }
            _ => Step::Retry,
        })
    }

    fn try_busy(&self, time_ms: i64, hash: u64) -> Step {
        let (value, wanted) = (hash & !STAMP, self.word(hash, time_ms));
        // Read once: a try that has not looked at the far words must not take a near one because of them.
        let far = self.far.used();
        let ages = self.span.ages(time_ms);
        // Before the value is looked for: two threads that bring the same one find the same place, and one is too late for it.
        let seen = stamps::look([self.near, far], Holds::Value, ages);
        let oldest = seen.oldest.map(|spot| (spot.word, spot.word.load(Ordering::Acquire)));
        if let Some(word) = self.find((hash >> 32) as u32, far) {
            let held = word.load(Ordering::Acquire);
            return if held & !STAMP == value { self.renew(word, held, time_ms) } else { Step::Retry };
        }
        if let Some(Spot { word, .. }) = seen.free {
            return match word.load(Ordering::Acquire) {
                held if held as u32 == FREE => exchange(word, held, wanted),
                _ => Step::Retry,
            };
        }
        let Some((word, held)) = oldest else { return Step::Late };
        if ages.rank_or_free(held as u32) != seen.rank {
            return Step::Retry;
        }
        let age = self.span.age(held as u32, time_ms);
        if !self.span.gone(age) && far.is_empty() && !self.far.open().is_empty() {
            // Full of values that still count: the far words begin to be used, and the first of them is free.
            return Step::Retry;
        }
        if age <= 0 {
            // Earlier than all that are kept: it is not among the N latest.
            return Step::Late;
        }
        if matches!(exchange(word, held, wanted), Step::Retry) {
            return Step::Retry;
        }
        // Another thread may have brought the same value into another word: the first word of the two stays.
        fence(Ordering::SeqCst);
        let twin = self.find((hash >> 32) as u32, self.far.used());
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
    #[inline(always)]
    pub fn count(&self, time_ms: i64) -> Reading {
        if let Some(words) = self.quiet() {
            let (four, _) = four::values(words, 0, self.span.ages_with_later(time_ms));
            if four.free != 0 {
                return Reading { value: i64::from(four.count()), late: four.later != 0 };
            }
        }
        self.count_on(time_ms)
    }

    /// The same of a key that has many values.
    fn count_on(&self, time_ms: i64) -> Reading {
        let ages = self.span.ages_with_later(time_ms);
        let seen = stamps::glance([self.near, self.far.used()], Holds::Value, ages);
        let inside = seen.inside as usize;
        // If one of the N latest is before the window, so are all that made room for it.
        let more = seen.free.is_none() && ages.all_hold(seen.rank);
        let value = if more { inside + self.more.estimate(time_ms) } else { inside };
        Reading { value: value as i64, late: seen.later }
    }

    /// See [`Span::moved_forward`].
    pub(super) fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        for words in [self.near, self.far.used()] {
            values::keep_up(words, self.span, time_ms, rest_ms);
        }
        self.more.keep_up(time_ms, rest_ms);
    }
}

/// Writes a word, if it still is what it was.
#[inline]
fn exchange(word: &Word, held: u64, wanted: u64) -> Step {
    match word.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Step::Counted,
        Err(_) => Step::Retry,
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
        let counts: Vec<i64> = (1..=70).map(|n| set.add(1_000_000 + n, spread(n as u64)).value).collect();
        // Sixty-four values beyond the exact ones are still told apart; then each stands for two, and so on.
        assert_eq!(counts[..68], (1..=68).collect::<Vec<_>>());
        assert!((50..90).contains(&counts[69]), "{}", counts[69]);
        assert!((50..90).contains(&set.add(1_000_071, spread(1)).value), "one seen before is none more");
        assert_eq!(set.count(1_010_069).value, 2, "and exact again when few are left");
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
            assert_eq!(set(&words, &Span::new(10_000)).count(1_000_000).value, 1);
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
                prop_assert_eq!(set.add(now, spread(value + 1)), Reading { value: truth as i64, late: false });
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
        let late = |value| Reading { value, late: true };
        assert_eq!(set.add(9_000, spread(4)), late(4), "each may have been seen before nine as well");
        assert!(set.add(5_000, spread(5)).value >= 4);
        assert_eq!(set.add(1_000, spread(4)), late(1), "too late to be told");
        assert_eq!(set.count(10_000), Reading { value: 4, late: false });
        assert_eq!(set.count(13_000), Reading { value: 0, late: false });
    }

    #[test]
    fn a_value_seen_before_a_late_event_and_after_it_counts_for_it() {
        let (words, span) = (words(4), Span::new(3_000));
        let set = set(&words, &span);
        set.add(10_000, spread(1));
        set.add(12_000, spread(1));
        assert_eq!(set.add(11_000, spread(2)), Reading { value: 2, late: true });
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
            assert_eq!(set(&words, &span).count(1_000_000).value, 12);
        }
    }
}
