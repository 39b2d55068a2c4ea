//! Several models in one daemon: what is told of them, and that challengers change nothing.

use std::path::Path;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use server::Config;
use server::config::Challenger;

use crate::harness::Daemon;

/// A model of one tree over the amount: the score is `low` up to 5.00, and `high` above.
fn write_model(models: &Path, name: &str, low: f64, high: f64) {
    let forest = format!("riskd-forest 1\ninputs 1\ntree\n0 500.0\n= {low:?}\n= {high:?}\n");
    let sha256 = hex::encode(digest(&SHA256, forest.as_bytes()));
    let manifest = format!(
        "format = 'riskd-forest-1'\nname = '{name}'\nfile = 'forest.txt'\nsha256 = '{sha256}'\nobjective = 'test'\n\
         transform = 'identity'\ncalibration = 'none'\n[[input]]\nname = 'amount'\nunit = 'minor units'\n\
         [[vector]]\ninputs = [100.0]\nscore = {low:?}\n[[vector]]\ninputs = [900.0]\nscore = {high:?}\n"
    );
    let folder = models.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("forest.txt"), forest).unwrap();
    std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
}

/// A daemon with a champion, a model for what is odd, and those challengers, in a folder of models.
fn daemon(models: &Path, challengers: &[(&str, u8)]) -> Daemon {
    write_model(models, "champion", 0.1, 0.3);
    write_model(models, "odd", 0.45, 0.65);
    write_model(models, "next", 0.2, 0.99);
    write_model(models, "other", 0.0, 1.0);
    Daemon::start_with(|config: &mut Config| {
        config.models.dir = models.to_owned();
        (config.models.active, config.models.anomaly) = ("champion".to_owned(), "odd".to_owned());
        let named = |&(name, share): &(&str, u8)| Challenger { name: name.to_owned(), share };
        config.models.challengers = challengers.iter().map(named).collect();
    })
}

fn pay(n: usize) -> Value {
    let amount = if n.is_multiple_of(2) { "2.00" } else { "8.00" };
    json!({ "id": format!("p{n}"), "kind": "pay", "account": format!("u{}", n % 9), "amount": amount })
}

#[test]
fn every_model_is_listed_with_what_it_is_for() {
    let models = tempfile::tempdir().unwrap();
    let daemon = daemon(models.path(), &[("next", 100), ("other", 5)]);
    let listed = daemon.admin_call("GET", "/v1/model", "").json();
    let listed = listed["models"].as_array().unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|one| {
            (one["role"].as_str().unwrap(), one["share_percent"].as_u64().unwrap(), &one["manifest"]["name"])
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("champion", 100, &json!("champion")),
            ("anomaly", 100, &json!("odd")),
            ("challenger", 100, &json!("next")),
            ("challenger", 5, &json!("other"))
        ]
    );
    assert!(listed.iter().all(|one| {
        let name = one["manifest"]["name"].as_str().unwrap();
        one["version"].as_str().unwrap().starts_with(&format!("{name}@"))
    }));
    assert_eq!(Daemon::start().admin_call("GET", "/v1/model", "").json(), json!({ "models": [] }));
}

#[test]
fn challengers_are_recorded_and_change_no_answer() {
    let models = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (with, without) =
        (daemon(models[0].path(), &[("next", 100), ("other", 5)]), daemon(models[1].path(), &[]));
    for n in 0..40 {
        let (mut one, mut other) = (with.check(&pay(n)).json(), without.check(&pay(n)).json());
        assert_eq!(one["score"], json!(if n % 2 == 0 { 0.1 } else { 0.3 }));
        // Two workers number decisions as they come.
        for answer in [&mut one, &mut other] {
            answer.as_object_mut().unwrap().remove("decision");
        }
        assert_eq!(one, other);
    }
    with.await_metric("riskd_model_score_count", "role=\"challenger\",model=\"next@", 40.0);
    for (label, expected) in
        [("role=\"champion\",model=\"champion@", 40.0), ("role=\"anomaly\",model=\"odd@", 40.0)]
    {
        assert_eq!(with.metric_now("riskd_model_score_count", label), expected);
    }
    let explained = with.admin_call("GET", "/v1/explain/p7", "").json();
    assert_eq!(explained["features"]["model_score"], json!(0.3), "{explained}");
    assert_eq!(explained["features"]["anomaly_score"], json!(0.65), "{explained}");
    assert!(explained["anomaly_model"].as_str().unwrap().starts_with("odd@"), "{explained}");
    let next = &explained["challengers"][0];
    assert!(next["model"].as_str().unwrap().starts_with("next@"), "{explained}");
    assert_eq!(next["score"], json!(0.99));
}

#[test]
fn challengers_are_skipped_first_and_the_answer_says_so() {
    let models = tempfile::tempdir().unwrap();
    let daemon = daemon(models.path(), &[("next", 100)]);
    let mut hurried = pay(1);
    hurried["budget_us"] = json!(1);
    assert_eq!(daemon.check(&hurried).json()["degraded"], json!(["shadow", "model"]));
    daemon.await_metric("riskd_degraded_total", "shadow", 1.0);
}

#[test]
fn a_challenger_that_cannot_be_used_refuses_the_reload_and_the_old_models_stay() {
    let models = tempfile::tempdir().unwrap();
    let daemon = daemon(models.path(), &[("next", 100)]);
    let before = daemon.admin_call("GET", "/v1/model", "").json();
    std::fs::write(models.path().join("next/forest.txt"), "riskd-forest 1\ninputs 1\ntree\n= 0.5\n").unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!((reply.status, reply.error().1.as_str()), (422, "model"), "{reply:?}");
    assert!(reply.body.contains("next") && reply.body.contains("SHA-256"), "{reply:?}");
    assert_eq!(daemon.admin_call("GET", "/v1/model", "").json(), before);
    // A new version of it is another model in every metric and record.
    write_model(models.path(), "next", 0.2, 0.9);
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    let after = daemon.admin_call("GET", "/v1/model", "").json();
    assert_ne!(after["models"][2]["version"], before["models"][2]["version"]);
    assert_eq!(after["models"][0], before["models"][0]);
}
