//! Small models of each format, told by hand, for the tests of this folder.

use engine::forest::{Forest, ForestSpec, Transform};
use prost::Message as _;

use super::proto::{Attribute, Extent, Graph, Kind, Model, Node, Shape, TensorKind, Value};
use super::read;

/// Raw sums of rows of two inputs, by the form that serves.
pub fn raw(forest: &ForestSpec, rows: &[[f64; 2]]) -> Vec<f64> {
    let forest = ForestSpec { mean: false, transform: Transform::Identity, ..forest.clone() };
    let flat = Forest::new(&forest).unwrap();
    rows.iter().map(|row| flat.score(row)).collect()
}

pub fn refused(bytes: &[u8], expected: &str) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains(expected), "found `{error}`, expected `{expected}`");
}

/// Two inputs; a split over numbers with zeros missing to the left, then one over the categories 1 and 33.
pub const LIGHTGBM: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
objective=binary sigmoid:2\nfeature_names=amount kind\n\n\
Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nthreshold=-1.5 0\ndecision_type=6 1\n\
left_child=-1 -2\nright_child=1 -3\nleaf_value=0.25 0.5 1\ncat_boundaries=0 2\ncat_threshold=2 2\nis_linear=0\n\n\
Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=-8\n\nend of trees\n";

/// Two inputs; a split over numbers, then one over the categories 2 and 3, which go right.
pub const XGBOOST: &str = r#"{"version":[3,2,0],"learner":{"feature_names":["amount","kind"],"feature_types":["q","c"],
"learner_model_param":{"base_score":"[5E-1]","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"trees":[{
"tree_param":{"size_leaf_vector":"1"},"left_children":[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1],
"split_indices":[0,0,1,0,0],"split_conditions":[1.5,0.25,NaN,0.5,1],"default_left":[1,0,1,0,0],
"split_type":[0,0,1,0,0],"categories":[2,3],"categories_nodes":[2],"categories_segments":[0],"categories_sizes":[2]}]}}}}"#;

pub fn text(name: &str, text: &str) -> Attribute {
    Attribute { name: name.to_owned(), text: text.into(), ..Attribute::default() }
}

pub fn integers(name: &str, integers: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), integers: integers.to_vec(), ..Attribute::default() }
}

pub fn floats(name: &str, floats: &[f32]) -> Attribute {
    Attribute { name: name.to_owned(), floats: floats.to_vec(), ..Attribute::default() }
}

pub fn node(operation: &str, input: &str, output: &str, attributes: Vec<Attribute>) -> Node {
    let (inputs, outputs) = (vec![input.to_owned()], vec![output.to_owned()]);
    Node { inputs, outputs, operation: operation.to_owned(), attributes }
}

/// One split of input 0 with that mode at 1.5, to leaves of 0.25 and 1.
pub fn regressor(mode: &str, tracks: i64) -> Node {
    let texts = [mode, "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec()).to_vec();
    let attributes = vec![
        integers("nodes_treeids", &[0, 0, 0]),
        integers("nodes_nodeids", &[0, 1, 2]),
        integers("nodes_featureids", &[0, 0, 0]),
        integers("nodes_truenodeids", &[1, 0, 0]),
        integers("nodes_falsenodeids", &[2, 0, 0]),
        integers("nodes_missing_value_tracks_true", &[tracks, 0, 0]),
        floats("nodes_values", &[1.5, 0.0, 0.0]),
        Attribute { name: "nodes_modes".to_owned(), texts, ..Attribute::default() },
        integers("target_treeids", &[0, 0]),
        integers("target_nodeids", &[1, 2]),
        floats("target_weights", &[0.25, 1.0]),
    ];
    node("TreeEnsembleRegressor", "x", "score", attributes)
}

/// The regressor as a classifier of two classes, its weights those of the class of that number.
pub fn classifier(class: i64, weights: [f32; 2], post: &str) -> Node {
    let mut node = regressor("BRANCH_LEQ", 0);
    node.operation = "TreeEnsembleClassifier".to_owned();
    for attribute in &mut node.attributes {
        attribute.name = attribute.name.replace("target", "class");
    }
    node.attributes.retain(|attribute| attribute.name != "class_weights");
    node.attributes.extend([
        floats("class_weights", &weights),
        integers("class_ids", &[class; 2]),
        integers("classlabels_int64s", &[0, 1]),
        text("post_transform", post),
    ]);
    node
}

/// A model of those nodes over an input `x` of two numbers of that type.
pub fn onnx(nodes: Vec<Node>, numbers: i32) -> Vec<u8> {
    let extents = vec![Extent { number: 0 }, Extent { number: 2 }];
    let kind = Kind { tensor: Some(TensorKind { numbers, shape: Some(Shape { extents }) }) };
    let inputs = vec![Value { name: "x".to_owned(), kind: Some(kind) }];
    let graph = Graph { nodes, constants: vec![], inputs, outputs: vec![] };
    Model { producer: "test".to_owned(), producer_version: "1".to_owned(), graph: Some(graph) }
        .encode_to_vec()
}
