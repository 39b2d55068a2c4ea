//! Why a model scored as it did: by the model that decided, whatever is in force by now, or not at all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::feature::FeatureTable;
use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use model::manifest::{FORMAT_NATIVE, Manifest, PrecisionName, TransformName, Vector};
use model::{CoverOf, Covers, walk};
use serde_json::{Value, json};

use crate::harness::{Daemon, RULES};

const AMOUNT: f64 = 50_000.0;

/// Many claims of a device, and large amounts, raise the log odds; four rows were trained on.
fn forest(high: f64) -> ForestSpec {
    let stump = |input, threshold, high| {
        let split = Node::at_most(input, threshold, 1, 2);
        Tree { nodes: vec![split, Node::Leaf(-1.0), Node::Leaf(high)] }
    };
    ForestSpec {
        version: String::new(),
        inputs: vec!["claims_by_device_10m".to_owned(), "amount".to_owned(), "hour".to_owned()],
        trees: vec![stump(0, 1.0, high), stump(1, AMOUNT, 1.0)],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: false,
        transform: Transform::Logistic { slope: 1.0 },
        calibration: Calibration::Isotonic { knots: vec![[0.5, 0.4]] },
    }
}

fn save(folder: &Path, forest: &ForestSpec) {
    let rows = [[1.0, 100.0, 3.0], [2.0, 100.0, 3.0], [1.0, 90_000.0, 3.0], [0.0, 0.0, 3.0]];
    let input = |name: &String| model::inputs::of(name, &FeatureTable::default());
    let manifest = Manifest {
        format: FORMAT_NATIVE.to_owned(),
        name: "m".to_owned(),
        file: String::new(),
        sha256: String::new(),
        objective: "fraud".to_owned(),
        transform: TransformName::Logistic,
        slope: None,
        path: None,
        mean: false,
        base: 0.0,
        inputs_as: PrecisionName::Double,
        sums_as: PrecisionName::Double,
        covers: CoverOf::Halves,
        calibration: "isotonic".to_owned(),
        platt: None,
        isotonic: None,
        training: None,
        source: None,
        drift: None,
        inputs: forest.inputs.iter().map(input).collect(),
        vectors: rows.map(|row| Vector { inputs: row.to_vec(), score: walk::score(forest, &row) }).to_vec(),
    };
    let covers = Covers::count(forest, CoverOf::TrainingRows, &rows.concat());
    model::save(folder, manifest, forest, &covers).unwrap();
}

fn daemon() -> (Daemon, PathBuf) {
    let mut folder = PathBuf::new();
    let daemon = Daemon::start_with(|config| {
        let rules = RULES.replace("tests:", "bands: { challenge: 0.5 }\ntests:");
        std::fs::write(config.policy.dir.join("test.yaml"), rules).unwrap();
        config.models.dir = config.policy.dir.with_file_name("models");
        config.models.active = "m".to_owned();
        folder = config.models.dir.join("m");
        save(&folder, &forest(3.0));
    });
    (daemon, folder)
}

fn claim(daemon: &Daemon, id: &str, amount: &str) -> Value {
    let check = json!({"id": id, "kind": "claim", "account": "u", "device": {"id": "d"}, "amount": amount});
    daemon.check(&check).json()
}

/// The journal's thread hands decisions on every few milliseconds.
fn explained(daemon: &Daemon, id: &str) -> Value {
    for _ in 0..500 {
        let reply = daemon.admin_call("GET", &format!("/v1/explain/{id}"), "");
        if reply.status == 200 {
            return reply.json();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{id} is never explained");
}

fn reload(daemon: &Daemon) {
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
}

fn unavailable(daemon: &Daemon, id: &str) -> String {
    let explained = explained(daemon, id);
    explained["explanation"]["unavailable"].as_str().unwrap_or_else(|| panic!("{explained}")).to_owned()
}

#[test]
fn contributions_with_the_base_are_the_raw_score_and_reasons_stand_where_the_verdict_is_not_allow() {
    let (daemon, _) = daemon();
    assert_eq!(claim(&daemon, "first", "1.00")["verdict"], "allow");
    let answer = claim(&daemon, "second", "1.00");
    assert_eq!(answer["verdict"], "challenge", "{answer}");

    let allowed = &explained(&daemon, "first")["explanation"];
    assert_eq!(allowed["reasons"], json!([]), "{allowed}");
    let body = explained(&daemon, "second");
    let explanation = &body["explanation"];
    let covers = (&explanation["method"], &explanation["covers"]);
    assert_eq!(covers, (&json!("path-dependent TreeSHAP"), &json!("training_rows")));
    // One of four rows was above the first threshold, one above the second.
    assert_eq!((&explanation["base"], &explanation["raw"]), (&json!(-0.5), &json!(2.0)), "{explanation}");
    let uncalibrated = 1.0 / (1.0 + (-2.0_f64).exp());
    assert_eq!(explanation["uncalibrated"], json!(uncalibrated));
    assert_eq!(explanation["score"], body["features"]["model_score"], "{body}");
    assert_ne!(explanation["score"], explanation["uncalibrated"], "a calibration follows");
    let parts = explanation["contributions"].as_array().unwrap();
    let seen: Vec<_> = parts.iter().map(|part| (&part["feature"], &part["value"], &part["text"])).collect();
    let claims = "count over claim by device in 10m, every attempt";
    assert_eq!(
        seen,
        [
            (&json!("claims_by_device_10m"), &json!(2), &json!(claims)),
            (&json!("amount"), &json!(1.0), &json!("amount; in rules in major units with two decimals")),
        ]
    );
    for (part, expected) in parts.iter().zip([3.0, -0.5]) {
        assert!((part["contribution"].as_f64().unwrap() - expected).abs() < 1e-12, "{part}");
    }
    let reason = &explanation["reasons"];
    assert_eq!(reason.as_array().unwrap().len(), 1, "{reason}");
    assert_eq!((&reason[0]["code"], &reason[0]["value"]), (&json!("M:claims_by_device_10m"), &json!(2)));
}

#[test]
fn a_decision_is_explained_by_the_model_that_made_it_as_long_as_that_is_kept() {
    let (daemon, folder) = daemon();
    claim(&daemon, "a", "900.00");
    let before = explained(&daemon, "a")["explanation"].clone();
    assert_eq!(before["raw"], json!(0.0), "{before}");
    for turn in 1..8 {
        save(&folder, &forest(3.0 + f64::from(turn)));
        reload(&daemon);
        assert_eq!(explained(&daemon, "a")["explanation"], before, "after {turn} others");
    }
    save(&folder, &forest(99.0));
    reload(&daemon);
    assert!(unavailable(&daemon, "a").contains("no longer kept"));
    assert_eq!(claim(&daemon, "b", "900.00")["verdict"], "challenge");
    assert_eq!(explained(&daemon, "b")["explanation"]["raw"], json!(100.0));
}

#[test]
fn a_model_whose_manifest_changed_under_its_version_explains_nothing_old() {
    let (daemon, folder) = daemon();
    claim(&daemon, "a", "1.00");
    save(&folder, &ForestSpec { base: -1.0, ..forest(3.0) });
    reload(&daemon);
    assert!(unavailable(&daemon, "a").contains("another score"));
    claim(&daemon, "b", "1.00");
    assert_eq!(explained(&daemon, "b")["explanation"]["raw"], json!(1.0));
}

#[test]
fn where_no_model_scored_that_is_said() {
    let (daemon, _) = daemon();
    daemon.check(&json!({"id": "hurried", "kind": "login", "account": "u", "budget_us": 1}));
    assert!(unavailable(&daemon, "hurried").contains("left no time"));
    let none = Daemon::start();
    none.check(&json!({"id": "a", "kind": "login", "account": "u"}));
    assert!(unavailable(&none, "a").contains("no model"));
}
