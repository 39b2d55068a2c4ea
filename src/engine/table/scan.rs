//! The heads of a line at a look; for the loads see [`super::vectors`].
#![allow(unsafe_code)]

use super::slots::{LINE, tag_of};
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
use super::vectors;
use super::{Ordering, Word};

/// The heads of two lines that have this tag; a bit each, those of the first line lowest.
#[inline(always)]
pub(super) fn tagged(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::tagged(lines, tag) };
    }
    one_by_one::tagged(lines, tag)
}

/// What a line has for a new key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Room {
    /// Slots that are free or expired.
    pub slots: u32,
    /// How long the longest untouched slot was left alone.
    pub idle: u32,
    /// Its place in the line.
    pub at: usize,
}

/// What a line of heads has for a new key.
#[inline(always)]
pub(super) fn room(line: &[Word; LINE], now: u64, expiry: u32) -> Room {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if vectors::avx2::is_there() {
        // SAFETY: the processor has AVX2 and counts bits.
        return unsafe { avx2::room(line, now, expiry) };
    }
    one_by_one::room(line, now, expiry)
}

mod one_by_one {
    use super::super::claim::idle;
    use super::{LINE, Ordering, Room, Word, tag_of};

    /// Without branches: where a key stands is as random as the key.
    pub fn tagged(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
        let heads = lines.into_iter().flatten().enumerate();
        let tagged = heads.map(|(way, head)| u32::from(tag_of(head.load(Ordering::Acquire)) == tag) << way);
        tagged.fold(0, |tagged, bit| tagged | bit)
    }

    pub fn room(line: &[Word; LINE], now: u64, expiry: u32) -> Room {
        let mut room = Room::default();
        for (at, head) in line.iter().enumerate() {
            let idle = idle(head.load(Ordering::Acquire), now);
            room.slots += u32::from(idle >= expiry);
            if idle > room.idle {
                (room.idle, room.at) = (idle, at);
            }
        }
        room
    }
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
mod avx2 {
    use std::arch::x86_64::*;

    use super::super::claim::HANDS_UNITS;
    use super::super::slots::{ABANDONED, TIME_BITS};
    use super::super::vectors::avx2::{WORDS, all, four, highest};
    use super::{LINE, Room, Word};

    /// A bit a head.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(mask: __m256i) -> u32 {
        _mm256_movemask_ps(_mm256_castsi256_ps(mask)).cast_unsigned()
    }

    /// Bits of a head's upper half that belong to its time.
    const UPPER_BITS: u32 = TIME_BITS - u32::BITS;

    /// The lower and the upper halves of eight heads.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves(line: &[Word; LINE]) -> (__m256i, __m256i) {
        let [low, high] = [0, WORDS].map(|at| _mm256_castsi256_ps(four(&line[at..at + WORDS])));
        // Of each half of a register two heads of the first four, then two of the others.
        let in_order = |packed| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(packed));
        let lower = in_order(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
        (lower, in_order(_mm256_shuffle_ps::<0b11_01_11_01>(low, high)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn tagged(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
        let [first, second] = lines.map(|line| bits(_mm256_cmpeq_epi32(tags(halves(line).1), all(tag))));
        first | second << LINE
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn tags(upper: __m256i) -> __m256i {
        _mm256_srli_epi32::<{ UPPER_BITS.cast_signed() }>(upper)
    }

    #[inline]
    #[target_feature(enable = "avx2,popcnt")]
    pub fn room(line: &[Word; LINE], now: u64, expiry: u32) -> Room {
        let (lower, upper) = halves(line);
        let tags = tags(upper);
        let free = _mm256_cmpeq_epi32(_mm256_min_epu32(tags, all(ABANDONED)), tags);
        let at_least = |numbers, low: u32| _mm256_cmpeq_epi32(_mm256_max_epu32(numbers, all(low)), numbers);
        // Subtracted by halves: where the lower one is the greater, one is carried.
        let (now_lower, now_upper) = (now as u32, (now >> u32::BITS) as u32);
        let kept = _mm256_cmpeq_epi32(_mm256_min_epu32(lower, all(now_lower)), lower);
        let behind = _mm256_sub_epi32(all(now_lower), lower);
        let upper = _mm256_sub_epi32(_mm256_sub_epi32(all(now_upper.wrapping_sub(1)), upper), kept);
        let upper = _mm256_and_si256(upper, all((1 << UPPER_BITS) - 1));
        let ahead = _mm256_and_si256(
            _mm256_cmpeq_epi32(upper, all((1 << UPPER_BITS) - 1)),
            at_least(behind, u32::MAX - HANDS_UNITS + 2),
        );
        let near = _mm256_cmpeq_epi32(upper, _mm256_setzero_si256());
        let most = all(u32::MAX - 1);
        let behind = _mm256_blendv_epi8(most, _mm256_min_epu32(behind, most), near);
        let idle = _mm256_or_si256(_mm256_andnot_si256(ahead, behind), free);
        let slots = bits(_mm256_cmpeq_epi32(_mm256_max_epu32(idle, all(expiry)), idle)).count_ones();
        let most = highest(idle);
        let longest = bits(_mm256_cmpeq_epi32(idle, _mm256_broadcastd_epi32(most)));
        let most = _mm_cvtsi128_si32(most).cast_unsigned();
        Room { slots, idle: most, at: longest.trailing_zeros() as usize }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::slots::{TIME_BITS, head, touch};
    use super::*;

    fn time() -> impl Strategy<Value = u64> {
        let bits = any::<u64>().prop_map(|bits| bits >> (u64::BITS - TIME_BITS));
        let near = (0_u64..16, -3_i64..9).prop_map(|(turn, off)| touch(((turn << 32) as i64 + off) << 4));
        prop_oneof![0_u64..12, near, bits]
    }

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            lines in prop::array::uniform2(prop::array::uniform8(prop_oneof![
                Just(0_u64),
                (1_u32..4, any::<u32>()).prop_map(|(tag, touched)| head(tag, u64::from(touched))),
                any::<u64>(),
            ])),
            tag in 1_u32..4,
        ) {
            let lines = lines.map(|line| line.map(Word::new));
            let lines = lines.each_ref();
            prop_assert_eq!(tagged(lines, tag), one_by_one::tagged(lines, tag));
        }

        #[test]
        fn the_room_of_a_line_is_that_of_its_slots(
            line in prop::array::uniform8((0_u32..5, time())),
            now in time(),
            expiry in prop_oneof![1_u32..6, any::<u32>()],
        ) {
            let line = line.map(|(tag, touched)| Word::new(head(tag, touched)));
            prop_assert_eq!(room(&line, now, expiry), one_by_one::room(&line, now, expiry));
        }
    }
}
