//! Trees laid out for a row alone: many trees side by side, instead of many rows.
//!
//! With AVX-512, small trees are bundles of cuts: a slot holds one cut of each of 64 trees, and the cuts of a slot look at
//! columns of one window, so that their keys come out of two registers by permutation. Without it, and for large trees,
//! sixteen walks are under way at once.

use super::bytes::{BYTE, Ranks, Small, Touch, small};
use super::columns::Columns;
use super::key::Key;
use super::layout::{Form, Layout, Line};
use super::node::Tree;

/// Walks side by side.
pub const WALKS: usize = 16;
/// Trees of a bundle.
pub const TREES: usize = 64;
/// Byte columns of a window: one register, and one for their complements.
pub const WINDOW: usize = 64;

/// Places of a row's keys, by windows of byte columns.
pub type Windows = [Line<[u8; WINDOW]>];

/// One touch of each tree of a bundle, for columns of one window and the same byte of every tree.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Slot {
    pub threshold: [u8; TREES],
    /// Place in the window; with the next higher bit, in that of the complements.
    pub column: [u8; TREES],
    pub keep: [u8; TREES],
}

/// Slots for one byte and one window of columns, from one place to before another.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub byte: u32,
    pub window: u32,
    pub from: u32,
    pub to: u32,
}

/// Trees that follow one another.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Small trees: their stretches, from one place to before another, the bytes of the largest, the place of the first
    /// leaf, and how many trees.
    Bundle { from: u32, to: u32, bytes: u32, leaves: u32, trees: u32 },
    /// Walked trees: the first one's place among the roots, how many, and the steps of the deepest.
    Walks { first: u32, trees: u32, steps: u32 },
    /// A tree walked as it came, by its place among such trees.
    Plain(u32),
}

/// A forest's trees for a row alone, beside its [`Layout`].
#[derive(Default)]
pub struct Alone {
    pub steps: Vec<Step>,
    pub stretches: Vec<Stretch>,
    pub slots: Vec<Slot>,
    /// Leaves of the bundles' trees, each tree's from the start of a byte.
    pub leaves: Vec<f64>,
    pub ranks: Ranks,
    pub roots: Vec<u32>,
}

impl Alone {
    /// Lays out the trees of a layout, whose walks gain the small trees if those are not to be bundled.
    pub fn new<K: Key>(
        bundled: bool,
        trees: &[Tree],
        layout: &mut Layout<K>,
        columns: &mut Columns,
        leaf: &impl Fn(f64) -> f64,
    ) -> Alone {
        let mut alone = Alone::default();
        let mut smalls: Vec<Option<Small>> = trees.iter().map(|_| None).collect();
        if bundled {
            (smalls, alone.ranks) = small::<K>(trees, columns, leaf);
        }
        let mut at = 0;
        while at < trees.len() {
            let bundle: Vec<&Small> = smalls[at..].iter().take(TREES).map_while(Option::as_ref).collect();
            let step = if !bundle.is_empty() {
                at += bundle.len();
                alone.bundle(&bundle)
            } else if let Form::Plain(tree) = layout.forms[at] {
                at += 1;
                Step::Plain(tree)
            } else {
                let before = alone.roots.len();
                let mut steps = 0;
                while at < trees.len() && alone.roots.len() < before + WALKS && smalls[at].is_none() {
                    let walk = match layout.forms[at] {
                        Form::Plain(_) => break,
                        Form::Walk(walk) => walk,
                        _ => layout
                            .walks
                            .lay(&trees[at], columns, leaf)
                            .expect("its columns were placed before"),
                    };
                    steps = steps.max(walk.steps);
                    alone.roots.push(walk.root);
                    at += 1;
                }
                Step::Walks { first: before as u32, trees: (alone.roots.len() - before) as u32, steps }
            };
            alone.steps.push(step);
        }
        alone
    }

    /// The step for small trees.
    fn bundle(&mut self, trees: &[&Small]) -> Step {
        let from = self.stretches.len() as u32;
        let key = |touch: &Touch| (u32::from(touch.byte), touch.column / WINDOW as u32);
        let mut rest: Vec<&[Touch]> = trees.iter().map(|tree| &tree.touches[..]).collect();
        // Touches are in the order of their bytes and columns, so each tree's next ones are those of its lowest left.
        while let Some(lowest) = rest.iter().filter_map(|touches| touches.first().map(key)).min() {
            let first = self.slots.len();
            for (tree, touches) in rest.iter_mut().enumerate() {
                let (these, others) = touches.split_at(touches.partition_point(|touch| key(touch) == lowest));
                *touches = others;
                for (at, touch) in these.iter().enumerate() {
                    if self.slots.len() == first + at {
                        // A tree without a cut in a slot keeps everything.
                        let keep = [u8::MAX; TREES];
                        self.slots.push(Slot { threshold: [u8::MAX; TREES], column: [0; TREES], keep });
                    }
                    let slot = &mut self.slots[first + at];
                    slot.threshold[tree] = touch.threshold;
                    slot.column[tree] =
                        (touch.column % WINDOW as u32) as u8 | if touch.flipped { WINDOW as u8 } else { 0 };
                    slot.keep[tree] = touch.keep;
                }
            }
            let (byte, window) = lowest;
            let (from, to) = (first as u32, self.slots.len() as u32);
            self.stretches.push(Stretch { byte, window, from, to });
        }
        let bytes = trees.iter().map(|tree| tree.leaves.len().div_ceil(BYTE)).max().unwrap_or(1);
        let leaves = self.leaves.len();
        for (tree, small) in trees.iter().enumerate() {
            self.leaves.extend(&small.leaves);
            self.leaves.resize(leaves + (tree + 1) * bytes * BYTE, 0.0);
        }
        let (bytes, leaves) = (bytes as u32, leaves as u32);
        Step::Bundle { from, to: self.stretches.len() as u32, bytes, leaves, trees: trees.len() as u32 }
    }
}
