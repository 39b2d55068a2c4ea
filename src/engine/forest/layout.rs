//! Trees laid out for the kernels, each in the form that evaluates it fastest.
//!
//! A tree of at most 64 leaves becomes a list of tests without order (QuickScorer, Lucchese et al. 2015): its leaves, from left
//! to right, are bits of a word; a test that fails clears those of its left subtree; the first bit left is the leaf. With
//! AVX-512 words are as long as the tree has leaves and keys are floats; without it both are bytes ([`super::bytes`]), for
//! what registers are short of then are lanes. A larger tree is walked. What asks for more categories than there are columns
//! for is walked as it came.

use super::bytes::{BYTES, Ranks, Small, Touch, small};
use super::columns::Columns;
use super::key::Key;
use super::node::{Node, Test, Tree};
use super::walks::{Walk, Walks};
use crate::limits::LANES;

/// A test of the bit-vector form: where the column is above the threshold, the leaves on the left are out.
#[derive(Clone, Copy, Debug)]
pub struct Cut<K, W> {
    pub threshold: K,
    pub column: u32,
    /// 0 for each leaf on the left, 1 for the others.
    pub keep: W,
}

/// Something at the start of a cache line, so that no vector of it lies across two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Line<T>(pub T);

/// A value for each lane.
pub type Wide<K> = Line<[K; LANES]>;

/// A word of leaves; the first leaf is the highest bit.
pub trait Word: Copy + Send + Sync + 'static {
    const LEAVES: usize;
    const ALL: Self;
    /// All leaves but those from the first to before the second.
    fn without(from: usize, to: usize) -> Self;
    /// What a cut leaves of these leaves. Arithmetic instead of a choice, which the compiler would make a branch.
    fn cut(self, keep: Self, above: bool) -> Self;
    /// The first leaf.
    fn first(self) -> usize;
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            const LEAVES: usize = <$word>::BITS as usize;
            const ALL: $word = <$word>::MAX;

            fn without(from: usize, to: usize) -> $word {
                (from..to).fold(<$word>::MAX, |word, leaf| word & !(1 << (Self::LEAVES - 1 - leaf)))
            }

            #[inline(always)]
            fn cut(self, keep: $word, above: bool) -> $word {
                self & (keep | <$word>::from(above).wrapping_sub(1))
            }

            #[inline(always)]
            fn first(self) -> usize {
                self.leading_zeros() as usize
            }
        }
    };
}
word!(u32);
word!(u64);

/// A tree, by the form it has.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Bits of 32-bit words: its cuts, from one place to before another, and its place among the tables of 32 leaves.
    Bits32 { from: u32, to: u32, table: u32 },
    /// The same with 64.
    Bits64 { from: u32, to: u32, table: u32 },
    /// Bytes of leaves: its place among such trees.
    Bytes(u32),
    /// Walked.
    Walk(Walk),
    /// Walked as it came; its place among such trees.
    Plain(u32),
}

/// The trees of a forest, in their order.
pub struct Layout<K> {
    pub forms: Vec<Form>,
    pub cuts32: Vec<Cut<K, u32>>,
    pub cuts64: Vec<Cut<K, u64>>,
    pub leaves32: Vec<Line<[f64; 32]>>,
    pub leaves64: Vec<Line<[f64; 64]>>,
    pub bytes: Vec<ByteTree>,
    pub touches: Vec<Touch>,
    pub ranks: Ranks,
    pub walks: Walks<K>,
    pub plain: Vec<Tree>,
}

/// A small tree in bytes.
pub struct ByteTree {
    /// Touches of each byte, from one place to before the next one's; as many bytes as the tree has.
    pub from: [u32; BYTES + 1],
    pub bytes: u32,
    pub leaves: Line<[f64; 64]>,
}

impl<K: Key> Layout<K> {
    /// Lays out trees that were checked, small ones by bytes or by whole words; `leaf` is what the sum takes of a leaf.
    pub fn new(
        by_bytes: bool,
        trees: &[Tree],
        columns: &mut Columns,
        leaf: impl Fn(f64) -> f64,
    ) -> Layout<K> {
        let (smalls, ranks) = if by_bytes { small::<K>(trees, columns, &leaf) } else { Default::default() };
        let mut layout = Layout {
            forms: Vec::with_capacity(trees.len()),
            cuts32: Vec::new(),
            cuts64: Vec::new(),
            leaves32: Vec::new(),
            leaves64: Vec::new(),
            bytes: Vec::new(),
            touches: Vec::new(),
            ranks,
            walks: Walks::new(),
            plain: Vec::new(),
        };
        for (at, tree) in trees.iter().enumerate() {
            if let Some(Some(small)) = smalls.get(at) {
                layout.forms.push(Form::Bytes(layout.bytes.len() as u32));
                layout.lay_bytes(small);
                continue;
            }
            let form = layout.lay(tree, columns, &leaf).unwrap_or_else(|| {
                layout.plain.push(rounded(tree, &leaf));
                Form::Plain(layout.plain.len() as u32 - 1)
            });
            layout.forms.push(form);
        }
        layout
    }

    fn lay_bytes(&mut self, small: &Small) {
        let mut tree = ByteTree { from: [0; BYTES + 1], bytes: 0, leaves: Line([0.0; 64]) };
        let before = self.touches.len();
        for (byte, from) in tree.from.iter_mut().enumerate() {
            *from = (before + small.touches.partition_point(|touch| usize::from(touch.byte) < byte)) as u32;
        }
        tree.bytes = small.leaves.len().div_ceil(8) as u32;
        tree.leaves.0[..small.leaves.len()].copy_from_slice(&small.leaves);
        self.touches.extend(&small.touches);
        self.bytes.push(tree);
    }

    fn lay(&mut self, tree: &Tree, columns: &mut Columns, leaf: &impl Fn(f64) -> f64) -> Option<Form> {
        let leaves = tree.nodes.len().div_ceil(2);
        if leaves <= 32 {
            let (from, mut table) = (self.cuts32.len() as u32, [0.0; 32]);
            cut(tree, columns, &mut self.cuts32, |place, value| table[place] = leaf(value))?;
            self.leaves32.push(Line(table));
            Some(Form::Bits32 { from, to: self.cuts32.len() as u32, table: self.leaves32.len() as u32 - 1 })
        } else if leaves <= 64 {
            let (from, mut table) = (self.cuts64.len() as u32, [0.0; 64]);
            cut(tree, columns, &mut self.cuts64, |place, value| table[place] = leaf(value))?;
            self.leaves64.push(Line(table));
            Some(Form::Bits64 { from, to: self.cuts64.len() as u32, table: self.leaves64.len() as u32 - 1 })
        } else {
            // A walk visits few of its splits: answering those by category ahead would cost more than it saves.
            let walked =
                |node: &Node| !matches!(node, Node::Split(split) if !matches!(split.test, Test::AtMost(_)));
            if !tree.nodes.iter().all(walked) {
                return None;
            }
            self.walks.lay(tree, columns, leaf).map(Form::Walk)
        }
    }
}

/// The tree with its leaves as the sum takes them.
fn rounded(tree: &Tree, leaf: &impl Fn(f64) -> f64) -> Tree {
    let mut tree = tree.clone();
    for node in &mut tree.nodes {
        if let Node::Leaf(value) = node {
            *value = leaf(*value);
        }
    }
    tree
}

/// Turns a tree into cuts, appended, and tells its leaves from left to right. Nothing is appended if a column lacks.
fn cut<K: Key, W: Word>(
    tree: &Tree,
    columns: &mut Columns,
    cuts: &mut Vec<Cut<K, W>>,
    mut leaf: impl FnMut(usize, f64),
) -> Option<()> {
    let before = cuts.len();
    let mut leaves = 0;
    // A split waits, with its first leaf, until the leaves on its left have been counted.
    let mut open = vec![(0_u32, None)];
    while let Some((at, began)) = open.pop() {
        match (&tree.nodes[at as usize], began) {
            (Node::Leaf(value), _) => {
                leaf(leaves, *value);
                leaves += 1;
            }
            (Node::Split(split), None) => open.extend([(at, Some(leaves)), (split.left, None)]),
            (Node::Split(split), Some(first)) => {
                let Some((column, threshold)) = columns.place(split) else {
                    cuts.truncate(before);
                    return None;
                };
                let keep = W::without(first, leaves);
                cuts.push(Cut { threshold: K::threshold(threshold), column, keep });
                open.push((split.right, None));
            }
        }
    }
    // By column, so that neighbours look at the same line of memory.
    cuts[before..].sort_by_key(|cut| cut.column);
    Some(())
}
