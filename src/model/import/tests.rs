//! What a reader takes over of small models whose scores can be told by hand, and what it refuses. Parity with the
//! libraries themselves is held by `bench/parity`.

use engine::forest::{Forest, Precision, Transform};
use engine::limits;
use proptest::prelude::*;
use prost::Message as _;

use super::fixtures::{LIGHTGBM, XGBOOST, classifier, floats, integers, node, onnx, raw, refused, regressor};
use super::proto::{Attribute, Model, Node, Tensor};
use super::*;

const NAN: f64 = f64::NAN;

#[test]
fn lightgbm_goes_by_missing_kind_and_category() {
    let read = read(LIGHTGBM.as_bytes()).unwrap();
    assert_eq!((read.format, read.library.as_str()), (Format::LightGbm, "LightGBM, model version v4"));
    assert_eq!(read.forest.inputs, ["amount", "kind"]);
    assert_eq!(read.categorical, [1]);
    assert_eq!(read.forest.transform, Transform::Logistic { slope: 2.0 });
    let rows = [[-2.0, 0.0], [0.0, 0.0], [NAN, 0.0], [1.0, 1.0], [1.0, 33.9], [1.0, 2.0], [1.0, NAN]];
    assert_eq!(raw(&read.forest, &rows), [-7.75, -7.75, -7.75, -7.5, -7.5, -7.0, -7.0]);
}

#[test]
fn lightgbm_reads_numbers_beside_zero_as_zero() {
    let tiny = LIGHTGBM
        .replace("threshold=-1.5 0", "threshold=-1e-36 0")
        .replace("decision_type=6 1", "decision_type=0 1");
    let forest = read(tiny.as_bytes()).unwrap().forest;
    // Below the threshold as numbers, but zeros to the library, and zero is above it.
    let rows = [[-1e-36, 1.0], [-1e-35, 1.0], [-1.1e-35, 1.0]];
    assert_eq!(raw(&forest, &rows), [-7.5, -7.5, -7.75]);
}

#[test]
fn lightgbm_transforms_follow_the_objective() {
    for (objective, transform) in [
        ("regression", Transform::Identity),
        ("regression sqrt", Transform::SignedSquare),
        ("regression_l1 sqrt", Transform::SignedSquare),
        ("fair sqrt", Transform::SignedSquare),
        ("quantile sqrt", Transform::SignedSquare),
        ("mape sqrt", Transform::SignedSquare),
        ("huber", Transform::Identity),
        ("cross_entropy_lambda", Transform::Softplus),
        ("tweedie tweedie_variance_power:1.5", Transform::Exponential),
        ("cross_entropy", Transform::Logistic { slope: 1.0 }),
    ] {
        let text = LIGHTGBM.replace("binary sigmoid:2", objective);
        assert_eq!(read(text.as_bytes()).unwrap().forest.transform, transform, "{objective}");
    }
    let forest = LIGHTGBM.replace("feature_names", "average_output\nfeature_names");
    assert!(read(forest.as_bytes()).unwrap().forest.mean);
}

#[test]
fn scores_outside_0_to_1_are_noted() {
    assert_eq!(read(LIGHTGBM.as_bytes()).unwrap().cut(), None);
    let plain = read(LIGHTGBM.replace("binary sigmoid:2", "regression").as_bytes()).unwrap();
    let note = plain.cut().unwrap();
    assert!(
        note.starts_with("scores lie between -7.750 and -7.000: the daemon cuts them at 0 and 1"),
        "{note}"
    );
}

#[test]
fn lightgbm_models_that_cannot_be_said_are_refused_with_the_reason() {
    for (from, to, expected) in [
        ("version=v4", "version=v2", "known are v3 and v4"),
        ("num_class=1", "num_class=3", "3 classes"),
        ("num_class=1\n", "", "there is no `num_class`"),
        ("binary sigmoid:2", "multiclass num_class:3", "several classes"),
        ("binary sigmoid:2", "fashion", "`fashion` is not known"),
        ("is_linear=0", "is_linear=1", "a linear tree"),
        ("end of trees", "", "cut off"),
        ("max_feature_idx=1", "max_feature_idx=300", "301 inputs"),
        ("max_feature_idx=1", "max_feature_idx=0", "2 feature_names for 1 inputs"),
        ("num_leaves=3", "num_leaves=4", "leaf_value has 3 numbers, not 4"),
        ("num_leaves=3", "num_leaves=4000000000", "more than 4000000 nodes"),
        ("num_leaves=3", "num_leaves=0", "no leaf"),
        ("leaf_value=0.25 0.5 1", "leaf_value=0.25 nan 1", "its value is NaN"),
        ("leaf_value=0.25 0.5 1", "leaf_value=0.25 1e999 1", "its value is inf"),
        ("threshold=-1.5 0", "threshold=nan 0", "compares with NaN"),
        ("right_child=1 -3", "right_child=0 -3", "reached twice"),
        ("right_child=1 -3", "right_child=1 -4", "no such node"),
        ("right_child=1 -3", "right_child=1 -2147483648", "no such node"),
        ("split_feature=0 1", "split_feature=0 2", "reads input 2 of 2"),
        ("threshold=-1.5 0", "threshold=-1.5 7", "no set of categories"),
        ("cat_boundaries=0 2", "cat_boundaries=2 0", "cat_threshold has 2 numbers"),
        ("num_cat=1", "num_cat=2", "cat_boundaries has 2 numbers"),
        ("num_cat=1", "num_cat=18446744073709551615", "sets of categories for 2 splits"),
        ("decision_type=6 1", "decision_type=12 1", "decision_type is 12"),
    ] {
        refused(LIGHTGBM.replacen(from, to, 1).as_bytes(), expected);
    }
    let trees = "Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n".repeat(limits::TREES_MAX + 1);
    let (head, _) = LIGHTGBM.split_once("Tree=0").unwrap();
    refused(format!("{head}{trees}end of trees\n").as_bytes(), "more than 4096 trees");
}

#[test]
fn xgboost_goes_below_thresholds_in_single_precision_and_sends_categories_right() {
    let read = read(XGBOOST.as_bytes()).unwrap();
    assert_eq!((read.format, read.library.as_str()), (Format::XgboostJson, "XGBoost 3.2.0"));
    assert_eq!(read.categorical, [1]);
    assert_eq!((read.forest.inputs_as, read.forest.sums_as), (Precision::Single, Precision::Single));
    let just_below = 1.5_f64.next_down();
    // What is below 1.5 as a double is 1.5 as a float, and 1.5 is not below 1.5.
    let rows = [[1.0, 0.0], [just_below, 0.0], [NAN, 2.0], [2.0, 2.0], [2.0, 3.5], [2.0, 4.0], [2.0, NAN]];
    assert_eq!(raw(&read.forest, &rows), [0.25, 0.5, 0.25, 1.0, 1.0, 0.5, 0.5]);
}

#[test]
fn xgboost_bases_of_old_and_new_files_are_margins_after_the_link() {
    for (base, objective, margin) in [
        ("[2.5E-1]", "binary:logistic", -(3.0_f32.ln())),
        ("2.5E-1", "reg:squarederror", 0.25),
        ("2E0", "count:poisson", 2.0_f32.ln()),
        ("[2.5E-1]", "binary:logitraw", 0.25),
    ] {
        let text = XGBOOST.replace("[5E-1]", base).replace("binary:logistic", objective);
        assert_eq!(read(text.as_bytes()).unwrap().forest.base, f64::from(margin), "{base} {objective}");
    }
}

#[test]
fn xgboost_dart_weights_its_trees() {
    let model = XGBOOST
        .replace(r#""name":"gbtree","model":"#, r#""name":"dart","weight_drop":[0.5],"gbtree":{"model":"#)
        .replace("}]}}}}", "}]}}}}}");
    assert_eq!(raw(&read(model.as_bytes()).unwrap().forest, &[[1.0, 0.0]]), [0.125]);
    refused(model.replace("[0.5]", "[0.5,1]").as_bytes(), "one weight_drop for each tree");
}

#[test]
fn xgboost_models_that_cannot_be_said_are_refused_with_the_reason() {
    for (from, to, expected) in [
        (r#""num_class":"0""#, r#""num_class":"3""#, "several classes"),
        (r#""num_target":"1""#, r#""num_target":"2""#, "several classes or targets"),
        ("binary:logistic", "multi:softprob", "several classes"),
        ("binary:logistic", "reg:fashion", "`reg:fashion` is not known"),
        (r#""gbtree""#, r#""gblinear""#, "only trees are read"),
        ("[5E-1]", "[5E-1,3E-1]", "several base scores"),
        ("[5E-1]", "half", "base_score is `half`"),
        ("[5E-1]", "1E0", "base is infinite"),
        (r#""size_leaf_vector":"1""#, r#""size_leaf_vector":"3""#, "leaves of several numbers"),
        (r#""num_feature":"2""#, r#""num_feature":"10000000000""#, "10000000000 inputs"),
        ("[1,-1,3,-1,-1]", "[1,-1,0,-1,-1]", "reached twice"),
        ("[1,-1,3,-1,-1]", "[9,-1,3,-1,-1]", "no such node"),
        ("[1,-1,3,-1,-1]", "[1,-1,3,-1]", "differ in length"),
        ("[0,0,1,0,0]", "[2,0,1,0,0]", "reads input 2 of 2"),
        ("[1.5,0.25,NaN,0.5,1]", "[1.5,Infinity,NaN,0.5,1]", "its value is NaN"),
        ("[1.5,0.25,NaN,0.5,1]", "[NaN,0.25,NaN,0.5,1]", "compares with NaN"),
        (r#""categories":[2,3]"#, r#""categories":[2]"#, "more categories than there are"),
        (r#""categories":[2,3]"#, r#""categories":[2,65536]"#, "past the largest allowed"),
        (
            r#""categories_segments":[0]"#,
            r#""categories_segments":[18446744073709551615]"#,
            "categories are not there",
        ),
        ("}]}}}}", "}]}}}", "EOF"),
    ] {
        refused(XGBOOST.replacen(from, to, 1).as_bytes(), expected);
    }
    refused(format!("{{\"a\":{}", "[".repeat(1_000_000)).as_bytes(), "EOF");
}

#[test]
fn many_splits_over_one_large_category_are_refused_before_memory_fills() {
    // Each set is one category of the highest number, so a thousand words for eight bytes of the file.
    let splits = 5_000;
    let numbers = |f: &dyn Fn(usize) -> String| (0..=2 * splits).map(f).collect::<Vec<_>>().join(",");
    let is_split = |node: usize| node < splits;
    let left = numbers(&|node| if is_split(node) { (2 * node + 1).to_string() } else { "-1".to_owned() });
    let right = numbers(&|node| if is_split(node) { (2 * node + 2).to_string() } else { "-1".to_owned() });
    let zeros = numbers(&|_| "0".to_owned());
    let all: String = (0..splits).map(|node| node.to_string()).collect::<Vec<_>>().join(",");
    let (largest, one) = (vec!["65535"; splits].join(","), vec!["1"; splits].join(","));
    let (head, _) = XGBOOST.split_once(r#""left_children""#).unwrap();
    let model = format!(
        r#"{head}"left_children":[{left}],"right_children":[{right}],"split_indices":[{zeros}],"split_conditions":[{zeros}],
"default_left":[{zeros}],"split_type":[{}],"categories":[{largest}],"categories_nodes":[{all}],"categories_segments":[{all}],
"categories_sizes":[{one}]}}]}}}}}}}}"#,
        numbers(&|node| u8::from(is_split(node)).to_string()),
    );
    refused(model.as_bytes(), "too many categories");
}

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
    for (class, weights, post, transform) in [
        (0, [0.25, 1.0], "LOGISTIC", Transform::Identity),
        (0, [-0.25, 1.0], "LOGISTIC", Transform::Logistic { slope: 1.0 }),
        (0, [-0.25, 1.0], "NONE", Transform::Identity),
        (1, [0.25, 1.0], "LOGISTIC", Transform::Logistic { slope: 1.0 }),
    ] {
        let forest = read(&onnx(vec![classifier(class, weights, post)], proto::FLOAT)).unwrap().forest;
        assert_eq!(forest.transform, transform, "{class} {weights:?} {post}");
        assert_eq!(raw(&forest, &[[2.0, 0.0]]), [1.0]);
    }
    let mut three = classifier(0, [0.25, 1.0], "NONE");
    three.attributes.push(integers("classlabels_strings", &[]));
    for attribute in &mut three.attributes {
        if attribute.name == "classlabels_int64s" {
            attribute.integers = vec![0, 1, 2];
        }
    }
    refused(&onnx(vec![three], proto::FLOAT), "3 classes");
    let mut based = classifier(1, [0.25, 1.0], "LOGISTIC");
    based.attributes.push(floats("base_values", &[0.0, 0.5]));
    refused(&onnx(vec![based], proto::FLOAT), "runtimes do not agree");
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

proptest! {
    #[test]
    fn no_change_of_a_model_makes_a_reader_panic(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let models = [LIGHTGBM.as_bytes().to_vec(), XGBOOST.as_bytes().to_vec(), onnx(vec![regressor("BRANCH_LT", 1)], 1)];
        let mut bytes = models[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(imported) = read(&bytes) {
            prop_assert_eq!(check_forest(&imported.forest), Ok(()));
            prop_assert!(Forest::new(&imported.forest).is_ok());
        }
    }
}
