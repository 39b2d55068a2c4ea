//! The kernels in plain code over arrays of lanes, which the compiler turns into vectors of whatever width there is.

use super::{Batch, GROUP};
use crate::forest::bytes::{BYTE, Touch};
use crate::forest::key::Key;
use crate::forest::layout::{ByteTree, Cut, Wide, Word};
use crate::limits::LANES;

/// Adds the leaves that lanes reach in a tree of cuts.
#[inline(always)]
pub fn bits<K: Key, W: Word, const LEAVES: usize>(
    cuts: &[Cut<K, W>],
    leaves: &[f64; LEAVES],
    batch: &mut Batch<'_, K>,
) {
    for group in 0..batch.groups {
        let from = group * GROUP;
        let mut left = [W::ALL; GROUP];
        for cut in cuts {
            let keys: &[K; GROUP] = lanes(&batch.keys[cut.column as usize].0, from);
            for lane in 0..GROUP {
                left[lane] = left[lane].cut(cut.keep, keys[lane] > cut.threshold);
            }
        }
        // A fence for the compiler: it would carry the lookups' lanes, one by one, back into the loop of vectors.
        let left = std::hint::black_box(left);
        for (sum, left) in batch.sums.0[from..][..GROUP].iter_mut().zip(left) {
            // The mask changes nothing: no word has a bit past its leaves. It spares a check.
            *sum = add(*sum, leaves[left.first() & (LEAVES - 1)], batch.single);
        }
    }
}

/// Adds the leaves that lanes reach in a small tree, by bytes.
#[inline(always)]
pub fn bytes<K: Key>(tree: &ByteTree, touches: &[Touch], bytes: &[[Wide<i8>; 2]], batch: &mut Batch<'_, K>) {
    match batch.groups {
        1 => byte_groups::<K, { GROUP }>(tree, touches, bytes, batch),
        2 => byte_groups::<K, { 2 * GROUP }>(tree, touches, bytes, batch),
        _ => byte_groups::<K, { LANES }>(tree, touches, bytes, batch),
    }
}

#[inline(always)]
fn byte_groups<K: Key, const WIDTH: usize>(
    tree: &ByteTree,
    touches: &[Touch],
    bytes: &[[Wide<i8>; 2]],
    batch: &mut Batch<'_, K>,
) {
    // Of each lane, the first byte that has a leaf left, and its first leaf.
    let (mut found, mut first) = ([0_u8; WIDTH], [0_u8; WIDTH]);
    for byte in (0..tree.bytes as usize).rev() {
        let mut left = [u8::MAX; WIDTH];
        for touch in &touches[tree.from[byte] as usize..tree.from[byte + 1] as usize] {
            let keys: &[i8; WIDTH] = lanes(&bytes[touch.column as usize][usize::from(touch.flipped)].0, 0);
            let threshold = (touch.threshold ^ 0x80).cast_signed();
            for lane in 0..WIDTH {
                left[lane] &= touch.keep | u8::from(keys[lane] > threshold).wrapping_sub(1);
            }
        }
        for lane in 0..WIDTH {
            let has = u8::from(left[lane] == 0).wrapping_sub(1);
            found[lane] = (left[lane] & has) | (found[lane] & !has);
            first[lane] = ((byte * BYTE) as u8 & has) | (first[lane] & !has);
        }
    }
    // A fence for the compiler, as above.
    let (found, first) = std::hint::black_box((found, first));
    for ((sum, found), first) in batch.sums.0[..WIDTH].iter_mut().zip(found).zip(first) {
        let leaf = usize::from(first) + found.leading_zeros() as usize;
        // The mask changes nothing: some leaf is left.
        *sum = add(*sum, tree.leaves.0[leaf & 63], batch.single);
    }
}

/// Adds numbers to a sum, one after the other, as [`add`] does. Conversions are kept out of the chain of additions.
#[inline(always)]
pub fn add_all(sum: f64, leaves: impl Iterator<Item = f64>, single: bool) -> f64 {
    if single {
        f64::from(leaves.fold(sum as f32, |sum, leaf| sum + leaf as f32))
    } else {
        leaves.fold(sum, |sum, leaf| sum + leaf)
    }
}

/// The sum of two numbers, rounded to `f32` where the forest sums so: numbers that are `f32` themselves then give the bits of
/// an `f32` addition.
#[inline(always)]
pub fn add(sum: f64, leaf: f64, single: bool) -> f64 {
    if single { f64::from((sum + leaf) as f32) } else { sum + leaf }
}

#[inline(always)]
fn lanes<K, const WIDTH: usize>(lanes: &[K], from: usize) -> &[K; WIDTH] {
    match lanes[from..].first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("lanes are whole groups"),
    }
}
