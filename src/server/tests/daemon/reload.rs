//! Reloading: whole or not at all.

use serde_json::json;

use crate::harness::{Daemon, RULES};

fn withdraw(daemon: &Daemon, id: &str) -> String {
    daemon.check(&json!({"id": id, "kind": "withdraw", "account": "u", "amount": "1000.00"})).verdict()
}

#[test]
fn changed_rules_are_in_force_after_a_reload_and_counts_stay() {
    let daemon = Daemon::start();
    let claim = |n: u32| {
        daemon
            .check(&json!({"id": format!("c{n}"), "kind": "claim", "account": "u", "device": {"id": "d"}}))
            .verdict()
    };
    assert_eq!([claim(1), claim(2)], ["allow", "allow"]);
    assert_eq!(withdraw(&daemon, "w1"), "allow");
    let before = daemon.admin_call("GET", "/v1/policy", "").json();
    let changed = RULES.replace("5000.00", "1000.00");
    std::fs::write(daemon.rules().join("test.yaml"), &changed).unwrap();
    assert_eq!(withdraw(&daemon, "w2"), "allow", "nothing changes before the call");

    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_ne!(reply.json()["policy"], before["policy"]);
    assert_eq!(withdraw(&daemon, "w3"), "review");
    assert_eq!(claim(3), "challenge", "the window kept its counts");
    daemon.await_metric("riskd_reloads_total", "activated", 1.0);
    daemon.await_metric("riskd_snapshot_info", reply.json()["policy"].as_str().unwrap(), 1.0);
}

#[test]
fn a_directory_with_faults_is_refused_with_all_of_them_and_the_old_rules_stay() {
    let daemon = Daemon::start();
    let before = daemon.admin_call("GET", "/v1/policy", "").json()["policy"].clone();
    let faulty = RULES
        .replace("tier: review", "tier: maybe")
        .replace("amount >= 5000.00", "amount >= \"many\"")
        .replace("window: 10m", "window: 10 minutes")
        .replace("claims_by_device_10m >= 3", "claims_by_devise_10m >= 3")
        .replace("max: 10\n", "max: ten\n");
    std::fs::write(daemon.rules().join("test.yaml"), faulty).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 422, "{reply:?}");
    let refused = reply.json();
    let errors: Vec<_> =
        refused["diagnostics"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert!(errors.len() >= 4, "{refused}");
    assert!(
        errors
            .iter()
            .all(|one| one["line"].as_u64().unwrap() > 0
                && one["file"].as_str().unwrap().ends_with("test.yaml"))
    );
    assert!(refused["text"].as_str().unwrap().contains("test.yaml:"), "{refused}");
    assert_eq!(daemon.admin_call("GET", "/v1/policy", "").json()["policy"], before);
    assert_eq!(withdraw(&daemon, "w1"), "allow");
    daemon.await_metric("riskd_reloads_total", "refused", 1.0);
}

#[test]
fn the_memory_of_windows_that_are_gone_is_given_back_though_no_check_comes() {
    let daemon = Daemon::start();
    let capacity = || daemon.metric_now("riskd_table_capacity", "table=\"velocity\"");
    let before = capacity();
    let longer = RULES.replace("by: device, window: 10m", "by: device, window: 11m");
    assert_ne!(longer, RULES);
    std::fs::write(daemon.rules().join("test.yaml"), longer).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    daemon.await_metric("riskd_table_capacity", "table=\"velocity\"", before);
    std::fs::write(daemon.rules().join("test.yaml"), "bands: { deny: 0.9 }\n").unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    daemon.await_metric("riskd_table_capacity", "table=\"velocity\"", 0.0);
}

#[test]
fn a_failing_test_of_the_files_refuses_them() {
    let daemon = Daemon::start();
    let failing = RULES.replace("verdict: review, rules: [large]", "verdict: deny");
    assert_ne!(failing, RULES);
    std::fs::write(daemon.rules().join("test.yaml"), failing).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.body.contains("a large withdrawal is reviewed"), "{}", reply.body);
}

#[test]
fn a_list_that_a_reload_brings_back_has_its_entries() {
    let daemon = Daemon::start();
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/u9", "");
    let without = "bands: { deny: 0.9 }\n";
    std::fs::write(daemon.rules().join("test.yaml"), without).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(daemon.admin_call("GET", "/v1/lists/bad_accounts/u9", "").status, 404);
    std::fs::write(daemon.rules().join("test.yaml"), RULES).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    assert_eq!(daemon.check(&json!({"id": "x", "kind": "login", "account": "u9"})).verdict(), "deny");
}
