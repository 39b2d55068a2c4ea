//! A model whose manifest says what training looked like: traffic that differs is told of by its metrics.

use engine::feature::FeatureTable;
use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use model::drift::psi;
use model::manifest::{FORMAT_NATIVE, Manifest, PrecisionName, TransformName, Vector};
use model::{CoverOf, Covers, Drift, walk};
use serde_json::{Value, json};

use crate::harness::Daemon;

/// Amounts that training saw, in minor units; hours of the day stand for nothing here and stay as they are.
fn trained_on() -> Vec<[f64; 2]> {
    (0..2000).map(|row| [f64::from(row % 100) * 1000.0, f64::from(row % 2)]).collect()
}

fn forest() -> ForestSpec {
    let nodes = vec![
        Node::at_most(0, 50_000.0, 1, 2),
        Node::Leaf(0.1),
        Node::at_most(0, 90_000.0, 3, 4),
        Node::Leaf(0.5),
        Node::Leaf(0.9),
    ];
    ForestSpec {
        version: String::new(),
        inputs: vec!["amount".to_owned(), "ext.store_tier".to_owned()],
        trees: vec![Tree { nodes }],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: false,
        transform: Transform::Identity,
        calibration: Calibration::None,
    }
}

fn manifest(forest: &ForestSpec, drift: Option<Drift>) -> Manifest {
    let row = vec![60_000.0, 1.0];
    Manifest {
        format: FORMAT_NATIVE.to_owned(),
        name: "watched".to_owned(),
        file: String::new(),
        sha256: String::new(),
        objective: "a test".to_owned(),
        transform: TransformName::Identity,
        slope: None,
        path: None,
        mean: false,
        base: 0.0,
        inputs_as: PrecisionName::Double,
        sums_as: PrecisionName::Double,
        covers: CoverOf::Halves,
        calibration: "none".to_owned(),
        platt: None,
        isotonic: None,
        training: None,
        source: None,
        drift,
        inputs: (forest.inputs.iter())
            .map(|name| model::inputs::of(name, &FeatureTable::default()))
            .collect(),
        vectors: vec![Vector { score: walk::score(forest, &row), inputs: row }],
    }
}

fn drift(forest: &ForestSpec) -> Drift {
    let rows = trained_on();
    let scores = rows.iter().map(|row| walk::score(forest, row));
    Drift::of("two thousand rows", &forest.inputs, &rows.iter().map(|row| &row[..]), scores)
}

/// Asks for checks of these amounts and tiers.
fn ask(daemon: &Daemon, run: &str, rows: &[[f64; 2]]) {
    for (batch, rows) in rows.chunks(50).enumerate() {
        let check = |(at, row): (usize, &[f64; 2])| {
            json!({"id": format!("{run}-{batch}-{at}"), "kind": "pay", "account": format!("u{run}{batch}{at}"),
                   "amount": format!("{:.2}", row[0] / 100.0), "ext": {"store_tier": row[1] as i64}})
        };
        let checks: Vec<Value> = rows.iter().enumerate().map(check).collect();
        assert_eq!(daemon.post("/v1/checks", Value::from(checks).to_string()).status, 200);
    }
}

/// The index of some rows' amounts, tiers and scores, by the counts of the manifest's bins.
fn expected(drift: &Drift, forest: &ForestSpec, rows: &[[f64; 2]]) -> [f64; 3] {
    let index = |bins: &model::drift::Bins, value: &dyn Fn(&[f64; 2]) -> f64| {
        let mut counts = vec![0; bins.counts.len()];
        rows.iter().for_each(|row| counts[bins.place(value(row))] += 1);
        psi(&bins.counts, &counts)
    };
    [
        index(&drift.input["amount"], &|row| row[0]),
        index(&drift.input["ext.store_tier"], &|row| row[1]),
        index(&drift.score, &|row| walk::score(forest, row)),
    ]
}

#[test]
fn traffic_that_shifts_away_from_training_shows_in_the_indices_of_what_shifted() {
    let models = tempfile::tempdir().unwrap();
    let (folder, forest) = (models.path().join("watched"), forest());
    let facts = drift(&forest);
    model::save(&folder, manifest(&forest, Some(facts.clone())), &forest, &Covers::default()).unwrap();
    let daemon = Daemon::start_with(|config| {
        (config.models.dir, config.models.active) = (models.path().to_owned(), "watched".to_owned());
        (config.drift.checks_min, config.drift.checks_per_second_max) = (300, 10_000);
    });
    let feature = |name: &str| daemon.metric_now("riskd_model_feature_psi", name);
    let told = || {
        [feature("\"amount\""), feature("\"ext.store_tier\""), daemon.metric_now("riskd_model_score_psi", "")]
    };

    let mut rows: Vec<[f64; 2]> = trained_on().into_iter().take(200).collect();
    ask(&daemon, "few", &rows);
    daemon.await_metric("riskd_model_drift_checks", "", 200.0);
    assert!(told().iter().all(|index| index.is_nan()), "two hundred are too few: {:?}", told());

    let more: Vec<[f64; 2]> = trained_on().into_iter().skip(500).take(400).collect();
    ask(&daemon, "alike", &more);
    rows.extend(more);
    daemon.await_metric("riskd_model_drift_checks", "", 600.0);
    assert_eq!(told(), expected(&facts, &forest, &rows));
    assert!(told().iter().all(|&index| index < 0.01), "{:?}", told());

    let shifted: Vec<[f64; 2]> =
        (0..600).map(|row| [f64::from(row) + 95_000.0, f64::from(row % 2)]).collect();
    ask(&daemon, "shifted", &shifted);
    rows.extend(shifted);
    daemon.await_metric("riskd_model_drift_checks", "", 1200.0);
    assert_eq!(told(), expected(&facts, &forest, &rows));
    let [amount, tier, score] = told();
    assert!(amount > 0.25 && score > 0.25 && tier < 0.01, "{:?}", told());

    // A reload of the same model goes on counting; facts that changed begin anew; a model without any tells nothing.
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    assert_eq!(daemon.metric_now("riskd_model_drift_checks", ""), 1200.0);
    let coarse = Drift { score: model::drift::Bins { edges: vec![], counts: vec![9, 0] }, ..facts };
    model::save(&folder, manifest(&forest, Some(coarse)), &forest, &Covers::default()).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    assert_eq!(daemon.metric_now("riskd_model_drift_checks", ""), 0.0);
    ask(&daemon, "again", &trained_on()[..500]);
    daemon.await_metric("riskd_model_drift_checks", "", 500.0);
    assert!(told()[0] < 0.01 && told()[2] == 0.0, "{:?}", told());
    model::save(&folder, manifest(&forest, None), &forest, &Covers::default()).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    assert!(told().iter().all(|index| index.is_nan()), "{:?}", told());
}
