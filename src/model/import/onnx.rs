//! Tree ensembles in ONNX (`ai.onnx.ml`), as skl2onnx, onnxmltools and CatBoost write them.
//!
//! ONNX leaves open what two classes with one set of weights mean; the answers here are those of ONNX Runtime, which sums in
//! the precision of the input, trees in their order, and adds base values last.

use std::collections::{HashMap, HashSet};

use engine::forest::{Missing, Precision, Side, Test, Transform};
use engine::limits;
use prost::Message as _;

use super::grow::{Grower, Step};
use super::proto::{Attribute, DOUBLE, FLOAT, Graph, INT64, Model, Node, Tensor};
use super::{Draft, Refusal, isolation, numbered, size, unsupported};
use crate::covers::CoverOf;

/// Reads a model.
pub fn read(bytes: &[u8]) -> Result<Draft, Refusal> {
    size::count(bytes)?;
    let model = Model::decode(bytes).map_err(|error| error.to_string())?;
    let graph = model.graph.as_ref().ok_or("it has no graph".to_owned())?;
    let library = format!("{} {}", model.producer, model.producer_version).trim().to_owned();
    if graph.nodes.iter().any(|node| node.attributes.len() > SETTINGS_MAX) {
        return Err(format!("an operation with more than {SETTINGS_MAX} settings").into());
    }
    let names = Names::of(graph);
    if let Some(forest) = isolation::read(&names)? {
        return Ok(forest.draft(library));
    }
    let node = ensemble(graph)?;
    let (inputs, inputs_as) = given(&names, node)?;
    answered(graph, node)?;
    let attributes = Attributes(node);
    let classifier = node.operation == "TreeEnsembleClassifier";
    let leaves = if classifier { classes(&attributes, inputs_as)? } else { targets(&attributes, inputs_as)? };
    let mut trees = Grower::new(inputs)?;
    grow(&attributes, &leaves.values, None, inputs_as, &mut trees)?;
    if leaves.base != 0.0 {
        // The runtime adds it last, and the order of additions decides the last bit: a tree of one leaf does the same.
        trees.grow(1, 0, |_| Ok(Step::Leaf(leaves.base, None)))?;
    }
    Ok(Draft {
        library,
        objective: if classifier { "probability of the second class" } else { "regression" }.to_owned(),
        inputs: numbered(inputs),
        trees,
        inputs_as,
        sums_as: leaves.sums_as,
        base: 0.0,
        mean: leaves.mean,
        transform: leaves.transform,
        covers_of: CoverOf::Halves,
        gains: Vec::new(),
        categorical: Vec::new(),
        notes: silent(&model.producer, &attributes).map(str::to_owned).into_iter().collect(),
    })
}

/// What to know of a file of skl2onnx that sends no missing value to the side of a yes: it writes those of gradient boosting by
/// histograms alone.
fn silent(producer: &str, attributes: &Attributes<'_>) -> Option<&'static str> {
    let silent = attributes.integers("nodes_missing_value_tracks_true").iter().all(|&tracks| tracks == 0);
    (producer == "skl2onnx" && silent).then_some(
        "skl2onnx does not write where decision trees, random forests and extra trees send missing values: rows that have one \
         may not score as in scikit-learn",
    )
}

/// Most settings of an operation: an ensemble has some twenty. They are looked through by name, again for each tree.
const SETTINGS_MAX: usize = 64;

/// The one tree ensemble of a graph.
fn ensemble(graph: &Graph) -> Result<&Node, Refusal> {
    let is_ensemble = |node: &&Node| node.operation.starts_with("TreeEnsemble");
    let mut ensembles = graph.nodes.iter().filter(is_ensemble);
    match (ensembles.next(), ensembles.count()) {
        (Some(node), 0) if node.operation == "TreeEnsemble" => {
            unsupported("the operator `TreeEnsemble` of version 5; export with ai.onnx.ml 3 or 4")
        }
        (Some(node), 0) => Ok(node),
        (Some(_), more) => {
            unsupported(format!("{} tree ensembles whose scores are joined by other operations", more + 1))
        }
        (None, _) => {
            let mut found: Vec<&str> = graph.nodes.iter().map(|node| node.operation.as_str()).collect();
            found.dedup();
            found.truncate(8);
            unsupported(format!("no tree ensemble; its operations are {}", found.join(", ")))
        }
    }
}

/// How many inputs the graph takes, and in which precision they reach the trees.
pub fn given(names: &Names<'_>, ensemble: &Node) -> Result<(usize, Precision), Refusal> {
    let mut name = ensemble.inputs.first().ok_or("the trees have no input".to_owned())?;
    let mut precision = Precision::Double;
    for _ in 0..STEPS_MAX {
        let Some(node) = names.makers.get(name.as_str()) else { break };
        match (node.operation.as_str(), Attributes(node).integer("to")) {
            ("Identity", _) | ("Cast", DOUBLE_CAST) => {}
            ("Cast", FLOAT_CAST) => precision = Precision::Single,
            ("Scaler", _) if scales_nothing(node) => {}
            ("Gather", _) if gathers_all(names, node) => {}
            (other, _) => {
                return unsupported(format!(
                    "`{other}` before the trees: let riskd's features be what the trees read"
                ));
            }
        }
        name = node.inputs.first().ok_or("an operation has no input".to_owned())?;
    }
    let graph = names.graph;
    let value = graph.inputs.iter().find(|value| value.name == *name);
    let value = value.ok_or_else(|| format!("nothing makes `{name}`, which the trees read"))?;
    let kind = value.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let kind = kind.ok_or("the input is no tensor".to_owned())?;
    match kind.numbers {
        FLOAT | INT64 => precision = Precision::Single,
        DOUBLE => {}
        other => return unsupported(format!("inputs of type {other}: it reads float, double and int64")),
    }
    let extents = kind.shape.as_ref().map(|shape| shape.extents.as_slice()).unwrap_or_default();
    let width = extents.get(1).and_then(|extent| usize::try_from(extent.number).ok()).unwrap_or(0);
    // Without a width the trees tell the least that there must be.
    let read = Attributes(ensemble).integers("nodes_featureids").iter().max().copied().unwrap_or(0);
    let least = usize::try_from(read)
        .ok()
        .and_then(|last| last.checked_add(1))
        .ok_or("an input below 0".to_owned())?;
    Ok((if width > 0 { width } else { least }, precision))
}

/// Most operations between the input and the trees; a pipeline has a few, a cycle has no end.
const STEPS_MAX: usize = 16;
const FLOAT_CAST: i64 = FLOAT as i64;
const DOUBLE_CAST: i64 = DOUBLE as i64;

/// Each of many trees may lead through the same long tensor, so that what is longer than the inputs is not looked through.
const COLUMNS_MAX: usize = limits::FOREST_INPUTS_MAX;

fn scales_nothing(node: &Node) -> bool {
    let is = |key, number| {
        let floats = Attributes(node).floats(key);
        floats.len() <= COLUMNS_MAX && floats.iter().all(|&found| found == number)
    };
    is("offset", 0.0) && is("scale", 1.0)
}

/// Whether all columns are picked in their order.
fn gathers_all(names: &Names<'_>, node: &Node) -> bool {
    let places = node.inputs.get(1).and_then(|name| names.constants.get(name.as_str()));
    let places = places.filter(|constant| constant.count() <= COLUMNS_MAX);
    let places = places.and_then(|constant| constant.numbers().ok());
    let in_order =
        |places: Vec<f64>| places.iter().enumerate().all(|(place, number)| *number == place as f64);
    Attributes(node).integer("axis") == 1 && places.is_some_and(in_order)
}

/// Nothing may change the scores after the trees.
fn answered(graph: &Graph, ensemble: &Node) -> Result<(), Refusal> {
    let mut names = HashSet::from([ensemble.outputs.last().ok_or("the trees have no output".to_owned())?]);
    for node in &graph.nodes {
        if !node.inputs.iter().any(|input| names.contains(input)) {
            continue;
        }
        match (node.operation.as_str(), Attributes(node).integer("to")) {
            ("ZipMap" | "Identity" | "Reshape" | "Flatten", _) | ("Cast", FLOAT_CAST | DOUBLE_CAST) => {
                names.extend(&node.outputs);
            }
            (other, _) => return unsupported(format!("`{other}` after the trees")),
        }
    }
    Ok(())
}

/// What the leaves give, and what becomes of it.
struct Leaves {
    /// By tree and node.
    values: HashMap<(i64, i64), f64>,
    /// Added when all trees are summed.
    base: f64,
    sums_as: Precision,
    mean: bool,
    transform: Transform,
}

/// Leaves of a classifier of two classes: the score is the second's.
fn classes(attributes: &Attributes<'_>, inputs_as: Precision) -> Result<Leaves, Refusal> {
    let labels =
        attributes.integers("classlabels_int64s").len() + attributes.texts("classlabels_strings").len();
    if labels != 2 {
        return unsupported(format!("{labels} classes: a score is one number, so there must be two"));
    }
    let (ids, weights) = (attributes.integers("class_ids"), attributes.numbers("class_weights")?);
    let base = attributes.numbers("base_values")?;
    let post = attributes.text("post_transform").unwrap_or("NONE");
    let one_set = ids.iter().all(|id| Some(id) == ids.first());
    if ids.iter().any(|id| !matches!(id, 0 | 1)) {
        return Err("a weight for a class that is not there".to_owned().into());
    }
    if base.len() > usize::from(one_set && ids.first() == Some(&0)) {
        return unsupported(
            "base values together with weights for the second class: runtimes do not agree on them",
        );
    }
    let all_positive = weights.iter().all(|&weight| weight >= 0.0);
    let (sign, sums_as, transform) = match (one_set, post) {
        // Weights of one class that are never negative are taken for probabilities whatever the transform.
        (true, "NONE" | "LOGISTIC" | "SOFTMAX") if all_positive && ids.first() == Some(&0) => {
            (0.0, inputs_as, Transform::Identity)
        }
        (true, "SOFTMAX") if ids.first() == Some(&0) => (0.0, inputs_as, Transform::Identity),
        (_, "NONE") => (0.0, inputs_as, Transform::Identity),
        (_, "LOGISTIC") => (0.0, inputs_as, Transform::Logistic { slope: 1.0 }),
        (_, "PROBIT") => (0.0, inputs_as, Transform::Probit),
        // Two classes: the second's share is the logistic function of the difference.
        (_, "SOFTMAX") => (-1.0, Precision::Double, Transform::Logistic { slope: 1.0 }),
        (_, other) => return unsupported(format!("the transform `{other}`")),
    };
    let share = |id: i64| if one_set || id == 1 { 1.0 } else { sign };
    let mut values = HashMap::new();
    let keys = leaf_keys(attributes, "class", weights.len())?;
    if ids.len() != weights.len() {
        return Err("class_ids and class_weights differ in length".to_owned().into());
    }
    for ((key, &id), weight) in keys.zip(ids).zip(weights) {
        *values.entry(key).or_insert(0.0) += share(id) * weight;
    }
    let base = base.first().copied().unwrap_or(0.0);
    Ok(Leaves { values, base, sums_as, mean: false, transform })
}

/// Leaves of a regression.
fn targets(attributes: &Attributes<'_>, inputs_as: Precision) -> Result<Leaves, Refusal> {
    if attributes.integer("n_targets") > 1 {
        return unsupported("several targets: a score is one number");
    }
    let weights = attributes.numbers("target_weights")?;
    if attributes.integers("target_ids").iter().any(|&id| id != 0) {
        return Err("a weight for a target that is not there".to_owned().into());
    }
    let base = attributes.numbers("base_values")?;
    if base.len() > 1 {
        return Err("more base values than targets".to_owned().into());
    }
    let base = base.first().copied().unwrap_or(0.0);
    let mean = match attributes.text("aggregate_function").unwrap_or("SUM") {
        "SUM" => false,
        "AVERAGE" if base == 0.0 => true,
        "AVERAGE" => return unsupported("a mean with a base value"),
        other => return unsupported(format!("`{other}` of the trees: it takes sum and mean")),
    };
    let transform = match attributes.text("post_transform").unwrap_or("NONE") {
        "NONE" => Transform::Identity,
        "PROBIT" => Transform::Probit,
        other => return unsupported(format!("the transform `{other}` of a regression")),
    };
    let mut values = HashMap::new();
    for (key, weight) in leaf_keys(attributes, "target", weights.len())?.zip(weights) {
        *values.entry(key).or_insert(0.0) += weight;
    }
    Ok(Leaves { values, base, sums_as: inputs_as, mean, transform })
}

/// Tree and node of each weight.
pub fn leaf_keys<'a>(
    attributes: &Attributes<'a>,
    prefix: &str,
    count: usize,
) -> Result<impl Iterator<Item = (i64, i64)> + 'a, String> {
    let trees = attributes.integers(&format!("{prefix}_treeids"));
    let nodes = attributes.integers(&format!("{prefix}_nodeids"));
    if trees.len() != count || nodes.len() != count {
        return Err(format!("the arrays of {prefix} weights differ in length"));
    }
    if count > limits::NODES_MAX {
        return Err(format!("{count} {prefix} weights, a forest has at most {} nodes", limits::NODES_MAX));
    }
    Ok(trees.iter().copied().zip(nodes.iter().copied()))
}

/// What a node's mode asks.
#[derive(Clone, Copy)]
enum Mode {
    Leaf,
    AtMost,
    Below,
    Above,
    AtLeast,
    Equal,
    NotEqual,
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
        let number = numbers[place];
        // NaN is equal to nothing and on no side of anything, so that only "not equal" holds of it.
        let nan_is_yes = missing.get(place) == Some(&1) || matches!(modes[place], Mode::NotEqual);
        let (test, turned) = match modes[place] {
            Mode::Leaf | Mode::AtMost => (Test::AtMost(number), false),
            Mode::Above => (Test::AtMost(number), true),
            Mode::Below => (Test::AtMost(below(number, inputs_as)), false),
            Mode::AtLeast => (Test::AtMost(below(number, inputs_as)), true),
            Mode::Equal => (Test::Equal(number), false),
            Mode::NotEqual => (Test::Equal(number), true),
        };
        let side = if nan_is_yes == turned { Side::Right } else { Side::Left };
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

/// What stands behind the names of values.
pub struct Names<'a> {
    pub graph: &'a Graph,
    /// The node that makes a value.
    pub makers: HashMap<&'a str, &'a Node>,
    pub constants: HashMap<&'a str, &'a Tensor>,
}

impl<'a> Names<'a> {
    fn of(graph: &'a Graph) -> Names<'a> {
        let made = |node: &'a Node| node.outputs.iter().map(move |name| (name.as_str(), node));
        let makers = graph.nodes.iter().flat_map(made).collect();
        let constants = graph.constants.iter().map(|constant| (constant.name.as_str(), constant)).collect();
        Names { graph, makers, constants }
    }
}

/// Settings of a node by name; one that is not there is empty, or 0.
pub struct Attributes<'a>(pub &'a Node);

impl<'a> Attributes<'a> {
    fn find(&self, name: &str) -> Option<&'a Attribute> {
        self.0.attributes.iter().find(|attribute| attribute.name == name)
    }

    fn integer(&self, name: &str) -> i64 {
        self.find(name).map_or(0, |attribute| attribute.integer)
    }

    pub fn integers(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.integers)
    }

    pub fn floats(&self, name: &str) -> &'a [f32] {
        self.find(name).map_or(&[], |attribute| &attribute.floats)
    }

    fn texts(&self, name: &str) -> &'a [Vec<u8>] {
        self.find(name).map_or(&[], |attribute| &attribute.texts)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.find(name).and_then(|attribute| std::str::from_utf8(&attribute.text).ok())
    }

    /// Numbers from the setting of that name, or from the one of the same name for doubles.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        match self.find(&format!("{name}_as_tensor")).and_then(|attribute| attribute.tensor.as_ref()) {
            Some(tensor) => Tensor::numbers(tensor),
            None => Ok(self.floats(name).iter().copied().map(f64::from).collect()),
        }
    }
}
