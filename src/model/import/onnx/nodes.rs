//! The nodes of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: arrays with a place for each node of all trees.

use std::collections::HashMap;

use engine::forest::{Missing, Precision, Side, Test};
use engine::limits;

use super::super::Refusal;
use super::super::grow::{Grower, Step};
use super::graph::Attributes;

/// What a node's mode asks.
#[derive(Clone, Copy)]
pub enum Mode {
    Leaf,
    AtMost,
    Below,
    Above,
    AtLeast,
    Equal,
    NotEqual,
}

impl Mode {
    /// The question, and whether a yes to it is a no to the mode's.
    pub fn test(self, number: f64, inputs_as: Precision) -> (Test, bool) {
        match self {
            Mode::Leaf | Mode::AtMost => (Test::AtMost(number), false),
            Mode::Above => (Test::AtMost(number), true),
            Mode::Below => (Test::AtMost(below(number, inputs_as)), false),
            Mode::AtLeast => (Test::AtMost(below(number, inputs_as)), true),
            Mode::Equal => (Test::Equal(number), false),
            Mode::NotEqual => (Test::Equal(number), true),
        }
    }

    /// Where NaN leads: it is equal to nothing and on no side of anything, so that only "not equal" holds of it.
    pub fn missing(self, tracks: bool, turned: bool) -> Side {
        let yes = tracks || matches!(self, Mode::NotEqual);
        if yes == turned { Side::Right } else { Side::Left }
    }
}

fn mode(text: &[u8]) -> Result<Mode, String> {
    Ok(match text {
        b"LEAF" => Mode::Leaf,
        b"BRANCH_LEQ" => Mode::AtMost,
        b"BRANCH_LT" => Mode::Below,
        b"BRANCH_GT" => Mode::Above,
        b"BRANCH_GTE" => Mode::AtLeast,
        b"BRANCH_EQ" => Mode::Equal,
        b"BRANCH_NEQ" => Mode::NotEqual,
        other => {
            return Err(format!("the mode `{}`", String::from_utf8_lossy(&other[..other.len().min(20)])));
        }
    })
}

/// Adds the trees of an ensemble; `values`, and `covers` where they are known, are those of its leaves, by tree and node. The
/// format's hit rates are none: the converters write 1 everywhere.
pub fn grow(
    attributes: &Attributes<'_>,
    values: &HashMap<(i64, i64), f64>,
    covers: Option<&HashMap<(i64, i64), f64>>,
    inputs_as: Precision,
    trees: &mut Grower,
) -> Result<(), Refusal> {
    let (ids, tree_ids) = (attributes.integers("nodes_nodeids"), attributes.integers("nodes_treeids"));
    let features = attributes.integers("nodes_featureids");
    let (yes, no) = (attributes.integers("nodes_truenodeids"), attributes.integers("nodes_falsenodeids"));
    let missing = attributes.integers("nodes_missing_value_tracks_true");
    let modes: Vec<Mode> =
        attributes.texts("nodes_modes").iter().map(|text| mode(text)).collect::<Result<_, _>>()?;
    let numbers = attributes.numbers("nodes_values")?;
    let count = ids.len();
    let lengths = [tree_ids.len(), features.len(), yes.len(), no.len(), modes.len(), numbers.len()];
    if lengths.iter().any(|&length| length != count) || !(missing.is_empty() || missing.len() == count) {
        return Err("the arrays of nodes differ in length".to_owned().into());
    }
    if count > limits::NODES_MAX {
        return Err(format!("more than {} nodes", limits::NODES_MAX).into());
    }
    let mut places = HashMap::with_capacity(count);
    for (place, key) in tree_ids.iter().copied().zip(ids.iter().copied()).enumerate() {
        if places.insert(key, place).is_some() {
            return Err(format!("tree {} has two nodes {}", key.0, key.1).into());
        }
    }
    let child = |place: usize, id: i64| {
        places
            .get(&(tree_ids[place], id))
            .copied()
            .ok_or_else(|| format!("it leads to node {id}, which is not there"))
    };
    let node = |place: usize| {
        if matches!(modes[place], Mode::Leaf) {
            let key = (tree_ids[place], ids[place]);
            let cover = covers.and_then(|covers| covers.get(&key).copied());
            return Ok(Step::Leaf(values.get(&key).copied().unwrap_or(0.0), cover));
        }
        let input = usize::try_from(features[place]).map_err(|_| "it reads an input below 0")?;
        let (yes, no) = (child(place, yes[place])?, child(place, no[place])?);
        let tracks = missing.get(place) == Some(&1);
        let (test, turned) = modes[place].test(numbers[place], inputs_as);
        let side = modes[place].missing(tracks, turned);
        let (left, right) = if turned { (no, yes) } else { (yes, no) };
        Ok(Step::Split { input, test, missing: Missing::Nan(side), left, right })
    };
    let before = trees.nodes();
    for root in roots(tree_ids, &modes, |place| [child(place, yes[place]), child(place, no[place])])? {
        trees.grow(count, root, node)?;
    }
    if trees.nodes() - before != count {
        return Err("nodes that no root leads to".to_owned().into());
    }
    Ok(())
}

/// The next smaller number of that precision.
fn below(number: f64, precision: Precision) -> f64 {
    match precision {
        Precision::Single => (number as f32).next_down().into(),
        Precision::Double => number.next_down(),
    }
}

/// Of each tree the node that is nobody's child, in the order in which the trees begin.
fn roots(
    tree_ids: &[i64],
    modes: &[Mode],
    children: impl Fn(usize) -> [Result<usize, String>; 2],
) -> Result<Vec<usize>, String> {
    let mut is_child = vec![false; modes.len()];
    for (place, mode) in modes.iter().enumerate() {
        if !matches!(mode, Mode::Leaf) {
            for child in children(place) {
                is_child[child.map_err(|why| format!("node {place}: {why}"))?] = true;
            }
        }
    }
    let mut order = Vec::new();
    let mut found: HashMap<i64, Option<usize>> = HashMap::new();
    for (place, tree) in tree_ids.iter().enumerate() {
        let root = found.entry(*tree).or_insert_with(|| {
            order.push(*tree);
            None
        });
        if !is_child[place] && root.replace(place).is_some() {
            return Err(format!("tree {tree} has two roots"));
        }
    }
    order.iter().map(|tree| found[tree].ok_or_else(|| format!("tree {tree} has no root: a cycle"))).collect()
}
