//! What a reader takes over of small models whose scores can be told by hand, and what it refuses. Parity with the
//! libraries themselves is held by `bench/parity`.

use engine::forest::{Forest, Precision, Transform};
use engine::limits;
use proptest::prelude::*;

use super::fixtures::{LIGHTGBM, XGBOOST, onnx, raw, refused, regressor};
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

/// What each version answers to a row whose trees give 0; `bench/parity/edges.py` asks the latest for every objective.
#[test]
fn xgboost_base_scores_at_the_ends_are_what_their_version_makes_of_them() {
    let logit = |base: f32| -(1.0 / base - 1.0).ln();
    for objective in ["binary:logistic", "reg:logistic"] {
        for (base, before, from) in [
            ("[1E-30]", Some(logit(1e-30)), Some(logit(1e-6))),
            ("[1E-7]", Some(logit(1e-7)), Some(logit(1e-6))),
            ("[1E-6]", Some(logit(1e-6)), Some(logit(1e-6))),
            ("[2E-6]", Some(logit(2e-6)), Some(logit(2e-6))),
            ("[9.9999994E-1]", Some(logit(0.999_999_94)), Some(logit(1.0 - 1e-6))),
            // The labels were all 0, or all 1.
            ("[0E0]", None, Some(logit(1e-6))),
            ("[1E0]", None, Some(logit(1.0 - 1e-6))),
            ("[1.5E0]", None, None),
            ("[-5E-1]", None, None),
        ] {
            for (version, expected) in
                [("1,6,2", before), ("3,1,3", before), ("3,2,0", from), ("4,0,0", from)]
            {
                let model = XGBOOST
                    .replace("[5E-1]", base)
                    .replace("3,2,0", version)
                    .replace("binary:logistic", objective);
                match expected {
                    Some(margin) => {
                        let found = read(model.as_bytes()).unwrap().forest.base;
                        assert_eq!(found, f64::from(margin), "{objective} {base} {version}");
                    }
                    None => refused(model.as_bytes(), "cannot start"),
                }
            }
        }
    }
    for objective in ["count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"] {
        let model = |base: &str| XGBOOST.replace("[5E-1]", base).replace("binary:logistic", objective);
        assert_eq!(read(model("[1E-7]").as_bytes()).unwrap().forest.base, f64::from(1e-7_f32.ln()));
        refused(model("[0E0]").as_bytes(), "cannot start");
    }
}

#[test]
fn categories_between_minus_one_and_zero_are_what_each_library_makes_of_them() {
    // Of category 0 and what is beside it: LightGBM cuts fractions off, to XGBoost what is below 0 is no category.
    let lightgbm = LIGHTGBM.replace("cat_threshold=2 2", "cat_threshold=1 2");
    let xgboost = XGBOOST.replace(r#""categories":[2,3]"#, r#""categories":[0,3]"#);
    let rows = [0.0, -0.0, -1e-30, -0.5, -0.999, -1.0, 0.999, 1.0].map(|kind| [2.0, kind]);
    let (yes, no) = (-7.5, -7.0);
    let found = raw(&read(lightgbm.as_bytes()).unwrap().forest, &rows);
    assert_eq!(found, [yes, yes, yes, yes, yes, no, yes, no]);
    let (yes, no) = (1.0, 0.5);
    let forest = read(xgboost.as_bytes()).unwrap().forest;
    assert_eq!(raw(&forest, &rows), [yes, yes, no, no, no, no, yes, no]);
    // The form that is stored says so too.
    let text = crate::file::encode(&forest.trees, 2, &Covers::default());
    assert!(text.contains("1 +{0,3}"), "{text}");
    assert_eq!(crate::file::decode(&text).unwrap().trees, forest.trees);
}

#[test]
fn categories_of_old_versions_of_xgboost_are_noted() {
    let note = |version: &str| read(XGBOOST.replace("3,2,0", version).as_bytes()).unwrap().notes;
    assert!(note("1,6,2")[0].starts_with("XGBoost before 1.7 sends some categories"));
    assert_eq!(note("1,7,0"), Vec::<String>::new());
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
        (r#""gbtree""#, r#""gblinear""#, "the booster `gblinear`: only trees are read; train with"),
        (r#""trees":"#, r#""stumps":"#, "the booster has no `trees`"),
        ("[5E-1]", "[5E-1,3E-1]", "several base scores"),
        ("[5E-1]", "half", "base_score is `half`"),
        ("[5E-1]", "[1.5E0]", "from which `binary:logistic` cannot start"),
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
