//! What the reader of ONNX makes of small graphs, and what it refuses. All layouts beside ONNX Runtime itself:
//! `bench/parity/onnx_layouts.py`.

use engine::forest::{Precision, Transform};
use prost::Message as _;

use super::super::fixtures::{classifier, floats, integers, node, onnx, raw, refused, regressor};
use super::super::proto::{self, Attribute, Model, Node, Tensor};
use super::super::read;

const NAN: f64 = f64::NAN;

#[test]
fn every_mode_of_onnx_asks_what_it_says() {
    let rows = [[1.0, 0.0], [1.5, 0.0], [2.0, 0.0], [NAN, 0.0]];
    for (mode, tracks, expected) in [
        ("BRANCH_LEQ", 0, [0.25, 0.25, 1.0, 1.0]),
        ("BRANCH_LEQ", 1, [0.25, 0.25, 1.0, 0.25]),
        ("BRANCH_LT", 0, [0.25, 1.0, 1.0, 1.0]),
        ("BRANCH_GT", 0, [1.0, 1.0, 0.25, 1.0]),
        ("BRANCH_GTE", 1, [1.0, 0.25, 0.25, 0.25]),
        ("BRANCH_EQ", 0, [1.0, 0.25, 1.0, 1.0]),
        ("BRANCH_NEQ", 0, [0.25, 1.0, 0.25, 0.25]),
    ] {
        let read = read(&onnx(vec![regressor(mode, tracks)], proto::FLOAT)).unwrap();
        assert_eq!(raw(&read.forest, &rows), expected, "{mode} {tracks}");
    }
}

#[test]
fn onnx_answers_for_the_second_class_as_the_runtime_does() {
    let logistic = Transform::Logistic { slope: 1.0 };
    let (positive, mixed) = ([0.25, 1.0], [-0.25, 1.0]);
    for (class, weights, post, transform) in [
        (0, positive, "NONE", Transform::Identity),
        (0, mixed, "NONE", Transform::Identity),
        // Weights that are all positive are no probabilities when a transform is asked for.
        (0, positive, "LOGISTIC", logistic),
        (0, mixed, "LOGISTIC", logistic),
        (0, positive, "SOFTMAX", Transform::Identity),
        (0, mixed, "SOFTMAX_ZERO", Transform::Identity),
        (1, positive, "NONE", Transform::Identity),
        (1, positive, "LOGISTIC", logistic),
        (1, mixed, "SOFTMAX", logistic),
        (1, positive, "PROBIT", Transform::Probit),
    ] {
        let forest = read(&onnx(vec![classifier(class, weights, post)], proto::FLOAT)).unwrap().forest;
        assert_eq!(forest.transform, transform, "{class} {weights:?} {post}");
        assert_eq!(raw(&forest, &[[2.0, 0.0]]), [1.0]);
    }
    for (class, post, expected) in [
        (0, "PROBIT", "leaves the second's score unset"),
        (1, "SOFTMAX_ZERO", "jumps where a sum is 0"),
        (0, "SOFTMOST", "the transform `SOFTMOST`"),
    ] {
        refused(&onnx(vec![classifier(class, positive, post)], proto::FLOAT), expected);
    }
    let mut three = classifier(0, positive, "NONE");
    for attribute in &mut three.attributes {
        if attribute.name == "classlabels_int64s" {
            attribute.integers = vec![0, 1, 2];
        }
    }
    refused(&onnx(vec![three], proto::FLOAT), "3 classes");
    for (class, bases, expected) in [
        (1, &[0.0, 0.5][..], "runtimes do not agree"),
        (1, &[0.5], "runtimes do not agree"),
        (0, &[0.0, 0.5], "two base values"),
    ] {
        let mut based = classifier(class, positive, "LOGISTIC");
        based.attributes.push(floats("base_values", bases));
        refused(&onnx(vec![based], proto::FLOAT), expected);
    }
}

#[test]
fn onnx_regressions_become_what_the_operations_after_them_make() {
    let after = |operation: &str, constant: Option<f32>| {
        let mut node = node(operation, "score", "answer", vec![]);
        node.inputs.extend(constant.map(|_| "by".to_owned()));
        let mut model = Model::decode(&*onnx(vec![regressor("BRANCH_LEQ", 0), node], proto::FLOAT)).unwrap();
        model.graph.as_mut().unwrap().constants.extend(constant.map(|number| Tensor {
            kind: proto::FLOAT,
            floats: vec![number],
            name: "by".to_owned(),
            ..Tensor::default()
        }));
        model.encode_to_vec()
    };
    for (operation, constant, transform) in [
        ("Exp", None, Transform::Exponential),
        ("Sigmoid", None, Transform::Logistic { slope: 1.0 }),
        ("Mul", Some(1.0), Transform::Identity),
        ("Squeeze", None, Transform::Identity),
    ] {
        let forest = read(&after(operation, constant)).unwrap().forest;
        assert_eq!(forest.transform, transform, "{operation}");
    }
    refused(&after("Mul", Some(2.0)), "`Mul` after the trees");
    refused(&after("Mul", None), "`Mul` after the trees");
    refused(&after("Add", Some(1.0)), "`Add` after the trees");
}

#[test]
fn onnx_tensors_of_doubles_keep_their_digits() {
    let mut node = regressor("BRANCH_LEQ", 0);
    node.attributes.retain(|attribute| attribute.name != "target_weights");
    let raw_bytes = [0.1_f64, 0.7].map(f64::to_le_bytes).concat();
    let tensor = Some(Tensor { kind: proto::DOUBLE, raw: raw_bytes, ..Tensor::default() });
    node.attributes.push(Attribute {
        name: "target_weights_as_tensor".to_owned(),
        tensor,
        ..Attribute::default()
    });
    let forest = read(&onnx(vec![node], proto::DOUBLE)).unwrap().forest;
    assert_eq!(forest.inputs_as, Precision::Double);
    assert_eq!(raw(&forest, &[[1.5, 0.0], [1.5_f64.next_up(), 0.0]]), [0.1, 0.7]);
}

#[test]
fn onnx_pipelines_pass_where_they_change_nothing() {
    let scaler =
        |by| node("Scaler", "x", "y", vec![floats("offset", &[0.0, 0.0]), floats("scale", &[by, 1.0])]);
    let mut trees = regressor("BRANCH_LEQ", 0);
    trees.inputs = vec!["y".to_owned()];
    let cast =
        node("Cast", "x", "y", vec![Attribute { name: "to".to_owned(), integer: 1, ..Attribute::default() }]);
    assert!(read(&onnx(vec![scaler(1.0), trees.clone()], proto::FLOAT)).is_ok());
    let read = read(&onnx(vec![cast, trees.clone()], proto::DOUBLE)).unwrap();
    assert_eq!(read.forest.inputs_as, Precision::Single);
    refused(&onnx(vec![scaler(2.0), trees.clone()], proto::FLOAT), "`Scaler` before the trees");
    refused(&onnx(vec![trees.clone()], proto::FLOAT), "nothing makes `y`");
    let after = node("Mul", "score", "twice", vec![]);
    refused(&onnx(vec![regressor("BRANCH_LEQ", 0), after], proto::FLOAT), "`Mul` after the trees");
    refused(
        &onnx(vec![regressor("BRANCH_LEQ", 0), regressor("BRANCH_LEQ", 0)], proto::FLOAT),
        "2 tree ensembles",
    );
    refused(&onnx(vec![node("Gemm", "x", "y", vec![])], proto::FLOAT), "its operations are Gemm");
}

/// An isolation forest of one tree, as skl2onnx spells it out; the parts that are not looked at are left out.
fn isolation() -> Vec<Node> {
    let mut trees = regressor("BRANCH_LEQ", 0);
    trees.attributes.retain(|attribute| attribute.name != "target_weights");
    trees.attributes.push(floats("target_weights", &[1.0, 2.0]));
    let table = |values: &[f32]| vec![integers("keys_int64s", &[1, 2]), floats("values_floats", values)];
    let join = |operation: &str, inputs: [&str; 2], output: &str| Node {
        inputs: inputs.map(str::to_owned).to_vec(),
        ..node(operation, "", output, vec![])
    };
    vec![
        trees,
        node("Cast", "score", "a", vec![]),
        node("Cast", "score", "b", vec![]),
        node("LabelEncoder", "a", "rows", table(&[1.0, 3.0])),
        node("LabelEncoder", "b", "depths", table(&[2.0, 2.0])),
        node("Reshape", "rows", "rows2", vec![]),
        join("Equal", ["rows2", "two"], "is_two"),
        join("Add", ["depths", "rest"], "sum"),
        join("Div", ["sum", "divisor"], "quotient"),
        node("Neg", "quotient", "negative", vec![]),
        join("Pow", ["two", "negative"], "power"),
    ]
}

#[test]
fn an_isolation_forest_answers_by_the_length_of_paths() {
    let constant = |name: &str, number: f32| Tensor {
        kind: proto::FLOAT,
        floats: vec![number],
        name: name.to_owned(),
        ..Tensor::default()
    };
    let model = |nodes: Vec<Node>| {
        let mut model = Model::decode(&*onnx(nodes, proto::FLOAT)).unwrap();
        let graph = model.graph.as_mut().unwrap();
        graph.constants = vec![constant("two", 2.0), constant("divisor", 4.0)];
        model.encode_to_vec()
    };
    let read = read(&model(isolation())).unwrap();
    assert_eq!(read.forest.transform, Transform::Isolation { path: 4.0 });
    // One split above a leaf of one row; above a leaf of three, what a search among three takes besides.
    let among_three = 2.0 * (2.0_f32.ln() + 0.577_215_7) - 4.0 / 3.0;
    let found = raw(&read.forest, &[[1.0, 0.0], [2.0, 0.0]]);
    assert_eq!(found[0], 1.0);
    assert!((found[1] - f64::from(1.0 + among_three)).abs() < 1e-6, "{found:?}");
    assert_eq!(read.forest.score(found[0]), 2.0_f64.powf(-0.25));
    // Without its table of rows it is no isolation forest, and its trees are followed by other operations.
    let mut other = isolation();
    other.remove(6);
    refused(&model(other), "after the trees");
}

#[test]
fn broken_onnx_is_refused_with_the_reason() {
    let change = |name: &str, integers: &[i64]| {
        let mut node = regressor("BRANCH_LEQ", 0);
        for attribute in node.attributes.iter_mut().filter(|attribute| attribute.name == name) {
            attribute.integers = integers.to_vec();
        }
        onnx(vec![node], proto::FLOAT)
    };
    refused(&change("nodes_truenodeids", &[0, 0, 0]), "no root leads to");
    refused(&change("nodes_truenodeids", &[2, 0, 0]), "two roots");
    refused(&change("nodes_truenodeids", &[7, 0, 0]), "leads to node 7");
    refused(&change("nodes_nodeids", &[0, 1, 1]), "two nodes 1");
    refused(&change("nodes_nodeids", &[0, 1]), "differ in length");
    refused(&change("nodes_featureids", &[2, 0, 0]), "reads input 2 of 2");
    refused(&change("nodes_featureids", &[-1, 0, 0]), "an input below 0");
    let mut circle = regressor("BRANCH_LEQ", 0);
    circle.inputs = vec!["y".to_owned()];
    let turn = [node("Identity", "z", "y", vec![]), node("Identity", "y", "z", vec![])];
    refused(&onnx([&[circle][..], &turn].concat(), proto::FLOAT), "nothing makes");
    refused(&onnx(vec![regressor("BRANCH_SIDEWAYS", 0)], proto::FLOAT), "BRANCH_SIDEWAYS");
    refused(&onnx(vec![regressor("BRANCH_LEQ", 0)], 8), "inputs of type 8");
    let whole = onnx(vec![regressor("BRANCH_LEQ", 0)], proto::FLOAT);
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    // A field that claims ten gigabytes.
    refused(b"\x3a\x80\xc8\xaf\xa0\x25", "read as ONNX");
}

/// A set of categories, whose no is a tree's second split; then a tree that is a leaf.
fn version_5(members: &[f32], changed: &[(&str, &[i64])]) -> Vec<u8> {
    let tensor = |name: &str, kind: i32, floats: &[f32], bytes: &[i32]| Attribute {
        name: name.to_owned(),
        tensor: Some(Tensor { kind, floats: floats.to_vec(), bytes: bytes.to_vec(), ..Tensor::default() }),
        ..Attribute::default()
    };
    let mut attributes = vec![
        tensor("nodes_modes", proto::UINT8, &[], &[6, 0, 0]),
        tensor("nodes_splits", proto::FLOAT, &[0.0, 1.5, 0.0], &[]),
        tensor("leaf_weights", proto::FLOAT, &[0.25, 0.5, 1.0, -8.0], &[]),
        tensor("membership_values", proto::FLOAT, members, &[]),
    ];
    for (name, usual) in [
        ("nodes_featureids", [1, 0, 0]),
        ("nodes_truenodeids", [0, 1, 3]),
        ("nodes_falsenodeids", [1, 2, 3]),
        ("nodes_trueleafs", [1, 1, 1]),
        ("nodes_falseleafs", [0, 1, 1]),
        ("nodes_missing_value_tracks_true", [0, 1, 0]),
    ] {
        let other = changed.iter().find(|(changed, _)| *changed == name).map(|(_, other)| *other);
        attributes.push(integers(name, other.unwrap_or(&usual)));
    }
    attributes.push(integers("tree_roots", &[0, 2]));
    onnx(vec![node("TreeEnsemble", "x", "score", attributes)], proto::FLOAT)
}

#[test]
fn the_operator_of_version_5_asks_for_categories_and_its_trees_may_be_leaves() {
    for (largest, fraction) in [(30.0, 0.5), (31.0, 0.25)] {
        let model = read(&version_5(&[0.0, largest, NAN as f32], &[])).unwrap();
        assert_eq!(model.categorical, [1]);
        assert_eq!(model.forest.trees.len(), 2);
        let categories = [0.0, f64::from(largest), 1.0, -1.0, NAN, 0.5, -0.5].map(|kind| [1.0, kind]);
        let leaves = [0.25, 0.25, 0.5, 0.5, 0.5, fraction, fraction];
        assert_eq!(raw(&model.forest, &categories), leaves.map(|leaf| leaf - 8.0));
        assert_eq!(raw(&model.forest, &[[2.0, 1.0], [NAN, 1.0]]), [-7.0, -7.5]);
    }
    for (members, changed, expected) in [
        (&[0.5][..], &[][..], "a category that is no whole number"),
        (&[-1.0], &[], "a category that is no whole number"),
        (&[70_000.0], &[], "past the largest allowed"),
        (&[1.0], &[("nodes_falsenodeids", &[0_i64, 2, 3][..])], "reached twice"),
        (&[1.0], &[("nodes_falsenodeids", &[9, 2, 3])], "it leads to 9, which is not there"),
        (&[1.0], &[("nodes_truenodeids", &[-1, 1, 3])], "it leads to -1, which is not there"),
        (&[1.0], &[("nodes_trueleafs", &[1, 1])], "differ in length"),
        (&[1.0], &[("nodes_featureids", &[2, 0, 0])], "reads input 2 of 2"),
    ] {
        refused(&version_5(members, changed), expected);
    }
}
