//! The admin address: who may call, explain, tokens, metrics.

use serde_json::json;

use crate::harness::{Daemon, ask};

#[test]
fn admin_calls_need_the_token_and_probes_do_not() {
    let daemon = Daemon::start();
    for (method, path) in [
        ("GET", "/v1/policy"),
        ("GET", "/v1/model"),
        ("POST", "/v1/reload"),
        ("GET", "/v1/lists/vip"),
        ("PUT", "/v1/lists/vip/u1"),
        ("GET", "/v1/explain/x"),
        ("POST", "/v1/token"),
        ("GET", "/v1/nothing"),
    ] {
        for head in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp5\r\n"] {
            let reply = ask(daemon.admin(), method, path, head, b"");
            assert_eq!((reply.status, reply.error().0.as_str()), (401, "forbidden"), "{method} {path}");
        }
    }
    assert_eq!(daemon.admin_call("GET", "/v1/nothing", "").status, 404);
    assert_eq!(daemon.admin_call("PUT", "/v1/reload", "").status, 405);
    assert_eq!(ask(daemon.admin(), "GET", "/metrics", "", b"").status, 200);
}

#[test]
fn a_decision_is_explained_with_its_inputs_features_and_matches() {
    let daemon = Daemon::start();
    for n in 1..=3 {
        daemon.check(&json!({
            "id": format!("e{n}"), "kind": "claim", "account": format!("u{n}"), "device": {"id": "d"}, "amount": "8.88",
        }));
    }
    // The journal's thread hands decisions on every few milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let reply = daemon.admin_call("GET", "/v1/explain/e3", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let explained = reply.json();
    assert_eq!(explained["verdict"], json!("challenge"), "{explained}");
    assert_eq!(explained["features"]["claims_by_device_10m"], json!(3), "{explained}");
    assert_eq!(explained["features"]["amount"], json!(8.88), "{explained}");
    let hit = &explained["matches"][0];
    assert_eq!(
        (&hit["rule"], &hit["value"], &hit["threshold"]),
        (&json!("device-farm"), &json!(3), &json!(3))
    );
    assert_eq!(daemon.admin_call("GET", "/v1/explain/never", "").status, 404);
}

#[test]
fn a_token_is_minted_rendered_and_opens_in_a_check() {
    let daemon = Daemon::start();
    let packet = "0192f6c4-7c1e-7000-8000-000000000001";
    let minted =
        daemon.admin_call("POST", "/v1/token", json!({"packet": packet, "amount": "8.88"}).to_string());
    assert_eq!(minted.status, 200, "{minted:?}");
    let token = minted.json()["token"].as_str().unwrap().to_owned();
    let check =
        daemon.check(&json!({"id": "t1", "kind": "claim", "account": "u", "packet": packet, "token": token}));
    assert_eq!(check.verdict(), "allow");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let explained = daemon.admin_call("GET", "/v1/explain/t1", "").json();
    assert_eq!(explained["features"]["token.valid"], json!(true), "{explained}");

    for query in [String::new(), format!("?token={token}"), "?amount=1.00&valid_seconds=60".to_owned()] {
        let image = daemon.admin_call("GET", &format!("/v1/token/{packet}.svg{query}"), "");
        assert!(image.status == 200 && image.body.starts_with("<svg"), "{image:?}");
    }
    let other = "0192f6c4-7c1e-7000-8000-000000000002";
    assert_eq!(
        daemon.admin_call("GET", &format!("/v1/token/{other}.svg?token={token}"), "").error().1,
        "token"
    );
    assert_eq!(daemon.admin_call("GET", "/v1/token/nonsense.svg", "").status, 404);
    for (body, field) in [
        (json!({"packet": packet, "amount": "1.234"}), "amount"),
        (json!({"packet": packet, "valid_seconds": 0}), "valid_seconds"),
        (json!({"packet": "x"}), ""),
        (json!({"packet": packet, "colour": "red"}), ""),
    ] {
        let reply = daemon.admin_call("POST", "/v1/token", body.to_string());
        assert_eq!((reply.status, reply.error().1.as_str()), (400, field), "{body}");
    }
}

#[test]
fn metrics_have_units_help_and_labels() {
    let daemon = Daemon::start();
    daemon.check(&json!({"id": "m1", "kind": "pay", "account": "u", "amount": "1.00"}));
    daemon.await_metric("riskd_checks_total", "kind=\"pay\",verdict=\"allow\"", 1.0);
    daemon.await_metric("riskd_check_duration_seconds_count", "", 1.0);
    daemon.await_metric("riskd_journal_written_total", "", 1.0);
    daemon.await_metric("riskd_journal_lost_total", "", 0.0);
    daemon.await_metric("riskd_build_info", "", 1.0);
    daemon.await_metric("riskd_snapshot_info", "", 1.0);
    let text = ask(daemon.admin(), "GET", "/metrics", "", b"").body;
    assert!(text.contains("riskd_table_entries{table="), "{text}");
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(name.starts_with("riskd_"), "{name}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says nothing of itself");
    }
}
