//! The shipped pack is a policy without a fault, with a test for every rule.

mod twin;

use std::collections::HashSet;
use std::path::PathBuf;

use policy::testing::Body;

fn pack() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

#[test]
fn the_shipped_pack_compiles_without_a_word() {
    let compiled = policy::compile_dir(&pack());
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
    let policy = compiled.bundle.unwrap().policy;
    assert!(policy.rules.len() >= 30, "{} rules", policy.rules.len());
    let keys: HashSet<_> = policy.windows.iter().map(|window| window.key.clone()).collect();
    assert!(policy.windows.len() >= 12 && keys.len() >= 4);
}

#[test]
fn every_rule_of_the_pack_has_an_owner_words_and_a_test() {
    let bundle = policy::compile_dir(&pack()).bundle.unwrap();
    let mut tested: HashSet<usize> = HashSet::new();
    for test in &bundle.tests {
        match &test.body {
            Body::Given(_, expect) => tested.extend(&expect.rules),
            Body::Events(events) => {
                tested.extend(events.iter().filter_map(|event| event.expect.as_ref()).flat_map(|e| &e.rules));
            }
        }
    }
    for (at, (rule, info)) in bundle.policy.rules.iter().zip(&bundle.rules).enumerate() {
        let id = &rule.reason.rule;
        assert!(tested.contains(&at), "{id} has no test");
        assert!(!info.owner.is_empty(), "{id} has no owner");
        assert!(!rule.reason.code.is_empty() && !rule.reason.text.is_empty(), "{id} has no words");
    }
    let codes: HashSet<_> = bundle.policy.rules.iter().map(|rule| &rule.reason.code).collect();
    assert_eq!(codes.len(), bundle.policy.rules.len(), "codes are unique");
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
