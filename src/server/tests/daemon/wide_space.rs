//! Characters that look like a space and are none, as a Chinese keyboard or a web page leaves them in rule files. They made
//! the renderer panic: a call answered 500, a start died, signals and the watch said nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::{Config, Server};

use crate::harness::{Daemon, RULES};

const SPACES: [&str; 9] =
    ["\u{3000}", "\u{a0}", "\u{85}", "\u{2009}", "\u{2028}", "\u{2029}", "\u{200b}", "\u{feff}", "\u{202e}"];

/// The rules of the tests with that character in one of the places where it is easily typed.
fn spoilt(space: &str, place: usize) -> String {
    let rules = match place {
        0 => RULES.replace("amount >= 5000.00\n", &format!("amount{space}>= 5000.00\n")),
        1 => RULES.replace("amount >= 5000.00\n", &format!("\"amount >={space}5000.00\"\n")),
        2 => RULES.replace("amount >= 5000.00\n", &format!(">-\n      amount >=\n      {space}5000.00 +\n")),
        3 => RULES.replace("tier: review", &format!("tier:{space}review")),
        _ => RULES.replace("id: large", &format!("id: 'la{space}rge'")),
    };
    assert_ne!(rules, RULES);
    rules
}

/// What the refusal must tell: a place of the file, in the text and for tools.
fn holds(told: &Value, case: &str) {
    assert!(told["text"].as_str().unwrap().contains("test.yaml:"), "{case}: {told}");
    let diagnostics = told["diagnostics"].as_array().unwrap();
    assert!(diagnostics.iter().any(|one| one["line"].as_u64().unwrap() > 1), "{case}: {told}");
}

#[test]
fn a_reload_by_call_or_signal_refuses_them_at_their_place_and_the_old_rules_decide_on() {
    let daemon = Daemon::start();
    let mut refused = 0.0;
    for space in SPACES {
        for place in 0..5 {
            let case = format!("{space:?} at {place}");
            std::fs::write(daemon.rules().join("test.yaml"), spoilt(space, place)).unwrap();
            let reply = daemon.admin_call("POST", "/v1/reload", "");
            assert_eq!((reply.status, reply.error().1.as_str()), (422, "policy"), "{case}: {reply:?}");
            holds(&reply.json(), &case);
            daemon.running().reload("SIGHUP").unwrap_err();
            let told = daemon.admin_call("GET", "/v1/policy", "").json()["last_reload"].clone();
            assert_eq!((&told["cause"], &told["result"]), (&json!("SIGHUP"), &json!("refused")), "{case}");
            holds(&told, &case);
            refused += 2.0;
        }
    }
    assert_eq!(daemon.metric_now("riskd_reloads_total", "reason=\"policy\""), refused);
    let large = json!({"id": "w", "kind": "withdraw", "account": "u", "amount": "6000.00"});
    assert_eq!(daemon.check(&large).verdict(), "review");
}

#[test]
fn the_watch_tells_of_them() {
    let daemon = Daemon::start_with(|config| {
        (config.policy.watch, config.policy.watch_quiet_ms) = (true, 20);
    });
    std::fs::write(daemon.rules().join("test.yaml"), spoilt("\u{3000}", 0)).unwrap();
    daemon.await_metric("riskd_reloads_total", "reason=\"policy\"", 1.0);
    let told = daemon.admin_call("GET", "/v1/policy", "").json()["last_reload"].clone();
    assert_eq!(told["cause"], "files changed", "{told}");
    holds(&told, "watch");
}

#[test]
fn a_start_is_refused_with_their_place() {
    for (at, space) in SPACES.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/test.yaml"), spoilt(space, at % 5)).unwrap();
        let mut config = Config::default();
        let any = "127.0.0.1:0".parse().unwrap();
        (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
        config.policy.dir = folder.path().join("rules");
        (config.models.active, config.models.anomaly) = (String::new(), String::new());
        config.data.dir = folder.path().join("data");
        let tables = &mut config.tables;
        (tables.accounts, tables.devices, tables.velocity_keys) = (1024, 1024, 1024);
        (tables.list_entries, tables.decisions) = (1024, 1024);
        let began = Instant::now();
        let error = Server::start(config).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("test.yaml:"), "{space:?}: {error}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
