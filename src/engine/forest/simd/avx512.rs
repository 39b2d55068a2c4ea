//! The bit-vector kernels in AVX-512: sixteen lanes a register, comparisons into mask registers, and leaves looked up by
//! permutation of registers, which takes a third of the time of a gather.

use std::arch::x86_64::*;

use super::{Batch, Bundle, Columns, Cut, GROUP, Line, Wide, plain};
use crate::forest::alone::{TREES, Windows};
use crate::forest::bytes::{BYTE, BYTES, Eight, Ranks};
use crate::forest::columns::Row;
use crate::limits::LANES;

macro_rules! kernels {
    ($key:ty, $fill:ident, $row:ident, $spread:ident, $above:ident, $bits32:ident, $groups32:ident, $bits64:ident, $groups64:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        pub fn $fill(columns: &Columns, inputs: &[Wide<f64>], lanes: usize, keys: &mut [Wide<$key>]) {
            columns.fill_lanes(inputs, lanes, keys);
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        pub fn $row(
            columns: &Columns,
            inputs: &[Wide<f64>],
            lane: usize,
            ranks: &Ranks,
            row: &mut Row<$key>,
        ) {
            columns.fill_row(inputs, lane, row);
            ranks.place_row(&row.keys, &mut row.windows, |eight, number| below(eight, number));
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        pub fn $bits32(cuts: &[Cut<$key, u32>], leaves: &Line<[f64; 32]>, batch: &mut Batch<'_, $key>) {
            match batch.groups {
                1 => $groups32::<1>(cuts, leaves, batch),
                2 => $groups32::<2>(cuts, leaves, batch),
                3 => $groups32::<3>(cuts, leaves, batch),
                _ => $groups32::<{ LANES / GROUP }>(cuts, leaves, batch),
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        fn $groups32<const GROUPS: usize>(
            cuts: &[Cut<$key, u32>],
            leaves: &Line<[f64; 32]>,
            batch: &mut Batch<'_, $key>,
        ) {
            let mut left = [_mm512_set1_epi32(-1); GROUPS];
            for cut in cuts {
                let column = &batch.keys[cut.column as usize].0;
                let (threshold, keep) = ($spread(cut.threshold), _mm512_set1_epi32(cut.keep.cast_signed()));
                for (group, left) in left.iter_mut().enumerate() {
                    let above = $above(column, group, threshold);
                    *left = _mm512_mask_and_epi32(*left, above, *left, keep);
                }
            }
            let table: [__m512d; 4] = std::array::from_fn(|part| load(&leaves.0, part * 8));
            for (group, left) in left.into_iter().enumerate() {
                let leaf = _mm512_lzcnt_epi32(left);
                let halves = [
                    _mm512_cvtepu32_epi64(_mm512_castsi512_si256(leaf)),
                    _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(leaf)),
                ];
                for (half, leaf) in halves.into_iter().enumerate() {
                    let low = _mm512_permutex2var_pd(table[0], leaf, table[1]);
                    let high = _mm512_permutex2var_pd(table[2], leaf, table[3]);
                    let value = _mm512_mask_blend_pd(bit(leaf, 16), low, high);
                    add(&mut batch.sums.0, group * GROUP + half * 8, value, batch.single);
                }
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        pub fn $bits64(cuts: &[Cut<$key, u64>], leaves: &Line<[f64; 64]>, batch: &mut Batch<'_, $key>) {
            match batch.groups {
                1 => $groups64::<1>(cuts, leaves, batch),
                2 => $groups64::<2>(cuts, leaves, batch),
                3 => $groups64::<3>(cuts, leaves, batch),
                _ => $groups64::<{ LANES / GROUP }>(cuts, leaves, batch),
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
        fn $groups64<const GROUPS: usize>(
            cuts: &[Cut<$key, u64>],
            leaves: &Line<[f64; 64]>,
            batch: &mut Batch<'_, $key>,
        ) {
            let mut left = [[_mm512_set1_epi64(-1); 2]; GROUPS];
            for cut in cuts {
                let column = &batch.keys[cut.column as usize].0;
                let (threshold, keep) = ($spread(cut.threshold), _mm512_set1_epi64(cut.keep.cast_signed()));
                for (group, [low, high]) in left.iter_mut().enumerate() {
                    let above = $above(column, group, threshold);
                    *low = _mm512_mask_and_epi64(*low, above as __mmask8, *low, keep);
                    *high = _mm512_mask_and_epi64(*high, (above >> 8) as __mmask8, *high, keep);
                }
            }
            let table: [__m512d; 8] = std::array::from_fn(|part| load(&leaves.0, part * 8));
            for (group, left) in left.into_iter().enumerate() {
                for (half, left) in left.into_iter().enumerate() {
                    let leaf = _mm512_lzcnt_epi64(left);
                    let quarters: [__m512d; 4] = std::array::from_fn(|quarter| {
                        _mm512_permutex2var_pd(table[2 * quarter], leaf, table[2 * quarter + 1])
                    });
                    let low = _mm512_mask_blend_pd(bit(leaf, 16), quarters[0], quarters[1]);
                    let high = _mm512_mask_blend_pd(bit(leaf, 16), quarters[2], quarters[3]);
                    let value = _mm512_mask_blend_pd(bit(leaf, 32), low, high);
                    add(&mut batch.sums.0, group * GROUP + half * 8, value, batch.single);
                }
            }
        }
    };
}
kernels!(
    f32,
    fill_f32,
    row_f32,
    _mm512_set1_ps,
    above_f32,
    bits32_f32,
    groups32_f32,
    bits64_f32,
    groups64_f32
);
kernels!(
    f64,
    fill_f64,
    row_f64,
    _mm512_set1_pd,
    above_f64,
    bits32_f64,
    groups32_f64,
    bits64_f64,
    groups64_f64
);

/// The sum and the leaves that a row reaches in the trees of a bundle.
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx2,lzcnt,bmi1,bmi2,popcnt"
)]
pub fn bundle(bundle: &Bundle<'_>, row: &Windows, sum: f64, single: bool) -> f64 {
    let all = _mm512_set1_epi8(-1);
    let mut left = [all; BYTES];
    for stretch in bundle.stretches {
        // SAFETY: the bytes of a register.
        let keys = unsafe { _mm512_loadu_si512(row[stretch.window as usize].0.as_ptr().cast()) };
        let complements = _mm512_xor_si512(keys, all);
        let mut byte = left[stretch.byte as usize];
        for slot in &bundle.slots[stretch.from as usize..stretch.to as usize] {
            // SAFETY: the bytes of a register, each time.
            let [columns, thresholds, keep] = [&slot.column, &slot.threshold, &slot.keep]
                .map(|bytes| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) });
            let keys = _mm512_permutex2var_epi8(keys, columns, complements);
            let above = _mm512_movm_epi8(_mm512_cmpgt_epu8_mask(keys, thresholds));
            // byte & (keep | !above)
            byte = _mm512_ternarylogic_epi64::<0xd0>(byte, keep, above);
        }
        left[stretch.byte as usize] = byte;
    }
    // Of each tree, the first byte that has a leaf left, and its first leaf.
    let (mut found, mut first) = (left[0], _mm512_setzero_si512());
    for (at, byte) in left[..bundle.bytes as usize].iter().enumerate().rev() {
        let has = _mm512_test_epi8_mask(*byte, *byte);
        found = _mm512_mask_mov_epi8(found, has, *byte);
        first = _mm512_mask_mov_epi8(first, has, _mm512_set1_epi8((at * BYTE) as i8));
    }
    // The leading zeros of a byte are those of its high half or, where that is 0, four and those of the low half.
    let low_four = _mm512_set1_epi8(15);
    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(found), low_four);
    let high = _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(_mm_setr_epi8(8, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
        high,
    );
    let low = _mm512_shuffle_epi8(
        _mm512_broadcast_i32x4(_mm_setr_epi8(8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4)),
        _mm512_and_si512(found, low_four),
    );
    let mut leaves = [0; TREES];
    let leaf = _mm512_add_epi8(first, _mm512_min_epu8(high, low));
    // SAFETY: room for the bytes of a register.
    unsafe { _mm512_storeu_si512(leaves.as_mut_ptr().cast(), leaf) };
    plain::add_all(sum, bundle.values(&leaves), single)
}

/// How many of eight numbers are below another.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn below(eight: &Eight, number: f64) -> usize {
    _mm512_cmp_pd_mask::<_CMP_LT_OQ>(load(&eight.0, 0), _mm512_set1_pd(number)).count_ones() as usize
}

/// Which lanes of a group are above the threshold.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
fn above_f32(column: &[f32; LANES], group: usize, threshold: __m512) -> __mmask16 {
    let lanes = &column[group * GROUP..][..GROUP];
    // SAFETY: the slice holds sixteen numbers.
    let keys = unsafe { _mm512_loadu_ps(lanes.as_ptr()) };
    _mm512_cmp_ps_mask::<_CMP_GT_OQ>(keys, threshold)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
fn above_f64(column: &[f64; LANES], group: usize, threshold: __m512d) -> __mmask16 {
    let [low, high] =
        [0, 8].map(|half| _mm512_cmp_pd_mask::<_CMP_GT_OQ>(load(column, group * GROUP + half), threshold));
    _mm512_kunpackb(__mmask16::from(high), __mmask16::from(low))
}

/// Where a bit of the numbers is set.
#[inline]
#[target_feature(enable = "avx512f")]
fn bit(numbers: __m512i, bit: i64) -> __mmask8 {
    _mm512_test_epi64_mask(numbers, _mm512_set1_epi64(bit))
}

/// Adds to eight sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,lzcnt,bmi1,bmi2,popcnt")]
fn add(sums: &mut [f64; LANES], from: usize, values: __m512d, single: bool) {
    let mut total = _mm512_add_pd(load(sums, from), values);
    if single {
        total = _mm512_cvtps_pd(_mm512_cvtpd_ps(total));
    }
    let eight = &mut sums[from..][..8];
    // SAFETY: the slice holds eight numbers.
    unsafe { _mm512_storeu_pd(eight.as_mut_ptr(), total) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(numbers: &[f64], from: usize) -> __m512d {
    let eight = &numbers[from..][..8];
    // SAFETY: the slice holds eight numbers.
    unsafe { _mm512_loadu_pd(eight.as_ptr()) }
}
