//! XGBoost's model in JSON or UBJSON, one description for both. It compares and sums in `float32`.
//!
//! Names are XGBoost's own (its `doc/model.schema`); those that prediction does not need are passed over.

use std::collections::HashMap;

use engine::forest::{Categories, Missing, Precision, Rounding, Side, Test, Transform};
use engine::limits::FOREST_INPUTS_MAX;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::grow::{Grower, Step};
use super::{Draft, Refusal, numbered, ubj, unsupported};
use crate::covers::CoverOf;

/// Reads a model in JSON.
pub fn read_json(bytes: &[u8]) -> Result<Draft, Refusal> {
    let json = without_odd_numbers(bytes);
    draft(serde_json::from_slice(&json).map_err(|error| error.to_string())?)
}

/// XGBoost writes `NaN` and `Infinity`, which JSON does not have: null takes their place.
fn without_odd_numbers(mut bytes: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(bytes.len());
    let mut quoted = false;
    while let Some((&first, rest)) = bytes.split_first() {
        let odd = [&b"NaN"[..], b"Infinity", b"-Infinity"].into_iter().find(|odd| bytes.starts_with(odd));
        match (first, odd) {
            (_, Some(odd)) if !quoted => {
                json.extend(b"null");
                bytes = &bytes[odd.len()..];
            }
            (b'\\', _) if quoted => {
                let pair = bytes.len().min(2);
                json.extend(&bytes[..pair]);
                bytes = &bytes[pair..];
            }
            _ => {
                quoted ^= first == b'"';
                json.push(first);
                bytes = rest;
            }
        }
    }
    json
}

/// Reads a model in UBJSON.
pub fn read_ubj(bytes: &[u8]) -> Result<Draft, Refusal> {
    draft(ubj::from_slice(bytes)?)
}

#[derive(Deserialize)]
struct File {
    learner: Learner,
    #[serde(default)]
    version: Vec<u32>,
}

#[derive(Deserialize)]
struct Learner {
    learner_model_param: LearnerParam,
    objective: Objective,
    gradient_booster: Booster,
    #[serde(default)]
    feature_names: Words,
    #[serde(default)]
    feature_types: Words,
    #[serde(default)]
    attributes: Attributes,
}

/// A word for each input: no more are kept than there may be inputs, for an empty one is two bytes of UBJSON and 24 here.
#[derive(Default)]
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        deserializer.deserialize_seq(Words::default())
    }
}

impl<'de> Visitor<'de> for Words {
    type Value = Words;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a word for each input")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut words: A) -> Result<Words, A::Error> {
        while let Some(word) = words.next_element()? {
            if self.0.len() == FOREST_INPUTS_MAX {
                return Err(A::Error::custom(format_args!("names of more than {FOREST_INPUTS_MAX} inputs")));
            }
            self.0.push(word);
        }
        Ok(self)
    }
}

/// XGBoost writes the numbers of parameters as text.
#[derive(Deserialize)]
struct LearnerParam {
    base_score: String,
    num_feature: String,
    #[serde(default)]
    num_class: String,
    #[serde(default)]
    num_target: String,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Default, Deserialize)]
struct Attributes {
    best_iteration: Option<String>,
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    /// Of `gbtree`.
    model: Option<Model>,
    /// Of `dart`, which wraps a `gbtree`.
    gbtree: Option<Inner>,
    weight_drop: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Inner {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    /// Of a booster of trees.
    #[serde(default)]
    trees: Option<Vec<Tree>>,
    #[serde(default)]
    cats: Cats,
    #[serde(default)]
    iteration_indptr: Vec<i64>,
}

/// Categories by name, which came with version 3.1.
#[derive(Default, Deserialize)]
struct Cats {
    #[serde(default)]
    enc: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Tree {
    tree_param: TreeParam,
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_indices: Vec<u32>,
    /// Thresholds, NaN where a split is over categories; of a leaf, its value.
    split_conditions: Vec<Number>,
    default_left: Vec<Flag>,
    /// Sum of second derivatives of the rows that reached a node; only explanations ask for it.
    #[serde(default)]
    sum_hessian: Vec<Number>,
    /// What a split gained.
    #[serde(default)]
    loss_changes: Vec<Number>,
    /// 1 where a split is over categories.
    #[serde(default)]
    split_type: Vec<u8>,
    #[serde(default)]
    categories: Vec<u32>,
    #[serde(default)]
    categories_nodes: Vec<usize>,
    #[serde(default)]
    categories_segments: Vec<usize>,
    #[serde(default)]
    categories_sizes: Vec<usize>,
}

#[derive(Deserialize)]
struct TreeParam {
    #[serde(default)]
    size_leaf_vector: String,
}

/// A number; NaN where the file has none.
#[derive(Clone, Copy)]
struct Number(f32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        Ok(Number(Option::deserialize(deserializer)?.unwrap_or(f32::NAN)))
    }
}

/// Truth as `true` in old files, as 1 in newer ones.
#[derive(Clone, Copy)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Flag;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, 1 or 0")
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Flag, E> {
                Ok(Flag(truth))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Flag, E> {
                Ok(Flag(number != 0))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn draft(file: File) -> Result<Draft, Refusal> {
    let Learner { learner_model_param: param, objective, gradient_booster, .. } = file.learner;
    let (Words(names), Words(types)) = (file.learner.feature_names, file.learner.feature_types);
    let count = |text: &str, key: &str| match text {
        "" => Ok(0),
        text => text.parse::<usize>().map_err(|_| format!("{key} is `{text}`")),
    };
    if count(&param.num_class, "num_class")? > 1 || count(&param.num_target, "num_target")? > 1 {
        return unsupported("several classes or targets: a score is one number");
    }
    let weights = gradient_booster.weight_drop;
    let model = match (gradient_booster.name.as_str(), gradient_booster.model, gradient_booster.gbtree) {
        ("gbtree", Some(model), _) | ("dart", _, Some(Inner { model })) => model,
        ("gbtree" | "dart", ..) => return Err("the booster has no trees".to_owned().into()),
        (other, ..) => {
            return unsupported(format!(
                "the booster `{other}`: only trees are read; train with booster=gbtree or dart"
            ));
        }
    };
    let rounds = model.iteration_indptr.len().saturating_sub(1);
    let forest = model.trees.ok_or_else(|| "the booster has no `trees`".to_owned())?;
    if weights.as_ref().is_some_and(|weights| weights.len() != forest.len()) {
        return Err("there is not one weight_drop for each tree".to_owned().into());
    }
    let (transform, link) = link(&objective.name)?;
    let base = link.margin(base_score(&param.base_score)?, &file.version);
    if !base.is_finite() {
        let (base, objective) = (&param.base_score, &objective.name);
        return Err(format!("base_score is `{base}`, from which `{objective}` cannot start").into());
    }
    let inputs = count(&param.num_feature, "num_feature")?;
    let mut trees = Grower::new(inputs)?;
    if !names.is_empty() && names.len() != inputs {
        return Err(format!("{} feature_names for {inputs} inputs", names.len()).into());
    }
    let (mut categorical, mut gains) = (vec![false; inputs], vec![0.0; inputs]);
    for (mark, kind) in categorical.iter_mut().zip(&types) {
        *mark = kind == "c";
    }
    for (number, tree) in forest.iter().enumerate() {
        let weight = weights.as_ref().map(|weights| weights[number]);
        grow(tree, weight, &mut trees, &mut categorical, &mut gains)?;
    }

    let mut notes = Vec::new();
    if categorical.contains(&true) && file.version.as_slice() < &CATEGORIES_FROM[..] {
        notes.push(
            "XGBoost before 1.7 sends some categories that training did not see to the side of missing values; here all go to the \
             left, as in later versions that read this file"
                .to_owned(),
        );
    }
    if !model.cats.enc.is_empty() {
        notes.push("categories have names: give their codes, 0 for the first".to_owned());
    }
    let best = file.learner.attributes.best_iteration.and_then(|best| best.parse::<usize>().ok());
    if let Some(best) = best
        && best + 1 < rounds
    {
        notes.push(format!(
            "the best round was {best} of {rounds}; all are taken, as Booster.predict does. XGBClassifier stops at the best: for \
             its scores save booster[: {}]",
            best + 1
        ));
    }
    let version = file.version.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    Ok(Draft {
        library: format!("XGBoost {version}"),
        objective: objective.name,
        inputs: if names.is_empty() { numbered(inputs) } else { names },
        trees,
        inputs_as: Precision::Single,
        sums_as: Precision::Single,
        base: base.into(),
        mean: false,
        transform,
        covers_of: CoverOf::SecondDerivatives,
        gains,
        categorical: (0..inputs).filter(|&input| categorical[input]).collect(),
        notes,
    })
}

/// The base as a number: `5E-1`, or since version 3.1 `[5E-1]`, one for each target.
fn base_score(text: &str) -> Result<f32, Refusal> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let base: Option<f32> = inside.trim().parse().ok();
    match base.filter(|base| base.is_finite()) {
        Some(base) => Ok(base),
        None if inside.contains(',') => unsupported("several base scores: a score is one number"),
        None => Err(format!("base_score is `{text}`").into()),
    }
}

/// The version whose meaning of categories the reader has.
const CATEGORIES_FROM: [u32; 2] = [1, 7];

/// The version from which the base score of a logistic objective is held within [`BASE_MIN`] of 0 and 1.
const BASE_HELD_FROM: [u32; 2] = [3, 2];
const BASE_MIN: f32 = 1e-6;

/// `ProbToMargin` of an objective: the base is saved as a score and summed as a margin.
#[derive(Clone, Copy)]
enum Link {
    Identity,
    Log,
    Logit,
}

impl Link {
    /// What the sum starts from.
    fn margin(self, base: f32, version: &[u32]) -> f32 {
        match self {
            Link::Identity => base,
            Link::Log => base.ln(),
            Link::Logit => {
                // 0 and 1 are scores too there; what lies outside is refused by every version.
                let held = version >= &BASE_HELD_FROM[..] && (0.0..=1.0).contains(&base);
                let base = if held { base.clamp(BASE_MIN, 1.0 - BASE_MIN) } else { base };
                -(1.0 / base - 1.0).ln()
            }
        }
    }
}

/// `PredTransform` of an objective, and its link.
fn link(objective: &str) -> Result<(Transform, Link), Refusal> {
    Ok(match objective {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "binary:logitraw"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => (Transform::Identity, Link::Identity),
        "binary:logistic" | "reg:logistic" => (Transform::Logistic { slope: 1.0 }, Link::Logit),
        "binary:hinge" => (Transform::Step, Link::Identity),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            (Transform::Exponential, Link::Log)
        }
        "multi:softmax" | "multi:softprob" => return unsupported("several classes: a score is one number"),
        other => return unsupported(format!("the objective `{other}` is not known")),
    })
}

/// Adds one tree, its leaves times the weight that dart gave it.
fn grow(
    tree: &Tree,
    weight: Option<f32>,
    trees: &mut Grower,
    categorical: &mut [bool],
    gains: &mut [f64],
) -> Result<(), Refusal> {
    let number = trees.len();
    if !matches!(tree.tree_param.size_leaf_vector.as_str(), "" | "0" | "1") {
        return unsupported("leaves of several numbers: a score is one number");
    }
    let nodes = tree.left_children.len();
    let lengths = [
        tree.right_children.len(),
        tree.split_indices.len(),
        tree.split_conditions.len(),
        tree.default_left.len(),
        if tree.split_type.is_empty() { nodes } else { tree.split_type.len() },
    ];
    if lengths.iter().any(|&length| length != nodes) {
        return Err(format!("tree {number}: its arrays differ in length").into());
    }
    let sets = sets(tree).map_err(|why| format!("tree {number}: {why}"))?;
    let node = |place: usize| {
        let Number(number) = tree.split_conditions[place];
        let (Ok(left), Ok(right)) =
            (usize::try_from(tree.left_children[place]), usize::try_from(tree.right_children[place]))
        else {
            let value = weight.map_or(number, |weight| number * weight);
            let cover = tree.sum_hessian.get(place).map(|Number(sum)| f64::from(*sum));
            return Ok(Step::Leaf(value.into(), cover));
        };
        let input = tree.split_indices[place] as usize;
        if let (Some(gain), Some(Number(gained))) = (gains.get_mut(input), tree.loss_changes.get(place)) {
            *gain += f64::from(gained.max(0.0));
        }
        let default_left = tree.default_left[place].0;
        let missing = |left: bool| Missing::Nan(if left { Side::Left } else { Side::Right });
        if tree.split_type.get(place) == Some(&1) {
            if let Some(mark) = categorical.get_mut(input) {
                *mark = true;
            }
            // Its categories go to the right, so that the children change places.
            let range = sets.get(&place).and_then(|&(from, size)| Some(from..from.checked_add(size)?));
            let set =
                range.and_then(|range| tree.categories.get(range)).ok_or("its categories are not there")?;
            let set = Categories::of(set.iter().copied()).ok_or("a category is past the largest allowed")?;
            let test = Test::OneOf(set.rounded(Rounding::Down));
            return Ok(Step::Split {
                input,
                test,
                missing: missing(!default_left),
                left: right,
                right: left,
            });
        }
        // Below the threshold is at most the next smaller number.
        let test = Test::AtMost(number.next_down().into());
        Ok(Step::Split { input, test, missing: missing(default_left), left, right })
    };
    Ok(trees.grow(nodes, 0, node)?)
}

/// Where each node's categories begin, and how many they are.
fn sets(tree: &Tree) -> Result<HashMap<usize, (usize, usize)>, String> {
    let count = tree.categories_nodes.len();
    if tree.categories_segments.len() != count || tree.categories_sizes.len() != count {
        return Err("its arrays of categories differ in length".to_owned());
    }
    // Every node has categories of its own. Many that share a long list would take their product of steps.
    let named = tree.categories_sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
    if count > tree.left_children.len() || named.is_none_or(|named| named > tree.categories.len()) {
        return Err("its nodes name more categories than there are".to_owned());
    }
    let segments = tree.categories_segments.iter().copied().zip(tree.categories_sizes.iter().copied());
    Ok(tree.categories_nodes.iter().copied().zip(segments).collect())
}
