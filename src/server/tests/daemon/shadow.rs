//! What only watches, as operators see it: how often it would have acted, and what it would have done.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, RULES};

/// A rule, a limit and a breaker in shadow, a score rule, and more live rules than an answer has room for.
fn daemon() -> Daemon {
    Daemon::start_with(|config| {
        let shadow =
            |text: String, after: &str| text.replacen(after, &format!("{after}\n    mode: shadow"), 1);
        let mut rules =
            ["- id: daily", "- id: withdraw-surge", "- id: large"].into_iter().fold(RULES.to_owned(), shadow);
        let many: String = (0..12)
            .map(|n| format!("  - {{ id: many{n}, tier: score, score: 0.05, on: login, when: true, reason: {{ code: M{n}, text: t }} }}\n"))
            .collect();
        rules = rules.replace("\ntests:", &format!("{many}\ntests:"));
        std::fs::write(config.policy.dir.join("test.yaml"), rules).unwrap();
    })
}

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

fn check(daemon: &Daemon, id: &str, kind: &str, amount: &str) -> Value {
    daemon.check(&json!({"id": id, "kind": kind, "account": "u", "amount": amount})).json()
}

#[test]
fn what_would_have_acted_is_counted_and_explained_with_what_it_would_have_done() {
    let daemon = daemon();
    assert_eq!(check(&daemon, "a", "pay", "100.01")["verdict"], "allow");
    assert_eq!(check(&daemon, "b", "withdraw", "9000.00")["verdict"], "allow");
    for id in ["daily", "withdraw-surge", "large"] {
        daemon.await_metric("riskd_rule_shadow_hits_total", &format!("rule=\"{id}\""), 1.0);
        assert_eq!(daemon.metric_now("riskd_rule_hits_total", &format!("rule=\"{id}\"")), 0.0, "{id}");
    }
    let effect = |id: &str, rule: &str| {
        let explained = explained(&daemon, id);
        let matches = explained["matches"].as_array().unwrap().clone();
        let matched =
            matches.into_iter().find(|one| one["rule"] == rule).unwrap_or_else(|| panic!("{explained}"));
        assert_eq!(matched["shadow"], true);
        ["tier", "would", "challenge", "adds"].map(|key| matched[key].clone())
    };
    assert_eq!(effect("a", "daily"), [json!("guard"), json!("deny"), Value::Null, json!(0.0)]);
    assert_eq!(effect("b", "withdraw-surge"), [json!("guard"), json!("deny"), Value::Null, json!(0.0)]);
    assert_eq!(effect("b", "large"), [json!("review"), json!("review"), Value::Null, json!(0.0)]);
}

#[test]
fn matches_that_an_answer_has_no_room_for_are_counted_and_explained() {
    let daemon = daemon();
    let answer = check(&daemon, "a", "login", "1.00");
    assert_eq!((answer["reasons"].as_array().unwrap().len(), &answer["score"]), (8, &json!(0.6)), "{answer}");
    for n in 0..12 {
        daemon.await_metric("riskd_rule_hits_total", &format!("rule=\"many{n}\""), 1.0);
    }
    let explained = explained(&daemon, "a");
    let matches = explained["matches"].as_array().unwrap();
    assert_eq!((matches.len(), &explained["matches_not_kept"]), (12, &json!(0)), "{explained}");
    assert!(
        matches.iter().all(|one| one["tier"] == "score" && one["would"].is_null() && one["adds"] == 0.05)
    );
}

#[test]
fn an_explanation_says_which_windows_are_certain_to_be_exact() {
    let daemon = daemon();
    for n in 0..3 {
        let claim = json!({"id": format!("c{n}"), "kind": "claim", "account": "u", "device": {"id": "d"}, "amount": "1.00"});
        daemon.check(&claim);
    }
    daemon.check(&json!({"id": "p", "kind": "pay", "account": "u", "device": {"id": "d"}, "amount": "1.00"}));
    let exact = explained(&daemon, "p")["exact"].clone();
    let expected =
        json!({"claims_by_device_10m": true, "claims_of_packet_24h": true, "paid_by_account_1d": false});
    assert_eq!(exact, expected, "a count below its bound, nothing at all, and a sum");
}

#[test]
fn an_explanation_says_that_a_late_events_own_values_may_be_others() {
    let daemon = daemon();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    for (id, ago_ms) in [("latest", 1_000), ("late", 3_000), ("after", 500)] {
        let claim = json!({"id": id, "kind": "claim", "account": "u", "device": {"id": "d"}, "time": now_ms - ago_ms});
        assert_eq!(daemon.check(&claim).status, 200);
    }
    for (id, exact) in [("latest", true), ("late", false), ("after", true)] {
        let explained = explained(&daemon, id);
        assert_eq!(explained["exact"]["claims_by_device_10m"], json!(exact), "{id}: {explained}");
    }
}
