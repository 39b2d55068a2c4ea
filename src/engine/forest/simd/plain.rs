//! The kernels in plain code over arrays of lanes, which the compiler turns into vectors of whatever width there is.

use super::{Batch, GROUP};
use crate::forest::key::Key;
use crate::forest::layout::{Cut, Flat, Word};

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
            let keys: &[K; GROUP] = chunk(&batch.keys[cut.column as usize].0, from);
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

/// Adds the leaves that lanes reach in a walked tree.
pub fn walk<K: Key>(nodes: &[Flat<K>], values: &[f64], root: u32, steps: u32, batch: &mut Batch<'_, K>) {
    for group in 0..batch.groups {
        let from = group * GROUP;
        let mut at = [root; GROUP];
        for _ in 0..steps {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = &nodes[*at as usize];
                *at = node.left + u32::from(batch.keys[node.column as usize].0[from + lane] > node.threshold);
            }
        }
        for (sum, at) in batch.sums.0[from..][..GROUP].iter_mut().zip(at) {
            *sum = add(*sum, values[at as usize], batch.single);
        }
    }
}

/// The sum of two numbers, rounded to `f32` where the forest sums so: numbers that are `f32` themselves then give the bits of
/// an `f32` addition.
#[inline(always)]
pub fn add(sum: f64, leaf: f64, single: bool) -> f64 {
    if single { f64::from((sum + leaf) as f32) } else { sum + leaf }
}

#[inline(always)]
fn chunk<K>(lanes: &[K], from: usize) -> &[K; GROUP] {
    match lanes[from..].first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("lanes are whole groups"),
    }
}
