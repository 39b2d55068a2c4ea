//! Isolation forests of scikit-learn, as skl2onnx spells them out: a tree ensemble a tree whose leaves are numbers of nodes,
//! two tables from those numbers to the rows and the depth of the node, and arithmetic from there to the score.
//!
//! The arithmetic is the same for every model, so that it is recognised by its parts and done once, at import: a leaf becomes
//! the length of its path, and the forest the engine's own (Liu, Ting and Zhou, 2008).

use std::collections::HashMap;

use engine::forest::{Precision, Transform};
use engine::limits;

use super::grow::Grower;
use super::onnx::{Attributes, Names, given, grow, leaf_keys};
use super::proto::{Graph, Node};
use super::{Draft, Refusal, numbered};
use crate::covers::CoverOf;

/// What was read.
pub struct Isolation {
    trees: Grower,
    inputs: usize,
    inputs_as: Precision,
    /// Mean path of an unsuccessful search over the rows of a tree.
    path: f64,
}

impl Isolation {
    /// As all readers hand it over.
    pub fn draft(self, library: String) -> Draft {
        Draft {
            library,
            objective: "anomaly, from 0 to 1".to_owned(),
            inputs: numbered(self.inputs),
            trees: self.trees,
            inputs_as: self.inputs_as,
            sums_as: Precision::Double,
            base: 0.0,
            mean: true,
            transform: Transform::Isolation { path: self.path },
            covers_of: CoverOf::TrainingRows,
            gains: Vec::new(),
            categorical: Vec::new(),
            notes: vec![
                "the score is scikit-learn's score_samples without the minus: higher is stranger".to_owned(),
            ],
        }
    }
}

/// Reads an isolation forest; nothing if the graph is none.
pub fn read(names: &Names<'_>) -> Result<Option<Isolation>, Refusal> {
    let graph = names.graph;
    let count = |operation: &str| graph.nodes.iter().filter(|node| node.operation == operation).count();
    let ensembles: Vec<&Node> =
        graph.nodes.iter().filter(|node| node.operation == "TreeEnsembleRegressor").collect();
    if ensembles.len() > limits::TREES_MAX {
        return Err(format!("more than {} trees", limits::TREES_MAX).into());
    }
    let (Some(first), true) = (ensembles.first(), count("LabelEncoder") == 2 * ensembles.len()) else {
        return Ok(None);
    };
    let readers = Readers::of(graph);
    let Some(divisor) = divisor(names) else { return Ok(None) };
    let (inputs, inputs_as) = given(names, first)?;
    let mut trees = Grower::new(inputs)?;
    for ensemble in &ensembles {
        let (found, precision) = given(names, ensemble)?;
        if (found, precision) != (inputs, inputs_as) {
            return Err("its trees read different inputs".to_owned().into());
        }
        let Some(tables) = Tables::of(&readers, ensemble) else { return Ok(None) };
        let attributes = Attributes(ensemble);
        let weights = attributes.numbers("target_weights")?;
        let (mut values, mut covers) = (HashMap::new(), HashMap::new());
        for (key, number) in leaf_keys(&attributes, "target", weights.len())?.zip(weights) {
            let length = tables.path(number as i64);
            values.insert(key, length.ok_or_else(|| format!("leaf {number} is in no table"))?);
            covers.extend(tables.rows.get(&(number as i64)).map(|rows| (key, f64::from(*rows))));
        }
        grow(&attributes, &values, Some(&covers), inputs_as, &mut trees)?;
    }
    let path = divisor / trees.len() as f64;
    Ok(Some(Isolation { trees, inputs, inputs_as, path }))
}

/// What the sum of all paths is divided by before it becomes the power of two.
fn divisor(names: &Names<'_>) -> Option<f64> {
    let only = |operation: &str| {
        let mut found = names.graph.nodes.iter().filter(|node| node.operation == operation);
        found.next().filter(|_| found.next().is_none())
    };
    let maker = |name: &String| names.makers.get(name.as_str());
    let constant = |name: &String| names.constants.get(name.as_str())?.numbers().ok()?.first().copied();
    let power = only("Pow")?;
    let [base, exponent] = power.inputs.as_slice() else { return None };
    let negative = maker(exponent).filter(|node| node.operation == "Neg")?;
    let quotient = maker(negative.inputs.first()?).filter(|node| node.operation == "Div")?;
    let divisor = constant(quotient.inputs.get(1)?)?;
    (constant(base)? == 2.0 && divisor > 0.0).then_some(divisor)
}

/// Most readers of a value that are looked at, again for each tree: a leaf's numbers have two, their rows and depths six.
const READERS_MAX: usize = 16;

/// Which nodes read a value.
struct Readers<'a>(HashMap<&'a str, Vec<&'a Node>>);

impl<'a> Readers<'a> {
    fn of(graph: &'a Graph) -> Readers<'a> {
        let mut readers: HashMap<&str, Vec<&Node>> = HashMap::new();
        for node in &graph.nodes {
            for input in &node.inputs {
                readers.entry(input).or_default().push(node);
            }
        }
        Readers(readers)
    }

    /// The readers of a node's first output; those of the result instead, where a reader changes its type or shape only.
    fn after(&self, node: &Node) -> Vec<&'a Node> {
        let direct = |node: &Node| node.outputs.first().and_then(|name| self.0.get(name.as_str()));
        let plain = |node: &Node| matches!(node.operation.as_str(), "Cast" | "Reshape" | "Identity");
        let mut found = Vec::new();
        for reader in direct(node).into_iter().flatten().take(READERS_MAX) {
            match direct(reader) {
                Some(next) if plain(reader) => found.extend(next.iter().take(READERS_MAX)),
                _ => found.push(*reader),
            }
        }
        found
    }
}

/// Rows and depth of a tree's leaves.
struct Tables {
    rows: HashMap<i64, f32>,
    depths: HashMap<i64, f32>,
}

impl Tables {
    fn of(readers: &Readers<'_>, ensemble: &Node) -> Option<Tables> {
        let found = readers.after(ensemble);
        let [one, other] = found.as_slice() else { return None };
        if found.iter().any(|node| node.operation != "LabelEncoder") {
            return None;
        }
        // Rows are compared with 2, depths with nothing.
        let compares = |node: &Node| readers.after(node).iter().any(|reader| reader.operation == "Equal");
        let (rows, depths) = match (compares(one), compares(other)) {
            (true, false) => (one, other),
            (false, true) => (other, one),
            _ => return None,
        };
        let table = |node: &Node| {
            let attributes = Attributes(node);
            let (keys, values) = (attributes.integers("keys_int64s"), attributes.floats("values_floats"));
            let fits = keys.len() == values.len() && keys.len() <= limits::NODES_MAX;
            fits.then(|| keys.iter().copied().zip(values.iter().copied()).collect())
        };
        Some(Tables { rows: table(rows)?, depths: table(depths)? })
    }

    /// Length of the path to a leaf: the splits above it, and the mean length that its rows would still take. In `float`, as
    /// the graph computes it.
    fn path(&self, leaf: i64) -> Option<f64> {
        let (rows, nodes) = (*self.rows.get(&leaf)?, *self.depths.get(&leaf)?);
        let rest = match rows {
            rows if rows < 2.0 => 0.0,
            2.0 => 1.0,
            rows => ((rows - 1.0).ln() + 0.577_215_7) * 2.0 - 2.0 * (rows - 1.0) / rows,
        };
        Some(f64::from(nodes + rest - 1.0))
    }
}
