//! The guard over the blast radius, through the daemon: what refuses too much only watches within seconds, and does so until a
//! person turns it on or its text changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Daemon, Held, RULES};

/// Checks of a batch.
const BATCH: usize = 100;

/// A daemon whose rule `large` may refuse two percent, and the limit of a day of payments five.
fn daemon() -> Daemon {
    let daemon = Daemon::start_with(|config| {
        config.guard.checks_min = 200;
        std::fs::write(config.policy.dir.join("test.yaml"), bounded()).unwrap();
    });
    assert_eq!(demoted(&daemon), Vec::<String>::new());
    daemon
}

fn bounded() -> String {
    let large = "tier: review\n    on: [withdraw]\n";
    let daily = "max: 100.00\n    then: deny\n";
    assert!(RULES.contains(large) && RULES.contains(daily));
    RULES
        .replace(large, &format!("{large}    share_max: 2%\n"))
        .replace(daily, &format!("{daily}    share_max: 5%\n"))
}

/// Ids of what is demoted.
fn demoted(daemon: &Daemon) -> Vec<String> {
    let reply = daemon.admin_call("GET", "/v1/demoted", "").json();
    let ids = reply["demoted"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// A batch of withdrawals of which so many are large; how many were sent to review.
fn withdraw(daemon: &Daemon, name: &str, large: usize) -> usize {
    let check = |at: usize| {
        let amount = if at < large { "6000.00" } else { "1.00" };
        json!({"id": format!("{name}-{at}"), "kind": "withdraw", "account": format!("u{at}"), "amount": amount})
    };
    let checks: Vec<Value> = (0..BATCH).map(check).collect();
    let reply = daemon.post("/v1/checks", json!(checks).to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    let answers = reply.json();
    answers.as_array().unwrap().iter().filter(|answer| answer["verdict"] == json!("review")).count()
}

/// Sends batches of which half are large until the rule is demoted.
fn exceed(daemon: &Daemon, name: &str) {
    let began = Instant::now();
    for batch in 0.. {
        withdraw(daemon, &format!("{name}-{batch}"), BATCH / 2);
        if demoted(daemon) == ["large"] {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not demoted");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn turn_on(daemon: &Daemon, id: &str) -> crate::harness::Reply {
    daemon.admin_call_with("Riskd-Actor: Li Na\r\n", "DELETE", &format!("/v1/demoted/{id}"), "")
}

/// The mode of the rule `large`, as the policy in force shows it.
fn mode(daemon: &Daemon) -> Value {
    let policy = daemon.admin_call("GET", "/v1/policy", "").json();
    let rules = policy["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["id"] == json!("large")).unwrap()["mode"].clone()
}

#[test]
fn a_rule_that_refuses_too_large_a_share_only_watches_until_a_person_turns_it_on() {
    let daemon = daemon();
    assert_eq!(withdraw(&daemon, "few", 1), 1, "one percent");
    exceed(&daemon, "many");
    assert_eq!(withdraw(&daemon, "shadow", 50), 0, "it refuses no more");
    assert_eq!(mode(&daemon), json!("shadow"));
    let told = &daemon.admin_call("GET", "/v1/policy", "").json()["demoted"][0];
    assert_eq!((&told["id"], &told["share_max_percent"]), (&json!("large"), &json!(2.0)));
    assert_eq!(told["learned"], json!(false));
    let (refused, checks) = (told["refused"].as_u64().unwrap(), told["checks"].as_u64().unwrap());
    assert!(checks >= 200 && refused * 100 > checks * 2, "{told}");
    assert_eq!(daemon.metric_now("riskd_rule_demoted", "rule=\"large\""), 1.0);
    assert_eq!(daemon.metric_now("riskd_demotions_total", ""), 1.0);

    // What it would have done is in the record of the decision.
    let began = Instant::now();
    let explained = loop {
        let reply = daemon.admin_call("GET", "/v1/explain/shadow-0", "");
        if reply.status == 200 {
            break reply.json();
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{reply:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let matched = &explained["matches"][0];
    assert_eq!((&matched["rule"], &matched["shadow"]), (&json!("large"), &json!(true)));

    let nameless = daemon.admin_call("DELETE", "/v1/demoted/large", "");
    assert_eq!((nameless.status, nameless.error().1), (400, "riskd-actor".to_owned()));
    let reply = turn_on(&daemon, "large");
    assert_eq!((reply.status, &reply.json()["by"]), (200, &json!("Li Na")));
    assert_eq!(turn_on(&daemon, "large").status, 404, "it acts already");
    assert_eq!((mode(&daemon), withdraw(&daemon, "again", 1)), (json!("live"), 1));
    assert_eq!(daemon.metric_now("riskd_rule_demoted", "rule=\"large\""), 0.0);
    // It is bound as before, and by what comes from now on.
    exceed(&daemon, "once-more");
}

#[test]
fn a_demotion_survives_restarts_and_reloads_until_the_text_of_the_rule_changes() {
    let mut daemon = daemon();
    exceed(&daemon, "many");
    daemon.restart();
    assert_eq!((demoted(&daemon), withdraw(&daemon, "r", 10)), (vec!["large".to_owned()], 0));

    let file = daemon.rules().join("test.yaml");
    let reload = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let reply = daemon.admin_call("POST", "/v1/reload", "");
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    // Another rule, a comment, another order: the rule says what it said.
    reload(
        &bounded().replace("max: 100.00", "max: 101.00").replace("  - id: large", "  # dear\n  - id: large"),
    );
    assert_eq!((demoted(&daemon), withdraw(&daemon, "other", 10)), (vec!["large".to_owned()], 0));
    reload(
        &bounded().replace("amount >= 5000.00", "amount >= 5500.00").replace("\"5000.00\"", "\"5500.00\""),
    );
    assert_eq!((demoted(&daemon), withdraw(&daemon, "changed", 10)), (vec![], 10));
    reload(&bounded());
    assert_eq!((demoted(&daemon), withdraw(&daemon, "back", 10)), (vec!["large".to_owned()], 0));

    assert_eq!(turn_on(&daemon, "large").status, 200);
    daemon.restart();
    assert_eq!((demoted(&daemon), withdraw(&daemon, "on", 10)), (vec![], 10));
}

#[test]
fn a_reload_that_takes_its_time_holds_up_no_demotion_and_takes_none_back() {
    let daemon = daemon();
    let keys = daemon.data().join("token.keys");
    let during_a_reload = |step: &dyn Fn()| {
        let held = Held::hold(&keys);
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| daemon.admin_call("POST", "/v1/reload", ""));
            let reached = held.reached();
            step();
            assert!(!reload.is_finished());
            reached.go();
            let reply = reload.join().unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
        });
    };
    during_a_reload(&|| {
        exceed(&daemon, "many");
        assert_eq!(withdraw(&daemon, "shadow", 50), 0);
    });
    assert_eq!((mode(&daemon), withdraw(&daemon, "after", 50)), (json!("shadow"), 0));
    during_a_reload(&|| assert_eq!(turn_on(&daemon, "large").status, 200));
    assert_eq!((mode(&daemon), withdraw(&daemon, "again", 1)), (json!("live"), 1));
}

#[test]
fn a_limit_that_declares_a_share_is_demoted_and_one_that_does_not_is_never() {
    let daemon = daemon();
    let pays = |name: &str, account: &str| {
        let check = |at: usize| json!({"id": format!("{name}-{at}"), "kind": "pay", "account": account, "amount": "60.00", "counterparty": "shop"});
        let claim = |at: usize| {
            json!({"id": format!("{name}-c{at}"), "kind": "claim", "account": format!("{account}{at}"),
                   "packet": "018f3b1e-0000-7000-8000-000000000001"})
        };
        let checks: Vec<Value> = (0..BATCH).flat_map(|at| [check(at), claim(at)]).collect();
        let answers = daemon.post("/v1/checks", json!(checks).to_string()).json();
        let denied = |place: usize| {
            answers
                .as_array()
                .unwrap()
                .iter()
                .skip(place)
                .step_by(2)
                .any(|answer| answer["verdict"] == json!("deny"))
        };
        [denied(0), denied(1)]
    };
    assert_eq!(pays("a", "u"), [true, true]);
    let began = Instant::now();
    while demoted(&daemon) != ["daily"] {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", demoted(&daemon));
        pays(&format!("b{:?}", began.elapsed()), "u");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(pays("c", "v"), [false, true], "the packet's limit declares no share and goes on");
}
