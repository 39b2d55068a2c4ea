//! Gradient boosting of the log loss, by forust: histograms of up to 1,024 bins, missing values sent where they lose least.
//!
//! smartcore's own booster minimises squares only and sorts every input anew in every node; `docs/models.md` has the
//! measurement. forust sums `f32` leaves in `f64`, from its base, tree after tree, as the engine does: the bits are its own.

use engine::forest::{Missing, Node, Side, Split, Test, Tree};
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};

use super::{Settings, TrainError, columns, labels};
use crate::dataset::Dataset;

/// Bins of an input. Amounts and ages are told apart more finely than by the usual 256: `docs/models.md` has the measurement.
const BINS: u16 = 1_024;

/// The base, in log odds, and the trees.
pub fn trees(data: &Dataset, settings: &Settings) -> Result<(f64, Vec<Tree>), TrainError> {
    // The library refuses an input that is the same in every row.
    let constant = data.constant_inputs();
    let narrow = data.without(&constant);
    if narrow.inputs().is_empty() {
        return Err(TrainError::NothingToLearn { frauds: data.frauds(), honest: data.len() - data.frauds() });
    }
    let places: Vec<u16> = (0..data.inputs().len())
        .filter(|place| !constant.contains(&data.inputs()[*place]))
        .map(|place| place as u16)
        .collect();
    let booster = fit(&narrow, settings)?;
    Ok((booster.base_score, read(&booster, &places)?))
}

pub(super) fn fit(data: &Dataset, settings: &Settings) -> Result<GradientBooster, TrainError> {
    let values = columns(data, |value| value);
    let mut booster = GradientBooster::default()
        .set_iterations(settings.trees)
        .set_learning_rate(settings.learning_rate as f32)
        .set_max_depth(settings.depth)
        .set_max_leaves(usize::MAX)
        .set_nbins(BINS)
        .set_min_leaf_weight(settings.leaf_rows_min as f32)
        .set_seed(settings.seed);
    if settings.sampled < 1.0 {
        booster = booster
            .set_sample_method(SampleMethod::Random)
            .set_subsample(settings.sampled as f32)
            .set_colsample_bytree(settings.sampled.max(1.0 / data.inputs().len() as f64));
    }
    let rows = Matrix::new(&values, data.len(), data.inputs().len());
    let fitted = booster.fit_unweighted(&rows, &labels(data), None);
    fitted.map_err(|error| TrainError::Library(error.to_string()))?;
    Ok(booster)
}

/// The library's trees: left where the value is below the threshold, which is at most the next smaller number.
fn read(booster: &GradientBooster, places: &[u16]) -> Result<Vec<Tree>, TrainError> {
    let strange = || TrainError::Library("a split that leads three ways, or of no input".to_owned());
    let mut trees = Vec::with_capacity(booster.trees.len());
    for tree in &booster.trees {
        let mut nodes = Vec::with_capacity(tree.nodes.len());
        for node in &tree.nodes {
            if node.is_leaf {
                nodes.push(Node::Leaf(f64::from(node.weight_value)));
                continue;
            }
            let side = match node.missing_node {
                missing if missing == node.left_child => Side::Left,
                missing if missing == node.right_child => Side::Right,
                _ => return Err(strange()),
            };
            nodes.push(Node::Split(Split {
                input: *places.get(node.split_feature).ok_or_else(strange)?,
                test: Test::AtMost(node.split_value.next_down()),
                missing: Missing::Nan(side),
                left: node.left_child as u32,
                right: node.right_child as u32,
            }));
        }
        trees.push(Tree { nodes });
    }
    Ok(trees)
}
