//! LightGBM's text model: `key=value` lines, a block a tree. It compares and sums in `f64`, and writes numbers with all
//! their digits, so that nothing is lost.
//!
//! The meaning of `decision_type`, child numbers and bitsets is that of `Tree` in LightGBM's own source, versions 3 and 4.

use std::collections::HashMap;
use std::str::FromStr;

use engine::forest::{Categories, Missing, Precision, Side, Test, Transform, ZERO_MAX};
use engine::limits;

use super::grow::{Grower, Step};
use super::{Draft, Refusal, unsupported};
use crate::covers::CoverOf;

/// Reads a model.
pub fn read(bytes: &[u8]) -> Result<Draft, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut lines = text.lines().map(str::trim_end);
    let head = block(&mut lines, |line| line.starts_with("Tree=") || line == "end of trees");
    let version = head.keys.get("version").copied().unwrap_or_default();
    if !matches!(version, "v3" | "v4") {
        return unsupported(format!("its version is `{version}`; known are v3 and v4"));
    }
    for (key, what) in [("num_class", "classes"), ("num_tree_per_iteration", "trees a round")] {
        let found: usize = head.number(key)?;
        if found != 1 {
            return unsupported(format!("{found} {what}: a score is one number"));
        }
    }
    let inputs = head.number::<usize>("max_feature_idx")?.saturating_add(1);
    let mut trees = Grower::new(inputs)?;
    let names = head.text("feature_names")?.split(' ');
    match names.clone().count() {
        found if found == inputs => {}
        found => return Err(format!("{found} feature_names for {inputs} inputs").into()),
    }

    let (mut categorical, mut gains) = (vec![false; inputs], vec![0.0; inputs]);
    let mut last = head.end;
    while last.is_some_and(|line| line.starts_with("Tree=")) {
        let tree = block(&mut lines, |line| line.starts_with("Tree=") || line == "end of trees");
        grow(&tree, &mut trees, &mut categorical, &mut gains)?;
        last = tree.end;
    }
    if last.is_none() {
        return Err("it ends before `end of trees`: it is cut off".to_owned().into());
    }
    let mut notes = Vec::new();
    if lines.any(|line| line.starts_with("pandas_categorical:[[")) {
        notes.push("categories were coded by pandas: give the codes, 0 for the first category".to_owned());
    }
    let objective = head.keys.get("objective").copied().unwrap_or("custom");
    let transform = transform(objective)?;
    if objective == "custom" {
        notes.push("the objective was the trainer's own: scores are raw sums".to_owned());
    }
    Ok(Draft {
        library: format!("LightGBM, model version {version}"),
        objective: objective.to_owned(),
        inputs: names.map(str::to_owned).collect(),
        trees,
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: head.keys.contains_key("average_output"),
        transform,
        covers_of: CoverOf::TrainingRows,
        gains,
        categorical: (0..inputs).filter(|&input| categorical[input]).collect(),
        notes,
    })
}

/// `ConvertOutput` of the objective that the line names.
fn transform(objective: &str) -> Result<Transform, Refusal> {
    let mut words = objective.split(' ');
    let name = words.next().unwrap_or_default();
    let settings: Vec<&str> = words.collect();
    Ok(match name {
        // Trained on roots; huber and the exponential ones drop the setting themselves.
        "regression" | "regression_l1" | "fair" | "quantile" | "mape" if settings.contains(&"sqrt") => {
            Transform::SignedSquare
        }
        "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank"
        | "rank_xendcg" | "custom" => Transform::Identity,
        "binary" => {
            let slope = settings.iter().find_map(|word| word.strip_prefix("sigmoid:")).unwrap_or("1");
            let slope = slope.parse().map_err(|_| format!("the slope of the sigmoid is `{slope}`"))?;
            Transform::Logistic { slope }
        }
        "cross_entropy" => Transform::Logistic { slope: 1.0 },
        "cross_entropy_lambda" => Transform::Softplus,
        "poisson" | "gamma" | "tweedie" => Transform::Exponential,
        "multiclass" | "multiclassova" => return unsupported("several classes: a score is one number"),
        other => return unsupported(format!("the objective `{other}` is not known")),
    })
}

/// The keys that are read.
const KEYS: [&str; 20] = [
    "average_output",
    "cat_boundaries",
    "cat_threshold",
    "decision_type",
    "feature_names",
    "is_linear",
    "leaf_count",
    "leaf_value",
    "left_child",
    "max_feature_idx",
    "num_cat",
    "num_class",
    "num_leaves",
    "num_tree_per_iteration",
    "objective",
    "right_child",
    "split_feature",
    "split_gain",
    "threshold",
    "version",
];

/// Keys and values up to a line that ends them.
struct Block<'t> {
    keys: HashMap<&'t str, &'t str>,
    /// The line that ended it; none at the end of the file.
    end: Option<&'t str>,
}

fn block<'t>(lines: &mut impl Iterator<Item = &'t str>, ends: impl Fn(&str) -> bool) -> Block<'t> {
    let mut keys = HashMap::new();
    for line in lines {
        if ends(line) {
            return Block { keys, end: Some(line) };
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        // Of a file of nothing but keys of its own a table would be many times as long.
        if KEYS.contains(&key) {
            keys.insert(key, value);
        }
    }
    Block { keys, end: None }
}

impl<'t> Block<'t> {
    fn text(&self, key: &str) -> Result<&'t str, String> {
        self.keys.get(key).copied().ok_or_else(|| format!("there is no `{key}`"))
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<T, String> {
        let text = self.text(key)?;
        text.parse().map_err(|_| format!("{key}={text}"))
    }

    /// That many numbers.
    fn numbers<T: FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, String> {
        let text = self.text(key)?;
        let parse = |word: &str| word.parse().map_err(|_| format!("{key} holds `{word}`"));
        let mut words = text.split_ascii_whitespace();
        let numbers: Vec<T> = words.by_ref().take(count).map(parse).collect::<Result<_, _>>()?;
        match numbers.len() + words.count() {
            found if found == count => Ok(numbers),
            found => Err(format!("{key} has {found} numbers, not {count}")),
        }
    }
}

/// Adds one tree. Splits have the places from 0, leaves those after them.
fn grow(
    tree: &Block<'_>,
    trees: &mut Grower,
    categorical: &mut [bool],
    gains: &mut [f64],
) -> Result<(), Refusal> {
    let number = trees.len();
    let fail = |why: String| format!("tree {number}: {why}");
    if tree.keys.get("is_linear").is_some_and(|linear| *linear != "0") {
        return unsupported("a linear tree: its leaves are functions of the inputs, not numbers");
    }
    let leaves: usize = tree.number("num_leaves").map_err(fail)?;
    let Some(splits) = leaves.checked_sub(1) else { return Err(fail("it has no leaf".to_owned()).into()) };
    if leaves > limits::NODES_MAX {
        return Err(fail(format!("more than {} nodes", limits::NODES_MAX)).into());
    }
    let values: Vec<f64> = tree.numbers("leaf_value", leaves).map_err(fail)?;
    if splits == 0 {
        return Ok(trees.grow(1, 0, |_| Ok(Step::Leaf(values[0], None)))?);
    }
    let arrays = Arrays::read(tree, splits).map_err(fail)?;
    // What only explanations ask for: a file without it, or with something else in its place, is a model still.
    let covers: Vec<f64> = tree.numbers("leaf_count", leaves).unwrap_or_default();
    let gained: Vec<f64> = tree.numbers("split_gain", splits).unwrap_or_default();
    for (&input, gained) in arrays.inputs.iter().zip(gained) {
        if let Some(gain) = gains.get_mut(input) {
            *gain += gained.max(0.0);
        }
    }
    for (&input, &decision) in arrays.inputs.iter().zip(&arrays.decisions) {
        if decision & CATEGORICAL != 0
            && let Some(mark) = categorical.get_mut(input)
        {
            *mark = true;
        }
    }
    let node = |place: usize| match place.checked_sub(splits) {
        Some(leaf) => Ok(Step::Leaf(values[leaf], covers.get(leaf).copied())),
        None => arrays.split(place),
    };
    Ok(trees.grow(splits + leaves, 0, node)?)
}

/// LightGBM reads every number within [`ZERO_MAX`] of 0 as 0 before a tree sees it. A threshold among those numbers moves to
/// the edge where the same inputs lie below it.
fn past_zeros(threshold: f64) -> f64 {
    if threshold.abs() > ZERO_MAX || threshold.is_nan() {
        threshold
    } else if threshold < 0.0 {
        (-ZERO_MAX).next_down()
    } else {
        ZERO_MAX
    }
}

/// Bit of `decision_type`: the split is over categories.
const CATEGORICAL: u8 = 1;
/// Bit of `decision_type`: missing values go left.
const DEFAULT_LEFT: u8 = 2;

struct Arrays {
    inputs: Vec<usize>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i32>,
    right: Vec<i32>,
    /// Where each set of categories begins and ends in `words`.
    boundaries: Vec<usize>,
    words: Vec<u32>,
}

impl Arrays {
    fn read(tree: &Block<'_>, splits: usize) -> Result<Arrays, String> {
        let sets: usize = tree.number("num_cat")?;
        if sets > splits {
            return Err(format!("{sets} sets of categories for {splits} splits"));
        }
        let boundaries: Vec<usize> = match sets {
            0 => Vec::new(),
            _ => tree.numbers("cat_boundaries", sets.saturating_add(1))?,
        };
        let words = match boundaries.last() {
            Some(&words) => tree.numbers("cat_threshold", words)?,
            None => Vec::new(),
        };
        let arrays = Arrays {
            inputs: tree.numbers("split_feature", splits)?,
            thresholds: tree.numbers("threshold", splits)?,
            decisions: tree.numbers("decision_type", splits)?,
            left: tree.numbers("left_child", splits)?,
            right: tree.numbers("right_child", splits)?,
            boundaries,
            words,
        };
        // A set serves one split. Many that read one long set would take their product of steps.
        let sets =
            arrays.decisions.iter().zip(&arrays.thresholds).filter(|(kind, _)| **kind & CATEGORICAL != 0);
        let named = sets.filter_map(|(_, &number)| Some(arrays.set(number)?.len()));
        if named.sum::<usize>() > arrays.words.len() {
            return Err("several splits name one set of categories".to_owned());
        }
        Ok(arrays)
    }

    /// The words of the set of that number.
    fn set(&self, number: f64) -> Option<&[u32]> {
        let bounds = self.boundaries.get(number as usize..).and_then(|rest| rest.first_chunk::<2>());
        bounds.and_then(|&[from, to]| self.words.get(from..to))
    }

    fn split(&self, place: usize) -> Result<Step, String> {
        let (decision, threshold) = (self.decisions[place], self.thresholds[place]);
        let side = if decision & DEFAULT_LEFT != 0 { Side::Left } else { Side::Right };
        let (test, missing) = if decision & CATEGORICAL != 0 {
            // A missing category is in no set.
            (Test::OneOf(self.categories(threshold)?), Missing::Nan(Side::Right))
        } else {
            let missing = match decision >> 2 & 3 {
                0 => Missing::Never,
                1 => Missing::NanOrZero(side),
                2 => Missing::Nan(side),
                _ => return Err(format!("its decision_type is {decision}")),
            };
            (Test::AtMost(past_zeros(threshold)), missing)
        };
        // A child below 0 is the complement of a leaf's number.
        let child = |number: i32| match usize::try_from(number) {
            Ok(split) => split,
            Err(_) => self.inputs.len() + !number as usize,
        };
        let (left, right) = (child(self.left[place]), child(self.right[place]));
        Ok(Step::Split { input: self.inputs[place], test, missing, left, right })
    }

    /// The set of that number, which stands where other splits have their threshold.
    fn categories(&self, number: f64) -> Result<Categories, String> {
        let words = self.set(number).ok_or_else(|| format!("there is no set of categories {number}"))?;
        if words.len() > limits::CATEGORIES_MAX / 32 {
            return Err("its categories reach past the largest allowed".to_owned());
        }
        let double = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32;
        Categories::from_words(words.chunks(2).map(double).collect())
            .ok_or_else(|| "its categories reach past the largest allowed".to_owned())
    }
}
