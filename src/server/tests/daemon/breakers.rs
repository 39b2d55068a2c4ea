//! Breakers through the daemon: what callers, operators and metrics see of each state.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Daemon;

/// Two withdrawals of one account in one batch, which is decided at one time; gives both answers.
fn pair(daemon: &Daemon, ids: [&str; 2], amounts: [&str; 2]) -> [Value; 2] {
    let check = |at: usize| json!({"id": ids[at], "kind": "withdraw", "account": "u", "amount": amounts[at]});
    let reply = daemon.post("/v1/checks", json!([check(0), check(1)]).to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    let answers = reply.json();
    [answers[0].clone(), answers[1].clone()]
}

/// Verdict, text and value of the first reason.
fn told(answer: &Value) -> (&str, &str, &Value) {
    let reason = &answer["reasons"][0];
    (answer["verdict"].as_str().unwrap(), reason["text"].as_str().unwrap_or(""), &reason["value"])
}

#[test]
fn a_breaker_opens_half_opens_and_tells_its_state_in_reasons_and_metrics() {
    let daemon = Daemon::start();
    let [opens, open] = pair(&daemon, ["a", "b"], ["9000.00", "1.00"]);
    assert_eq!(told(&opens), ("deny", "breaker opens: withdrawals came too fast", &json!(9000.0)));
    assert_eq!(told(&open), ("deny", "breaker open, seconds left: withdrawals came too fast", &json!(2)));
    assert_eq!(
        (&open["reasons"][0]["rule"], &open["reasons"][0]["code"]),
        (&json!("withdraw-surge"), &json!("L003"))
    );
    std::thread::sleep(Duration::from_millis(2_100));
    let [trial, spent] = pair(&daemon, ["c", "d"], ["1.00", "1.00"]);
    assert_eq!(trial["verdict"], json!("allow"));
    assert_eq!(
        told(&spent),
        ("deny", "breaker half open, trials used: withdrawals came too fast", &json!(1))
    );
    assert_eq!(spent["reasons"][0]["threshold"], json!(1));
    for state in ["opened", "open", "half_open"] {
        let label = format!("breaker=\"withdraw-surge\",state=\"{state}\"");
        daemon.await_metric("riskd_breaker_refusals_total", &label, 1.0);
    }
    daemon.await_metric("riskd_breaker_trials_total", "withdraw-surge", 1.0);
    assert_eq!(daemon.metric_now("riskd_breaker_closings_total", "withdraw-surge"), 0.0);
    assert_eq!(daemon.metric_now("riskd_rule_hits_total", "withdraw-surge"), 0.0, "counted once, by state");
    assert_eq!(daemon.metric_now("riskd_rule_shadow_hits_total", "withdraw-surge"), 0.0, "it acts");
}

#[test]
fn operators_see_the_breaker_in_the_policy_and_behind_a_decision() {
    let daemon = Daemon::start();
    let policy = daemon.admin_call("GET", "/v1/policy", "").json();
    assert_eq!(policy["breaker_count"], json!(1));
    let breaker = &policy["breakers"][0];
    assert_eq!((&breaker["id"], &breaker["by"]), (&json!("withdraw-surge"), &json!(["account"])));
    assert_eq!((&breaker["open_ms"], &breaker["trials"]), (&json!(2000), &json!(1)));
    pair(&daemon, ["a", "b"], ["9000.00", "1.00"]);
    let began = Instant::now();
    let explained = loop {
        let reply = daemon.admin_call("GET", "/v1/explain/b", "");
        if reply.status == 200 {
            break reply.json();
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{reply:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let matched = &explained["matches"][0];
    assert_eq!(matched["rule"], json!("withdraw-surge"));
    assert_eq!(matched["text"], json!("breaker open, seconds left: withdrawals came too fast"));
}
