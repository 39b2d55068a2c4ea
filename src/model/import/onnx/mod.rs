//! Tree ensembles in ONNX (`ai.onnx.ml`), as skl2onnx, onnxmltools and CatBoost write them.
//!
//! ONNX leaves much open; the answers here are those of ONNX Runtime, which sums in the precision of the input, trees in their
//! order, and adds base values last.

mod five;
mod graph;
mod leaves;
mod nodes;

use engine::forest::Transform;
use prost::Message as _;

use super::grow::{Grower, Step};
use super::proto::{Graph, Model, Node};
use super::{Draft, Refusal, isolation, numbered, size, unsupported};
use crate::covers::CoverOf;
use graph::{Answer, answered};
pub use graph::{Attributes, Names, given};
pub use leaves::leaf_keys;
pub use nodes::grow;

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
    let attributes = Attributes(node);
    let classifier = node.operation == "TreeEnsembleClassifier";
    let answer = answered(&names, node, classifier)?;
    let mut trees = Grower::new(inputs)?;
    let mut categorical = Vec::new();
    let (sums_as, mean, transform, mut base) = if node.operation == "TreeEnsemble" {
        let joined = five::grow(&attributes, inputs_as, &mut trees)?;
        categorical = joined.categorical;
        (inputs_as, joined.mean, joined.transform, 0.0)
    } else {
        let leaves = if classifier {
            leaves::classes(&attributes, inputs_as)?
        } else {
            leaves::targets(&attributes, inputs_as)?
        };
        grow(&attributes, &leaves.values, None, inputs_as, &mut trees)?;
        (leaves.sums_as, leaves.mean, leaves.transform, leaves.base)
    };
    let transform = match (answer, transform) {
        (Answer::Plain, transform) => transform,
        (Answer::Logistic, Transform::Identity) => Transform::Logistic { slope: 1.0 },
        (Answer::Exponential(factor), Transform::Identity) => {
            base += factor.ln();
            Transform::Exponential
        }
        (..) => return unsupported("a transform of the trees, and another after them"),
    };
    if base != 0.0 && !mean {
        // The runtime adds it last, and the order of additions decides the last bit: a tree of one leaf does the same.
        trees.grow(1, 0, |_| Ok(Step::Leaf(base, None)))?;
        base = 0.0;
    }
    let named = classifier.then(|| leaves::named(&attributes)).flatten();
    let objective = match (&named, classifier) {
        (Some([_, second]), _) => format!("probability of the second class, {second}"),
        (None, true) => "probability of the second class".to_owned(),
        (None, false) => "regression".to_owned(),
    };
    let mut notes: Vec<String> = named.map(taken).into_iter().collect();
    notes.extend(silent(&model.producer, &attributes).map(str::to_owned));
    Ok(Draft {
        library,
        objective,
        inputs: numbered(inputs),
        // Added to a mean it is as much in each tree.
        base: base * trees.len() as f64,
        trees,
        inputs_as,
        sums_as,
        mean,
        transform,
        covers_of: CoverOf::Halves,
        gains: Vec::new(),
        categorical,
        notes,
    })
}

/// What to know of classes that are not 0 and 1: libraries sort them, so that the second may well be the honest one.
fn taken([first, second]: [String; 2]) -> String {
    format!(
        "the score is the probability of the class {second}, the second of {first} and {second}, and no option takes the other: if \
         {first} is what should score high, train on 0 and 1, where 1 is fraud"
    )
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

#[cfg(test)]
mod tests;
