//! A forest of decision trees, evaluated for one row or for up to 64 side by side.
//!
//! The inputs are first turned into columns ([`columns`]) that all splits can compare with a threshold; then each tree, in the
//! form that suits its size ([`layout`]), adds its leaf to the sum of every lane, by the kernels of the best instruction set
//! there is ([`simd`]). The bits are those of walking one tree after the other.

mod alone;
mod bytes;
mod calibration;
mod check;
mod columns;
mod key;
mod layout;
mod node;
mod simd;
mod spec;
mod walks;

pub use calibration::Calibration;
pub use node::{Categories, Missing, Node, Rounding, Side, Split, Test, Tree, ZERO_MAX};
pub use simd::Vectors;
pub use spec::{ForestSpec, Precision, Transform};

use self::alone::{Alone, Step};
use self::bytes::LEAVES_MAX;
use self::columns::{Columns, Row, grow};
use self::key::Key;
use self::layout::{Form, Layout, Line, Wide};
use self::simd::{Batch, Bundle, Found, GROUP, Kernels};
use self::spec::Output;
use crate::limits::LANES;

/// Why trees do not make a forest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForestError(pub String);

impl std::fmt::Display for ForestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ForestError {}

/// A forest ready to score.
pub struct Forest {
    columns: Columns,
    trees: Trees,
    inputs: usize,
    inputs_as: Precision,
    single: bool,
    base: f64,
    output: Output,
    found: Found,
}

/// The trees, for keys of one kind.
enum Trees {
    Narrow(Layout<f32>, Alone),
    Wide(Layout<f64>, Alone),
}

/// A worker's memory for scoring: inputs and columns of up to 64 rows.
#[derive(Default)]
pub struct Lanes {
    inputs: Vec<Wide<f64>>,
    narrow: Keys<f32>,
    wide: Keys<f64>,
}

/// Columns of keys, for all lanes and for one.
#[derive(Default)]
struct Keys<K> {
    lanes: Vec<Wide<K>>,
    /// Places of keys and their complements, by byte column.
    bytes: Vec<[Wide<i8>; 2]>,
    row: Row<K>,
}

impl Lanes {
    /// Takes the memory a forest needs; that of an earlier one is kept.
    pub fn fit(&mut self, forest: &Forest) {
        let columns = forest.columns.len();
        grow(&mut self.inputs, forest.inputs, Line([0.0; LANES]));
        match forest.trees {
            Trees::Narrow(ref layout, ref alone) => self.narrow.fit(columns, layout, alone),
            Trees::Wide(ref layout, ref alone) => self.wide.fit(columns, layout, alone),
        }
    }

    /// Writes one lane's inputs.
    pub fn write(&mut self, lane: usize, row: &[f64]) {
        for (input, &value) in self.inputs.iter_mut().zip(row) {
            input.0[lane] = value;
        }
    }

    /// An input's values, by lane, to be written before [`Forest::score_lanes`].
    pub fn input(&mut self, input: usize) -> &mut [f64; LANES] {
        &mut self.inputs[input].0
    }
}

impl<K: Key> Keys<K> {
    fn fit(&mut self, columns: usize, layout: &Layout<K>, alone: &Alone) {
        grow(&mut self.lanes, columns, Line([K::default(); LANES]));
        grow(&mut self.bytes, layout.ranks.bytes(), [Line([0; LANES]); 2]);
        self.row.fit(columns, alone.ranks.bytes());
    }
}

impl Forest {
    /// Checks a forest and lays it out.
    ///
    /// # Errors
    /// [`ForestError`] if its trees exceed a limit, are no trees, or hold a number that is not finite.
    pub fn new(spec: &ForestSpec) -> Result<Forest, ForestError> {
        Forest::build(spec, Found::best())
    }

    /// The same, scored with that instruction set. All give the same bits; this is for measuring and testing them.
    ///
    /// # Errors
    /// As [`Forest::new`], and if the processor lacks it.
    pub fn with_vectors(spec: &ForestSpec, vectors: Vectors) -> Result<Forest, ForestError> {
        let lacks = || ForestError(format!("this processor has no {}", vectors.name()));
        Forest::build(spec, Found::of(vectors).ok_or_else(lacks)?)
    }

    fn build(spec: &ForestSpec, found: Found) -> Result<Forest, ForestError> {
        check::check(spec).map_err(ForestError)?;
        let mut columns = Columns::new(spec.inputs_as);
        let trees = if is_narrow(spec) {
            let (layout, alone) = lay(spec, found, &mut columns);
            Trees::Narrow(layout, alone)
        } else {
            let (layout, alone) = lay(spec, found, &mut columns);
            Trees::Wide(layout, alone)
        };
        Ok(Forest {
            columns,
            trees,
            inputs: spec.inputs.len(),
            inputs_as: spec.inputs_as,
            single: spec.sums_as == Precision::Single,
            base: spec.sums_as.round(spec.base),
            output: spec.output(),
            found,
        })
    }

    /// Scores the first lanes of what was written into them: as many as there are scores, at most 64.
    pub fn score_lanes(&self, lanes: &mut Lanes, scores: &mut [f64]) {
        lanes.fit(self);
        let sums = match &self.trees {
            Trees::Narrow(layout, alone) => {
                self.sums(layout, alone, &lanes.inputs, &mut lanes.narrow, scores.len())
            }
            Trees::Wide(layout, alone) => {
                self.sums(layout, alone, &lanes.inputs, &mut lanes.wide, scores.len())
            }
        };
        for (score, sum) in scores.iter_mut().zip(sums.0) {
            *score = self.output.score(sum);
        }
    }

    /// Scores one row, in memory of its own: for tools, not for the hot path.
    pub fn score(&self, row: &[f64]) -> f64 {
        let mut score = [0.0];
        self.score_rows(row, row.len(), &mut score);
        score[0]
    }

    /// Scores rows that lie one after the other, `stride` numbers apart, in memory of its own: for tools, not for the hot
    /// path.
    pub fn score_rows(&self, rows: &[f64], stride: usize, scores: &mut [f64]) {
        let mut lanes = Lanes::default();
        lanes.fit(self);
        for (group, scores) in scores.chunks_mut(LANES).enumerate() {
            for lane in 0..scores.len() {
                lanes.write(lane, &rows[(group * LANES + lane) * stride..][..self.inputs]);
            }
            self.score_lanes(&mut lanes, scores);
        }
    }

    fn sums<K: Kernels>(
        &self,
        layout: &Layout<K>,
        alone: &Alone,
        inputs: &[Wide<f64>],
        keys: &mut Keys<K>,
        lanes: usize,
    ) -> Wide<f64> {
        let mut sums = Line([self.base; LANES]);
        if lanes <= ALONE_MAX {
            for (lane, sum) in sums.0[..lanes].iter_mut().enumerate() {
                *sum = self.sum_alone(layout, alone, inputs, lane, &mut keys.row);
            }
            return sums;
        }
        let groups = lanes.div_ceil(GROUP).min(LANES / GROUP);
        K::fill(self.found, &self.columns, inputs, groups * GROUP, &mut keys.lanes);
        simd::place(self.found, &layout.ranks, &keys.lanes, groups, &mut keys.bytes);
        let mut batch = Batch { keys: &keys.lanes, groups, sums: &mut sums, single: self.single };
        for form in &layout.forms {
            match *form {
                Form::Bits32 { from, to, table } => {
                    let cuts = &layout.cuts32[from as usize..to as usize];
                    K::bits32(self.found, cuts, &layout.leaves32[table as usize], &mut batch);
                }
                Form::Bits64 { from, to, table } => {
                    let cuts = &layout.cuts64[from as usize..to as usize];
                    K::bits64(self.found, cuts, &layout.leaves64[table as usize], &mut batch);
                }
                Form::Bytes(tree) => {
                    let tree = &layout.bytes[tree as usize];
                    simd::bytes(self.found, tree, &layout.touches, &keys.bytes, &mut batch);
                }
                Form::Walk(walk) => simd::walk(&layout.walks, walk, &mut batch),
                Form::Plain(tree) => {
                    for (lane, sum) in batch.sums.0[..lanes].iter_mut().enumerate() {
                        let leaf = self.walk(&layout.plain[tree as usize], inputs, lane);
                        *sum = simd::add(*sum, leaf, self.single);
                    }
                }
            }
        }
        sums
    }

    fn sum_alone<K: Kernels>(
        &self,
        layout: &Layout<K>,
        alone: &Alone,
        inputs: &[Wide<f64>],
        lane: usize,
        row: &mut Row<K>,
    ) -> f64 {
        K::fill_row(self.found, &self.columns, inputs, lane, &alone.ranks, row);
        let (single, mut sum) = (self.single, self.base);
        for step in &alone.steps {
            match *step {
                Step::Bundle { from, to, bytes, leaves, trees } => {
                    let (stretches, slots) = (&alone.stretches[from as usize..to as usize], &alone.slots);
                    let leaves = &alone.leaves[leaves as usize..];
                    let bundle = Bundle { stretches, slots, bytes, leaves, trees };
                    sum = simd::bundle(self.found, &bundle, &row.windows, sum, single);
                }
                Step::Walks { first, trees, steps } => {
                    let roots = &alone.roots[first as usize..][..trees as usize];
                    sum = simd::walk_alone(&layout.walks, roots, steps, &row.keys, sum, single);
                }
                Step::Plain(tree) => {
                    sum = simd::add(sum, self.walk(&layout.plain[tree as usize], inputs, lane), single);
                }
            }
        }
        sum
    }

    /// Follows one node after the other, for trees that no faster form is made for; gives the leaf as the sum takes it.
    fn walk(&self, tree: &Tree, inputs: &[Wide<f64>], lane: usize) -> f64 {
        let mut at = 0;
        loop {
            match &tree.nodes[at as usize] {
                Node::Leaf(value) => return *value,
                Node::Split(split) => {
                    let value = self.inputs_as.round(inputs[usize::from(split.input)].0[lane]);
                    at = match split.side(value) {
                        Side::Left => split.left,
                        Side::Right => split.right,
                    }
                }
            }
        }
    }
}

/// Up to so many rows are scored one after the other: kernels for sixteen would do four times their work.
const ALONE_MAX: usize = 4;

fn lay<K: Key>(spec: &ForestSpec, found: Found, columns: &mut Columns) -> (Layout<K>, Alone) {
    let leaf = |value| spec.sums_as.round(value);
    let splits = |tree: &Tree| tree.nodes.len() / 2;
    let cuts = spec.trees.iter().map(splits).filter(|&splits| splits < LEAVES_MAX).sum();
    let by_bytes = found.by_bytes(cuts, spec.inputs.len());
    let mut layout = Layout::new(by_bytes, &spec.trees, columns, leaf);
    let alone = Alone::new(found.bundles(), &spec.trees, &mut layout, columns, &leaf);
    (layout, alone)
}

/// Whether comparisons of `f32` numbers give the same answers: where inputs are rounded to it, or every threshold is one.
fn is_narrow(spec: &ForestSpec) -> bool {
    let exact = |node: &Node| match node {
        Node::Split(Split { test: Test::AtMost(threshold), .. }) => {
            f64::from(*threshold as f32) == *threshold
        }
        _ => true,
    };
    spec.inputs_as == Precision::Single || spec.trees.iter().all(|tree| tree.nodes.iter().all(exact))
}

#[cfg(test)]
mod tests;
