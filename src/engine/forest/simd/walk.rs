//! Sixteen walks at once through trees laid flat, so that their latencies overlap. Places were checked when the trees were laid
//! out; checking each of them again at every step took a third of the time.

use super::plain::{add, add_all};
use super::{Batch, GROUP};
use crate::forest::alone::WALKS;
use crate::forest::key::Key;
use crate::forest::walks::{Walk, Walks};

/// Adds the leaves that lanes reach in a walked tree. Apart from its caller, with whom it would share registers.
#[inline(never)]
pub fn walk<K: Key>(walks: &Walks<K>, walk: Walk, batch: &mut Batch<'_, K>) {
    for group in 0..batch.groups {
        let from = group * GROUP;
        let mut at = [walk.root; GROUP];
        descend(walks, &mut at, walk.steps, batch.keys.len(), |column, lane| {
            // SAFETY: `descend` asks for columns below the number it was given, of which there are as many.
            unsafe { batch.keys.get_unchecked(column) }.0[from + lane]
        });
        for (sum, at) in batch.sums.0[from..][..GROUP].iter_mut().zip(at) {
            *sum = add(*sum, walks.values()[at as usize], batch.single);
        }
    }
}

/// The sum and the leaves of up to sixteen walked trees. Inlined into its caller it took a quarter longer.
#[inline(never)]
pub fn walk_alone<K: Key>(
    walks: &Walks<K>,
    roots: &[u32],
    steps: u32,
    row: &[K],
    sum: f64,
    single: bool,
) -> f64 {
    // A short last group walks its first tree more than once.
    let mut at: [u32; WALKS] = std::array::from_fn(|tree| roots[if tree < roots.len() { tree } else { 0 }]);
    descend(walks, &mut at, steps, row.len(), |column, _| {
        // SAFETY: as above.
        unsafe { *row.get_unchecked(column) }
    });
    add_all(sum, at[..roots.len()].iter().map(|&at| walks.values()[at as usize]), single)
}

/// Takes every walk so many steps down. `key` is asked for columns below `columns` only.
#[inline(always)]
fn descend<K: Key, const WALKS: usize>(
    walks: &Walks<K>,
    at: &mut [u32; WALKS],
    steps: u32,
    columns: usize,
    key: impl Fn(usize, usize) -> K,
) {
    let nodes = walks.nodes();
    assert!(walks.columns() <= columns && at.iter().all(|&at| (at as usize) < nodes.len()));
    for _ in 0..steps {
        for (walk, at) in at.iter_mut().enumerate() {
            // SAFETY: the first place is a node's, as was just seen, and `Walks` sees to it that nodes lead to nodes only.
            let node = unsafe { nodes.get_unchecked(*at as usize) };
            *at = node.left + u32::from(key(node.column as usize, walk) > node.threshold);
        }
    }
}
