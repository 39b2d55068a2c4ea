//! What happens when decisions can no longer be logged: by configuration, the daemon goes on or refuses.

use std::time::Duration;

use serde_json::{Value, json};
use server::config::JournalMode;

use wire::{Check, Kind, Verdict};

use crate::harness::{Daemon, run};

/// A daemon whose journal folder is gone: the segment in use fills up, and no other can be made.
fn with_journal_gone(mode: JournalMode) -> Daemon {
    let daemon = Daemon::start_with(|config| {
        config.journal.mode = mode;
        config.journal.segment_bytes_max = 1 << 20;
        config.journal.retain_bytes_max = 8 << 20;
    });
    std::fs::remove_dir_all(daemon.data().join("journal")).unwrap();
    daemon
}

fn batch(daemon: &Daemon, round: usize) -> Vec<Value> {
    let check = |n| json!({"id": format!("j{round}-{n}"), "kind": "withdraw", "account": "u", "text": "x".repeat(200)});
    let checks: Vec<Value> = (0..1000).map(check).collect();
    daemon.post("/v1/checks", json!(checks).to_string()).json().as_array().unwrap().clone()
}

#[test]
fn with_durability_checks_are_refused_until_the_log_can_be_written_again() {
    let daemon = with_journal_gone(JournalMode::Durability);
    let known = json!({"id": "known", "kind": "withdraw", "account": "k", "amount": "1.00"});
    let first = daemon.check(&known).json();
    assert_eq!(first["verdict"], json!("allow"));
    let refused = (0..100).find_map(|round| {
        std::thread::sleep(Duration::from_millis(20));
        batch(&daemon, round).into_iter().find(|answer| answer["degraded"].to_string().contains("journal"))
    });
    let refused = refused.expect("a refusal");
    assert_eq!((&refused["verdict"], &refused["reasons"][0]["code"]), (&json!("review"), &json!("journal")));
    let one = daemon.check(&json!({"id": "one", "kind": "scan", "account": "u"}));
    assert_eq!((one.status, &one.json()["verdict"]), (503, &json!("allow")));
    assert!(one.head.to_lowercase().contains("retry-after"), "{}", one.head);
    assert_eq!(daemon.get("/readyz").status, 503);
    known_ids_get_their_first_answers(&daemon, &known, &first);

    std::fs::create_dir(daemon.data().join("journal")).unwrap();
    let recovered = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        daemon.get("/readyz").status == 200
    });
    assert!(recovered);
    assert_eq!(daemon.check(&json!({"id": "two", "kind": "scan", "account": "u"})).status, 200);
}

/// An id that was decided has its first answer on every transport while others are refused.
fn known_ids_get_their_first_answers(daemon: &Daemon, known: &Value, first: &Value) {
    let mut expected = first.clone();
    expected["replayed"] = json!(true);
    let one = daemon.check(known);
    assert_eq!((one.status, one.json()), (200, expected.clone()));
    let unknown = json!({"id": "unknown", "kind": "withdraw", "account": "k"});
    let body = json!([unknown, known]).to_string();
    let answers = daemon.post("/v1/checks", body).json();
    assert_eq!(answers[0]["degraded"], json!(["fallback", "journal"]));
    assert_eq!(answers[1], expected);
    let mut check = Check::new("known", Kind::Withdraw, "k");
    check.amount_minor = Some(100);
    let check = [Check::new("unknown", Kind::Withdraw, "k"), check];
    run(async {
        for client in [daemon.unix_client().await, daemon.quic_client().await] {
            let answers = client.check_batch(&check).await.unwrap();
            let [unknown, known] = [0, 1].map(|at| answers[at].as_ref().unwrap());
            assert_eq!((unknown.verdict, unknown.replayed), (Verdict::Review, false));
            assert_eq!((known.verdict, known.replayed), (Verdict::Allow, true));
            assert_eq!(json!(known.decision), expected["decision"]);
        }
    });
}

#[test]
fn with_availability_checks_are_answered_and_what_was_not_logged_is_counted() {
    let daemon = with_journal_gone(JournalMode::Availability);
    for round in 0..100 {
        if daemon.metric_now("riskd_journal_lost_total", "disk") > 0.0 {
            assert_eq!(daemon.get("/readyz").status, 200);
            return;
        }
        assert!(batch(&daemon, round).iter().all(|answer| answer["verdict"] == json!("allow")));
    }
    panic!("nothing was counted as lost");
}
