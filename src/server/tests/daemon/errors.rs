//! Conditions that end in an error: counted by rule, told by explain, and a match where the rule says so.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Daemon;

/// A condition for each way to fail, and `ext` fields of an event that it fails for.
const FAILING: [(&str, &str, &str); 5] = [
    ("zero", "100 / ext.n < 0", r#"{"n": 0}"#),
    ("large", "ext.big + 9223372036854775807 < 0", r#"{"big": 1}"#),
    ("place", "[1, 2][ext.at] > 3", r#"{"at": 2}"#),
    ("text", "ext.s != '' && int(ext.s) < 0", r#"{"s": "many"}"#),
    ("address", "in_cidr(ext.host, '10.0.0.0/8')", r#"{"host": "nowhere"}"#),
];

/// Of each condition a rule, a limit and a breaker for each outcome of an error, of which none says what it is by default.
fn rules() -> String {
    let mut rules = String::from(
        "schema: { n: { type: int, default: 1 }, big: { type: int }, at: { type: int }, s: { type: text }, host: { type: text } }\nfeatures: { paid_1h: { sum: amount, on: pay, by: account, window: 1h } }\n",
    );
    let declared = |section: &str, rest: &str| {
        let each = FAILING.iter().flat_map(|(name, when, _)| {
            [("skip", ""), ("match", "on_error: match, ")].map(|(outcome, key)| {
                let reason = "reason: { code: E1, text: t }";
                format!("  - {{ id: {name}-{section}-{outcome}, {key}{rest}, when: \"{when}\", mode: MODE, {reason} }}\n")
            })
        });
        format!("{section}:\n{}", each.collect::<String>())
    };
    rules += &declared("rules", "tier: review, on: login");
    rules += &declared("limits", "feature: paid_1h, max: 0.00");
    rules += &declared("breakers", "by: counterparty, on: transfer, open: 1h, half_open: 1h, trials: 1");
    rules
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

/// Ids under that key of a list.
fn ids(list: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> =
        list.as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn an_error_is_counted_by_what_it_was_in_explained_and_a_match_where_that_is_declared() {
    for (mode, shadow) in [("live", false), ("shadow", true)] {
        let daemon = Daemon::start_with(|config| {
            std::fs::write(config.policy.dir.join("test.yaml"), rules().replace("MODE", mode)).unwrap();
        });
        for (section, kind, verdict) in
            [("rules", "login", "review"), ("limits", "pay", "deny"), ("breakers", "transfer", "deny")]
        {
            for (name, _, ext) in FAILING {
                let id = format!("{section}-{name}");
                let ext: Value = serde_json::from_str(ext).unwrap();
                let check = json!({"id": id, "kind": kind, "account": id, "counterparty": id, "amount": "1.00", "ext": ext});
                let answer = daemon.check(&check).json();
                let expected = if shadow { "allow" } else { verdict };
                assert_eq!(answer["verdict"], expected, "{answer}");
                let (skipped, matched) =
                    (format!("{name}-{section}-skip"), format!("{name}-{section}-match"));
                let explained = explained(&daemon, &id);
                assert_eq!(ids(&explained["matches"]), [matched.as_str()], "{explained}");
                assert_eq!(ids(&explained["errors"]), [matched.as_str(), &skipped], "{explained}");
                let of = |id: &str| {
                    explained["errors"].as_array().unwrap().iter().find(|one| one["rule"] == id).unwrap()["on_error"].clone()
                };
                assert_eq!((of(&skipped), of(&matched)), (json!("skip"), json!("match")));
                for id in [skipped, matched] {
                    daemon.await_metric("riskd_rule_errors_total", &format!("rule=\"{id}\""), 1.0);
                }
            }
        }
    }
}

#[test]
fn an_error_of_an_event_that_nobody_looks_at_is_none() {
    let daemon = Daemon::start_with(|config| {
        std::fs::write(config.policy.dir.join("test.yaml"), rules().replace("MODE", "live")).unwrap();
    });
    let ext = json!({"n": 0, "big": 1, "at": 2, "s": "many", "host": "nowhere"});
    for (id, kind, ext) in
        [("claim", "claim", ext), ("login", "login", json!({})), ("pay", "pay", json!({"n": 5}))]
    {
        let answer =
            daemon.check(&json!({"id": id, "kind": kind, "account": "u", "amount": "1.00", "ext": ext}));
        assert_eq!(answer.verdict(), "allow");
        let explained = explained(&daemon, id);
        assert_eq!((&explained["errors"], &explained["matches"]), (&json!([]), &json!([])), "{id}");
    }
    assert_eq!(daemon.metric("riskd_rule_errors_total", ""), 0.0);
}
