//! Files made to fill the memory or to take for ever, and models that would answer with what is no number: each is refused
//! with its reason, within a counted bound of memory. Time is bounded by the sizes that are refused.

use super::fixtures::{LIGHTGBM, XGBOOST, floats, integers, node, onnx, refused, regressor};
use super::proto::{self, Attribute, Node, Tensor};
use super::size::{INTEGERS_MAX, MESSAGES_MAX, TEXTS_MAX};
use super::*;

/// Most memory in use at once while a file is refused that a check of its size should have stopped.
const BYTES_MAX: u64 = 1 << 20;

/// Refused without memory.
fn refused_at_once(bytes: &[u8], expected: &str) {
    let taken = allocation_counter::measure(|| refused(bytes, expected));
    assert!(taken.bytes_max <= BYTES_MAX, "{expected}: {taken:?}");
}

/// A field of a protobuf message that holds those bytes.
fn field(number: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = inside.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(inside);
    bytes
}

#[test]
fn onnx_that_would_decode_to_many_times_its_length_is_refused_before_it_is_decoded() {
    let (graph, nodes, constants, attributes) = (7, 1, 5, 5);
    let many = |number: u8, count: usize| [number << 3 | 2, 0].repeat(count);
    let empty_nodes = field(graph, &many(nodes, MESSAGES_MAX));
    refused_at_once(&empty_nodes, "more than 1048576 messages");
    let empty_attributes = field(graph, &field(nodes, &many(attributes, MESSAGES_MAX)));
    refused_at_once(&empty_attributes, "more than 1048576 messages");
    let empty_names = field(graph, &field(nodes, &many(1, TEXTS_MAX + 1)));
    refused_at_once(&empty_names, "more than 8194304 texts");
    let integers = field(graph, &field(constants, &field(7, &vec![0; INTEGERS_MAX + 1])));
    refused_at_once(&integers, "more than 48000000 whole numbers");
    let settings = field(graph, &field(nodes, &many(attributes, 65)));
    refused_at_once(&settings, "more than 64 settings");
    refused_at_once(&field(graph, &[0x0b, 0x0c]), "a field of kind 3");
    refused_at_once(&field(graph, &[0xff; 11]), "more than 64 bits");
}

#[test]
fn lightgbm_text_of_keys_of_its_own_takes_no_memory() {
    let mut text = b"tree\nversion=v4\n".to_vec();
    for number in 0..500_000_u32 {
        text.extend(number.to_le_bytes()[..3].iter().map(|byte| byte >> 1 | 0x40));
        text.push(b'\n');
    }
    refused_at_once(&text, "there is no `num_class`");
}

#[test]
fn lists_longer_than_any_forest_needs_are_refused_before_they_are_kept() {
    let words = "0 ".repeat(500_000);
    let names = LIGHTGBM.replace("feature_names=amount kind", &format!("feature_names={words}"));
    refused_at_once(names.as_bytes(), "500000 feature_names for 2 inputs");
    let leaves = LIGHTGBM.replace("leaf_value=0.25 0.5 1", &format!("leaf_value={words}"));
    refused_at_once(leaves.as_bytes(), "leaf_value has 500000 numbers, not 3");
    let sets = LIGHTGBM
        .replace("num_cat=1", "num_cat=499999")
        .replace("cat_boundaries=0 2", &format!("cat_boundaries={words}"));
    refused_at_once(sets.as_bytes(), "499999 sets of categories for 2 splits");
    let mut names = b"{U\x07learner{U\x0dfeature_names[$S#l".to_vec();
    names.extend(500_000_i32.to_be_bytes());
    names.extend(b"U\0".repeat(500_000));
    refused_at_once(&names, "names of more than 256 inputs");
}

#[test]
fn sets_of_categories_that_several_splits_share_are_refused() {
    // Each split would look through all of them: with a file of ten megabytes, for minutes.
    let lightgbm = LIGHTGBM
        .replace("decision_type=6 1", "decision_type=1 1")
        .replace("threshold=-1.5 0", "threshold=0 0");
    refused(lightgbm.as_bytes(), "several splits name one set");
    let words = "0 ".repeat(2049);
    let long = LIGHTGBM
        .replace("cat_boundaries=0 2", "cat_boundaries=0 2049")
        .replace("cat_threshold=2 2", &format!("cat_threshold={words}"));
    refused(long.as_bytes(), "past the largest allowed");
    for (sizes, segments) in [("[2,2]", "[0,0]"), ("[1,2]", "[0,0]"), ("[2,18446744073709551615]", "[0,0]")] {
        let shared = XGBOOST
            .replace(r#""categories_nodes":[2]"#, r#""categories_nodes":[0,2]"#)
            .replace(r#""categories_segments":[0]"#, &format!(r#""categories_segments":{segments}"#))
            .replace(r#""categories_sizes":[2]"#, &format!(r#""categories_sizes":{sizes}"#));
        refused(shared.as_bytes(), "more categories than there are");
    }
}

/// An ensemble of that many trees of one leaf.
fn leaves(count: usize) -> Node {
    let numbers: Vec<i64> = (0..count as i64).collect();
    let zeros = vec![0; count];
    let mut attributes: Vec<Attribute> =
        ["nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "target_nodeids"]
            .map(|name| integers(name, &zeros))
            .to_vec();
    attributes.extend(["nodes_treeids", "target_treeids"].map(|name| integers(name, &numbers)));
    attributes.extend(["nodes_values", "target_weights"].map(|name| floats(name, &vec![0.5; count])));
    let texts = vec![b"LEAF".to_vec(); count];
    attributes.push(Attribute { name: "nodes_modes".to_owned(), texts, ..Attribute::default() });
    node("TreeEnsembleRegressor", "x", "score", attributes)
}

#[test]
fn twice_the_trees_are_refused_in_onnx_and_xgboost() {
    let most = engine::limits::TREES_MAX;
    assert_eq!(read(&onnx(vec![leaves(most)], proto::FLOAT)).unwrap().forest.trees.len(), most);
    refused(&onnx(vec![leaves(2 * most)], proto::FLOAT), "more than 4096 trees");
    let (head, rest) = XGBOOST.split_once(r#""trees":["#).unwrap();
    let (tree, tail) = rest.split_at(rest.rfind("]}}}}").unwrap());
    let trees = vec![tree; 2 * most].join(",");
    refused(format!(r#"{head}"trees":[{trees}{tail}"#).as_bytes(), "more than 4096 trees");
}

#[test]
fn a_leaf_that_is_no_number_is_refused_in_onnx_and_ubjson() {
    for (leaf, expected) in [(f32::NAN, "its value is NaN"), (f32::INFINITY, "its value is inf")] {
        let mut trees = regressor("BRANCH_LEQ", 0);
        trees.attributes.retain(|attribute| attribute.name != "target_weights");
        trees.attributes.push(floats("target_weights", &[0.25, leaf]));
        refused(&onnx(vec![trees], proto::FLOAT), expected);

        let mut ubj = include_bytes!("samples/xgboost_ubj/xgboost-3.2.0.ubj").to_vec();
        // The last node of a tree is a leaf, and its value stands at the end of a list with its length in eight bytes.
        let key: &[u8] = b"split_conditions[$d#L";
        let list = ubj.windows(key.len()).position(|window| window == key).unwrap() + key.len();
        let count = i64::from_be_bytes(ubj[list..list + 8].try_into().unwrap()) as usize;
        ubj[list + 4 + 4 * count..list + 8 + 4 * count].copy_from_slice(&leaf.to_be_bytes());
        refused(&ubj, expected);
    }
}

#[test]
fn doubles_that_a_sum_in_float_cannot_hold_are_refused() {
    let mut trees = regressor("BRANCH_LEQ", 0);
    trees.attributes.retain(|attribute| attribute.name != "target_weights");
    let raw = [0.25, 1e300_f64].map(f64::to_le_bytes).concat();
    let tensor = Some(Tensor { kind: proto::DOUBLE, raw, ..Tensor::default() });
    let name = "target_weights_as_tensor".to_owned();
    trees.attributes.push(Attribute { name, tensor, ..Attribute::default() });
    refused(&onnx(vec![trees.clone()], proto::FLOAT), "tree 0, node 2: the leaf is past the largest number");
    assert!(read(&onnx(vec![trees], proto::DOUBLE)).is_ok(), "where sums are doubles it is a number");
}

#[test]
fn a_file_of_ten_gigabytes_is_refused_by_its_length() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(10 << 30).unwrap();
    let taken = allocation_counter::measure(|| {
        let error = read_file(file.path()).unwrap_err().to_string();
        assert!(error.contains("is longer than 268435456 bytes"), "{error}");
    });
    assert!(taken.bytes_max <= BYTES_MAX, "{taken:?}");
}
