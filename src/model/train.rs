//! Training of a random forest whose leaves hold probabilities.
//!
//! smartcore's classifier votes by class and gives no shares, so its regressor is trained on 0 and 1: the mean of a leaf
//! is then its share of fraud, and variance is, for two classes, the Gini criterion up to a factor.

use engine::forest::{Node, Tree};
use engine::limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::dataset::Dataset;
use crate::readout;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Number of trees.
    pub trees: usize,
    /// Most splits from the root to a leaf.
    pub depth: usize,
    /// Fewest training rows in a leaf.
    pub leaf_rows_min: usize,
    /// Inputs tried at each split; by default the square root of their number.
    pub inputs_tried: Option<usize>,
    /// Share of honest rows that is trained on, above 0 and at most 1; frauds are all kept.
    pub honest_share: f64,
    /// Seed of sampling, bootstrap and choice of inputs.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { trees: 100, depth: 12, leaf_rows_min: 5, inputs_tried: None, honest_share: 1.0, seed: 1 }
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
    /// The trees; their leaves hold probabilities at the rate of fraud of the whole data.
    pub trees: Vec<Tree>,
    /// Rows trained on, after sampling.
    pub rows: usize,
    /// Frauds among them.
    pub frauds: usize,
}

/// The library's forest, for comparison in tests.
pub(crate) type LibraryForest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// Trains a forest. The same data, settings and build give the same forest.
///
/// Where honest rows were sampled, each leaf's share p becomes βp / (βp + 1 − p), β being the share kept: what the leaf
/// would hold had it seen every honest row (Dal Pozzolo et al. 2015, "Calibrating probability with undersampling").
///
/// # Errors
/// [`TrainError`]
pub fn train(data: &Dataset, settings: &Settings) -> Result<Trained, TrainError> {
    let sampled = sample(data, settings)?;
    let forest = fit(&sampled, settings)?;
    let mut trees = readout::trees(&forest).map_err(|error| TrainError::Library(error.to_string()))?;
    correct_prior(&mut trees, settings.honest_share);
    Ok(Trained { trees, rows: sampled.len(), frauds: sampled.frauds() })
}

/// All frauds, and each honest row with probability `honest_share`.
fn sample(data: &Dataset, settings: &Settings) -> Result<Dataset, TrainError> {
    if !(settings.honest_share > 0.0 && settings.honest_share <= 1.0) {
        return Err(TrainError::Setting("the share of honest rows is above 0 and at most 1"));
    }
    let mut random = StdRng::seed_from_u64(settings.seed);
    let drawn: Vec<bool> = (0..data.len()).map(|_| random.random::<f64>() < settings.honest_share).collect();
    Ok(data.filter(|row| data.is_fraud(row) || drawn[row]))
}

pub(crate) fn fit(data: &Dataset, settings: &Settings) -> Result<LibraryForest, TrainError> {
    let width = data.inputs().len();
    if settings.trees == 0 || settings.trees > limits::TREES_MAX {
        return Err(TrainError::Setting("a forest has 1 to 4096 trees"));
    }
    if settings.depth == 0 || settings.depth > limits::DEPTH_MAX {
        return Err(TrainError::Setting("a tree is 1 to 64 splits deep"));
    }
    if width > limits::FOREST_INPUTS_MAX {
        return Err(TrainError::Setting("a forest has at most 256 inputs"));
    }
    let (frauds, honest) = (data.frauds(), data.len() - data.frauds());
    if frauds == 0 || honest == 0 || width == 0 {
        return Err(TrainError::NothingToLearn { frauds, honest });
    }
    let parameters = RandomForestRegressorParameters {
        // The library counts levels of nodes, the root's included.
        max_depth: Some(settings.depth as u16 + 1),
        min_samples_leaf: settings.leaf_rows_min.max(1),
        min_samples_split: 2 * settings.leaf_rows_min.max(1),
        n_trees: settings.trees,
        m: Some(settings.inputs_tried.unwrap_or(width.isqrt()).clamp(1, width)),
        keep_samples: false,
        seed: settings.seed,
    };
    let labels: Vec<f64> = (0..data.len()).map(|row| f64::from(u8::from(data.is_fraud(row)))).collect();
    let library = |error: smartcore::error::Failed| TrainError::Library(error.to_string());
    RandomForestRegressor::fit(&matrix(data).map_err(library)?, &labels, parameters).map_err(library)
}

/// The rows as the library takes them, by columns because it walks columns.
///
/// A missing value (NaN) becomes the largest float: it goes right at every split, as NaN does in the engine.
pub(crate) fn matrix(data: &Dataset) -> Result<DenseMatrix<f64>, smartcore::error::Failed> {
    let (rows, width) = (data.len(), data.inputs().len());
    let mut values = Vec::with_capacity(rows * width);
    for input in 0..width {
        values.extend((0..rows).map(|row| {
            let value = data.row(row)[input];
            if value.is_nan() { f64::MAX } else { value.clamp(f64::MIN, f64::MAX) }
        }));
    }
    DenseMatrix::new(rows, width, values, true)
}

/// Takes leaves from the rate of fraud in the sample to the rate in all rows.
fn correct_prior(trees: &mut [Tree], honest_share: f64) {
    for node in trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        if let Node::Leaf(p) = node {
            *p = honest_share * *p / (honest_share * *p + 1.0 - *p);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::forest::{Forest, ForestSpec, Precision, Transform};

    use super::*;
    use crate::check::check_forest;
    use crate::walk;

    /// Frauds where x is high and y is low, with noise in both; some values missing.
    fn data(rows: usize, seed: u64) -> Dataset {
        let mut random = StdRng::seed_from_u64(seed);
        let mut data = Dataset::new(["x", "y", "z"].map(str::to_owned).to_vec());
        for row in 0..rows {
            let (x, z): (f64, f64) = (random.random(), random.random_range(0..5).into());
            let y = if random.random::<f64>() < 0.1 { f64::NAN } else { random.random() };
            let risk = if x > 0.7 && (y.is_nan() || y <= 0.4) { 0.6 } else { 0.02 };
            data.push(row as i64, &[x, y, z], random.random::<f64>() < risk);
        }
        data
    }

    fn spec(trees: Vec<Tree>, data: &Dataset) -> ForestSpec {
        ForestSpec {
            version: "test".to_owned(),
            inputs: data.inputs().to_vec(),
            trees,
            inputs_as: Precision::Double,
            sums_as: Precision::Double,
            base: 0.0,
            mean: true,
            transform: Transform::Identity,
        }
    }

    #[test]
    fn the_trees_walked_and_laid_flat_predict_what_the_library_predicts_bit_for_bit() {
        let (train_rows, test_rows) = (data(3_000, 1), data(3_000, 2));
        let settings = Settings { trees: 20, ..Settings::default() };
        let library = fit(&train_rows, &settings).unwrap();
        let forest = spec(readout::trees(&library).unwrap(), &train_rows);
        check_forest(&forest).unwrap();
        let flat = Forest::new(&forest).unwrap();
        for rows in [&train_rows, &test_rows] {
            let expected = library.predict(&matrix(rows).unwrap()).unwrap();
            for (row, expected) in expected.iter().enumerate() {
                assert_eq!(walk::score(&forest, rows.row(row)).to_bits(), expected.to_bits(), "row {row}");
                assert_eq!(flat.score(rows.row(row)).to_bits(), expected.to_bits(), "row {row}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_forest_and_another_seed_another() {
        let rows = data(500, 3);
        let settings = Settings { trees: 5, honest_share: 0.5, ..Settings::default() };
        let first = train(&rows, &settings).unwrap();
        assert_eq!(first.trees, train(&rows, &settings).unwrap().trees);
        let other = Settings { seed: 2, ..settings };
        assert_ne!(first.trees, train(&rows, &other).unwrap().trees);
    }

    #[test]
    fn sampling_honest_rows_keeps_the_mean_score_at_the_true_rate() {
        let rows = data(20_000, 4);
        let settings = Settings { trees: 30, honest_share: 0.2, leaf_rows_min: 50, ..Settings::default() };
        let trained = train(&rows, &settings).unwrap();
        assert_eq!(trained.frauds, rows.frauds());
        assert!(trained.rows < rows.len() / 2);
        let forest = spec(trained.trees, &rows);
        let mean =
            (0..rows.len()).map(|row| walk::score(&forest, rows.row(row))).sum::<f64>() / rows.len() as f64;
        let rate = rows.frauds() as f64 / rows.len() as f64;
        assert!((mean / rate - 1.0).abs() < 0.1, "mean {mean}, rate {rate}");
    }

    #[test]
    fn depth_is_counted_in_splits() {
        let settings = Settings { trees: 3, depth: 1, leaf_rows_min: 1, ..Settings::default() };
        let trained = train(&data(200, 5), &settings).unwrap();
        assert!(trained.trees.iter().all(|tree| tree.nodes.len() == 3), "{:?}", trained.trees);
    }

    #[test]
    fn nothing_to_learn_is_said() {
        let honest = data(100, 6).filter(|row| !data(100, 6).is_fraud(row));
        let error = train(&honest, &Settings::default()).unwrap_err();
        assert!(matches!(error, TrainError::NothingToLearn { frauds: 0, .. }), "{error}");
        let settings = Settings { honest_share: 0.0, ..Settings::default() };
        assert!(matches!(train(&data(100, 6), &settings), Err(TrainError::Setting(_))));
    }
}
