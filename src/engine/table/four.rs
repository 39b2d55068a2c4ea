//! Four stamps at a look: all that most keys have of a window, without a branch on how many there are or how old they are.
//!
//! The loads are those of [`super::vectors`].
#![allow(unsafe_code)]

use super::Word;
use super::span::{Ages, FREE};
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use super::vectors;

/// What was seen, a bit a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Four {
    /// Stamps in the window.
    pub inside: u32,
    /// Free places.
    pub free: u32,
    /// Stamps that are later than the event that looks.
    pub later: u32,
}

/// The four stamps of two words, and the words.
#[inline(always)]
pub(super) fn stamps(words: &[Word; 2], ages: Ages) -> (Four, [u64; 2]) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::stamps(words, ages) };
    }
    one_by_one::stamps(words, ages)
}

/// The stamps of four words that hold values, and which of them hold this one.
#[inline(always)]
pub(super) fn values(words: &[[Word; 2]; 2], value: u32, ages: Ages) -> (Four, u32) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::values(words, value, ages) };
    }
    one_by_one::values(words, value, ages)
}

impl Four {
    /// Stamps in the window.
    #[inline]
    pub fn count(&self) -> u32 {
        // The numbers of bits that sixteen masks have, four bits each: not every processor counts them.
        (0x4332_3221_3221_2110_u64 >> (4 * self.inside)) as u32 & 0xf
    }
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::Word;
    use super::super::vectors::avx2::two;
    use super::{Ages, Four};

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn stamps(words: &[Word; 2], ages: Ages) -> (Four, [u64; 2]) {
        let held = two(words);
        let halves = [_mm_cvtsi128_si64(held), _mm_extract_epi64::<1>(held)];
        (four(held, ages), halves.map(i64::cast_unsigned))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn values(words: &[[Word; 2]; 2], value: u32, ages: Ages) -> (Four, u32) {
        let [low, high] = words.each_ref().map(|words| _mm_castsi128_ps(two(words)));
        let stamps = _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(low, high));
        let values = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(low, high));
        (four(stamps, ages), bits(_mm_cmpeq_epi32(values, _mm_set1_epi32(value.cast_signed()))))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn four(stamps: __m128i, ages: Ages) -> Four {
        let all = |number: u32| _mm_set1_epi32(number.cast_signed());
        // Numbers without sign.
        let at_most = |numbers, high: u32| _mm_cmpeq_epi32(_mm_min_epu32(numbers, all(high)), numbers);
        let at_least = |numbers, low: u32| _mm_cmpeq_epi32(_mm_max_epu32(numbers, all(low)), numbers);
        // [`super::super::span::behind`].
        let none_more = _mm_sub_epi32(all(ages.now.wrapping_sub(1)), stamps);
        let behind = _mm_sub_epi32(none_more, at_most(stamps, ages.now));
        let free = _mm_cmpeq_epi32(stamps, _mm_setzero_si128());
        let taken = |mask: __m128i| bits(_mm_andnot_si128(free, mask));
        let inside = taken(at_most(behind, ages.window - 1));
        let not_later = _mm_andnot_si128(at_least(behind, Ages::AHEAD), at_least(behind, ages.later));
        let free = bits(free);
        Four { inside, free, later: !(bits(not_later) | free) & 0xf }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(mask: __m128i) -> u32 {
        _mm_movemask_ps(_mm_castsi128_ps(mask)).cast_unsigned()
    }
}

mod one_by_one {
    use super::super::{Ordering, Word};
    use super::{Ages, FREE, Four};

    pub fn stamps(words: &[Word; 2], ages: Ages) -> (Four, [u64; 2]) {
        let held = words.each_ref().map(|word| word.load(Ordering::Acquire));
        let [low, high] = held.map(|held| [held as u32, (held >> 32) as u32]);
        (four([low[0], low[1], high[0], high[1]], ages), held)
    }

    pub fn values(words: &[[Word; 2]; 2], value: u32, ages: Ages) -> (Four, u32) {
        let [[a, b], [c, d]] = words;
        let held = [a, b, c, d].map(|word| word.load(Ordering::Acquire));
        (four(held.map(|held| held as u32), ages), bits(held, |held| (held >> 32) as u32 == value))
    }

    fn four(stamps: [u32; 4], ages: Ages) -> Four {
        Four {
            inside: bits(stamps, |stamp| stamp != FREE && ages.holds(stamp)),
            free: bits(stamps, |stamp| stamp == FREE),
            later: bits(stamps, |stamp| stamp != FREE && ages.is_later(stamp)),
        }
    }

    fn bits<T: Copy>(of: [T; 4], holds: impl Fn(T) -> bool) -> u32 {
        of.iter().enumerate().fold(0, |bits, (place, &one)| bits | u32::from(holds(one)) << place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::Span;
    use super::super::stamps::tests::{both, stamp};
    use super::*;

    proptest! {
        #[test]
        fn a_look_at_four_is_a_look_at_each(
            held in prop::array::uniform4((stamp(), 0_u32..3)),
            window_ms in prop_oneof![Just(60_000_i64), 1_000_i64..2_592_000_000],
        ) {
            for ages in both(&Span::new(window_ms)) {
                let [a, b, c, d] = held.map(|(stamp, _)| u64::from(stamp));
                let words = [a | b << 32, c | d << 32].map(Word::new);
                prop_assert_eq!(stamps(&words, ages), one_by_one::stamps(&words, ages));
                prop_assert_eq!(stamps(&words, ages).0.count(), stamps(&words, ages).0.inside.count_ones());
                let [a, b, c, d] = held.map(|(stamp, value)| Word::new(u64::from(value) << 32 | u64::from(stamp)));
                let words = [[a, b], [c, d]];
                prop_assert_eq!(values(&words, 1, ages), one_by_one::values(&words, 1, ages));
            }
        }
    }
}
