//! Training: from rows in time order to a forest in the engine's own form.
//!
//! Every kind ends as the same flat trees, so that what serves is one thing; how far a library's own prediction is kept is
//! said, and tested, in the file of the kind.

mod boosted;
mod forest;
mod isolation;
mod readout;
mod size;

use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use engine::limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use isolation::mean_path;
pub use size::{Tried, choose};

use crate::dataset::Dataset;
use crate::manifest::Kind;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What to train.
    pub kind: Kind,
    /// Number of trees.
    pub trees: usize,
    /// Most splits from the root to a leaf.
    pub depth: usize,
    /// Fewest training rows in a leaf; for boosted trees, least sum of second derivatives, as a whole number.
    pub leaf_rows_min: usize,
    /// Inputs tried at each split of a forest; by default the square root of their number.
    pub inputs_tried: Option<usize>,
    /// Share of honest rows that is trained on, above 0 and at most 1; frauds are all kept.
    pub honest_share: f64,
    /// Trees that one call of the library trains; calls run on all cores, each with a seed of its own. Random forests only.
    pub group: usize,
    /// Share of a boosted tree's step that is taken.
    pub learning_rate: f64,
    /// Share of rows and of inputs that each boosted tree sees.
    pub sampled: f64,
    /// Rows that each tree of an isolation forest sees.
    pub isolated_rows: usize,
    /// Seed of sampling, bootstrap and choice of inputs.
    pub seed: u64,
}

impl Settings {
    /// The defaults of that kind.
    pub fn of(kind: Kind) -> Settings {
        let (trees, depth, leaf_rows_min) = match kind {
            Kind::Forest | Kind::ExtraTrees => (100, 12, 5),
            Kind::Boosted => (400, 6, 1),
            Kind::Isolation => (100, 8, 1),
        };
        Settings {
            kind,
            trees,
            depth,
            leaf_rows_min,
            inputs_tried: None,
            honest_share: 1.0,
            group: 10,
            learning_rate: 0.05,
            sampled: 0.8,
            isolated_rows: 256,
            seed: 1,
        }
    }
}

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainError {
    /// A setting outside its range.
    Setting(&'static str),
    /// There is nothing to learn: no fraud, no honest row, or no input.
    NothingToLearn {
        /// Rows that are fraud.
        frauds: usize,
        /// Rows that are honest.
        honest: usize,
    },
    /// The library refused the data or gave trees of an unknown form.
    Library(String),
}

impl std::fmt::Display for TrainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TrainError::Setting(what) => f.write_str(what),
            TrainError::NothingToLearn { frauds, honest } => {
                write!(f, "nothing to learn from {frauds} fraudulent and {honest} honest rows")
            }
            TrainError::Library(message) => write!(f, "training failed: {message}"),
        }
    }
}

impl std::error::Error for TrainError {}

/// A forest, and how many rows it has seen.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The forest, without a version; its scores are at the rate of fraud of the whole data.
    pub forest: ForestSpec,
    /// Rows trained on, after sampling.
    pub rows: usize,
    /// Frauds among them.
    pub frauds: usize,
}

/// Trains a forest. The same data, settings and build give the same forest, on any number of cores. `done` is told the
/// number of trees as they grow, where the library lets it be known.
///
/// Where honest rows were sampled, each leaf's share p becomes βp / (βp + 1 − p), β being the share kept: what the leaf
/// would hold had it seen every honest row (Dal Pozzolo et al. 2015, "Calibrating probability with undersampling"). The
/// same in log odds, where boosted trees sum, is ln β in the base.
///
/// # Errors
/// [`TrainError`]
pub fn train(
    data: &Dataset,
    settings: &Settings,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Trained, TrainError> {
    check(data, settings)?;
    let sampled = sample(data, settings);
    let mut forest = ForestSpec {
        version: String::new(),
        inputs: data.inputs().to_vec(),
        trees: Vec::new(),
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    };
    match settings.kind {
        Kind::Forest | Kind::ExtraTrees => {
            forest.trees = forest::trees(&sampled, settings, done)?;
            if settings.honest_share < 1.0 {
                correct_prior(&mut forest.trees, settings.honest_share);
            }
        }
        Kind::Boosted => {
            (forest.base, forest.trees) = boosted::trees(&sampled, settings)?;
            forest.base += settings.honest_share.ln();
            (forest.mean, forest.transform) = (false, Transform::Logistic { slope: 1.0 });
        }
        Kind::Isolation => {
            let path;
            (path, forest.trees) = isolation::trees(&sampled, settings, done);
            forest.transform = Transform::Isolation { path };
        }
    }
    Ok(Trained { forest, rows: sampled.len(), frauds: sampled.frauds() })
}

// The bounds that the refusals name.
const _: () =
    assert!(limits::TREES_MAX == 4096 && limits::DEPTH_MAX == 128 && limits::FOREST_INPUTS_MAX == 256);

fn check(data: &Dataset, settings: &Settings) -> Result<(), TrainError> {
    let refuse = |what| Err(TrainError::Setting(what));
    if settings.trees == 0 || settings.trees > limits::TREES_MAX {
        return refuse("a forest has 1 to 4096 trees");
    }
    if settings.depth == 0 || settings.depth > limits::DEPTH_MAX {
        return refuse("a tree is 1 to 128 splits deep");
    }
    if data.inputs().len() > limits::FOREST_INPUTS_MAX {
        return refuse("a forest has at most 256 inputs");
    }
    if !(settings.honest_share > 0.0 && settings.honest_share <= 1.0) {
        return refuse("the share of honest rows is above 0 and at most 1");
    }
    if settings.kind == Kind::Isolation && settings.honest_share < 1.0 {
        return refuse("an isolation forest sees no labels: a share of honest rows cannot be drawn for it");
    }
    if !(settings.learning_rate > 0.0 && settings.learning_rate <= 1.0) {
        return refuse("the learning rate is above 0 and at most 1");
    }
    if !(settings.sampled > 0.0 && settings.sampled <= 1.0) {
        return refuse("the share of rows and inputs of a tree is above 0 and at most 1");
    }
    if settings.group == 0 {
        return refuse("a group has at least one tree");
    }
    if settings.isolated_rows < 2 {
        return refuse("a tree that isolates rows needs at least two");
    }
    let (frauds, honest) = (data.frauds(), data.len() - data.frauds());
    let one_class = settings.kind != Kind::Isolation && (frauds == 0 || honest == 0);
    if one_class || data.len() < 2 || data.inputs().is_empty() {
        return Err(TrainError::NothingToLearn { frauds, honest });
    }
    Ok(())
}

/// All frauds, and each honest row with probability `honest_share`.
fn sample(data: &Dataset, settings: &Settings) -> Dataset {
    let mut random = StdRng::seed_from_u64(settings.seed);
    let drawn: Vec<bool> = (0..data.len()).map(|_| random.random::<f64>() < settings.honest_share).collect();
    data.filter(|row| data.is_fraud(row) || drawn[row])
}

/// Takes leaves from the rate of fraud in the sample to the rate in all rows.
fn correct_prior(trees: &mut [Tree], honest_share: f64) {
    for node in trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        if let Node::Leaf(p) = node {
            *p = honest_share * *p / (honest_share * *p + 1.0 - *p);
        }
    }
}

/// The rows column by column, as libraries walk them.
fn columns(data: &Dataset, value: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(data.len() * data.inputs().len());
    for input in 0..data.inputs().len() {
        values.extend((0..data.len()).map(|row| value(data.row(row)[input])));
    }
    values
}

/// 1 for fraud, 0 for honest rows.
fn labels(data: &Dataset) -> Vec<f64> {
    (0..data.len()).map(|row| f64::from(u8::from(data.is_fraud(row)))).collect()
}

#[cfg(test)]
mod tests;
