//! Words of values, many at a look: where one stands, and what a sample of them says. Free words stand behind all others, so a
//! look ends at the first.
//!
//! A word holds 32 bits of a value in its upper half and when it was last seen in the lower. Four words at a time where the
//! processor has AVX2; see [`super::vectors`]. Whoever goes on to change a word reads it again and compares.
#![allow(unsafe_code)]

use super::span::{Ages, FREE, Span};
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use super::vectors;
use super::{Ordering, Word};

/// Where a value stands.
#[inline]
pub(super) fn find(words: &[Word], value: u32) -> Option<usize> {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::find(words, value) };
    }
    one_by_one::find(words, value)
}

/// Which values a sample keeps: those whose hash begins with so many zeros, at most 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(pub u32);

impl Level {
    /// Whether a value is kept. Multiplied, so that hashes told apart by a few bits only are spread as well.
    #[inline]
    pub fn keeps(self, value: u32) -> bool {
        value.wrapping_mul(Self::SPREAD).leading_zeros() >= self.0
    }

    const SPREAD: u32 = 0x9e37_79b1;
}

/// What a sample says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Values in the window, of the level they are counted at.
    pub counted: u32,
    /// Values in any window, of the level they are kept at.
    pub taken: u32,
}

/// What a sample says that is counted and kept at these levels.
#[inline]
pub(super) fn sample(words: &[Word], ages: Ages, counted: Level, kept: Level) -> Sample {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2 and counts bits.
        return unsafe { avx2::sample(words, ages, counted, kept) };
    }
    one_by_one::sample(words, ages, counted, kept)
}

/// Whether a word is free, or its value out of every window or not of that level.
#[inline]
pub(super) fn is_room(held: u64, ages: Ages, kept: Level) -> bool {
    let (value, stamp) = ((held >> 32) as u32, held as u32);
    stamp == FREE || ages.gone(stamp) || !kept.keeps(value)
}

/// The first place that is free, or whose value is out of every window or not of that level.
#[inline]
pub(super) fn room(words: &[Word], ages: Ages, kept: Level) -> Option<usize> {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::room(words, ages, kept) };
    }
    one_by_one::room(words, ages, kept)
}

/// Moves stamps forward that would be taken for young ones some day: see [`Span::moved_forward`].
#[cold]
pub(super) fn keep_up(words: &[Word], span: &Span, time_ms: i64, rest_ms: i64) {
    for word in words {
        let held = word.load(Ordering::Acquire);
        let stamp = held as u32;
        if stamp == FREE {
            continue;
        }
        if let Some(later) = span.moved_forward(stamp, time_ms, rest_ms) {
            let moved = held >> 32 << 32 | u64::from(later);
            let _ = word.compare_exchange(held, moved, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

mod one_by_one {
    use super::{Ages, FREE, Level, Ordering, Sample, Word};

    /// Values and their stamps.
    fn taken(words: &[Word]) -> impl Iterator<Item = (u32, u32)> {
        let held = words.iter().map(|word| word.load(Ordering::Acquire));
        held.map(|held| ((held >> 32) as u32, held as u32)).take_while(|&(_, stamp)| stamp != FREE)
    }

    pub fn find(words: &[Word], wanted: u32) -> Option<usize> {
        taken(words).position(|(value, _)| value == wanted)
    }

    pub fn sample(words: &[Word], ages: Ages, counted: Level, kept: Level) -> Sample {
        let mut sample = Sample::default();
        for (value, stamp) in taken(words) {
            sample.counted += u32::from(ages.holds(stamp) && counted.keeps(value));
            sample.taken += u32::from(!ages.gone(stamp) && kept.keeps(value));
        }
        sample
    }

    pub fn room(words: &[Word], ages: Ages, kept: Level) -> Option<usize> {
        words.iter().position(|word| super::is_room(word.load(Ordering::Acquire), ages, kept))
    }
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::vectors::avx2::{WORDS, all, behind, four, within};
    use super::{Ages, Level, Sample, Word};

    /// A bit a word.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(mask: __m256i) -> u32 {
        _mm256_movemask_pd(_mm256_castsi256_pd(mask)).cast_unsigned()
    }

    /// Bits of the words that a last vector has; it may be short.
    #[inline]
    fn of(words: &[Word]) -> u32 {
        (1 << words.len()) - 1
    }

    /// Values, and how far their stamps lie behind; both halves of a word say the same.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves(words: &[Word], now: u32) -> (__m256i, __m256i, __m256i) {
        let held = four(words);
        let stamps = _mm256_shuffle_epi32::<0b10_10_00_00>(held);
        let free = _mm256_cmpeq_epi32(stamps, _mm256_setzero_si256());
        (_mm256_shuffle_epi32::<0b11_11_01_01>(held), behind(now, stamps), free)
    }

    /// [`Level::keeps`]: the product's upper bits are all zero.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn keeps(level: Level, values: __m256i) -> __m256i {
        let spread = _mm256_mullo_epi32(values, all(Level::SPREAD));
        let upper = _mm256_srl_epi32(spread, _mm_cvtsi32_si128(32 - level.0.cast_signed()));
        _mm256_cmpeq_epi32(upper, _mm256_setzero_si256())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn find(words: &[Word], value: u32) -> Option<usize> {
        let wanted = _mm256_set1_epi64x((u64::from(value) << 32).cast_signed());
        let upper = _mm256_set1_epi64x((u64::from(u32::MAX) << 32).cast_signed());
        for (vector, words) in words.chunks(WORDS).enumerate() {
            let held = four(words);
            let same = _mm256_cmpeq_epi64(_mm256_and_si256(held, upper), wanted);
            // What a short vector has too much looks free.
            let free = _mm256_cmpeq_epi64(_mm256_slli_epi64::<32>(held), _mm256_setzero_si256());
            let found = bits(_mm256_andnot_si256(free, same));
            if found != 0 {
                return Some(vector * WORDS + found.trailing_zeros() as usize);
            }
            if bits(free) != 0 {
                break;
            }
        }
        None
    }

    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    pub fn sample(words: &[Word], ages: Ages, counted: Level, kept: Level) -> Sample {
        let mut sample = Sample::default();
        for words in words.chunks(WORDS) {
            let (values, behind, free) = halves(words, ages.now);
            let inside = _mm256_and_si256(within(behind, 0, ages.window), keeps(counted, values));
            let gone = _mm256_or_si256(free, within(behind, ages.gone, Ages::AHEAD));
            sample.counted += bits(_mm256_andnot_si256(free, inside)).count_ones();
            sample.taken += bits(_mm256_andnot_si256(gone, keeps(kept, values))).count_ones();
            if bits(free) != 0 {
                break;
            }
        }
        sample
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn room(words: &[Word], ages: Ages, kept: Level) -> Option<usize> {
        for (vector, words) in words.chunks(WORDS).enumerate() {
            let (values, behind, free) = halves(words, ages.now);
            let gone = _mm256_or_si256(free, within(behind, ages.gone, Ages::AHEAD));
            let taken = bits(_mm256_andnot_si256(gone, keeps(kept, values)));
            let room = of(words) & !taken;
            if room != 0 {
                return Some(vector * WORDS + room.trailing_zeros() as usize);
            }
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::Span;
    use super::super::stamps::tests::{NOW_MS, stamp};
    use super::*;

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            held in prop::collection::vec((stamp(), prop_oneof![0_u32..3, any::<u32>()]), 0..70),
            window_ms in prop_oneof![Just(60_000_i64), 1_000_i64..2_592_000_000],
            (counted, kept) in (0_u32..25, 0_u32..4),
            free in 0_usize..100,
        ) {
            let taken = |at: usize, stamp: u32| if at < free { stamp.max(FREE + 1) } else { FREE };
            let word = |(at, &(stamp, value)): (usize, &(u32, u32))| u64::from(value) << 32 | u64::from(taken(at, stamp));
            let words: Vec<Word> = held.iter().enumerate().map(word).map(Word::new).collect();
            let span = Span::new(window_ms);
            for ages in [span.ages(NOW_MS), span.ages_with_later(NOW_MS)] {
                for (counted, kept) in [(counted, kept), (kept, kept)].map(|(one, other)| (Level(one), Level(other))) {
                    prop_assert_eq!(sample(&words, ages, counted, kept), one_by_one::sample(&words, ages, counted, kept));
                    prop_assert_eq!(room(&words, ages, kept), one_by_one::room(&words, ages, kept));
                }
            }
            for value in 0..4 {
                prop_assert_eq!(find(&words, value), one_by_one::find(&words, value));
            }
        }
    }
}
