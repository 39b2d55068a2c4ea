//! A forest of decision trees, evaluated for one row or for up to 64 side by side.
//!
//! The inputs are first turned into columns ([`columns`]) that all splits can compare with a threshold; then each tree, in the
//! form that suits its size ([`layout`]), adds its leaf to the sum of every lane, by the kernels of the best instruction set
//! there is ([`simd`]). The bits are those of walking one tree after the other.

mod check;
mod columns;
mod key;
mod layout;
mod node;
mod simd;
mod spec;

pub use node::{Categories, Missing, Node, Side, Split, Test, Tree, ZERO_MAX};
pub use simd::Vectors;
pub use spec::{ForestSpec, Precision, Transform};

use self::columns::Columns;
use self::key::Key;
use self::layout::{Form, Layout, Line, Wide};
use self::simd::{Batch, Found, GROUP, Kernels};
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
    Narrow(Layout<f32>),
    Wide(Layout<f64>),
}

/// A worker's memory for scoring: inputs and columns of up to 64 rows.
#[derive(Default)]
pub struct Lanes {
    inputs: Vec<Wide<f64>>,
    narrow: Vec<Wide<f32>>,
    wide: Vec<Wide<f64>>,
}

impl Lanes {
    /// Takes the memory a forest needs; that of an earlier one is kept.
    pub fn fit(&mut self, forest: &Forest) {
        fit(&mut self.inputs, forest.inputs);
        match forest.trees {
            Trees::Narrow(_) => fit(&mut self.narrow, forest.columns.len()),
            Trees::Wide(_) => fit(&mut self.wide, forest.columns.len()),
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

fn fit<K: Key>(columns: &mut Vec<Wide<K>>, len: usize) {
    if columns.len() < len {
        columns.resize(len, Line([K::default(); LANES]));
    }
}

impl Forest {
    /// Checks a forest and lays it out.
    ///
    /// # Errors
    /// [`ForestError`] if its trees exceed a limit, are no trees, or hold a number that is not finite.
    pub fn new(spec: &ForestSpec) -> Result<Forest, ForestError> {
        check::check(spec).map_err(ForestError)?;
        let mut columns = Columns::new(spec.inputs_as);
        let leaf = |value| spec.sums_as.round(value);
        let trees = if is_narrow(spec) {
            Trees::Narrow(Layout::new(&spec.trees, &mut columns, leaf))
        } else {
            Trees::Wide(Layout::new(&spec.trees, &mut columns, leaf))
        };
        Ok(Forest {
            columns,
            trees,
            inputs: spec.inputs.len(),
            inputs_as: spec.inputs_as,
            single: spec.sums_as == Precision::Single,
            base: spec.sums_as.round(spec.base),
            output: spec.output(),
            found: Found::best(),
        })
    }

    /// The same forest, scored with that instruction set; nothing if the processor lacks it. All give the same bits.
    pub fn with_vectors(self, vectors: Vectors) -> Option<Forest> {
        Found::of(vectors).map(|found| Forest { found, ..self })
    }

    /// Scores the first lanes of what was written into them: as many as there are scores, at most 64.
    pub fn score_lanes(&self, lanes: &mut Lanes, scores: &mut [f64]) {
        lanes.fit(self);
        let Lanes { inputs, narrow, wide } = lanes;
        let sums = match &self.trees {
            Trees::Narrow(layout) => self.sum(layout, inputs, narrow, scores.len()),
            Trees::Wide(layout) => self.sum(layout, inputs, wide, scores.len()),
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

    fn sum<K: Kernels>(
        &self,
        layout: &Layout<K>,
        inputs: &[Wide<f64>],
        keys: &mut [Wide<K>],
        lanes: usize,
    ) -> Wide<f64> {
        let mut sums = Line([self.base; LANES]);
        let groups = lanes.div_ceil(GROUP).min(LANES / GROUP);
        K::fill(self.found, &self.columns, inputs, groups * GROUP, keys);
        let mut batch = Batch { keys, groups, sums: &mut sums, single: self.single };
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
                Form::Walk { root, steps } => K::walk(&layout.nodes, &layout.values, root, steps, &mut batch),
                Form::Plain(tree) => {
                    let tree = &layout.plain[tree as usize];
                    for (lane, sum) in batch.sums.0[..lanes].iter_mut().enumerate() {
                        let input = |input| self.inputs_as.round(inputs[usize::from(input)].0[lane]);
                        *sum = simd::add(*sum, walk(tree, input), self.single);
                    }
                }
            }
        }
        sums
    }
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

/// Follows one node after the other, for trees that no faster form is made for; gives the leaf as the sum takes it.
fn walk(tree: &Tree, input: impl Fn(u16) -> f64) -> f64 {
    let mut at = 0;
    loop {
        match &tree.nodes[at as usize] {
            Node::Leaf(value) => return *value,
            Node::Split(split) => {
                at = match split.side(input(split.input)) {
                    Side::Left => split.left,
                    Side::Right => split.right,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
