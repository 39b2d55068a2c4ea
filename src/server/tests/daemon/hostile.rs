//! Rule files made to do harm: the reload is refused with a reason, and the old rules decide on.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Daemon, RULES};

/// What is put beside the rules in force, and the words of its refusal.
type Case = (&'static str, fn(&Path), &'static str);

const CASES: &[Case] = &[
    (
        "a file of a hundred megabytes",
        |dir| File::create(dir.join("big.yaml")).unwrap().set_len(100 << 20).unwrap(),
        "longer than",
    ),
    ("ten thousand levels", |dir| put(dir, "deep.yaml", &"[".repeat(10_000)), "not YAML"),
    ("as many in an expression", |dir| put(dir, "deep.yaml", &rule("r", &"(".repeat(10_000))), "bytes"),
    ("a hundred thousand rules", hundred_thousand_rules, "at most 10000 rules"),
    ("a bomb of aliases", bomb, "aliases expanded"),
    (
        "a pattern that explodes",
        |dir| put(dir, "r.yaml", &rule("r", "account.matches(\"(a{1,1000}){1,1000}\")")),
        "pattern",
    ),
    ("bytes that are no text", |dir| fs::write(dir.join("r.yaml"), b"rules: \xff\xfe").unwrap(), "not UTF-8"),
    (
        "features that name each other",
        |dir| {
            let features = "features:\n  a: { sum: b, by: account, window: 1h }\n  b: { sum: a, by: account, window: 1h }\n";
            put(dir, "r.yaml", features);
        },
        "`b` cannot be summed",
    ),
    (
        "values that name each other",
        |dir| put(dir, "r.yaml", "values:\n  a: b + 1\n  b: a + 1\n"),
        "nothing is named `b`",
    ),
    (
        "one id in two files",
        |dir| {
            put(dir, "one.yaml", &rule("twice", "kyc == 1"));
            put(dir, "two.yaml", &rule("twice", "kyc == 1"));
        },
        "one.yaml",
    ),
];

fn put(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

fn rule(id: &str, when: &str) -> String {
    format!("rules:\n- id: {id}\n  tier: deny\n  reason: {{ code: R1, text: t }}\n  when: >-\n    {when}\n")
}

fn hundred_thousand_rules(dir: &Path) {
    for file in 0..10 {
        let rules = (file * 10_000..(file + 1) * 10_000).map(|i| {
            format!("- {{id: r{i}, tier: deny, when: account_events == {i}, reason: {{code: R, text: t}}}}\n")
        });
        put(dir, &format!("{file}.yaml"), &format!("rules:\n{}", rules.collect::<String>()));
    }
}

fn bomb(dir: &Path) {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "));
    }
    put(dir, "bomb.yaml", &text);
}

#[test]
fn hostile_rule_files_are_refused_with_a_reason_and_the_old_rules_decide_on() {
    let daemon = Daemon::start();
    let rules = daemon.rules();
    let before = daemon.admin_call("GET", "/v1/policy", "").json()["policy"].clone();
    for (at, (name, put_in, words)) in CASES.iter().enumerate() {
        put_in(&rules);
        let reply = daemon.admin_call("POST", "/v1/reload", "");
        assert_eq!((reply.status, reply.error().1.as_str()), (422, "policy"), "{name}");
        let body = reply.json();
        let messages: Vec<&str> = body["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| [&one["message"], &one["label"]])
            .filter_map(Value::as_str)
            .collect();
        assert!(messages.iter().any(|message| message.contains(words)), "{name}: {messages:?}");
        assert!(!body["text"].as_str().unwrap().is_empty(), "{name}");
        let after = daemon.admin_call("GET", "/v1/policy", "").json();
        assert_eq!(
            (&after["policy"], &after["last_reload"]["result"]),
            (&before, &json!("refused")),
            "{name}"
        );
        let large = json!({"id": format!("h{at}"), "kind": "withdraw", "account": "u", "amount": "6000.00"});
        assert_eq!(daemon.check(&large).verdict(), "review", "{name}");
        assert_eq!(daemon.metric_now("riskd_reloads_total", "reason=\"policy\""), (at + 1) as f64, "{name}");

        fs::remove_dir_all(&rules).unwrap();
        fs::create_dir(&rules).unwrap();
        put(&rules, "test.yaml", RULES);
    }
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
}
