//! Passed challenges against a limit: the caller goes on only where the reply says that the room was still there.

use serde_json::json;
use wire::{ErrorCode, Outcome, OutcomeKind};

use crate::harness::{Daemon, Reply, run};

const PACKET: &str = "0192f6c4-7c1e-7000-8000-0000000000c1";

/// A claim of a device that is asked for a face from its third claim on, out of a packet of ten shares.
fn claim(daemon: &Daemon, id: &str) -> String {
    let check = json!({"id": id, "kind": "claim", "account": "u", "packet": PACKET, "device": {"id": "d"}, "amount": "1.00"});
    daemon.check(&check).verdict()
}

fn tell(daemon: &Daemon, id: &str, outcome: &str) -> Reply {
    daemon.post("/v1/outcome", json!({"id": id, "outcome": outcome}).to_string())
}

fn refused(reply: &Reply) -> bool {
    if reply.status == 200 {
        return false;
    }
    assert_eq!(reply.status, 409, "{reply:?}");
    assert_eq!(reply.error(), ("limit_reached".to_owned(), "outcome".to_owned()));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("claims_of_packet_24h") && message.contains("10"), "{message}");
    true
}

#[test]
fn of_fourteen_passed_at_once_as_many_go_on_as_the_limit_leaves_over_http() {
    let daemon = Daemon::start();
    assert_eq!([claim(&daemon, "a"), claim(&daemon, "b")], ["allow", "allow"]);
    let ids: Vec<String> = (0..14).map(|n| format!("c{n}")).collect();
    assert!(ids.iter().all(|id| claim(&daemon, id) == "challenge"));
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let daemon = &daemon;
        let pass = |id: &String| {
            let id = id.clone();
            scope.spawn(move || tell(daemon, &id, "challenge_passed"))
        };
        let passing: Vec<_> = ids.iter().map(pass).collect();
        passing.into_iter().map(|passing| passing.join().unwrap()).collect()
    });
    let (out, on): (Vec<_>, Vec<_>) = ids.iter().zip(&replies).partition(|(_, reply)| refused(reply));
    assert_eq!((on.len(), out.len()), (8, 6), "two shares of ten are taken");

    let (out, on) = (out[0].0, on[0].0);
    assert!(refused(&tell(&daemon, out, "challenge_passed")), "told again: nothing has changed");
    let again = tell(&daemon, on, "challenge_passed");
    assert_eq!(
        (again.status, again.error().0.as_str()),
        (409, "no_open_challenge"),
        "it was passed, and once"
    );
    assert!(refused(&tell(&daemon, out, "challenge_passed")));
    assert_eq!(tell(&daemon, on, "failed").status, 200);
    assert_eq!(tell(&daemon, out, "challenge_passed").status, 200, "a share came back");
    let other = ids.iter().zip(&replies).find(|(id, reply)| reply.status != 200 && *id != out);
    assert!(refused(&tell(&daemon, other.unwrap().0, "challenge_passed")), "and is taken");
}

#[test]
fn a_passed_challenge_of_a_check_that_nobody_remembers_is_an_error() {
    let daemon = Daemon::start();
    let reply = tell(&daemon, "nobody", "challenge_passed");
    assert_eq!((reply.status, reply.error()), (404, ("not_found".to_owned(), "id".to_owned())));
    let reply = tell(&daemon, "nobody", "challenge_failed");
    assert_eq!((reply.status, &reply.json()["known"]), (200, &json!(false)), "a fact is kept all the same");
}

#[test]
fn frames_carry_the_same_refusals() {
    let daemon = Daemon::start();
    assert_eq!([claim(&daemon, "a"), claim(&daemon, "b")], ["allow", "allow"]);
    let ids: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    assert!(ids.iter().all(|id| claim(&daemon, id) == "challenge"));
    let outcome = |id| Outcome { id, outcome: OutcomeKind::ChallengePassed, time_ms: None };
    let mut outcomes: Vec<Outcome<'_>> = ids.iter().map(|id| outcome(id.as_str().into())).collect();
    outcomes.push(outcome("nobody".into()));
    let results = run(async { daemon.unix_client().await.outcome_batch(&outcomes).await.unwrap() });
    let (nobody, results) = results.split_last().unwrap();
    assert_eq!(nobody.as_ref().unwrap_err().code, ErrorCode::NotFound);
    assert!(results[..8].iter().all(Result::is_ok), "applied in their order");
    assert!(results[8..].iter().all(|result| result.as_ref().unwrap_err().code == ErrorCode::LimitReached));
}

/// A limit of two claims a packet, and a rule that asks for a proof from 5.00 on.
const LIMITED: &str = r#"
features: { n: { count: claim, by: packet, window: 1h, status: approved } }
limits: [ { id: once, feature: n, max: 2, reason: { code: L1, text: t } } ]
rules: [ { id: c, tier: challenge, when: amount >= 5.00, challenge: sms, reason: { code: R1, text: t } } ]
"#;

#[test]
fn whatever_a_reload_does_to_the_limits_a_passed_challenge_passes_none_of_them() {
    let replaced = |from: &str, to: &str| LIMITED.replace(from, to);
    let added = "count: claim, by: [packet, account], window: 1h, status: approved }, m: { count: claim, by: packet, window: 30m, status: approved } }\nlimits: [ { id: more, feature: m, max: 1, reason: { code: L2, text: t } }, {";
    // What goes on of five passed challenges, at most.
    let reloads = [
        ("as it was", LIMITED.to_owned(), 2),
        ("a longer window", replaced("1h", "2h"), 0),
        (
            "another name",
            replaced("features: { n: {", "features: { k: {").replace("feature: n", "feature: k"),
            0,
        ),
        ("another key", replaced("by: packet", "by: [packet, account]"), 0),
        ("more kinds", replaced("count: claim", "count: [claim, pay]"), 0),
        ("a lower maximum", replaced("max: 2", "max: 1"), 1),
        (
            "a limit on a new window",
            replaced(
                "count: claim, by: packet, window: 1h, status: approved } }\nlimits: [ {",
                &added.replacen("by: [packet, account]", "by: packet", 1),
            ),
            0,
        ),
    ];
    for (what, rules, most) in reloads {
        let daemon = Daemon::start_with(|config| {
            std::fs::remove_dir_all(&config.policy.dir).unwrap();
            std::fs::create_dir_all(&config.policy.dir).unwrap();
            std::fs::write(config.policy.dir.join("a.yaml"), LIMITED).unwrap();
        });
        for n in 0..5 {
            let check = json!({"id": format!("c{n}"), "kind": "claim", "account": format!("u{n}"), "packet": PACKET, "amount": "5.00"});
            assert_eq!(daemon.check(&check).verdict(), "challenge", "{what}");
        }
        std::fs::write(daemon.rules().join("a.yaml"), rules).unwrap();
        let reload = daemon.admin_call("POST", "/v1/reload", "");
        assert_eq!(reload.status, 200, "{what}: {reload:?}");
        let replies: Vec<Reply> =
            (0..5).map(|n| tell(&daemon, &format!("c{n}"), "challenge_passed")).collect();
        let on = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(on, most, "{what}: {replies:?}");
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 409)), "{what}: {replies:?}");
    }
}
