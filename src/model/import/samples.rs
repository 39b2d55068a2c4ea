//! Whole models as their libraries wrote them, beside the libraries' own answers. `bench/parity/samples.py` makes both, and
//! the fuzz targets begin with them; the wide comparison is `bench/parity`.

use engine::forest::Forest;

use super::{Format, read};

macro_rules! sample {
    ($format:ident, $folder:literal, $name:literal, $tolerance:literal) => {{
        let model: &[u8] = include_bytes!(concat!("samples/", $folder, "/", $name));
        let answers = include_str!(concat!("samples/answers/", $name, ".csv"));
        (Format::$format, $name, model, answers, $tolerance)
    }};
}

#[test]
fn models_of_each_format_and_of_old_versions_answer_as_their_libraries_did() {
    for (format, name, model, answers, tolerance) in [
        sample!(LightGbm, "lightgbm", "lightgbm-4.7.0.txt", 1e-15),
        // These take e^x in `float`.
        sample!(XgboostJson, "xgboost_json", "xgboost-1.7.6.json", 1e-7),
        sample!(XgboostUbj, "xgboost_ubj", "xgboost-2.1.4.ubj", 1e-7),
        sample!(XgboostUbj, "xgboost_ubj", "xgboost-3.0.5.ubj", 1e-7),
        sample!(XgboostJson, "xgboost_json", "xgboost-3.2.0.json", 1e-7),
        sample!(XgboostUbj, "xgboost_ubj", "xgboost-3.2.0.ubj", 1e-7),
        sample!(Onnx, "onnx", "GradientBoostingClassifier.onnx", 1e-7),
        sample!(Onnx, "onnx", "RandomForestRegressor.onnx", 1e-7),
        sample!(Onnx, "onnx", "IsolationForest.onnx", 1e-7),
        // By onnxmltools, of weights that are all above 0; with zipmap=False; and by skl2onnx with zipmap="columns".
        sample!(Onnx, "onnx", "allpositive-logistic-xgb.onnx", 1e-7),
        sample!(Onnx, "onnx", "lightgbm-zipmap-false.onnx", 1e-7),
        sample!(Onnx, "onnx", "sklearn-zipmap-columns.onnx", 1e-7),
    ] {
        let read = read(model).unwrap();
        assert_eq!(read.format, format, "{name}");
        let forest = Forest::new(&read.forest).unwrap();
        let mut found = Vec::new();
        for line in answers.lines() {
            let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
            let (answer, row) = numbers.split_last().unwrap();
            found.push(forest.score(row));
            assert!((forest.score(row) - answer).abs() <= tolerance, "{name}, {line}: {}", forest.score(row));
        }
        found.dedup();
        assert!(found.len() > 5, "{name}: rows that all score alike show nothing");
    }
}

#[test]
fn a_file_of_skl2onnx_that_is_silent_on_missing_values_is_noted() {
    let read = read(include_bytes!("samples/onnx/RandomForestRegressor.onnx")).unwrap();
    assert!(read.notes.iter().any(|note| note.contains("where decision trees")), "{:?}", read.notes);
}

#[test]
fn xgboost_in_json_and_in_ubjson_is_one_model() {
    let json = read(include_bytes!("samples/xgboost_json/xgboost-3.2.0.json")).unwrap();
    let ubj = read(include_bytes!("samples/xgboost_ubj/xgboost-3.2.0.ubj")).unwrap();
    assert_eq!(super::Imported { format: Format::XgboostJson, ..ubj }, json);
}
