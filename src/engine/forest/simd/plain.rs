//! The kernels in plain code over arrays of lanes, which the compiler turns into vectors of whatever width there is.

use super::{Batch, Bundle, GROUP};
use crate::forest::alone::{Eight, Ranks, TREES, WINDOW, Windows};
use crate::forest::columns::Row;
use crate::forest::key::Key;
use crate::forest::layout::{Cut, Word};

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

/// Writes the keys of so many columns, as `f32`, into windows.
#[inline(always)]
pub fn place<K: Key>(row: &mut Row<K>, columns: usize, ranks: &Ranks, below: impl Fn(&Eight, f64) -> usize) {
    for (window, (keys, line)) in row.keys[..columns].chunks(WINDOW).zip(&mut row.windows).enumerate() {
        for (at, (&key, place)) in keys.iter().zip(&mut line.0).enumerate() {
            *place = key.place(ranks, window * WINDOW + at, &below);
        }
    }
}

/// The sum and the leaves that a row reaches in the trees of a bundle.
pub fn bundle<W: Word, const LEAVES: usize>(
    bundle: &Bundle<'_, W, LEAVES>,
    row: &Windows,
    sum: f64,
    single: bool,
) -> f64 {
    let mut left = [W::ALL; TREES];
    for stretch in bundle.stretches {
        let window = &row[stretch.window as usize].0;
        for slot in &bundle.slots[stretch.from as usize..stretch.to as usize] {
            for (tree, left) in left.iter_mut().enumerate() {
                let above = window[slot.column[tree] as usize] > slot.threshold[tree];
                *left = left.cut(slot.keep[tree], above);
            }
        }
    }
    add_all(sum, bundle.values(&left.map(|left| left.first() as u32)), single)
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
fn chunk<K>(lanes: &[K], from: usize) -> &[K; GROUP] {
    match lanes[from..].first_chunk() {
        Some(chunk) => chunk,
        None => unreachable!("lanes are whole groups"),
    }
}
