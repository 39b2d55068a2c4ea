//! From a library's arrays of nodes to trees: what hangs together from a root is taken over in preorder, whatever else the
//! arrays hold (XGBoost leaves pruned nodes in them) is left behind.

use engine::forest::{Categories, Missing, Node, Side, Split, Test, Tree};
use engine::limits;

/// A node of a library's tree, its children as places in the library's arrays.
pub enum Step {
    /// Leads on.
    Split {
        /// The input.
        input: usize,
        /// The question.
        test: Test,
        /// What is missing, and where it leads.
        missing: Missing,
        /// Where a yes leads.
        left: usize,
        /// Where a no leads.
        right: usize,
    },
    /// Gives this value; with its cover, if the library tells.
    Leaf(f64, Option<f64>),
}

impl Step {
    /// Libraries write +∞ where all values that are not missing go left. The engine has no such threshold, so that an
    /// infinite input cannot tie with it; the same is said by sending what is in no category at all.
    fn without_infinity(self) -> Step {
        match self {
            Step::Split { input, test: Test::AtMost(f64::INFINITY), missing, left, right } => {
                let turn = |side| if side == Side::Left { Side::Right } else { Side::Left };
                let missing = match missing {
                    Missing::Never => Missing::Never,
                    Missing::Nan(side) => Missing::Nan(turn(side)),
                    Missing::NanOrZero(side) => Missing::NanOrZero(turn(side)),
                };
                let nothing =
                    Categories::of([]).unwrap_or_else(|| unreachable!("an empty set is in every bound"));
                Step::Split { input, test: Test::OneOf(nothing), missing, left: right, right: left }
            }
            step => step,
        }
    }
}

/// Trees as they grow, over all of which the bounds hold.
pub struct Grower {
    trees: Vec<Tree>,
    /// By tree and node; of a tree without covers empty.
    covers: Vec<Vec<f64>>,
    inputs: usize,
    nodes_left: usize,
    category_words_left: usize,
}

impl Grower {
    /// No trees yet, over that many inputs.
    ///
    /// # Errors
    /// If there are more inputs than a forest may have.
    pub fn new(inputs: usize) -> Result<Grower, String> {
        if inputs > limits::FOREST_INPUTS_MAX {
            return Err(format!("{inputs} inputs, at most {} are allowed", limits::FOREST_INPUTS_MAX));
        }
        Ok(Grower {
            trees: Vec::new(),
            covers: Vec::new(),
            inputs,
            nodes_left: limits::NODES_MAX,
            category_words_left: limits::CATEGORY_WORDS_MAX,
        })
    }

    /// Number of trees so far.
    pub fn len(&self) -> usize {
        self.trees.len()
    }

    /// Number of nodes so far.
    pub fn nodes(&self) -> usize {
        limits::NODES_MAX - self.nodes_left
    }

    /// The trees, and the covers of their nodes: none unless all leaves have one. What a tree of one leaf has makes no
    /// difference.
    pub fn grown(self) -> (Vec<Tree>, Vec<Vec<f64>>) {
        let Grower { trees, mut covers, .. } = self;
        for (tree, covers) in trees.iter().zip(&mut covers) {
            if tree.nodes.len() == 1 {
                *covers = vec![1.0];
            }
        }
        let known = covers.iter().all(|covers| !covers.is_empty());
        (trees, if known { covers } else { Vec::new() })
    }

    /// Adds the tree that hangs from `root`, asking for each node once. Places are below `places`.
    ///
    /// # Errors
    /// A fault of the tree, or a bound that it breaks, with the number of the tree and the place of the node.
    pub fn grow(
        &mut self,
        places: usize,
        root: usize,
        node: impl FnMut(usize) -> Result<Step, String>,
    ) -> Result<(), String> {
        let number = self.trees.len();
        if number == limits::TREES_MAX {
            return Err(format!("more than {} trees", limits::TREES_MAX));
        }
        let (tree, covers) = self.tree(places, root, node).map_err(|why| format!("tree {number}, {why}"))?;
        self.trees.push(tree);
        self.covers.push(covers.unwrap_or_default());
        Ok(())
    }

    fn tree(
        &mut self,
        places: usize,
        root: usize,
        mut node: impl FnMut(usize) -> Result<Step, String>,
    ) -> Result<(Tree, Option<Vec<f64>>), String> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut covers = Some(Vec::new());
        let mut reached = vec![false; places];
        // Place in the library's arrays, depth, and the split whose right child it is.
        let mut open = vec![(root, 0, None)];
        while let Some((place, depth, parent)) = open.pop() {
            let fail = |why: String| format!("node {place}: {why}");
            match reached.get_mut(place) {
                None => return Err(fail("there is no such node".to_owned())),
                Some(true) => return Err(fail("reached twice: a cycle, or two parents".to_owned())),
                Some(reached) => *reached = true,
            }
            if self.nodes_left == 0 {
                return Err(fail(format!("more than {} nodes", limits::NODES_MAX)));
            }
            self.nodes_left -= 1;
            let here = nodes.len() as u32;
            if let Some(Node::Split(split)) = parent.and_then(|parent: usize| nodes.get_mut(parent)) {
                split.right = here;
            }
            match node(place).map_err(fail)?.without_infinity() {
                Step::Leaf(value, cover) if value.is_finite() => {
                    nodes.push(Node::Leaf(value));
                    let cover = cover.filter(|cover| cover.is_finite() && *cover >= 0.0);
                    match (&mut covers, cover) {
                        (Some(covers), Some(cover)) => covers.push(cover),
                        // Scores do not need them, so that a wrong one is no reason to refuse the model.
                        _ => covers = None,
                    }
                }
                Step::Leaf(value, _) => return Err(fail(format!("its value is {value}"))),
                Step::Split { input, test, missing, left, right } => {
                    if depth == limits::DEPTH_MAX {
                        return Err(fail(format!("deeper than {} splits", limits::DEPTH_MAX)));
                    }
                    if input >= self.inputs {
                        return Err(fail(format!("it reads input {input} of {}", self.inputs)));
                    }
                    if let Test::AtMost(number) | Test::Equal(number) = test
                        && !number.is_finite()
                    {
                        return Err(fail(format!("it compares with {number}")));
                    }
                    if let Test::OneOf(set) = &test {
                        let left = self.category_words_left.checked_sub(set.words().len());
                        self.category_words_left =
                            left.ok_or_else(|| fail("too many categories".to_owned()))?;
                    }
                    open.push((right, depth + 1, Some(nodes.len())));
                    open.push((left, depth + 1, None));
                    // The left child follows at once; the right one's place is filled in when it comes.
                    covers.iter_mut().for_each(|covers| covers.push(0.0));
                    let input = input as u16;
                    nodes.push(Node::Split(Split { input, test, missing, left: here + 1, right: 0 }));
                }
            }
        }
        Ok((Tree { nodes }, covers))
    }
}
