//! Many words at a look: vector loads where the processor has them, one word after the other elsewhere.
//!
//! A vector load of atomic words is an atomic load of each, in no order among them: so x86 processors do it, and so it is asked for
//! here, by an instruction the compiler leaves alone. All that is said of such a look holds for a loop of acquiring loads too.
#![allow(unsafe_code)]

use super::Word;
use super::slots::WAYS;

/// Two words.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(super) fn two(words: &[Word; 2]) -> std::arch::x86_64::__m128i {
    let held;
    // SAFETY: the instruction reads the sixteen bytes of the two words and changes nothing. They are atomics: others may write
    // them meanwhile, and each is read whole, with what its writer released (Intel's manual 3A: aligned words of eight bytes
    // are atomic, loads are not reordered with later accesses; AMD's manual 2, 7.1 and 7.3.2 likewise).
    unsafe {
        std::arch::asm!(
            "movdqu {held}, xmmword ptr [{words}]",
            held = out(xmm_reg) held,
            words = in(reg) words.as_ptr(),
            options(nostack, preserves_flags, readonly)
        );
    }
    held
}

/// The heads of a set that have this tag, and those that no key ever had; a bit each.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(super) fn marks(heads: &[Word; WAYS], tag: u32) -> (u32, u32) {
    use std::arch::x86_64::*;

    let (pairs, _) = heads.as_chunks::<2>();
    // SAFETY: every x86-64 processor has SSE2.
    unsafe {
        // The upper halves of four heads: their tags.
        let four = |at: usize| {
            let (one, other) = (_mm_castsi128_ps(two(&pairs[at])), _mm_castsi128_ps(two(&pairs[at + 1])));
            _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(one, other))
        };
        let tags = [four(0), four(2), four(4), four(6)];
        let equal = |wanted: __m128i| {
            let [a, b, c, d] = tags.map(|tags| _mm_cmpeq_epi32(tags, wanted));
            _mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d))).cast_unsigned()
        };
        // No key has the tag 0.
        (equal(_mm_set1_epi32(tag.cast_signed())), equal(_mm_setzero_si128()))
    }
}

/// The heads of a set that have this tag, and those that no key ever had; a bit each.
#[cfg(any(not(target_arch = "x86_64"), loom))]
pub(super) fn marks(heads: &[Word; WAYS], tag: u32) -> (u32, u32) {
    one_by_one(heads, tag)
}

/// Without branches: where a key stands is as random as the key.
#[cfg(any(not(target_arch = "x86_64"), loom, test))]
fn one_by_one(heads: &[Word; WAYS], tag: u32) -> (u32, u32) {
    use super::Ordering;
    use super::slots::{EMPTY, tag_of};

    heads.iter().enumerate().fold((0, 0), |(tagged, empty), (way, head)| {
        let head = head.load(Ordering::Acquire);
        (tagged | u32::from(tag_of(head) == tag) << way, empty | u32::from(head == EMPTY) << way)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::slots::head;
    use super::*;

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            heads in prop::array::uniform16(prop_oneof![
                Just(0_u64),
                (1_u32..4, any::<u32>()).prop_map(|(tag, touched)| head(tag, touched)),
                any::<u64>().prop_filter("no key has the tag 0", |head| head >> 32 != 0),
            ]),
            tag in 1_u32..4,
        ) {
            let heads = heads.map(Word::new);
            prop_assert_eq!(marks(&heads, tag), one_by_one(&heads, tag));
        }
    }
}
