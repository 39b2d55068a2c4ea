//! Trees laid out for a row alone: sixteen trees side by side, instead of sixteen rows.
//!
//! With AVX-512, small trees are bundles of cuts: a slot holds one cut of each tree, and the cuts of a slot look at columns of
//! one window, so that their keys come out of two registers by permutation. Without it, and for large trees, sixteen walks are
//! under way at once.

use super::columns::Columns;
use super::key::Key;
use super::layout::{Cut, Form, Layout, Line, Word};
use super::node::Tree;
use super::walks::Walk;

/// Eight numbers of one line.
pub type Eight = Line<[f64; 8]>;

/// Trees side by side.
pub const TREES: usize = 16;
/// Columns of a window: two registers of sixteen.
pub const WINDOW: usize = 32;

/// Keys of a row, by windows of columns.
pub type Windows = [Line<[f32; WINDOW]>];

/// One cut of each tree of a bundle, for columns of one window.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Slot<W> {
    pub threshold: [f32; TREES],
    /// Place in the window.
    pub column: [u32; TREES],
    pub keep: [W; TREES],
}

/// Slots for one window of columns, from one place to before another.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub window: u32,
    pub from: u32,
    pub to: u32,
}

/// The bundles of all trees of one kind of word.
pub struct Bundles<W> {
    pub stretches: Vec<Stretch>,
    pub slots: Vec<Slot<W>>,
}

/// Up to sixteen trees that follow one another.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Small trees: their stretches, from one place to before another, and the first tree's table of leaves.
    Bundle32 { from: u32, to: u32, table: u32, trees: u32 },
    /// The same with up to 64 leaves.
    Bundle64 { from: u32, to: u32, table: u32, trees: u32 },
    /// Walked trees: the first one's place among the roots, how many, and the steps of the deepest.
    Walks { first: u32, trees: u32, steps: u32 },
    /// A tree walked as it came, by its place among such trees.
    Plain(u32),
}

/// A forest's trees for a row alone, beside its [`Layout`].
pub struct Alone {
    pub steps: Vec<Step>,
    pub bundles32: Bundles<u32>,
    pub bundles64: Bundles<u64>,
    pub roots: Vec<u32>,
    /// Thresholds of each column, where keys are no `f32`: bundles compare places among them instead.
    pub ranks: Ranks,
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
        let mut forms = layout.forms.clone();
        if !bundled {
            for (form, tree) in forms.iter_mut().zip(trees) {
                if let Form::Bits32 { .. } | Form::Bits64 { .. } = form {
                    // Its columns exist, so there is no lack of them.
                    *form = layout.walks.lay(tree, columns, leaf).map_or(*form, Form::Walk);
                }
            }
        }
        let mut alone = Alone {
            steps: Vec::new(),
            bundles32: Bundles { stretches: Vec::new(), slots: Vec::new() },
            bundles64: Bundles { stretches: Vec::new(), slots: Vec::new() },
            roots: Vec::new(),
            ranks: Ranks::new(layout, columns.len()),
        };
        let mut rest = &forms[..];
        while let Some(&first) = rest.first() {
            let same = |form: &&Form| std::mem::discriminant(*form) == std::mem::discriminant(&first);
            let alike = rest.iter().take(TREES).take_while(same).count();
            let (these, others) = rest.split_at(if matches!(first, Form::Plain(_)) { 1 } else { alike });
            let step = alone.step(these, layout);
            alone.steps.push(step);
            rest = others;
        }
        alone
    }

    /// The step for trees of one form.
    fn step<K: Key>(&mut self, forms: &[Form], layout: &Layout<K>) -> Step {
        let trees = forms.len() as u32;
        match forms[0] {
            Form::Plain(tree) => Step::Plain(tree),
            Form::Bits32 { table, .. } => {
                let cuts = forms.iter().map(|form| match *form {
                    Form::Bits32 { from, to, .. } => &layout.cuts32[from as usize..to as usize],
                    _ => &[],
                });
                let (from, to) = self.bundles32.add(cuts.collect(), &self.ranks);
                Step::Bundle32 { from, to, table, trees }
            }
            Form::Bits64 { table, .. } => {
                let cuts = forms.iter().map(|form| match *form {
                    Form::Bits64 { from, to, .. } => &layout.cuts64[from as usize..to as usize],
                    _ => &[],
                });
                let (from, to) = self.bundles64.add(cuts.collect(), &self.ranks);
                Step::Bundle64 { from, to, table, trees }
            }
            Form::Walk(_) => {
                let walks = forms.iter().map(|form| match *form {
                    Form::Walk(walk) => walk,
                    _ => Walk::default(),
                });
                let first = self.roots.len() as u32;
                let mut steps = 0;
                for walk in walks {
                    self.roots.push(walk.root);
                    steps = steps.max(walk.steps);
                }
                Step::Walks { first, trees, steps }
            }
        }
    }
}

impl<W: Word> Bundles<W> {
    /// Adds the bundle of some trees; where its stretches are.
    fn add<K: Key>(&mut self, mut trees: Vec<&[Cut<K, W>]>, ranks: &Ranks) -> (u32, u32) {
        let first = self.stretches.len() as u32;
        let window = |cut: &Cut<K, W>| cut.column / WINDOW as u32;
        // Cuts are in the order of their columns, so each tree's next cuts are those of its lowest window left.
        while let Some(lowest) = trees.iter().filter_map(|cuts| cuts.first().map(window)).min() {
            let from = self.slots.len();
            for (tree, cuts) in trees.iter_mut().enumerate() {
                let (these, others) = cuts.split_at(cuts.partition_point(|cut| window(cut) == lowest));
                *cuts = others;
                for (at, cut) in these.iter().enumerate() {
                    if self.slots.len() == from + at {
                        // A tree without a cut in a slot passes it.
                        let all = [W::ALL; TREES];
                        let slot = Slot { threshold: [f32::INFINITY; TREES], column: [0; TREES], keep: all };
                        self.slots.push(slot);
                    }
                    let slot = &mut self.slots[from + at];
                    slot.threshold[tree] = cut.threshold.place(ranks, cut.column as usize, below);
                    slot.column[tree] = cut.column % WINDOW as u32;
                    slot.keep[tree] = cut.keep;
                }
            }
            self.stretches.push(Stretch { window: lowest, from: from as u32, to: self.slots.len() as u32 });
        }
        (first, self.stretches.len() as u32)
    }
}

/// The thresholds of each column in order, in blocks of eight of which the last one is not full: the rest of it is +∞.
#[derive(Default)]
pub struct Ranks {
    columns: Vec<Ranked>,
    eights: Vec<Eight>,
}

/// A column's blocks, and before them the last threshold of each, in blocks too.
struct Ranked {
    pivots: u32,
    blocks: u32,
}

impl Ranks {
    /// Those of the columns' cuts, if their kind of key needs them.
    fn new<K: Key>(layout: &Layout<K>, columns: usize) -> Ranks {
        let mut ranks = Ranks::default();
        if K::IS_RANKED {
            let mut thresholds = vec![Vec::new(); columns];
            let cuts64 = layout.cuts64.iter().map(|cut| (cut.column, cut.threshold));
            for (column, threshold) in
                layout.cuts32.iter().map(|cut| (cut.column, cut.threshold)).chain(cuts64)
            {
                // −0 and 0 are one number.
                thresholds[column as usize].push(threshold.double() + 0.0);
            }
            thresholds.into_iter().for_each(|thresholds| ranks.add(thresholds));
        }
        ranks
    }

    fn add(&mut self, mut thresholds: Vec<f64>) {
        thresholds.sort_unstable_by(f64::total_cmp);
        thresholds.dedup();
        let blocks = in_eights(&thresholds);
        let last: Vec<f64> = blocks.iter().map(|block| block.0[7]).collect();
        let pivots = self.eights.len() as u32;
        self.eights.extend(in_eights(&last));
        self.columns.push(Ranked { pivots, blocks: self.eights.len() as u32 });
        self.eights.extend(blocks);
    }

    /// How many of a column's thresholds are below the number: what is above a threshold has a greater rank than it.
    /// `below` counts those of eight.
    #[inline(always)]
    pub fn of(&self, column: usize, number: f64, below: impl Fn(&Eight, f64) -> usize) -> usize {
        let Ranked { pivots, blocks } = self.columns[column];
        let pivots = &self.eights[pivots as usize..blocks as usize];
        // Full blocks can lie below it as a whole, and the last one is not full.
        let block: usize = pivots.iter().map(|eight| below(eight, number)).sum();
        block * 8 + below(&self.eights[blocks as usize + block], number)
    }
}

/// How many of eight numbers are below another.
#[inline(always)]
pub fn below(eight: &Eight, number: f64) -> usize {
    eight.0.iter().filter(|&&threshold| threshold < number).count()
}

/// Blocks of eight, the last one not full.
fn in_eights(numbers: &[f64]) -> Vec<Eight> {
    let number = |at: usize| numbers.get(at).copied().unwrap_or(f64::INFINITY);
    (0..=numbers.len() / 8).map(|at| Line(std::array::from_fn(|n| number(at * 8 + n)))).collect()
}
