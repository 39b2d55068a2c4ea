//! The data address.

use serde_json::json;

use crate::harness::{Daemon, ask};

#[test]
fn the_example_of_the_manual_is_answered() {
    let daemon = Daemon::start();
    let body = r#"{"id":"a1","kind":"claim","account":"u1","device":{"id":"d1"},"ip":"203.0.113.9","amount":"8.88","packet":"0192f6c4-7c1e-7000-8000-000000000001"}"#;
    let reply = daemon.post("/v1/check", body);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.starts_with(r#"{"id":"a1","verdict":"allow","score":0.0"#), "{}", reply.body);
    let answer = reply.json();
    assert_eq!((&answer["reasons"], &answer["replayed"]), (&json!([]), &json!(false)));
    assert_eq!(answer["policy"], daemon.admin_call("GET", "/v1/policy", "").json()["policy"]);
}

#[test]
fn the_same_id_again_gets_the_first_answer_and_counts_nothing() {
    let daemon = Daemon::start();
    let check = json!({"id": "r1", "kind": "claim", "account": "u1", "device": {"id": "d1"}});
    let first = daemon.check(&check).json();
    for _ in 0..5 {
        let again = daemon.check(&check).json();
        assert_eq!(again["replayed"], json!(true));
        assert_eq!((&again["verdict"], &again["decision"]), (&first["verdict"], &first["decision"]));
    }
    // Had the replays counted, this would be the seventh claim on the device and not the second.
    let second = daemon.check(&json!({"id": "r2", "kind": "claim", "account": "u1", "device": {"id": "d1"}}));
    assert_eq!(second.verdict(), "allow");
    daemon.await_metric("riskd_replayed_total", "", 5.0);
}

#[test]
fn a_rule_that_matches_says_why_with_value_and_threshold() {
    let daemon = Daemon::start();
    let check = |n: u32| {
        daemon.check(&json!({"id": format!("c{n}"), "kind": "claim", "account": format!("u{n}"), "device": {"id": "d"}}))
    };
    assert_eq!([check(1).verdict(), check(2).verdict()], ["allow", "allow"]);
    let third = check(3).json();
    assert_eq!((&third["verdict"], &third["challenge"]), (&json!("challenge"), &json!("face")));
    let reason = &third["reasons"][0];
    assert_eq!((&reason["code"], &reason["rule"]), (&json!("T101"), &json!("device-farm")));
    assert_eq!((&reason["value"], &reason["threshold"]), (&json!(3), &json!(3)));
    assert_eq!(reason["customer"], json!("Please confirm it is you."));
    daemon.await_metric("riskd_rule_hits_total", "device-farm", 1.0);
}

#[test]
fn a_batch_is_answered_in_its_own_shape_and_order() {
    let daemon = Daemon::start();
    let check = |id: &str| json!({"id": id, "kind": "login", "account": "u1"});
    let bad = json!({"id": "b", "kind": "dance", "account": "u1"});
    let array = daemon.post("/v1/checks", json!([check("a"), bad, check("c")]).to_string());
    let answers = array.json();
    assert_eq!((&answers[0]["id"], &answers[2]["id"]), (&json!("a"), &json!("c")));
    assert_eq!(answers[1]["error"]["field"], json!("kind"));
    assert_eq!(answers.as_array().unwrap().len(), 3);

    let lines = format!("{}\n{bad}\n\n{}\n", check("d"), check("e"));
    let reply = daemon.post("/v1/checks", lines);
    let lines: Vec<serde_json::Value> =
        reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["id"], &lines[1]["error"]["code"]), (&json!("d"), &json!("out_of_range")));
    assert!(reply.head.contains("application/x-ndjson"), "{}", reply.head);
    assert_eq!(daemon.post("/v1/checks", "[]").body, "[]");
}

#[test]
fn a_kept_connection_answers_one_request_after_another() {
    use std::io::{Read, Write};
    let daemon = Daemon::start();
    let mut stream = std::net::TcpStream::connect(daemon.http()).unwrap();
    let mut answers = Vec::new();
    for n in 0..3 {
        let body = json!({"id": format!("k{n}"), "kind": "login", "account": "u"}).to_string();
        let request =
            format!("POST /v1/check HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        answers.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
    }
    assert!(
        answers.iter().enumerate().all(|(n, answer)| answer.contains(&format!("\"id\":\"k{n}\""))),
        "{answers:?}"
    );
}

#[test]
fn unknown_paths_and_wrong_methods_are_told_so() {
    let daemon = Daemon::start();
    let unknown = daemon.get("/v2/check");
    assert_eq!((unknown.status, unknown.error().0.as_str()), (404, "not_found"));
    let wrong = daemon.get("/v1/check");
    assert_eq!((wrong.status, wrong.error().0.as_str()), (405, "not_found"));
    assert!(wrong.head.to_lowercase().contains("allow: post"), "{}", wrong.head);
    let admin = daemon.get("/v1/policy");
    assert_eq!(admin.status, 404);
}

#[test]
fn probes_answer_on_both_addresses_without_a_token() {
    let daemon = Daemon::start();
    for address in [daemon.http(), daemon.admin()] {
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            assert_eq!(ask(address, "GET", path, "", b"").status, 200, "{path}");
        }
    }
}
