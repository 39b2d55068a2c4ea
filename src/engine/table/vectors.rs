//! Words as vectors, where the processor has AVX2.
//!
//! A vector load of atomic words is an atomic load of each, in no order among them: so x86 processors do it, and so it is asked for
//! here, by an instruction the compiler leaves alone. All that is said of such a look holds for a loop of acquiring loads too, which
//! is what other processors, loom and Miri run. Every look at many words has such a loop for its twin.
#![allow(unsafe_code)]

/// What [`vectorised`] runs. A method and not a closure, which nobody can be told to inline.
pub trait Work {
    /// Does it; to be marked `#[inline(always)]`.
    fn run(self);
}

/// Runs work, compiled for AVX2 where the processor has it: what is inlined into it looks at words without being called.
#[inline]
pub fn vectorised(work: impl Work) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    if avx2::is_there() {
        // SAFETY: the processor has what it is compiled for.
        return unsafe { avx2::run(work) };
    }
    work.run();
}

#[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
pub(super) mod avx2 {
    use std::arch::asm;
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::super::Word;
    use super::super::span::Ages;

    /// Words of a vector.
    pub const WORDS: usize = 4;

    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    const UNKNOWN: u8 = 0;
    const IS_THERE: u8 = 1;
    const IS_NOT: u8 = 2;

    /// Whether the processor has AVX2, and the instructions on bits that came with it. Asked at every look, so by one load.
    #[inline(always)]
    pub fn is_there() -> bool {
        match KNOWN.load(Ordering::Relaxed) {
            UNKNOWN => find_out(),
            known => known == IS_THERE,
        }
    }

    #[cold]
    fn find_out() -> bool {
        let is_there = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt");
        KNOWN.store(if is_there { IS_THERE } else { IS_NOT }, Ordering::Relaxed);
        is_there
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub fn run(work: impl super::Work) {
        work.run();
    }

    /// Eight times the same number.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn all(number: u32) -> __m256i {
        _mm256_set1_epi32(number.cast_signed())
    }

    /// The highest of eight numbers, four times.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn highest(numbers: __m256i) -> __m128i {
        let half = _mm_max_epu32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
        let quarter = _mm_max_epu32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
        _mm_max_epu32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter))
    }

    /// Of which numbers, without sign, `low <= number < high` holds.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn within(numbers: __m256i, low: u32, high: u32) -> __m256i {
        let (above, last) = (_mm256_sub_epi32(numbers, all(low)), all(high - low - 1));
        _mm256_cmpeq_epi32(_mm256_min_epu32(above, last), above)
    }

    /// [`super::super::span::behind`] of eight stamps.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn behind(now: u32, stamps: __m256i) -> __m256i {
        let (none_more, not_later) =
            (_mm256_sub_epi32(all(now.wrapping_sub(1)), stamps), not_after(stamps, now));
        _mm256_sub_epi32(none_more, not_later)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn not_after(stamps: __m256i, now: u32) -> __m256i {
        _mm256_cmpeq_epi32(_mm256_min_epu32(stamps, all(now)), stamps)
    }

    /// Which of eight stamps, so far behind, are later than the event that looks.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn later(behind: __m256i, ages: Ages) -> __m256i {
        let ahead = _mm256_cmpeq_epi32(_mm256_max_epu32(behind, all(Ages::AHEAD)), behind);
        let not_later = _mm256_cmpeq_epi32(_mm256_max_epu32(behind, all(ages.later)), behind);
        // Of what is not later only what lies ahead.
        _mm256_or_si256(ahead, _mm256_xor_si256(not_later, _mm256_set1_epi32(-1)))
    }

    /// Two words.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn two(words: &[Word; 2]) -> __m128i {
        let held;
        // SAFETY: the instruction reads the sixteen bytes of the two words and changes nothing. They are atomics: others may
        // write them meanwhile, and each is read whole, with what its writer released (Intel's manual 3A: aligned words of
        // eight bytes are atomic, loads are not reordered with later accesses; AMD's manual 2, 7.1 and 7.3.2 likewise).
        unsafe {
            asm!(
                "vmovdqu {held}, xmmword ptr [{words}]",
                held = out(xmm_reg) held,
                words = in(reg) words.as_ptr(),
                options(nostack, preserves_flags, readonly)
            );
        }
        held
    }

    /// Up to four words; zeros behind them.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn four(words: &[Word]) -> __m256i {
        let from = words.as_ptr();
        let held: __m256i;
        // SAFETY: the instructions read the words of the slice alone, what is masked out not at all; for the rest see [`two`].
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
