//! A forest of decision trees laid flat, and its evaluation over lanes without branches.

mod check;
mod node;
mod spec;

pub use node::{Categories, Missing, Node, Side, Split, Test, Tree, ZERO_MAX};
pub use spec::{ForestSpec, Precision, Transform};

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
    spec: ForestSpec,
}

impl Forest {
    /// Checks a forest.
    ///
    /// # Errors
    /// [`ForestError`] if its trees exceed a limit, are no trees, or hold a number that is not finite.
    pub fn new(spec: &ForestSpec) -> Result<Forest, ForestError> {
        check::check(spec).map_err(ForestError)?;
        Ok(Forest { spec: spec.clone() })
    }

    /// Scores one row of inputs.
    pub fn score(&self, row: &[f64]) -> f64 {
        let spec = &self.spec;
        let leaf = |tree| walk(tree, |input| spec.inputs_as.round(row[usize::from(input)]));
        let sum = spec.trees.iter().fold(spec.base, |sum, tree| spec.add(sum, leaf(tree)));
        spec.score(sum)
    }

    /// Scores rows that lie one after the other, `stride` numbers apart; the same bits as [`Forest::score`] for each.
    pub fn score_rows(&self, rows: &[f64], stride: usize, scores: &mut [f64]) {
        for (row, score) in rows.chunks(stride.max(1)).zip(scores) {
            *score = self.score(row);
        }
    }
}

/// Follows one node after the other: for trees that no faster form is made for.
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
