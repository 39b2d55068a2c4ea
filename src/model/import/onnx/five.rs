//! `TreeEnsemble` of `ai.onnx.ml` 5: one operator for every forest, splits and leaves in arrays of their own, sets of categories
//! told as such.

use std::collections::BTreeSet;

use engine::forest::{Categories, Missing, Precision, Rounding, Test, Transform};
use engine::limits;

use super::super::grow::{Grower, Step};
use super::super::{Refusal, unsupported};
use super::graph::Attributes;
use super::leaves::{is_mean, transform};
use super::nodes::Mode;

/// Names of the numbers that the format has for these, in their order.
const AGGREGATES: [&str; 4] = ["AVERAGE", "SUM", "MIN", "MAX"];
const TRANSFORMS: [&str; 5] = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
const MODES: [Mode; 6] = [Mode::AtMost, Mode::Below, Mode::AtLeast, Mode::Above, Mode::Equal, Mode::NotEqual];
const MEMBER: f64 = 6.0;

/// Sets of fewer categories, all below this, hold whole numbers alone, as the standard says. Of others ONNX Runtime cuts the
/// fraction of a value off before it looks for it.
const FEW: usize = 31;

/// What the operator makes of its trees.
pub struct Joined {
    /// Whether they are joined to their mean.
    pub mean: bool,
    pub transform: Transform,
    /// Inputs that are asked for categories.
    pub categorical: Vec<usize>,
}

/// Adds the trees.
pub fn grow(
    attributes: &Attributes<'_>,
    inputs_as: Precision,
    trees: &mut Grower,
) -> Result<Joined, Refusal> {
    let named = |names: &[&'static str], setting: &str, usual: i64| {
        let number = attributes.integer_or(setting, usual);
        let name = usize::try_from(number).ok().and_then(|number| names.get(number)).copied();
        name.ok_or_else(|| format!("{setting} is {number}"))
    };
    if attributes.integer("n_targets") > 1 {
        return unsupported("several targets: a score is one number");
    }
    if attributes.integers("leaf_targetids").iter().any(|&id| id != 0) {
        return Err("a weight for a target that is not there".to_owned().into());
    }
    let roots = attributes.integers("tree_roots");
    let mean = is_mean(named(&AGGREGATES, "aggregate_function", 1)?, roots.len())?;
    let transform = transform(named(&TRANSFORMS, "post_transform", 0)?)?;
    let nodes = Nodes::read(attributes)?;
    let splits = nodes.inputs.len();
    for &root in roots {
        let root = usize::try_from(root).ok().filter(|&root| root < splits);
        let root = root.ok_or("a root that is not there".to_owned())?;
        // A tree of one leaf is a split whose sides are that leaf.
        let root = if nodes.is_leaf(root) { nodes.child(root, true)? } else { root };
        trees.grow(splits + nodes.leaves.len(), root, |place| nodes.step(place, inputs_as))?;
    }
    Ok(Joined { mean, transform, categorical: nodes.categorical() })
}

/// The arrays. Splits have the places from 0, leaves those after them.
struct Nodes<'a> {
    inputs: &'a [i64],
    modes: Vec<f64>,
    splits: Vec<f64>,
    yes: &'a [i64],
    no: &'a [i64],
    yes_leaf: &'a [i64],
    no_leaf: &'a [i64],
    missing: &'a [i64],
    leaves: Vec<f64>,
    /// Of each split, where its members begin and end in `members`.
    sets: Vec<(usize, usize)>,
    members: Vec<f64>,
}

impl<'a> Nodes<'a> {
    fn read(attributes: &Attributes<'a>) -> Result<Nodes<'a>, Refusal> {
        let mut nodes = Nodes {
            inputs: attributes.integers("nodes_featureids"),
            modes: attributes.tensor("nodes_modes")?,
            splits: attributes.tensor("nodes_splits")?,
            yes: attributes.integers("nodes_truenodeids"),
            no: attributes.integers("nodes_falsenodeids"),
            yes_leaf: attributes.integers("nodes_trueleafs"),
            no_leaf: attributes.integers("nodes_falseleafs"),
            missing: attributes.integers("nodes_missing_value_tracks_true"),
            leaves: attributes.tensor("leaf_weights")?,
            sets: Vec::new(),
            members: attributes.tensor("membership_values")?,
        };
        let count = nodes.inputs.len();
        let arrays = [nodes.yes, nodes.no, nodes.yes_leaf, nodes.no_leaf].map(<[i64]>::len);
        let lengths = [nodes.modes.len(), nodes.splits.len()].into_iter().chain(arrays);
        if lengths.into_iter().any(|length| length != count)
            || !(nodes.missing.is_empty() || nodes.missing.len() == count)
        {
            return Err("the arrays of nodes differ in length".to_owned().into());
        }
        if count.saturating_add(nodes.leaves.len()) > limits::NODES_MAX {
            return Err(format!("more than {} nodes", limits::NODES_MAX).into());
        }
        // A set ends with NaN; splits that ask for something else have none.
        let mut at = 0;
        for &mode in &nodes.modes {
            let from = at;
            let mut to = at;
            if mode == MEMBER {
                let rest = nodes.members.get(from..).unwrap_or_default();
                to = from + rest.iter().position(|member| member.is_nan()).unwrap_or(rest.len());
                at = to + 1;
            }
            nodes.sets.push((from, to));
        }
        Ok(nodes)
    }

    fn categorical(&self) -> Vec<usize> {
        let asked = self.inputs.iter().zip(&self.modes).filter(|(_, mode)| **mode == MEMBER);
        let inputs: BTreeSet<usize> = asked.filter_map(|(input, _)| usize::try_from(*input).ok()).collect();
        inputs.into_iter().collect()
    }

    /// Whether both sides of a split are one leaf.
    fn is_leaf(&self, place: usize) -> bool {
        self.yes_leaf[place] != 0 && self.no_leaf[place] != 0 && self.yes[place] == self.no[place]
    }

    fn child(&self, place: usize, yes: bool) -> Result<usize, String> {
        let (ids, leaves) = if yes { (self.yes, self.yes_leaf) } else { (self.no, self.no_leaf) };
        let (first, count) =
            if leaves[place] == 0 { (0, self.inputs.len()) } else { (self.inputs.len(), self.leaves.len()) };
        let child = usize::try_from(ids[place]).ok().filter(|&child| child < count);
        child
            .map(|child| first + child)
            .ok_or_else(|| format!("it leads to {}, which is not there", ids[place]))
    }

    fn step(&self, place: usize, inputs_as: Precision) -> Result<Step, String> {
        if let Some(leaf) = place.checked_sub(self.inputs.len()) {
            return Ok(Step::Leaf(self.leaves[leaf], None));
        }
        let input = usize::try_from(self.inputs[place]).map_err(|_| "it reads an input below 0")?;
        let (yes, no) = (self.child(place, true)?, self.child(place, false)?);
        let tracks = self.missing.get(place) == Some(&1);
        let mode = self.modes[place];
        let (test, turned, side) = if mode == MEMBER {
            let (from, to) = self.sets[place];
            let members = self.members.get(from..to).unwrap_or_default();
            let rounding = if members.len() < FEW && members.iter().all(|&member| member < FEW as f64) {
                Rounding::Never
            } else {
                Rounding::TowardZero
            };
            let whole = |&member: &f64| (member as u32 as f64 == member).then_some(member as u32);
            let set: Option<Vec<u32>> = members.iter().map(whole).collect();
            let set = set.and_then(Categories::of);
            let set = set.ok_or("a category that is no whole number, or past the largest allowed")?;
            (Test::OneOf(set.rounded(rounding)), false, Mode::Equal.missing(tracks, false))
        } else {
            let known = MODES.iter().enumerate().find(|(number, _)| *number as f64 == mode);
            let (_, mode) = known.ok_or_else(|| format!("the mode {mode}"))?;
            let (test, turned) = mode.test(self.splits[place], inputs_as);
            (test, turned, mode.missing(tracks, turned))
        };
        let (left, right) = if turned { (no, yes) } else { (yes, no) };
        Ok(Step::Split { input, test, missing: Missing::Nan(side), left, right })
    }
}
