//! Trees laid flat for walking without branches.

use super::columns::Columns;
use super::key::Key;
use super::node::{Node, Tree};

/// A node: the children stand side by side, and a leaf leads to itself, so that every walk takes the same steps.
#[derive(Clone, Copy, Debug)]
pub struct Flat<K> {
    pub threshold: K,
    pub left: u32,
    pub column: u32,
}

/// A tree among the walked ones: its root, and the steps to its deepest leaf.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    pub root: u32,
    pub steps: u32,
}

/// The nodes of all walked trees. Whatever is above its threshold or not, a node leads to a node: `left` is one's place, and
/// so is the one after it where a key can be above the threshold. The kernels rely on this without looking.
pub struct Walks<K> {
    nodes: Vec<Flat<K>>,
    /// Leaf values, by node.
    values: Vec<f64>,
    /// All columns are below this.
    columns: usize,
}

impl<K: Key> Walks<K> {
    pub fn new() -> Walks<K> {
        Walks { nodes: Vec::new(), values: Vec::new(), columns: 0 }
    }

    /// Lays a tree out breadth first, so that the nodes near the root, which every walk visits, share cache lines. Nothing if
    /// a column lacks.
    pub fn lay(&mut self, tree: &Tree, columns: &mut Columns, leaf: &impl Fn(f64) -> f64) -> Option<Walk> {
        let root = self.nodes.len();
        let mut level = vec![(0_u32, root)];
        self.room(1);
        for steps in 0.. {
            let mut next = Vec::new();
            for (from, to) in level {
                match &tree.nodes[from as usize] {
                    Node::Leaf(value) => {
                        self.nodes[to] = Flat { threshold: K::ABOVE, left: to as u32, column: 0 };
                        self.values[to] = leaf(*value);
                    }
                    Node::Split(split) => {
                        let Some((column, threshold)) = columns.place(split) else {
                            self.nodes.truncate(root);
                            self.values.truncate(root);
                            return None;
                        };
                        self.columns = self.columns.max(column as usize + 1);
                        let left = self.nodes.len();
                        self.room(2);
                        self.nodes[to] =
                            Flat { threshold: K::threshold(threshold), left: left as u32, column };
                        next.extend([(split.left, left), (split.right, left + 1)]);
                    }
                }
            }
            if next.is_empty() {
                return Some(Walk { root: root as u32, steps });
            }
            level = next;
        }
        None
    }

    pub fn nodes(&self) -> &[Flat<K>] {
        &self.nodes
    }

    pub fn values(&self) -> &[f64] {
        &self.values
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    fn room(&mut self, nodes: usize) {
        let empty = Flat { threshold: K::ABOVE, left: 0, column: 0 };
        self.nodes.extend(std::iter::repeat_n(empty, nodes));
        self.values.extend(std::iter::repeat_n(0.0, nodes));
    }
}
