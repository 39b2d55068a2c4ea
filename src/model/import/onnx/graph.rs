//! What stands around the trees of an ONNX graph: the way from the input to them, and from them to the answer. Operations
//! that change no score are passed over, those that the engine has as a transform become one, all others are refused.

use std::collections::HashMap;

use engine::forest::Precision;
use engine::limits;

use super::super::proto::{Attribute, DOUBLE, FLOAT, Graph, INT32, INT64, Node, Tensor};
use super::super::{Refusal, unsupported};

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
        FLOAT | INT64 | INT32 => precision = Precision::Single,
        DOUBLE => {}
        other => {
            return unsupported(format!("inputs of type {other}: it reads float, double, int32 and int64"));
        }
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

/// What becomes of the trees' sum on the way to the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// Nothing.
    Plain,
    /// `Sigmoid`.
    Logistic,
    /// `Exp`, times a number above 0.
    Exponential(f64),
}

/// A value on the way from the trees to the answer.
struct Value {
    answer: Answer,
    /// Whether it has the score that is taken: the second class's, or the only one.
    scored: bool,
    /// Whether an operation reads it.
    read: bool,
}

/// What the graph makes of the scores of its ensemble; `classes` if there are two of them.
pub fn answered(names: &Names<'_>, ensemble: &Node, classes: bool) -> Result<Answer, Refusal> {
    let scores = ensemble.outputs.last().ok_or("the trees have no output".to_owned())?;
    let mut values: HashMap<&str, Value> = HashMap::new();
    values.insert(scores, Value { answer: Answer::Plain, scored: true, read: false });
    for node in &names.graph.nodes {
        let Some(input) = node.inputs.iter().find(|input| values.contains_key(input.as_str())) else {
            continue;
        };
        let Some(value) = values.get_mut(input.as_str()) else { continue };
        value.read = true;
        let (before, scored) = (value.answer, value.scored);
        let next = |answer| Some((answer, scored));
        let after = match (node.operation.as_str(), Attributes(node).integer("to")) {
            ("ZipMap" | "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze", _)
            | ("Cast", FLOAT_CAST | DOUBLE_CAST) => next(before),
            // onnxmltools' way to copy a tensor; after `Exp` the base score of a rate.
            ("Mul", _) => match (other(names, node, input).map(numbers), before) {
                (Some(by), _) if by.iter().all(|&by| by == 1.0) => next(before),
                (Some(by), Answer::Exponential(factor)) if by.len() == 1 && by[0] > 0.0 => {
                    next(Answer::Exponential(factor * by[0]))
                }
                _ => None,
            },
            ("Exp", _) if before == Answer::Plain && !classes => next(Answer::Exponential(1.0)),
            ("Sigmoid", _) if before == Answer::Plain && !classes => next(Answer::Logistic),
            // Each class in an output of its own.
            ("Slice", _) if classes => sliced(names, node).map(|second| (before, scored && second)),
            ("Gather" | "ArrayFeatureExtractor", _) if classes => {
                let columns = other(names, node, input).map(numbers);
                columns.map(|columns| (before, scored && columns.contains(&1.0)))
            }
            _ => None,
        };
        let Some((answer, scored)) = after else {
            return unsupported(format!("`{}` after the trees", node.operation));
        };
        for output in &node.outputs {
            values.insert(output, Value { answer, scored, read: false });
        }
    }
    // What nothing reads is answered, and so is what the graph names.
    let named = |name: &str| names.graph.outputs.iter().any(|output| output.name == name);
    let ends = values.iter().filter(|(name, value)| value.scored && (!value.read || named(name)));
    let mut answers: Vec<Answer> = ends.map(|(_, value)| value.answer).collect();
    answers.dedup();
    match answers.as_slice() {
        [answer] => Ok(*answer),
        [] => unsupported("it answers with the first class alone: the score is the second's"),
        _ => unsupported("it answers with scores before and after a transform: leave one of them"),
    }
}

/// The constant that an operation reads beside that value.
fn other<'a>(names: &Names<'a>, node: &Node, value: &str) -> Option<&'a Tensor> {
    let mut others = node.inputs.iter().filter(|input| input.as_str() != value);
    let constant = others.next().and_then(|name| names.constants.get(name.as_str()).copied());
    constant.filter(|constant| others.next().is_none() && constant.count() <= COLUMNS_MAX)
}

/// Numbers of a short constant; none if they are of another type.
fn numbers(constant: &Tensor) -> Vec<f64> {
    constant.numbers().unwrap_or_default()
}

/// Whether a slice of columns has the second; nothing if it is no slice of columns.
fn sliced(names: &Names<'_>, node: &Node) -> Option<bool> {
    let attributes = Attributes(node);
    // Settings until version 9, inputs since.
    let read = |place: usize, setting: &str| match node.inputs.get(place) {
        Some(name) => names.constants.get(name.as_str()).and_then(|constant| constant.numbers().ok()),
        None => Some(attributes.integers(setting).iter().map(|&number| number as f64).collect()),
    };
    let (from, to, axes) = (read(1, "starts")?, read(2, "ends")?, read(3, "axes")?);
    let ([from], [to], [1.0 | -1.0]) = (from.as_slice(), to.as_slice(), axes.as_slice()) else { return None };
    // Places from the end: there are two columns.
    let place = |at: f64| if at < 0.0 { at + 2.0 } else { at };
    Some(place(*from) <= 1.0 && place(*to) > 1.0)
}

/// What stands behind the names of values.
pub struct Names<'a> {
    pub graph: &'a Graph,
    /// The node that makes a value.
    pub makers: HashMap<&'a str, &'a Node>,
    pub constants: HashMap<&'a str, &'a Tensor>,
}

impl<'a> Names<'a> {
    pub fn of(graph: &'a Graph) -> Names<'a> {
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

    pub fn integer(&self, name: &str) -> i64 {
        self.find(name).map_or(0, |attribute| attribute.integer)
    }

    /// A whole number; the usual one where the setting is not there.
    pub fn integer_or(&self, name: &str, usual: i64) -> i64 {
        self.find(name).map_or(usual, |attribute| attribute.integer)
    }

    pub fn integers(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.integers)
    }

    pub fn floats(&self, name: &str) -> &'a [f32] {
        self.find(name).map_or(&[], |attribute| &attribute.floats)
    }

    pub fn texts(&self, name: &str) -> &'a [Vec<u8>] {
        self.find(name).map_or(&[], |attribute| &attribute.texts)
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.find(name).and_then(|attribute| std::str::from_utf8(&attribute.text).ok())
    }

    /// Numbers from the setting of that name, or from the one of the same name for doubles.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        match self.find(&format!("{name}_as_tensor")).and_then(|attribute| attribute.tensor.as_ref()) {
            Some(tensor) => Tensor::numbers(tensor),
            None => Ok(self.floats(name).iter().copied().map(f64::from).collect()),
        }
    }

    /// Numbers of a setting that is a tensor; none without it.
    pub fn tensor(&self, name: &str) -> Result<Vec<f64>, String> {
        self.find(name)
            .and_then(|attribute| attribute.tensor.as_ref())
            .map_or(Ok(Vec::new()), Tensor::numbers)
    }
}
