//! Many words at a look: vector loads where the processor has them, one word after the other elsewhere.
//!
//! A vector load of atomic words is an atomic load of each, in no order among them: so x86 processors do it, and so it is asked for
//! here, by an instruction the compiler leaves alone. All that is said of such a look holds for a loop of acquiring loads too, which
//! is what loom and Miri run.
#![allow(unsafe_code)]

use super::Word;
use super::slots::LINE;

/// Two words.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
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

/// The heads of two lines that have this tag; a bit each, those of the first line lowest.
#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
#[inline]
pub(super) fn tagged(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
    use std::arch::x86_64::*;

    let [(first, _), (second, _)] = lines.map(|line| line.as_chunks::<2>());
    // SAFETY: every x86-64 processor has SSE2.
    unsafe {
        let wanted = _mm_set1_epi32(tag.cast_signed());
        // The upper halves of four heads, their tags, against the wanted one.
        let four = |line: &[[Word; 2]], at: usize| {
            let (one, other) = (_mm_castsi128_ps(two(&line[at])), _mm_castsi128_ps(two(&line[at + 1])));
            _mm_cmpeq_epi32(_mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(one, other)), wanted)
        };
        let first = _mm_packs_epi32(four(first, 0), four(first, 2));
        let second = _mm_packs_epi32(four(second, 0), four(second, 2));
        _mm_movemask_epi8(_mm_packs_epi16(first, second)).cast_unsigned()
    }
}

/// The heads of two lines that have this tag; a bit each, those of the first line lowest.
#[cfg(any(not(target_arch = "x86_64"), loom, miri))]
pub(super) fn tagged(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
    one_by_one(lines, tag)
}

/// Without branches: where a key stands is as random as the key.
#[cfg(any(not(target_arch = "x86_64"), loom, miri, test))]
fn one_by_one(lines: [&[Word; LINE]; 2], tag: u32) -> u32 {
    use super::Ordering;
    use super::slots::tag_of;

    let heads = lines.into_iter().flatten().enumerate();
    let tagged = heads.map(|(way, head)| u32::from(tag_of(head.load(Ordering::Acquire)) == tag) << way);
    tagged.fold(0, |tagged, bit| tagged | bit)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::slots::head;
    use super::*;

    proptest! {
        #[test]
        fn a_look_at_many_is_a_look_at_each(
            lines in prop::array::uniform2(prop::array::uniform8(prop_oneof![
                Just(0_u64),
                (1_u32..4, any::<u32>()).prop_map(|(tag, touched)| head(tag, touched)),
                any::<u64>(),
            ])),
            tag in 1_u32..4,
        ) {
            let lines = lines.map(|line| line.map(Word::new));
            let lines = lines.each_ref();
            prop_assert_eq!(tagged(lines, tag), one_by_one(lines, tag));
        }
    }
}
