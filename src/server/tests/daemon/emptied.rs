//! Rule files that were cut off, and what a reload takes away: nothing goes without a word.

use serde_json::{Value, json};

use crate::harness::{Daemon, RULES};

/// Files without anything declared, as editors, full disks and cut deployments leave them.
const EMPTY: [&str; 9] = [
    "",
    "\n",
    " \n\n",
    "# rules of claims\n",
    "---\n",
    "{}\n",
    "~\n",
    "rules:\n",
    "rules: ~\n# to come\nlimits:\n",
];

const MORE: &str = "
lists:
  seen_accounts: { on: account }
features:
  scans_1h: { count: scan, by: account, window: 1h, status: approved }
limits:
  - { id: scans, feature: scans_1h, max: 2, reason: { code: L9, text: t } }
rules:
  - { id: no-binds, tier: deny, on: bind, when: 'true', reason: { code: T9, text: t } }
";

fn write(daemon: &Daemon, name: &str, text: &str) {
    std::fs::write(daemon.rules().join(name), text).unwrap();
}

fn reload(daemon: &Daemon, query: &str) -> (u16, Value) {
    let reply = daemon.admin_call("POST", &format!("/v1/reload{query}"), "");
    (reply.status, reply.json())
}

fn scan(daemon: &Daemon, id: &str) -> String {
    daemon.check(&json!({"id": id, "kind": "scan", "account": "u"})).verdict()
}

#[test]
fn a_file_that_declares_nothing_is_refused_unless_it_is_asked_for() {
    let daemon = Daemon::start();
    write(&daemon, "more.yaml", MORE);
    assert_eq!(reload(&daemon, "").0, 200);
    let before = daemon.admin_call("GET", "/v1/policy", "").json()["policy"].clone();
    assert_eq!([scan(&daemon, "1"), scan(&daemon, "2"), scan(&daemon, "3")], ["allow", "allow", "deny"]);
    for text in EMPTY {
        write(&daemon, "more.yaml", text);
        let (status, body) = reload(&daemon, "");
        assert_eq!(status, 422, "{text:?}: {body}");
        let found = &body["diagnostics"][0];
        assert_eq!(
            (&found["code"], &found["file"]),
            (&json!("empty"), &json!("more.yaml")),
            "{text:?}: {body}"
        );
        let help = found["help"].as_str().unwrap();
        assert!(help.contains("allow_empty=true") && help.contains("[policy]"), "{help}");
        let after = daemon.admin_call("GET", "/v1/policy", "").json();
        assert_eq!(
            (&after["policy"], &after["last_reload"]["result"]),
            (&before, &json!("refused")),
            "{text:?}"
        );
        assert_eq!(scan(&daemon, &format!("still {text:?}")), "deny", "the limit stands");
    }
    assert_eq!(reload(&daemon, "?allow_emty=true").0, 400, "a misspelt word is not taken for no");

    daemon.admin_call("PUT", "/v1/lists/seen_accounts/a", "");
    daemon.admin_call("PUT", "/v1/lists/seen_accounts/b", "");
    write(&daemon, "more.yaml", "");
    let (status, body) = reload(&daemon, "?allow_empty=true");
    assert_eq!(status, 200, "{body}");
    assert!(body["warnings"].as_str().unwrap().contains("more.yaml declares nothing"), "{body}");
    let gone = &body["taken_away"];
    assert_eq!((&gone["rules"], &gone["limits"]), (&json!(["no-binds"]), &json!(["scans"])), "{body}");
    assert_eq!(
        (&gone["lists"], &gone["features"]),
        (&json!({"seen_accounts": 2}), &json!(["scans_1h"])),
        "{body}"
    );
    let told = daemon.admin_call("GET", "/v1/policy", "").json()["last_reload"].clone();
    assert_eq!(&told["taken_away"], gone, "whoever did not call reads it as well");
    assert_eq!(scan(&daemon, "after"), "allow");
}

#[test]
fn a_policy_that_decides_nothing_is_refused_unless_it_is_asked_for() {
    let daemon = Daemon::start();
    let nothing = [
        "rules: []\n",
        "features:\n  scans_1h: { count: scan, by: account, window: 1h }\n",
        "lists:\n  seen: { on: account }\nsettings: { time_zone: UTC }\n",
    ];
    for text in nothing {
        write(&daemon, "test.yaml", text);
        let (status, body) = reload(&daemon, "");
        assert_eq!((status, &body["diagnostics"][0]["code"]), (422, &json!("empty")), "{text}: {body}");
        assert!(body["text"].as_str().unwrap().contains("decides nothing"), "{body}");
    }
    let large = json!({"id": "w", "kind": "withdraw", "account": "u", "amount": "6000.00"});
    assert_eq!(daemon.check(&large).verdict(), "review", "the old rules decide on");
    for text in nothing {
        write(&daemon, "test.yaml", text);
        assert_eq!(reload(&daemon, "?allow_empty=true").0, 200, "{text}");
    }
    // A single thing that decides is enough, in shadow as well: it was written down.
    for text in [
        "bands: { deny: 0.9 }\n",
        "lists:\n  bad: { on: account, action: deny }\n",
        "rules:\n  - { id: r, tier: deny, when: kyc == 0, mode: shadow, reason: { code: R, text: t } }\n",
    ] {
        write(&daemon, "test.yaml", text);
        assert_eq!(reload(&daemon, "").0, 200, "{text}");
    }
}

#[test]
fn the_configuration_allows_it_for_the_start_and_for_reloads_that_nobody_calls() {
    let mut daemon = Daemon::start_with(|config| {
        config.policy.allow_empty = true;
        std::fs::write(config.policy.dir.join("test.yaml"), "").unwrap();
    });
    assert_eq!(daemon.running().reload("SIGHUP"), Ok(()));
    daemon.restart();
    assert_eq!(reload(&daemon, "").0, 200);
}

#[test]
fn what_a_reload_takes_away_is_in_its_reply() {
    let daemon = Daemon::start();
    let (status, same) = reload(&daemon, "");
    let nothing = json!({
        "rules": [], "limits": [], "breakers": [], "not_live": [], "features": [], "lists": {}, "entries_unfit": {},
        "start_anew": [],
    });
    assert_eq!((status, &same["taken_away"]), (200, &nothing), "the same files take nothing away");
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/u9", "");
    let changes: [(&str, &str, &str, Value); 9] = [
        ("  - id: large\n", "  - id: larger\n", "rules", json!(["large"])),
        ("rules: [large]", "rules: []", "rules", json!([])),
        (
            "    action: deny\n    reason: { code: T001, text: \"account is barred\" }\n",
            "",
            "rules",
            json!(["list:bad_accounts"]),
        ),
        ("  - id: daily\n", "  - id: weekly\n", "limits", json!(["daily"])),
        ("  - id: withdraw-surge\n", "  - id: surge\n", "breakers", json!(["withdraw-surge"])),
        (
            "    tier: challenge\n",
            "    tier: challenge\n    mode: shadow\n",
            "not_live",
            json!(["device-farm"]),
        ),
        ("window: 1d, status", "window: 2d, status", "start_anew", json!(["paid_by_account_1d"])),
        ("    open: 2s\n", "    open: 3s\n", "start_anew", json!(["withdraw-surge"])),
        ("claims_by_device_10m", "claims_on_device_10m", "features", json!(["claims_by_device_10m"])),
    ];
    for (from, to, key, expected) in changes {
        write(&daemon, "test.yaml", RULES);
        assert_eq!(reload(&daemon, "").0, 200);
        let changed = RULES
            .replace(from, to)
            .replace("expect: { verdict: review, rules: [large] }", "expect: { verdict: review }");
        write(&daemon, "test.yaml", &changed);
        let (status, body) = reload(&daemon, "");
        assert_eq!((status, &body["taken_away"][key]), (200, &expected), "{from} -> {to}: {body}");
    }
    write(&daemon, "test.yaml", RULES);
    assert_eq!(reload(&daemon, "").0, 200);
    let networks = RULES.replace("    on: account\n    action: deny\n", "    on: ip\n    action: deny\n");
    write(&daemon, "test.yaml", &networks);
    let (status, body) = reload(&daemon, "");
    assert_eq!((status, &body["taken_away"]["entries_unfit"]), (200, &json!({"bad_accounts": 1})), "{body}");
}
