//! Limits hold under concurrency, over all doors at once.

use std::sync::Arc;

use serde_json::json;
use wire::{Check, Kind, Outcome, OutcomeKind, Verdict};

use crate::harness::{Daemon, run};

const PACKET: &str = "0192f6c4-7c1e-7000-8000-000000000001";

#[test]
fn sixty_four_claims_at_once_over_all_doors_never_pass_a_limit_of_ten() {
    let daemon = Arc::new(Daemon::start());
    let over_http: Vec<_> = (0..24)
        .map(|n| {
            let daemon = daemon.clone();
            std::thread::spawn(move || {
                let (id, account) = (format!("h{n}"), format!("uh{n}"));
                daemon
                    .check(&json!({"id": id, "kind": "claim", "account": account, "packet": PACKET}))
                    .verdict()
                    == "allow"
            })
        })
        .collect();
    let framed = run(async {
        let (unix, quic) = (daemon.unix_client().await, daemon.quic_client().await);
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let client = if n % 2 == 0 { unix.clone() } else { quic.clone() };
                tokio::spawn(async move {
                    let mut check = Check::new(format!("f{n}"), Kind::Claim, format!("uf{n}"));
                    check.packet = Some(PACKET.parse().unwrap());
                    client.check(&check).await.unwrap().verdict == Verdict::Allow
                })
            })
            .collect();
        let mut allowed = 0;
        for task in tasks {
            allowed += usize::from(task.await.unwrap());
        }
        allowed
    });
    let allowed =
        framed + over_http.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>();
    assert_eq!(allowed, 10);
}

#[test]
fn a_reservation_is_given_back_when_the_payment_fails_and_kept_when_it_settles() {
    let daemon = Daemon::start();
    let pay = |id: &str| {
        daemon
            .check(&json!({"id": id, "kind": "pay", "account": "u", "amount": "60.00", "counterparty": "m"}))
    };
    assert_eq!(pay("p1").verdict(), "allow");
    let second = pay("p2").json();
    assert_eq!((&second["verdict"], &second["reasons"][0]["code"]), (&json!("deny"), &json!("L002")));
    let kept = daemon.post("/v1/outcome", json!({"id": "p1", "outcome": "failed"}).to_string());
    assert_eq!(kept.json(), json!({"id": "p1", "outcome": "failed", "known": true}));
    assert_eq!(pay("p3").verdict(), "allow");
    daemon.post("/v1/outcome", json!({"id": "p3", "outcome": "settled"}).to_string());
    // What has settled is not given back by a late failure.
    daemon.post("/v1/outcome", json!({"id": "p3", "outcome": "failed"}).to_string());
    assert_eq!(pay("p4").verdict(), "deny");
    let unknown = daemon.post("/v1/outcome", json!({"id": "never", "outcome": "fraud"}).to_string());
    assert_eq!(unknown.json()["known"], json!(false));
}

#[test]
fn a_check_that_is_no_longer_remembered_has_settled_what_it_reserved() {
    let daemon = Daemon::start_with(|config| config.tables.decisions = 1024);
    let pay = |id: &str| {
        daemon
            .check(&json!({"id": id, "kind": "pay", "account": "u", "amount": "60.00", "counterparty": "m"}))
            .verdict()
    };
    let failed = |id: &str| {
        daemon.post("/v1/outcome", json!({"id": id, "outcome": "failed"}).to_string()).json()["known"].clone()
    };
    assert_eq!(pay("p1"), "allow");
    for round in 0..10 {
        let login = |n| json!({"id": format!("{round}-{n}"), "kind": "login", "account": "v"});
        let checks: Vec<_> = (0..1000).map(login).collect();
        assert_eq!(daemon.post("/v1/checks", json!(checks).to_string()).status, 200);
    }
    assert_eq!(failed("p1"), json!(false));
    assert_eq!(pay("p2"), "deny", "nothing was given back");
}

#[test]
fn outcomes_are_on_disk_when_they_are_acknowledged() {
    let daemon = Daemon::start();
    run(async {
        let client = daemon.unix_client().await;
        let outcomes: Vec<Outcome<'_>> = (0..100)
            .map(|n| Outcome { id: format!("o{n}").into(), outcome: OutcomeKind::Legit, time_ms: Some(n) })
            .collect();
        for result in client.outcome_batch(&outcomes).await.unwrap() {
            result.unwrap();
        }
    });
    // Read while the daemon runs: nothing waits in its memory.
    let records: Vec<_> = journal::Reader::open(&daemon.data().join("outcomes"))
        .unwrap()
        .filter_map(Result::ok)
        .map(|record| String::from_utf8(record.bytes).unwrap())
        .collect();
    assert_eq!(records.len(), 100);
    assert_eq!(records[99], r#"{"id":"o99","outcome":"legit","time":99}"#);
}

#[test]
fn copies_of_one_check_in_flight_at_once_yield_one_decision() {
    let daemon = Arc::new(Daemon::start());
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let daemon = daemon.clone();
            std::thread::spawn(move || {
                daemon
                    .check(&json!({"id": "one", "kind": "claim", "account": "u", "device": {"id": "d"}}))
                    .json()
            })
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(answers.iter().all(|answer| answer["decision"] == answers[0]["decision"]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["replayed"] == json!(false)).count(), 1);
}
