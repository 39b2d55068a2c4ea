//! Rules that look at a share of the accounts: each rule has accounts of its own, and keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::harness::Daemon;

const ACCOUNTS: usize = 600;
/// Id and share of each rule.
const RULES: [(&str, usize); 4] = [("tenth", 10), ("half", 50), ("half-too", 50), ("most", 90)];

fn rules(all: &[(&str, usize)]) -> String {
    let rule = |&(id, share): &(&str, usize)| {
        format!(
            "  - {{ id: {id}, tier: score, score: 0.01, when: amount > 0, sample: {share}, reason: {{ code: S1, text: t }} }}\n"
        )
    };
    format!("rules:\n{}", all.iter().map(rule).collect::<String>())
}

/// Accounts by the rules that looked at them.
fn looked_at(daemon: &Daemon, round: &str) -> BTreeMap<String, BTreeSet<usize>> {
    let mut seen = BTreeMap::<String, BTreeSet<usize>>::new();
    for n in 0..ACCOUNTS {
        let check =
            json!({"id": format!("{round}{n}"), "kind": "pay", "account": format!("u{n}"), "amount": "1.00"});
        for reason in daemon.check(&check).json()["reasons"].as_array().unwrap() {
            seen.entry(reason["rule"].as_str().unwrap().to_owned()).or_default().insert(n);
        }
    }
    seen
}

#[test]
fn each_rule_has_a_sample_of_its_own_and_keeps_it_over_reloads() {
    let daemon = Daemon::start_with(|config| {
        std::fs::write(config.policy.dir.join("test.yaml"), rules(&RULES)).unwrap();
    });
    let before = looked_at(&daemon, "a");
    // Five deviations of a binomial of so many accounts.
    let about = |found: usize, share: f64| {
        let (n, mean) = (ACCOUNTS as f64, ACCOUNTS as f64 * share);
        (found as f64 - mean).abs() < 5.0 * (n * share * (1.0 - share)).sqrt()
    };
    for (at, (a, share_a)) in RULES.into_iter().enumerate() {
        let of_a = &before[a];
        assert!(about(of_a.len(), share_a as f64 / 100.0), "{a} looks at {} accounts", of_a.len());
        for (b, share_b) in &RULES[..at] {
            let both = of_a.intersection(&before[*b]).count();
            let share = (share_a * share_b) as f64 / 10_000.0;
            assert!(about(both, share), "{a} and {b} have {both} accounts in common");
        }
    }
    // Another order, another rule before them, one of them gone, one with a larger share.
    let other = [("new", 50), ("most", 90), ("half-too", 50), ("tenth", 20)];
    std::fs::write(daemon.rules().join("test.yaml"), rules(&other)).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    let after = looked_at(&daemon, "b");
    assert_eq!((&after["most"], &after["half-too"]), (&before["most"], &before["half-too"]));
    assert!(after["tenth"].is_superset(&before["tenth"]), "a larger share holds the smaller one");
    assert_ne!(after["new"], before["half"]);
}
