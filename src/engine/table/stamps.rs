//! Many stamps at a look: how many lie in the window, which places are free, which stamp is the oldest.
//!
//! Eight at a time where the processor has AVX2. A vector load of atomic words is an atomic load of each, in no order among them
//! (see [`super::scan`]); whoever goes on to change a word reads it again and compares.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use std::arch::is_x86_feature_detected;

use super::span::{Ages, FREE};
use super::{Ordering, Word};

/// What a word holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Two stamps.
    Stamps,
    /// A value in the upper half and when it was last seen in the lower.
    Value,
}

/// What was seen; places are stamps' numbers, from the first word's lower half on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Stamps in the window.
    pub inside: u32,
    /// The first free place.
    pub free: Option<usize>,
    /// Rank of the oldest stamp; 0 if there is none.
    pub rank: u32,
    /// Its place.
    pub at: usize,
}

/// Most words of a look.
pub(super) const fn words_max(holds: Holds) -> usize {
    match holds {
        Holds::Stamps => 32,
        Holds::Value => 64,
    }
}

/// Looks at so many words at most as [`words_max`] says.
#[inline]
pub(super) fn look(words: &[Word], holds: Holds, ages: Ages) -> Seen {
    debug_assert!(words.len() <= words_max(holds));
    if words.is_empty() {
        return Seen::default();
    }
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has AVX2 and counts bits.
        return unsafe {
            match holds {
                Holds::Stamps => avx2::look::<false>(words, ages),
                Holds::Value => avx2::look::<true>(words, ages),
            }
        };
    }
    one_by_one(words, holds, ages)
}

fn one_by_one(words: &[Word], holds: Holds, ages: Ages) -> Seen {
    let mut seen = Seen::default();
    let stamps = words.iter().flat_map(|word| {
        let held = word.load(Ordering::Acquire);
        [Some(held as u32), (holds == Holds::Stamps).then_some((held >> 32) as u32)]
    });
    for (at, stamp) in stamps.flatten().enumerate() {
        if stamp == FREE {
            seen.free = seen.free.or(Some(at));
            continue;
        }
        seen.inside += u32::from(ages.holds(stamp));
        if ages.rank(stamp) > seen.rank {
            (seen.rank, seen.at) = (ages.rank(stamp), at);
        }
    }
    seen
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use super::super::Word;
    use super::{Ages, Seen};

    /// Words of a vector.
    const WORDS: usize = 4;

    /// The same as [`super::one_by_one`].
    #[target_feature(enable = "avx2,popcnt")]
    pub fn look<const VALUE: bool>(words: &[Word], ages: Ages) -> Seen {
        let places_a_vector = if VALUE { WORDS } else { 2 * WORDS };
        let all = |number: u32| _mm256_set1_epi32(number.cast_signed());
        let (now, last, ahead) = (all(ages.now), all(ages.units - 1), all(Ages::AHEAD));
        let (mut seen, mut free) = (Seen::default(), 0_u64);
        let (mut ranks, mut vectors) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (vector, words) in words.chunks(WORDS).enumerate() {
            let held = load(words);
            // A value's stamp stands in both halves then, and the two say the same.
            let stamps = if VALUE { _mm256_shuffle_epi32::<0b10_10_00_00>(held) } else { held };
            let behind = _mm256_sub_epi32(now, stamps);
            let is_free = _mm256_cmpeq_epi32(stamps, _mm256_setzero_si256());
            let inside = _mm256_cmpeq_epi32(_mm256_min_epu32(behind, last), behind);
            let is_ahead = _mm256_cmpeq_epi32(_mm256_max_epu32(behind, ahead), behind);
            let rank = _mm256_blendv_epi8(_mm256_add_epi32(behind, all(2)), all(1), is_ahead);
            let rank = _mm256_andnot_si256(is_free, rank);
            let most = _mm256_max_epu32(ranks, rank);
            let as_before = _mm256_cmpeq_epi32(most, ranks);
            vectors = _mm256_blendv_epi8(all(vector as u32), vectors, as_before);
            ranks = most;
            let bits = |mask: __m256i| {
                let bits = if VALUE {
                    _mm256_movemask_pd(_mm256_castsi256_pd(mask))
                } else {
                    _mm256_movemask_ps(_mm256_castsi256_ps(mask))
                };
                bits.cast_unsigned()
            };
            seen.inside += bits(_mm256_andnot_si256(is_free, inside)).count_ones();
            free |= u64::from(bits(is_free)) << (vector * places_a_vector);
        }
        // What a short last vector has too much looks free.
        let first = free.trailing_zeros() as usize;
        seen.free = (first < words.len() * places_a_vector / WORDS).then_some(first);
        (seen.rank, seen.at) = oldest::<VALUE>(ranks, vectors);
        seen
    }

    /// The highest rank and its place; the first of several.
    #[target_feature(enable = "avx2")]
    fn oldest<const VALUE: bool>(ranks: __m256i, vectors: __m256i) -> (u32, usize) {
        let half = _mm_max_epu32(_mm256_castsi256_si128(ranks), _mm256_extracti128_si256::<1>(ranks));
        let quarter = _mm_max_epu32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let most = _mm_max_epu32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        let rank = _mm_cvtsi128_si32(most).cast_unsigned();
        if rank == 0 {
            return (0, 0);
        }
        // Places by lane, one lower for the lanes of the highest rank than for others can be: the lowest is the first.
        let lanes = if VALUE {
            _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)
        } else {
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
        };
        let places = if VALUE { _mm256_slli_epi32::<2>(vectors) } else { _mm256_slli_epi32::<3>(vectors) };
        let places = _mm256_add_epi32(places, lanes);
        let others = _mm256_cmpeq_epi32(ranks, _mm256_broadcastd_epi32(most));
        let places = _mm256_blendv_epi8(_mm256_set1_epi32(i32::MAX), places, others);
        let half = _mm_min_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256::<1>(places));
        let quarter = _mm_min_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let least = _mm_min_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        (rank, _mm_cvtsi128_si32(least) as usize)
    }

    /// Up to four words; zeros behind them.
    #[target_feature(enable = "avx2")]
    fn load(words: &[Word]) -> __m256i {
        let from = words.as_ptr();
        let held: __m256i;
        // SAFETY: the instructions read the words of the slice alone, what is masked out not at all. They are atomics: others
        // may write them meanwhile, and each is read whole, with what its writer released (Intel's manual 3A: aligned words of
        // eight bytes are atomic, loads are not reordered with later accesses).
        unsafe {
            if words.len() == WORDS {
                asm!(
                    "vmovdqu {held}, ymmword ptr [{from}]",
                    held = out(ymm_reg) held,
                    from = in(reg) from,
                    options(nostack, preserves_flags, readonly)
                );
            } else {
                let lanes = _mm256_setr_epi64x(0, 1, 2, 3);
                let mask = _mm256_cmpgt_epi64(_mm256_set1_epi64x(words.len() as i64), lanes);
                asm!(
                    "vpmaskmovq {held}, {mask}, ymmword ptr [{from}]",
                    held = out(ymm_reg) held,
                    mask = in(ymm_reg) mask,
                    from = in(reg) from,
                    options(nostack, preserves_flags, readonly)
                );
            }
        }
        held
    }
}

#[cfg(all(test, not(loom)))]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::Span;
    use super::*;

    pub const NOW_MS: i64 = 1_767_607_200_000;

    pub fn stamp() -> impl Strategy<Value = u32> {
        let now = Span::new(60_000).stamp(NOW_MS);
        prop_oneof![
            Just(FREE),
            (0_u32..120_000).prop_map(move |age| now.wrapping_sub(age)),
            (0_u32..700_000).prop_map(move |ahead| now.wrapping_add(ahead)),
            (0_u32..4).prop_map(move |age| now.wrapping_sub(59_998 + age)),
            any::<u32>(),
        ]
    }

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            held in prop::collection::vec((stamp(), stamp()), 0..=64),
            window_ms in prop_oneof![Just(60_000_i64), 1_000_i64..2_592_000_000],
        ) {
            let words: Vec<Word> = held.iter().map(|(low, high)| Word::new(u64::from(*high) << 32 | u64::from(*low))).collect();
            let ages = Span::new(window_ms).ages(NOW_MS);
            for holds in [Holds::Stamps, Holds::Value] {
                let words = &words[..words.len().min(words_max(holds))];
                prop_assert_eq!(look(words, holds, ages), one_by_one(words, holds, ages));
            }
        }
    }
}
