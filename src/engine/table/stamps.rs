//! Many stamps at a look: how many lie in the window, which places are free, which stamp is the oldest.
//!
//! Eight at a time where the processor has AVX2. A vector load of atomic words is an atomic load of each, in no order among them
//! (see [`super::vectors`]); whoever goes on to change a word reads it again and compares.
#![allow(unsafe_code)]

use super::span::{Ages, FREE};
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use super::vectors;
use super::{Ordering, Word};

/// What a word holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Two stamps.
    Stamps,
    /// A value in the upper half and when it was last seen in the lower.
    Value,
}

/// Where a stamp stands.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub word: &'a Word,
    /// The word's half; 0 is the lower.
    pub half: usize,
}

/// What was seen of the stamps before the first free place.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// Stamps in the window.
    pub inside: u32,
    /// The first free place.
    pub free: Option<Spot<'a>>,
    /// Rank of the oldest stamp; 0 if there is none.
    pub rank: u32,
    /// The first that has this rank.
    pub oldest: Option<Spot<'a>>,
    /// Whether any stamp is later than the event that looks.
    pub later: bool,
}

/// Two runs of words, near ones and far ones, taken as one.
pub(super) type Parts<'a> = [&'a [Word]; 2];

/// Looks at the stamps of both parts, up to the first free place: whoever keeps stamps keeps free places behind all others.
#[inline(always)]
pub(super) fn look(parts: Parts<'_>, holds: Holds, ages: Ages) -> Seen<'_> {
    look_for::<true>(parts, holds, ages)
}

/// The same, but not where the oldest stands.
#[inline(always)]
pub(super) fn glance(parts: Parts<'_>, holds: Holds, ages: Ages) -> Seen<'_> {
    Seen { oldest: None, ..look_for::<false>(parts, holds, ages) }
}

#[inline(always)]
fn look_for<const OLDEST: bool>(parts: Parts<'_>, holds: Holds, ages: Ages) -> Seen<'_> {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe {
            match holds {
                Holds::Stamps => avx2::look::<false, OLDEST>(parts, ages),
                Holds::Value => avx2::look::<true, OLDEST>(parts, ages),
            }
        };
    }
    one_by_one(parts, holds, ages)
}

fn one_by_one(parts: Parts<'_>, holds: Holds, ages: Ages) -> Seen<'_> {
    let mut seen = Seen::default();
    let halves = if holds == Holds::Stamps { 0..2 } else { 0..1 };
    for word in parts.into_iter().flatten() {
        let held = word.load(Ordering::Acquire);
        for half in halves.clone() {
            let (stamp, spot) = ((held >> (32 * half)) as u32, Some(Spot { word, half }));
            if stamp == FREE {
                return Seen { free: spot, ..seen };
            }
            seen.inside += u32::from(ages.holds(stamp));
            seen.later |= ages.is_later(stamp);
            if ages.rank(stamp) > seen.rank {
                (seen.rank, seen.oldest) = (ages.rank(stamp), spot);
            }
        }
    }
    seen
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::vectors::avx2::{WORDS, all, behind, four, highest, later};
    use super::{Ages, Parts, Seen, Spot};

    /// The same as [`super::one_by_one`], but for the oldest where it is not asked for.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn look<const VALUE: bool, const OLDEST: bool>(parts: Parts<'_>, ages: Ages) -> Seen<'_> {
        let (last, ahead) = (all(ages.window - 1), all(Ages::AHEAD));
        let nothing = _mm256_setzero_si256();
        let (mut insides, mut ranks, mut vectors, mut laters) = (nothing, nothing, nothing, nothing);
        let mut free = None;
        let near = parts[0].len().div_ceil(WORDS);
        'parts: for (part, first) in parts.into_iter().zip([0, near]) {
            for (vector, words) in (first..).zip(part.chunks(WORDS)) {
                let held = four(words);
                // A value's stamp stands in both halves then, and the two say the same.
                let stamps = if VALUE { _mm256_shuffle_epi32::<0b10_10_00_00>(held) } else { held };
                let behind = behind(ages.now, stamps);
                // What a short vector has too much looks free.
                let is_free = _mm256_cmpeq_epi32(stamps, nothing);
                let inside = _mm256_cmpeq_epi32(_mm256_min_epu32(behind, last), behind);
                insides = _mm256_sub_epi32(insides, _mm256_andnot_si256(is_free, inside));
                laters = _mm256_or_si256(laters, _mm256_andnot_si256(is_free, later(behind, ages)));
                let is_ahead = _mm256_cmpeq_epi32(_mm256_max_epu32(behind, ahead), behind);
                let rank = _mm256_blendv_epi8(_mm256_add_epi32(behind, all(2)), all(1), is_ahead);
                let most = _mm256_max_epu32(ranks, _mm256_andnot_si256(is_free, rank));
                if OLDEST {
                    let as_before = _mm256_cmpeq_epi32(most, ranks);
                    vectors = _mm256_blendv_epi8(all(vector as u32), vectors, as_before);
                }
                ranks = most;
                let halves =
                    _mm256_movemask_ps(_mm256_castsi256_ps(is_free)).cast_unsigned().trailing_zeros();
                let (word, half) = (halves as usize / 2, halves as usize % 2);
                if let Some(word) = words.get(word) {
                    free = Some(Spot { word, half });
                    break 'parts;
                }
            }
        }
        let inside = sum(insides) >> u32::from(VALUE);
        let most = highest(ranks);
        let rank = _mm_cvtsi128_si32(most).cast_unsigned();
        let oldest = (OLDEST && rank != 0).then(|| {
            let place = first_of(_mm256_cmpeq_epi32(ranks, _mm256_broadcastd_epi32(most)), vectors);
            let (word, half) = (place / 2, place % 2);
            let word = if word < near * WORDS { &parts[0][word] } else { &parts[1][word - near * WORDS] };
            Spot { word, half }
        });
        Seen { inside, free, rank, oldest, later: _mm256_movemask_epi8(laters) != 0 }
    }

    /// The sum of eight numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum(numbers: __m256i) -> u32 {
        let half = _mm_add_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
        let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let one = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        _mm_cvtsi128_si32(one).cast_unsigned()
    }

    /// The lowest number of a half in these lanes, eight a vector, where each lane's is in that vector.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn first_of(those: __m256i, vectors: __m256i) -> usize {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let places = _mm256_add_epi32(_mm256_slli_epi32::<3>(vectors), lanes);
        let places = _mm256_blendv_epi8(_mm256_set1_epi32(i32::MAX), places, those);
        let half = _mm_min_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256::<1>(places));
        let quarter = _mm_min_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        let least = _mm_min_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
        _mm_cvtsi128_si32(least) as usize
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

    /// The two ways to see ages.
    pub fn both(span: &Span) -> [Ages; 2] {
        [span.ages(NOW_MS), span.ages_with_later(NOW_MS)]
    }

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            held in prop::collection::vec((stamp(), stamp()), 0..=64),
            (near, free) in (0_usize..6, 0_usize..200),
            window_ms in prop_oneof![Just(60_000_i64), 1_000_i64..2_592_000_000],
        ) {
            let taken = |half: usize, stamp: u32| if half < free { stamp.max(FREE + 1) } else { FREE };
            let word = |at: usize, (low, high)| u64::from(taken(2 * at + 1, high)) << 32 | u64::from(taken(2 * at, low));
            let words: Vec<Word> = held.iter().enumerate().map(|(at, &held)| Word::new(word(at, held))).collect();
            let parts = words.split_at(near.min(words.len())).into();
            let span = Span::new(window_ms);
            for (ages, holds) in both(&span).into_iter().flat_map(|ages| [(ages, Holds::Stamps), (ages, Holds::Value)]) {
                let [many, each] = [look(parts, holds, ages), one_by_one(parts, holds, ages)].map(|seen| {
                    let place = |spot: Spot<'_>| (std::ptr::from_ref(spot.word), spot.half);
                    (seen.inside, seen.later, seen.free.map(place), seen.rank, seen.oldest.map(place))
                });
                prop_assert_eq!(many, each);
                let glance = glance(parts, holds, ages);
                let glanced = (glance.inside, glance.later, glance.free.is_some(), glance.rank);
                prop_assert_eq!(glanced, (each.0, each.1, each.2.is_some(), each.3));
            }
        }
    }
}
