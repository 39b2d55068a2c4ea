//! A forest of decision trees laid flat, and its evaluation over lanes without branches.

use crate::limits::{DEPTH_MAX, FOREST_INPUTS_MAX, NODES_MAX, TREES_MAX};

/// A tree as trainers hand it over: node 0 is the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Goes to `left` when the input is at most the threshold (a missing value, NaN, goes right), else to `right`.
    Split {
        /// Place of the input among the forest's inputs.
        input: u16,
        /// Largest value that goes left.
        threshold: f64,
        /// Place of the left child in the tree.
        left: u32,
        /// Place of the right child in the tree.
        right: u32,
    },
    /// Gives this value.
    Leaf(f64),
}

/// What the sum of the trees' leaves becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// The mean over trees: random forests whose leaves hold probabilities.
    Mean,
    /// The logistic function of the sum: boosted trees.
    Logistic,
}

/// What a model compiles to: plain data, checked and laid flat by [`crate::Snapshot`].
#[derive(Clone, Debug, PartialEq)]
pub struct ForestSpec {
    /// Name and version, as answers show it.
    pub version: String,
    /// Features read, in the order of the trees' inputs.
    pub inputs: Vec<String>,
    /// The trees.
    pub trees: Vec<Tree>,
    /// Added to the sum before the transform.
    pub base: f64,
    /// Output transform.
    pub transform: Transform,
}

/// Why trees do not make a forest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForestError(pub String);

impl std::fmt::Display for ForestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ForestError {}

/// A node laid flat: the children stand side by side, and a leaf leads to itself, so every walk takes the same steps.
#[derive(Clone, Copy, Debug)]
struct Flat {
    threshold: f64,
    left: u32,
    input: u32,
}

/// Walks that are under way at once, so that their cache misses and latencies overlap.
const WALKS: usize = 16;

/// A forest laid flat.
pub struct Forest {
    nodes: Vec<Flat>,
    /// Leaf values, by node.
    values: Vec<f64>,
    roots: Vec<u32>,
    /// Steps that reach a leaf from every root.
    depths: Vec<u32>,
    inputs: usize,
    base: f64,
    transform: Transform,
}

impl Forest {
    /// Lays trees flat.
    ///
    /// # Errors
    /// [`ForestError`] if they exceed a limit, are no trees, or hold a number that is not finite.
    pub fn new(spec: &ForestSpec) -> Result<Forest, ForestError> {
        let fault = |why: String| Err(ForestError(why));
        if spec.trees.is_empty() || spec.trees.len() > TREES_MAX {
            return fault(format!("a forest has 1 to {TREES_MAX} trees, not {}", spec.trees.len()));
        }
        if spec.inputs.len() > FOREST_INPUTS_MAX {
            return fault(format!(
                "a forest has at most {FOREST_INPUTS_MAX} inputs, not {}",
                spec.inputs.len()
            ));
        }
        let total: usize = spec.trees.iter().map(|tree| tree.nodes.len()).sum();
        if total > NODES_MAX {
            return fault(format!("a forest has at most {NODES_MAX} nodes, not {total}"));
        }
        if !spec.base.is_finite() {
            return fault("the base is not finite".to_owned());
        }
        let mut forest = Forest {
            nodes: Vec::with_capacity(total),
            values: Vec::with_capacity(total),
            roots: Vec::with_capacity(spec.trees.len()),
            depths: Vec::with_capacity(spec.trees.len()),
            inputs: spec.inputs.len(),
            base: spec.base,
            transform: spec.transform,
        };
        for (at, tree) in spec.trees.iter().enumerate() {
            forest.lay(tree).map_err(|why| ForestError(format!("tree {at}: {why}")))?;
        }
        Ok(forest)
    }

    /// Lays one tree out breadth first, so that the nodes near the root, which every walk visits, share cache lines.
    fn lay(&mut self, tree: &Tree) -> Result<(), String> {
        let root = self.nodes.len() as u32;
        self.push_room(1);
        let mut level = vec![(0_u32, root)];
        let mut laid = 0;
        for depth in 0..=DEPTH_MAX {
            let mut next = Vec::new();
            for (from, to) in level {
                laid += 1;
                match tree.nodes.get(from as usize) {
                    None => return Err(format!("node {from} does not exist")),
                    Some(_) if laid > tree.nodes.len() => return Err("a node has two parents".to_owned()),
                    Some(Node::Leaf(value)) if !value.is_finite() => {
                        return Err(format!("leaf {from} is not finite"));
                    }
                    Some(&Node::Leaf(value)) => {
                        self.nodes[to as usize] = Flat { threshold: f64::INFINITY, left: to, input: 0 };
                        self.values[to as usize] = value;
                    }
                    Some(&Node::Split { input, threshold, left, right }) => {
                        if usize::from(input) >= self.inputs {
                            return Err(format!("node {from} reads input {input} of {}", self.inputs));
                        }
                        if threshold.is_nan() || threshold == f64::INFINITY {
                            return Err(format!("the threshold of node {from} is not a number"));
                        }
                        let child = self.nodes.len() as u32;
                        self.push_room(2);
                        self.nodes[to as usize] = Flat { threshold, left: child, input: u32::from(input) };
                        next.extend([(left, child), (right, child + 1)]);
                    }
                }
            }
            if next.is_empty() {
                self.roots.push(root);
                self.depths.push(depth as u32);
                return Ok(());
            }
            level = next;
        }
        Err(format!("it is deeper than {DEPTH_MAX}"))
    }

    fn push_room(&mut self, nodes: usize) {
        let empty = Flat { threshold: f64::INFINITY, left: 0, input: 0 };
        self.nodes.extend(std::iter::repeat_n(empty, nodes));
        self.values.extend(std::iter::repeat_n(0.0, nodes));
    }

    /// Scores one row of inputs.
    pub fn score(&self, row: &[f64]) -> f64 {
        let mut sum = self.base;
        for (roots, depths) in self.roots.chunks(WALKS).zip(self.depths.chunks(WALKS)) {
            let mut at = [roots[0]; WALKS];
            at[..roots.len()].copy_from_slice(roots);
            let depth = depths.iter().copied().max().unwrap_or(0);
            self.descend(&mut at, depth, [row; WALKS]);
            for &at in &at[..roots.len()] {
                sum += self.values[at as usize];
            }
        }
        self.transform(sum)
    }

    /// Scores rows that lie one after the other, `stride` numbers apart; the same bits as [`Forest::score`] for each. Every
    /// row goes through a tree before the next tree is looked at, so that a tree's nodes are fetched once.
    pub fn score_rows(&self, rows: &[f64], stride: usize, scores: &mut [f64]) {
        scores.fill(self.base);
        let Some(last) = scores.len().checked_sub(1) else { return };
        for (&root, &depth) in self.roots.iter().zip(&self.depths) {
            for (first, scores) in scores.chunks_mut(WALKS).enumerate() {
                // A short last group walks the last row more than once.
                let row = |walk: usize| &rows[(first * WALKS + walk).min(last) * stride..][..stride];
                let mut at = [root; WALKS];
                self.descend(&mut at, depth, std::array::from_fn(row));
                for (score, &at) in scores.iter_mut().zip(&at) {
                    *score += self.values[at as usize];
                }
            }
        }
        for score in scores {
            *score = self.transform(*score);
        }
    }

    /// Takes every walk `depth` steps down. Inputs hold no NaN (a missing value is +∞), so "not at most" is "goes right".
    #[inline(always)]
    fn descend(&self, at: &mut [u32; WALKS], depth: u32, rows: [&[f64]; WALKS]) {
        for _ in 0..depth {
            for walk in 0..WALKS {
                let node = &self.nodes[at[walk] as usize];
                at[walk] = node.left + u32::from(rows[walk][node.input as usize] > node.threshold);
            }
        }
    }

    fn transform(&self, sum: f64) -> f64 {
        match self.transform {
            Transform::Mean => sum / self.roots.len() as f64,
            Transform::Logistic => 1.0 / (1.0 + (-sum).exp()),
        }
    }
}

/// A number as a forest reads it: a missing value goes right everywhere.
pub fn input(number: f64) -> f64 {
    if number.is_nan() { f64::INFINITY } else { number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow twin: follows one node after the other.
    fn walk(tree: &Tree, row: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            match tree.nodes[at as usize] {
                Node::Leaf(value) => return value,
                Node::Split { input, threshold, left, right } => {
                    at = if row[usize::from(input)] <= threshold { left } else { right };
                }
            }
        }
    }

    /// A tree that splits its newest leaf at each of these inputs and thresholds.
    fn grow(splits: &[(u16, i32)]) -> Tree {
        let mut nodes = vec![Node::Leaf(0.25)];
        for (place, &(input, threshold)) in splits.iter().enumerate() {
            let at = nodes.iter().rposition(|node| matches!(node, Node::Leaf(_))).expect("a tree has a leaf");
            let left = nodes.len() as u32;
            nodes.extend([Node::Leaf(place as f64 / 3.0), Node::Leaf(-(place as f64))]);
            nodes[at] = Node::Split { input, threshold: f64::from(threshold), left, right: left + 1 };
        }
        Tree { nodes }
    }

    fn spec(trees: Vec<Tree>) -> ForestSpec {
        let inputs = (0..4).map(|n| n.to_string()).collect();
        ForestSpec { version: "t".to_owned(), inputs, trees, base: 0.5, transform: Transform::Mean }
    }

    proptest! {
        #[test]
        fn flat_trees_give_the_bits_of_plain_ones(
            splits in prop::collection::vec(prop::collection::vec((0_u16..4, -5_i32..5), 0..20), 1..20),
            rows in prop::collection::vec(prop::array::uniform4(prop_oneof![(-6_i32..6).prop_map(f64::from), Just(f64::NAN)]), 1..70),
        ) {
            let spec = spec(splits.iter().map(|splits| grow(splits)).collect());
            let forest = Forest::new(&spec).expect("sound");
            let inputs: Vec<f64> = rows.iter().flatten().map(|&x| input(x)).collect();
            let mut scores = vec![0.0; rows.len()];
            forest.score_rows(&inputs, 4, &mut scores);
            for (row, score) in rows.iter().zip(scores) {
                let sum = spec.trees.iter().fold(spec.base, |sum, tree| sum + walk(tree, row));
                let truth = sum / spec.trees.len() as f64;
                let row = row.map(input);
                prop_assert_eq!(forest.score(&row).to_bits(), truth.to_bits());
                prop_assert_eq!(score.to_bits(), truth.to_bits());
            }
        }
    }

    #[test]
    fn what_is_no_forest_is_refused() {
        let split = |left, right| Node::Split { input: 0, threshold: 1.0, left, right };
        for (nodes, why) in [
            (vec![], "does not exist"),
            (vec![Node::Leaf(f64::NAN)], "not finite"),
            (vec![split(1, 2), Node::Leaf(1.0)], "does not exist"),
            (vec![split(0, 1), Node::Leaf(1.0)], "two parents"),
            (
                vec![
                    Node::Split { input: 9, threshold: 1.0, left: 1, right: 2 },
                    Node::Leaf(1.0),
                    Node::Leaf(1.0),
                ],
                "input 9",
            ),
            (
                vec![
                    Node::Split { input: 0, threshold: f64::NAN, left: 1, right: 2 },
                    Node::Leaf(1.0),
                    Node::Leaf(1.0),
                ],
                "threshold",
            ),
        ] {
            let error = Forest::new(&spec(vec![Tree { nodes }])).err().expect("refused");
            assert!(error.0.contains(why), "{error} says {why}");
        }
        assert!(Forest::new(&spec(vec![])).is_err());
    }
}
