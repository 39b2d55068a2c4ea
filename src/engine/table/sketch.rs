//! An estimate of how many distinct values a sliding window holds beyond those that are kept exactly.
//!
//! Adaptive sampling (Wegman 1984, analysed by Flajolet, On Adaptive Sampling, 1990): only values whose hash begins with so many zeros as the
//! level says are kept, each with the time it was last seen, and each stands for 2^level values. When the places are full the
//! level rises; when few are taken it falls, but a value skipped at the higher level may still be in the window, so the
//! estimate follows one window later. The standard error is about one sixth of what is estimated.

use super::payload::Far;
use super::span::Span;
use super::values::{self, Level, Sample};
use super::{Ordering, Word};

/// Values kept at most.
const PLACES: usize = 64;
/// So few taken places make the level fall: at the lower one about twice as many are taken.
const FEW: u32 = PLACES as u32 / 4;
/// A hash has 32 bits; at this level the places stand for a thousand million values.
const LEVEL_MAX: u32 = 24;
const STAMP: u64 = u32::MAX as u64;

/// A view over [`Sketch::WORDS`] far words.
#[derive(Clone, Copy)]
pub(super) struct Sketch<'a> {
    far: Far<'a>,
    span: &'a Span,
}

/// At which levels values are kept and counted, since when.
#[derive(Clone, Copy)]
struct State {
    kept: Level,
    counted: Level,
    since_ms: i64,
}

impl State {
    fn of(word: u64) -> State {
        let [kept, counted] = [word as u32, word as u32 >> 8].map(|level| Level(level & 0xff));
        State { kept, counted, since_ms: (word >> 16) as i64 }
    }

    fn word(self) -> u64 {
        (self.since_ms as u64) << 16 | u64::from(self.counted.0 << 8 | self.kept.0)
    }
}

impl<'a> Sketch<'a> {
    /// The level, and a word for each value.
    pub const WORDS: usize = 1 + PLACES;

    /// The sketch that lies in these far words.
    pub fn new(far: Far<'a>, span: &'a Span) -> Sketch<'a> {
        Sketch { far, span }
    }

    /// Takes a value in that was last seen at that time: the upper half of `value` is its hash.
    pub fn put(&self, value: u64, time_ms: i64) {
        let [level_word, places @ ..] = self.far.open() else { return };
        let (hash, ages) = ((value >> 32) as u32, self.span.ages(time_ms));
        let wanted = value & !STAMP | u64::from(self.span.stamp(time_ms));
        let read = |at: usize| (&places[at], places[at].load(Ordering::Acquire));
        loop {
            let before = level_word.load(Ordering::Acquire);
            let state = State::of(before);
            if state.kept.max(state.counted) > Level(0) && self.is_empty(places, time_ms) {
                // Whatever made the level rise is over: nobody may have looked since.
                let _ = level_word.compare_exchange(before, 0, Ordering::AcqRel, Ordering::Acquire);
                continue;
            }
            if !state.kept.keeps(hash) {
                return;
            }
            // Before the value is looked for: two threads that bring the same one find the same room, and one is too late for it.
            let room = values::room(places, ages, state.kept).map(read);
            let own = values::find(places, hash).map(read);
            let (word, held) = match (own, room) {
                (Some((_, held)), _) if held & !STAMP != value & !STAMP => continue,
                (Some((_, held)), _) if self.span.age(held as u32, time_ms) <= 0 => return,
                (None, Some((_, held))) if !values::is_room(held, ages, state.kept) => continue,
                (Some(own), _) | (None, Some(own)) => own,
                (None, None) if self.raise(level_word, before, time_ms) => continue,
                (None, None) => return,
            };
            if word.compare_exchange(held, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    }

    /// Whether every value that is kept has left every window.
    fn is_empty(&self, places: &[Word], time_ms: i64) -> bool {
        let ages = self.span.ages_with_later(time_ms);
        values::sample(places, ages, Level(0), Level(0)).taken == 0
    }

    /// Keeps half as many values from now on, or as few as are counted. `false` where it cannot be fewer.
    #[cold]
    fn raise(&self, level_word: &Word, before: u64, time_ms: i64) -> bool {
        let State { kept, counted, .. } = State::of(before);
        let next = if kept < counted { counted.0 } else { kept.0 + 1 };
        let level = Level(next.min(LEVEL_MAX));
        let raised = State { kept: level, counted: level, since_ms: time_ms }.word();
        let _ = level_word.compare_exchange(before, raised, Ordering::AcqRel, Ordering::Acquire);
        next <= LEVEL_MAX
    }

    /// Takes a value out again: it is kept elsewhere now.
    pub fn take(&self, value: u64, time_ms: i64) {
        let Some((_, places)) = self.far.used().split_first() else { return };
        let outside = value & !STAMP | u64::from(self.span.outside(time_ms));
        if let Some(at) = values::find(places, (value >> 32) as u32) {
            let held = places[at].load(Ordering::Acquire);
            if held & !STAMP == value & !STAMP {
                let _ = places[at].compare_exchange(held, outside, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }

    /// See [`Span::moved_forward`].
    pub fn keep_up(&self, time_ms: i64, rest_ms: i64) {
        if let Some((_, places)) = self.far.used().split_first() {
            values::keep_up(places, self.span, time_ms, rest_ms);
        }
    }

    /// About how many distinct values the window ending at `time_ms` holds.
    pub fn estimate(&self, time_ms: i64) -> usize {
        let Some((level_word, places)) = self.far.used().split_first() else { return 0 };
        let before = level_word.load(Ordering::Acquire);
        let state = State::of(before);
        let ages = self.span.ages_with_later(time_ms);
        let Sample { counted, taken } = values::sample(places, ages, state.counted, state.kept);
        let settled = state.kept == state.counted;
        let next = if !settled && self.span.gone(time_ms - state.since_ms) {
            Some(State { counted: state.kept, ..state })
        } else if settled && state.kept > Level(0) && taken <= FEW {
            // As far as half of the places will most likely do.
            let fall = (PLACES as u32 / 2 / taken.max(1)).ilog2();
            Some(State { kept: Level(state.kept.0.saturating_sub(fall)), since_ms: time_ms, ..state })
        } else {
            None
        };
        if let Some(next) = next {
            let _ = level_word.compare_exchange(before, next.word(), Ordering::AcqRel, Ordering::Acquire);
        }
        (counted as usize) << state.counted.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    type Words = (Word, Vec<Word>);

    fn words() -> Words {
        (Word::new(0), (0..Sketch::WORDS).map(|_| Word::new(0)).collect())
    }

    fn sketch<'a>((flags, far): &'a Words, span: &'a Span) -> Sketch<'a> {
        Sketch::new(Far::new(flags, far), span)
    }

    /// SplitMix64: a keyed hash's stand-in.
    fn hash(seed: u64, n: u64) -> u64 {
        let mixed =
            seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Mean and root mean square of the relative error over many seeds.
    fn errors(truth: u64, count: impl Fn(u64) -> usize) -> (f64, f64) {
        const SEEDS: u64 = 200;
        let error = |seed| count(seed) as f64 / truth as f64 - 1.0;
        let (sum, squares) =
            (0..SEEDS).map(error).fold((0.0, 0.0), |(sum, squares), e| (sum + e, squares + e * e));
        (sum / SEEDS as f64, (squares / SEEDS as f64).sqrt())
    }

    #[test]
    fn it_is_exact_while_there_are_places_and_within_a_sixth_beyond() {
        for truth in [10, 64, 100, 1_000, 20_000] {
            let (bias, rms) = errors(truth, |seed| {
                let (words, span) = (words(), Span::new(60_000));
                let sketch = sketch(&words, &span);
                (0..truth).for_each(|n| sketch.put(hash(seed, n), 1_000_000 + n as i64 / 1_000));
                sketch.estimate(1_000_100)
            });
            let allowed = if truth <= PLACES as u64 { 0.0 } else { 0.19 };
            assert!(rms <= allowed && bias.abs() <= allowed / 4.0, "{truth}: bias {bias:.3}, error {rms:.3}");
        }
    }

    #[test]
    fn it_follows_a_window_that_swells_and_shrinks() {
        // Values a second: each is seen once, so a window of sixty seconds holds sixty seconds' worth.
        for (before, after) in [(500, 5), (5, 500), (50, 1)] {
            let truth = 60 * after;
            let (bias, rms) = errors(truth, |seed| {
                let (words, span) = (words(), Span::new(60_000));
                let sketch = sketch(&words, &span);
                let mut n = 0;
                let mut estimate = 0;
                for second in 0..600 {
                    let now_ms = 1_000_000 + second * 1_000;
                    for _ in 0..if second < 200 { before } else { after } {
                        n += 1;
                        sketch.put(hash(seed, n), now_ms);
                    }
                    estimate = sketch.estimate(now_ms);
                }
                estimate
            });
            assert!(
                rms <= 0.25 && bias.abs() <= 0.06,
                "{before} then {after}: bias {bias:.3}, error {rms:.3}"
            );
        }
    }

    #[test]
    fn what_a_window_held_once_makes_no_later_one_inexact() {
        let (words, span) = (words(), Span::new(1_000));
        let sketch = sketch(&words, &span);
        (0..5_000).for_each(|n| sketch.put(hash(1, n), 1_000_000));
        (0..60).for_each(|n| sketch.put(hash(2, n), 1_060_000 + n as i64));
        assert_eq!(sketch.estimate(1_060_100), 60);
    }

    #[test]
    fn a_value_counts_once_and_not_after_it_was_taken_out() {
        let (words, span) = (words(), Span::new(60_000));
        let sketch = sketch(&words, &span);
        for at in 0..5 {
            sketch.put(7 << 32, 1_000_000 + at);
        }
        sketch.put(8 << 32, 1_000_000);
        assert_eq!(sketch.estimate(1_000_010), 2);
        sketch.take(7 << 32, 1_000_010);
        sketch.take(9 << 32, 1_000_010);
        assert_eq!((sketch.estimate(1_000_010), sketch.estimate(1_060_000)), (1, 0));
    }

    #[test]
    fn threads_that_put_many_values_at_once_are_estimated_as_one_would_be() {
        let (words, span) = (words(), Span::new(60_000));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (words, span) = (&words, &span);
                scope.spawn(move || {
                    for n in 0..2_000 {
                        sketch(words, span).put(hash(thread, n), 1_000_000);
                    }
                });
            }
        });
        let estimate = sketch(&words, &span).estimate(1_000_000);
        assert!((4_000..16_000).contains(&estimate), "{estimate} of 8,000: six standard errors");
    }
}
