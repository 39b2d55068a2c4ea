//! The shipped pack is a policy without a fault, with a test for every rule.

mod twin;

use std::collections::HashSet;
use std::path::PathBuf;

use engine::policy::Tier;
use engine::{Parts, Sizes, Snapshot, Tables};
use policy::testing::Body;

fn pack() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

#[test]
fn the_shipped_pack_compiles_without_a_word() {
    let compiled = policy::compile_dir(&pack());
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
    let policy = compiled.bundle.unwrap().policy;
    assert!(policy.rules.len() >= 90, "{} rules", policy.rules.len());
    let keys: HashSet<_> = policy.windows.iter().map(|window| window.key.clone()).collect();
    assert!(policy.windows.len() >= 12 && keys.len() >= 4);
}

#[test]
fn every_rule_of_the_pack_has_an_owner_words_a_hit_and_a_near_miss() {
    let bundle = policy::compile_dir(&pack()).bundle.unwrap();
    let (mut hit, mut missed): (HashSet<usize>, HashSet<usize>) = Default::default();
    let expectations = bundle.tests.iter().flat_map(|test| match &test.body {
        Body::Given(_, expect) => vec![expect],
        Body::Events(events) => events.iter().filter_map(|event| event.expect.as_ref()).collect(),
    });
    for expect in expectations {
        hit.extend(&expect.rules);
        missed.extend(&expect.not);
    }
    let policy = &bundle.policy;
    let reasons = policy.rules.iter().map(|rule| &rule.reason);
    let reasons = reasons.chain(policy.limits.iter().map(|limit| &limit.reason));
    let reasons = reasons.chain(policy.breakers.iter().map(|breaker| &breaker.reason));
    let mut codes = HashSet::new();
    let mut wanting = Vec::new();
    for (at, reason) in reasons.enumerate() {
        let id = &reason.rule;
        // Whoever stands on a list is met, whoever does not is not.
        if !hit.contains(&at) || !missed.contains(&at) && !id.starts_with("list:") {
            wanting.push(id);
        }
        assert!(!reason.code.is_empty() && !reason.text.is_empty(), "{id} has no words");
        assert!(codes.insert(&reason.code), "{id} has the code of another");
    }
    assert!(wanting.is_empty(), "without a hit or a near miss: {wanting:?}");
    for (rule, info) in policy.rules.iter().zip(&bundle.rules) {
        let id = &rule.reason.rule;
        assert!(!info.owner.is_empty(), "{id} has no owner");
        let seen = !matches!(rule.tier, Tier::Allow | Tier::Score);
        assert!(!seen || !rule.reason.customer.is_empty(), "{id} leaves the customer without a word");
    }
}

#[test]
fn every_stated_test_of_the_pack_holds_by_the_obvious_reading() {
    let compiled = policy::compile_dir(&pack());
    let bundle = compiled.bundle.as_ref().unwrap();
    let mut failures = Vec::new();
    for test in &bundle.tests {
        let Body::Given(given, expect) = &test.body else { continue };
        let wrong = twin::differences(&bundle.policy, expect, &twin::decide(&bundle.policy, given));
        if !wrong.is_empty() {
            failures.push(format!("{} {}: {wrong}", compiled.sources.location(test.place), test.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_test_of_the_pack_holds_in_the_engine() {
    let mut compiled = policy::compile_dir(&pack());
    compiled.diagnostics = policy::testing::run(compiled.bundle.as_ref().unwrap());
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
}

#[test]
fn twenty_reloads_of_the_pack_each_with_another_window_are_accepted() {
    let sizes = Sizes {
        accounts: 10,
        devices: 10,
        velocity_keys: 10,
        busy_keys: 10,
        list_entries: 10,
        decisions: 10,
        seed: [1; 16],
    };
    let tables = Tables::new(&sizes).expect("small");
    let mut policy = policy::compile_dir(&pack()).bundle.unwrap().policy;
    let mut standing: Option<Snapshot> = None;
    for at in 0..=20 {
        let parts = Parts { policy: policy.clone(), ..Parts::default() };
        let next = Snapshot::build(parts, &tables, standing.as_ref());
        standing = Some(next.unwrap_or_else(|error| panic!("reload {at}: {error}")));
        let windows = policy.windows.len();
        policy.windows[at * 3 % windows].window_ms -= 1_000;
    }
}
