//! The native forest file: plain text, one node a line, each tree in preorder.
//!
//! Text, because a person can read and compare it, every language can parse it in twenty lines, and floats written in
//! their shortest form come back bit for bit. Preorder, because it has no child numbers: a cycle, a shared subtree or a
//! child out of range cannot be written down.
//!
//! ```text
//! riskd-forest 1
//! inputs 3
//! tree
//! 0 12.5        input 0 <= 12.5 ? the tree that follows : the tree after that
//! = 0.01 120    a leaf, and how much of what the forest was grown on reached it
//! 2 {1,4} left  input 2 is category 1 or 4? A missing value goes as a yes does
//! = 0.9 7
//! 1 =3.0 never  input 1 is 3.0? A missing value is read as 0
//! 2 +{0,4}      as `{0,4}`, and what is below 0 is in no category
//! 2 ={0,4}      as `{0,4}`, and what has a fraction is in no category
//! = 0.1 31
//! = 0.2 2
//! ...
//! ```
//!
//! All leaves have a cover, or none has; scores do not depend on them.
//!
//! Imported models are kept in this form too, not as the file they came from: what serves then reads one small format, and
//! nothing is lost, because every split there is has its words here.

use std::fmt::Write as _;

use engine::forest::{Categories, Missing, Node, Rounding, Side, Split, Test, Tree};
use engine::limits;

use crate::covers::Covers;

const FIRST_LINE: &str = "riskd-forest 1";

/// Said of a file that is none of ours.
pub const OTHERS: &str = "models of other libraries are taken over with `riskctl model import`";

/// Longest forest file, in bytes: the most nodes there may be, at 48 bytes a line.
pub const FILE_BYTES_MAX: u64 = limits::NODES_MAX as u64 * 48;

/// Why a forest file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line at fault, from 1.
    pub line: usize,
    /// What was found and what was expected.
    pub message: String,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for FileError {}

/// What a forest file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// The trees.
    pub trees: Vec<Tree>,
    /// How many inputs they were trained on.
    pub inputs: usize,
    /// By tree and node, the covers of leaves and 0 for splits; empty if leaves have none.
    pub covers: Vec<Vec<f64>>,
}

/// The text of these trees over that many inputs, with the covers of their leaves where there are any.
///
/// # Panics
/// If a tree was not checked by [`crate::check::check_tree`].
pub fn encode(trees: &[Tree], inputs: usize, covers: &Covers) -> String {
    let mut text = format!("{FIRST_LINE}\ninputs {inputs}\n");
    for (number, tree) in trees.iter().enumerate() {
        text.push_str("tree\n");
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            // Writing to a string cannot fail.
            let _ = match &tree.nodes[at as usize] {
                Node::Leaf(value) => match covers.leaf(number, at as usize) {
                    None => writeln!(text, "= {value:?}"),
                    // Most are numbers of rows, which need no decimals.
                    Some(cover) => {
                        writeln!(text, "= {value:?} {}", format!("{cover:?}").trim_end_matches(".0"))
                    }
                },
                Node::Split(split) => {
                    open.extend([split.right, split.left]);
                    encode_split(&mut text, split)
                }
            };
        }
    }
    text
}

fn encode_split(text: &mut String, split: &Split) -> std::fmt::Result {
    write!(text, "{} ", split.input)?;
    match &split.test {
        Test::AtMost(threshold) => write!(text, "{threshold:?}")?,
        Test::Equal(number) => write!(text, "={number:?}")?,
        Test::OneOf(categories) => {
            let mark = ROUNDING.iter().find(|(rounding, _)| *rounding == categories.rounding());
            write!(text, "{}{{", mark.map_or("", |(_, mark)| mark))?;
            let numbers = 0..categories.words().len() * 64;
            let held = numbers.filter(|number| categories.words()[number / 64] >> (number % 64) & 1 == 1);
            for (place, number) in held.enumerate() {
                write!(text, "{}{number}", if place == 0 { "" } else { "," })?;
            }
            text.push('}');
        }
    }
    let word = MISSING.iter().find(|(missing, _)| *missing == split.missing).map_or("", |(_, word)| word);
    writeln!(text, "{}{word}", if word.is_empty() { "" } else { " " })
}

/// What is missing and where it leads, in the words of the file; the plain one has none.
const MISSING: [(Missing, &str); 5] = [
    (Missing::Nan(Side::Right), ""),
    (Missing::Nan(Side::Left), "left"),
    (Missing::NanOrZero(Side::Left), "zero-left"),
    (Missing::NanOrZero(Side::Right), "zero-right"),
    (Missing::Never, "never"),
];

/// How values become categories, in the marks before a set.
const ROUNDING: [(Rounding, &str); 3] =
    [(Rounding::TowardZero, ""), (Rounding::Down, "+"), (Rounding::Never, "=")];

/// The trees of a text, with what stands beside them. Bounds hold: trees, nodes, depth, inputs, finite numbers.
///
/// # Errors
/// The first line that cannot be read, or the end of the text where a subtree is missing.
pub fn decode(text: &str) -> Result<Contents, FileError> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    let mut header = |expected: &str| match lines.next() {
        Some((line, found)) => Ok((line, found)),
        None => Err(fail(1, format!("the file ends where `{expected}` was expected"))),
    };
    let (line, found) = header(FIRST_LINE)?;
    if found != FIRST_LINE {
        let found: String = found.chars().take(40).collect();
        return Err(fail(line, format!("found {found:?}, expected `{FIRST_LINE}`; {OTHERS}")));
    }
    let (line, found) = header("inputs N")?;
    let inputs = found.strip_prefix("inputs ").and_then(|n| n.parse::<usize>().ok());
    let inputs = inputs
        .filter(|n| *n <= limits::FOREST_INPUTS_MAX)
        .ok_or_else(|| fail(line, format!("expected `inputs N`, N at most {}", limits::FOREST_INPUTS_MAX)))?;

    let (mut trees, mut covers) = (Vec::new(), Vec::new());
    let (mut nodes_left, mut words_left) = (limits::NODES_MAX, limits::CATEGORY_WORDS_MAX);
    while let Some((line, found)) = lines.next() {
        if found != "tree" {
            return Err(fail(line, format!("found {found:?}, expected `tree`: the tree before is complete")));
        }
        if trees.len() == limits::TREES_MAX {
            return Err(fail(line, format!("more than {} trees", limits::TREES_MAX)));
        }
        let mut read = Vec::new();
        let tree = decode_tree(&mut lines, line, inputs, nodes_left, &mut words_left, &mut read)?;
        if read.is_empty() != covers.is_empty() && !trees.is_empty() {
            return Err(fail(line, "all leaves have a cover, or none has".to_owned()));
        }
        if !read.is_empty() {
            covers.push(read);
        }
        nodes_left -= tree.nodes.len();
        trees.push(tree);
    }
    Ok(Contents { trees, inputs, covers })
}

/// Reads one tree: a split waits on a stack until its left subtree is complete and its right one begins. Covers stay empty if
/// its leaves have none.
fn decode_tree<'t>(
    lines: &mut impl Iterator<Item = (usize, &'t str)>,
    mut line: usize,
    inputs: usize,
    nodes_max: usize,
    words_left: &mut usize,
    covers: &mut Vec<f64>,
) -> Result<Tree, FileError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut covered = None;
    // Splits above the next node whose right child has not come yet, each with its depth.
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let mut depth = 0;
    loop {
        let Some((number, text)) = lines.next() else {
            return Err(fail(line, "the file ends inside a tree: it is cut off".to_owned()));
        };
        line = number;
        if nodes.len() == nodes_max {
            return Err(fail(line, format!("more than {} nodes", limits::NODES_MAX)));
        }
        let here = nodes.len() as u32;
        if let Some(text) = text.strip_prefix("= ") {
            let (value, cover) = decode_leaf(text).map_err(|why| fail(line, why))?;
            if *covered.get_or_insert(cover.is_some()) != cover.is_some() {
                return Err(fail(line, "all leaves have a cover, or none has".to_owned()));
            }
            nodes.push(Node::Leaf(value));
            covers.push(cover.unwrap_or_default());
            let Some((parent, above)) = waiting.pop() else {
                if covered != Some(true) {
                    covers.clear();
                }
                return Ok(Tree { nodes });
            };
            if let Node::Split(split) = &mut nodes[parent] {
                split.right = here + 1;
            }
            depth = above + 1;
        } else {
            if depth == limits::DEPTH_MAX {
                return Err(fail(line, format!("deeper than {} splits", limits::DEPTH_MAX)));
            }
            let split = decode_split(text, inputs, here + 1).map_err(|why| fail(line, why))?;
            if let Test::OneOf(categories) = &split.test {
                let left = words_left.checked_sub(categories.words().len());
                *words_left = left.ok_or_else(|| fail(line, "too many categories".to_owned()))?;
            }
            waiting.push((nodes.len(), depth));
            nodes.push(Node::Split(split));
            covers.push(0.0);
            depth += 1;
        }
    }
}

/// A leaf's value, and its cover if it has one.
fn decode_leaf(text: &str) -> Result<(f64, Option<f64>), String> {
    let (value, cover) = match text.split_once(' ') {
        Some((value, cover)) => (value, Some(cover)),
        None => (text, None),
    };
    let cover = cover.map(|cover| match finite(cover) {
        Ok(number) if number >= 0.0 => Ok(number),
        _ => Err(format!("{cover:?} is no cover: a finite number from 0 on")),
    });
    Ok((finite(value)?, cover.transpose()?))
}

/// A split whose left child has that place; the right one's is not known yet.
fn decode_split(text: &str, inputs: usize, left: u32) -> Result<Split, String> {
    let mut words = text.split(' ');
    let (input, test) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (missing, rest) = (words.next().unwrap_or_default(), words.next());
    let found = input.parse().ok().filter(|input| usize::from(*input) < inputs);
    let input = found.ok_or_else(|| format!("{input:?} is not an input below {inputs}"))?;
    let set = test.strip_suffix('}').and_then(|test| test.split_once('{'));
    let mark = |mark: &str| ROUNDING.iter().find(|(_, known)| *known == mark).map(|(rounding, _)| *rounding);
    let test = if let Some((rounding, list)) = set.and_then(|(before, list)| Some((mark(before)?, list))) {
        let numbers = list.split(',').filter(|_| !list.is_empty());
        let numbers: Option<Vec<u32>> = numbers.map(|number| number.parse().ok()).collect();
        let categories = numbers.and_then(Categories::of).map(|categories| categories.rounded(rounding));
        Test::OneOf(categories.ok_or_else(|| format!("not categories below {}", limits::CATEGORIES_MAX))?)
    } else if let Some(value) = test.strip_prefix('=') {
        Test::Equal(finite(value)?)
    } else {
        Test::AtMost(finite(test)?)
    };
    let word = MISSING.iter().find(|(_, word)| *word == missing && rest.is_none());
    let missing = word.map(|(missing, _)| *missing);
    let missing =
        missing.ok_or_else(|| format!("{text:?} does not end in left, zero-left, zero-right or never"))?;
    Ok(Split { input, test, missing, left, right: 0 })
}

fn finite(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|x| x.is_finite());
    value.ok_or_else(|| format!("{text:?} is not a finite number"))
}

fn fail(line: usize, message: String) -> FileError {
    FileError { line, message }
}

#[cfg(test)]
mod tests {
    use engine::forest::Precision;
    use proptest::prelude::*;

    use super::*;
    use crate::check::check_tree;
    use crate::covers::CoverOf;
    use crate::walk::leaf;

    fn refused(text: &str, expected: &str) {
        let error = decode(text).unwrap_err().to_string();
        assert!(error.contains(expected), "found `{error}`, expected `{expected}`");
    }

    #[test]
    fn broken_files_are_refused_with_the_line() {
        refused("", "line 1: the file ends");
        refused("riskd-forest 2\n", "line 1: found \"riskd-forest 2\"");
        refused("riskd-forest 1\ninputs 100000\n", "line 2: expected `inputs N`");
        refused("riskd-forest 1\ninputs 1\n= 0\n", "line 3: found \"= 0\", expected `tree`");
        refused("riskd-forest 1\ninputs 1\ntree\n", "line 3: the file ends inside a tree");
        refused("riskd-forest 1\ninputs 1\ntree\n0 1.5\n= 0.5\n", "line 5: the file ends inside a tree");
        refused("riskd-forest 1\ninputs 1\ntree\n1 1.5\n", "line 4: \"1\" is not an input below 1");
        refused("riskd-forest 1\ninputs 1\ntree\n= NaN\n", "line 4: \"NaN\" is not a finite number");
        refused("riskd-forest 1\ninputs 1\ntree\n= 1e999\n", "line 4: \"1e999\" is not a finite number");
        refused("riskd-forest 1\ninputs 1\ntree\n0 =inf\n", "line 4: \"inf\" is not a finite number");
        refused("riskd-forest 1\ninputs 1\ntree\n0 {1,x}\n", "line 4: not categories below 65536");
        refused("riskd-forest 1\ninputs 1\ntree\n0 {65536}\n", "line 4: not categories below 65536");
        refused("riskd-forest 1\ninputs 1\ntree\n0 ~{1}\n", "line 4: \"~{1}\" is not a finite number");
        refused("riskd-forest 1\ninputs 1\ntree\n0 1.5 up\n", "line 4: \"0 1.5 up\" does not end in left");
        refused("riskd-forest 1\ninputs 1\ntree\n0 1.5 left left\n", "does not end in left");
        for cover in ["-1", "NaN", "inf", "", "1 2"] {
            refused(&format!("riskd-forest 1\ninputs 1\ntree\n= 0.5 {cover}\n"), "is no cover");
        }
        let (with, without) = ("tree\n= 0.5 7\n", "tree\n= 0.5\n");
        for text in [[with, without], [without, with], ["tree\n0 1.5\n= 0.5 7\n= 0.5\n", ""]] {
            refused(&format!("riskd-forest 1\ninputs 1\n{}", text.concat()), "all leaves have a cover");
        }
        refused("riskd-forest 1\ninputs 1\ntree\n= 0.5\n= 0.5\n", "line 5: found \"= 0.5\", expected `tree`");
    }

    #[test]
    fn a_tree_deeper_than_the_bound_is_refused_before_it_is_built() {
        let mut text = "riskd-forest 1\ninputs 1\ntree\n".to_owned();
        text.push_str(&"0 1.0\n".repeat(1_000_000));
        refused(&text, &format!("line {}: deeper than", 4 + limits::DEPTH_MAX));
    }

    #[test]
    fn many_splits_over_one_large_category_are_refused_before_memory_fills() {
        let tree = format!("tree\n{}{}", "0 {65535}\n".repeat(60), "= 0.5\n".repeat(61));
        let text = format!("riskd-forest 1\ninputs 1\n{}", tree.repeat(100));
        refused(&text, "too many categories");
    }

    #[test]
    fn too_many_trees_are_refused() {
        let text = format!("riskd-forest 1\ninputs 0\n{}", "tree\n= 0.5\n".repeat(limits::TREES_MAX + 1));
        refused(&text, "more than 4096 trees");
    }

    /// Any question about any of three inputs; its children are not set.
    fn any_split() -> impl Strategy<Value = Split> {
        let test = prop_oneof![
            (-100.0..100.0).prop_map(Test::AtMost),
            (-9_i8..9).prop_map(|number| Test::Equal(number.into())),
            (
                prop::collection::vec(prop_oneof![0_u32..99, 60_000_u32..65_536], 0..9),
                prop::sample::select(ROUNDING.map(|(rounding, _)| rounding).to_vec()),
            )
                .prop_map(|(numbers, rounding)| {
                    Test::OneOf(Categories::of(numbers).expect("small enough").rounded(rounding))
                }),
        ];
        let missing = prop::sample::select(MISSING.map(|(missing, _)| missing).to_vec());
        (0_u16..3, test, missing).prop_map(|(input, test, missing)| Split {
            input,
            test,
            missing,
            left: 0,
            right: 0,
        })
    }

    /// Any tree of up to five levels, as nested choices.
    fn any_tree() -> impl Strategy<Value = Tree> {
        let leaf = any::<f64>().prop_filter("finite", |x| x.is_finite());
        let leaf = leaf.prop_map(|x| Tree { nodes: vec![Node::Leaf(x)] });
        leaf.prop_recursive(5, 64, 2, |inner| {
            (any_split(), inner.clone(), inner).prop_map(|(split, left, right)| {
                let shift = |tree: &Tree, by: u32| -> Vec<Node> {
                    let mut nodes = tree.nodes.clone();
                    for node in &mut nodes {
                        if let Node::Split(split) = node {
                            split.left += by;
                            split.right += by;
                        }
                    }
                    nodes
                };
                // The right subtree first: the file's preorder must not depend on the order in memory.
                let after = 1 + right.nodes.len() as u32;
                let mut nodes = vec![Node::Split(Split { left: after, right: 1, ..split })];
                nodes.extend(shift(&right, 1));
                nodes.extend(shift(&left, after));
                Tree { nodes }
            })
        })
    }

    /// Places of the leaves, from left to right.
    fn leaves(tree: &Tree) -> Vec<usize> {
        let (mut leaves, mut open) = (Vec::new(), vec![0]);
        while let Some(at) = open.pop() {
            match &tree.nodes[at as usize] {
                Node::Leaf(_) => leaves.push(at as usize),
                Node::Split(split) => open.extend([split.right, split.left]),
            }
        }
        leaves
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -120.0..120.0,
            (-9_i8..99).prop_map(f64::from),
            Just(f64::NAN),
            Just(1e-36),
            Just(65_535.0)
        ]
    }

    proptest! {
        #[test]
        fn a_tree_written_and_read_again_decides_the_same(
            tree in any_tree(),
            rows in prop::collection::vec(prop::array::uniform3(any_value()), 1..20),
            covers in prop::collection::vec(prop_oneof![(0_u32..9_999).prop_map(f64::from), 0.0..1e-9, Just(1e300)], 1..9),
            known in any::<bool>(),
        ) {
            let of_node = |node: usize| covers[node % covers.len()];
            let covered = vec![(0..tree.nodes.len()).map(of_node).collect()];
            let covers = Covers::new(if known { CoverOf::TrainingRows } else { CoverOf::Halves }, covered);
            let text = encode(std::slice::from_ref(&tree), 3, &covers);
            let Contents { trees: back, inputs, covers: read } = decode(&text).unwrap();
            prop_assert_eq!((inputs, read.is_empty()), (3, !known));
            prop_assert_eq!(check_tree(&back[0], 3, Precision::Double), Ok(()));
            let read = Covers::new(CoverOf::TrainingRows, read);
            prop_assert_eq!(encode(&back, 3, &read), text);
            for (ours, theirs) in leaves(&tree).into_iter().zip(leaves(&back[0])) {
                prop_assert_eq!(covers.leaf(0, ours), read.leaf(0, theirs));
            }
            for row in rows {
                prop_assert_eq!(leaf(&tree, &row).to_bits(), leaf(&back[0], &row).to_bits());
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(riskd-forest 1\n)?(inputs [0-9]{1,3}\n)?(tree\n|= [0-9.eE-]{0,5}( [0-9.e-]{0,4})?\n|[0-9] [0-9.]{0,4}\n|[0-9] [={]?[0-9,]{0,4}}?( left| never)?\n|.{0,9}\n){0,40}") {
            if let Ok(contents) = decode(&text) {
                for tree in &contents.trees {
                    prop_assert_eq!(check_tree(tree, contents.inputs, Precision::Double), Ok(()));
                }
            }
        }
    }
}
