//! Random forests and extremely randomised trees, by smartcore.
//!
//! Its classifiers vote by class and give no shares, so its regressors are trained on 0 and 1: the mean of a leaf is then
//! its share of fraud, and variance is, for two classes, the Gini criterion up to a factor. The library trains on one core
//! and says nothing until it is done, so trees come in groups, a call each, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::forest::Tree;
use smartcore::ensemble::extra_trees_regressor::{ExtraTreesRegressor, ExtraTreesRegressorParameters};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::{Settings, TrainError, columns, labels, readout};
use crate::dataset::Dataset;
use crate::manifest::Kind;

pub(super) type LibraryForest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;
pub(super) type LibraryExtraTrees = ExtraTreesRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// The trees. The library seeds tree n of a call with the call's seed + n, so a group begins at the seed of its first tree.
pub fn trees(
    data: &Dataset,
    settings: &Settings,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Tree>, TrainError> {
    let (rows, labels) = (matrix(data)?, labels(data));
    let starts: Vec<usize> = (0..settings.trees).step_by(settings.group).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(starts.len());
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let groups = Mutex::new(vec![Ok(Vec::new()); starts.len()]);
    let work = || {
        while let Some((group, start)) = {
            let group = next.fetch_add(1, Ordering::Relaxed);
            starts.get(group).map(|start| (group, *start))
        } {
            let count = settings.group.min(settings.trees - start);
            let trained = fit(&rows, &labels, settings, start, count);
            groups.lock().expect("no holder of the lock panics")[group] = trained;
            done(finished.fetch_add(count, Ordering::Relaxed) + count);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let groups: Result<Vec<Vec<Tree>>, TrainError> =
        groups.into_inner().expect("no holder of the lock panics").into_iter().collect();
    Ok(groups?.concat())
}

fn fit(
    rows: &DenseMatrix<f64>,
    labels: &Vec<f64>,
    settings: &Settings,
    start: usize,
    trees: usize,
) -> Result<Vec<Tree>, TrainError> {
    let seed = settings.seed.wrapping_add(start as u64);
    let read = match settings.kind {
        Kind::ExtraTrees => readout::trees(&extra_trees(rows, labels, settings, seed, trees)?),
        _ => readout::trees(&random_forest(rows, labels, settings, seed, trees)?),
    };
    read.map_err(|error| TrainError::Library(error.to_string()))
}

pub(super) fn random_forest(
    rows: &DenseMatrix<f64>,
    labels: &Vec<f64>,
    settings: &Settings,
    seed: u64,
    trees: usize,
) -> Result<LibraryForest, TrainError> {
    let parameters = RandomForestRegressorParameters {
        // The library counts levels of nodes, the root's included.
        max_depth: Some(settings.depth as u16 + 1),
        min_samples_leaf: settings.leaf_rows_min.max(1),
        min_samples_split: 2 * settings.leaf_rows_min.max(1),
        n_trees: trees,
        m: Some(tried(rows, settings)),
        keep_samples: false,
        seed,
    };
    RandomForestRegressor::fit(rows, labels, parameters).map_err(|error| library(&error))
}

pub(super) fn extra_trees(
    rows: &DenseMatrix<f64>,
    labels: &Vec<f64>,
    settings: &Settings,
    seed: u64,
    trees: usize,
) -> Result<LibraryExtraTrees, TrainError> {
    let parameters = ExtraTreesRegressorParameters {
        max_depth: Some(settings.depth as u16 + 1),
        min_samples_leaf: settings.leaf_rows_min.max(1),
        min_samples_split: 2 * settings.leaf_rows_min.max(1),
        n_trees: trees,
        m: Some(tried(rows, settings)),
        keep_samples: false,
        seed,
    };
    ExtraTreesRegressor::fit(rows, labels, parameters).map_err(|error| library(&error))
}

fn tried(rows: &DenseMatrix<f64>, settings: &Settings) -> usize {
    use smartcore::linalg::basic::arrays::Array as _;
    let (_, width) = rows.shape();
    settings.inputs_tried.unwrap_or(width.isqrt()).clamp(1, width)
}

/// The rows as the library takes them.
///
/// A missing value (NaN) becomes the largest float: it goes right at every split, as NaN does in the engine.
pub(super) fn matrix(data: &Dataset) -> Result<DenseMatrix<f64>, TrainError> {
    let finite = |value: f64| if value.is_nan() { f64::MAX } else { value.clamp(f64::MIN, f64::MAX) };
    DenseMatrix::new(data.len(), data.inputs().len(), columns(data, finite), true)
        .map_err(|error| library(&error))
}

fn library(error: &smartcore::error::Failed) -> TrainError {
    TrainError::Library(error.to_string())
}
