//! The demo as a newcomer runs it, only shorter.

use std::process::{Command, Output};

use serde_json::Value;

const EVENTS: u64 = 3_000;

fn demo(arguments: &[&str]) -> Output {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Command::new(env!("CARGO_BIN_EXE_riskd")).current_dir(root).arg("demo").args(arguments).output().unwrap()
}

fn report(seed: &str) -> Value {
    let output = demo(&["--events", &EVENTS.to_string(), "--seed", seed, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sum(of: &Value, field: &str) -> u64 {
    of.as_object().unwrap().values().map(|each| each[field].as_u64().unwrap()).sum()
}

#[test]
fn the_report_adds_up() {
    let report = report("1");
    assert_eq!(report["events"], EVENTS);
    assert_eq!(report["refused"], 0);
    assert_eq!(sum(&report["verdicts"], "events"), EVENTS);
    assert_eq!(sum(&report["verdicts"], "honest"), report["honest"]["events"].as_u64().unwrap());

    let attacks = report["attacks"].as_object().unwrap();
    let listed: Vec<&str> = attacks.keys().map(String::as_str).collect();
    for attack in sim::Attack::ALL {
        assert!(listed.contains(&attack.name()), "{} is not listed", attack.name());
    }
    assert_eq!(sum(&report["attacks"], "events"), sum(&report["verdicts"], "attack"));
    for (name, attack) in attacks {
        let fates = ["denied", "reviewed", "challenged", "missed"];
        let fate: u64 = fates.iter().map(|field| attack[field].as_u64().unwrap()).sum();
        assert_eq!(attack["events"], fate, "{name}");
        assert_eq!(attack["events"], sum(&attack["by_craft"], "events"), "{name}");
    }
    assert_eq!(report["decisions_lost"], 0);
    assert_eq!(report["decisions_written"], EVENTS);
}

#[test]
fn the_daemon_keeps_to_the_simulated_time_and_has_room() {
    for (flag, count) in report("2")["degraded"].as_object().unwrap() {
        assert_eq!(*count, 0, "{flag}");
    }
}

#[test]
fn the_same_seed_gives_the_same_verdicts() {
    let (first, second) = (report("3"), report("3"));
    for part in ["verdicts", "attacks", "honest", "money", "rules"] {
        assert_eq!(first[part], second[part], "{part}");
    }
}

#[test]
fn people_read_it_at_a_hundred_columns() {
    let output = demo(&["--events", "2000"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for heading in ["VERDICTS", "ATTACKS", "HONEST CUSTOMERS", "MONEY", "RULES", "SPEED", "REPEAT"] {
        assert!(text.contains(heading), "{heading} is missing from\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with("policy")) {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
}

#[test]
fn without_rules_it_says_where_it_looked() {
    let output = demo(&["--rules", "nowhere"]);
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("nowhere") && error.contains("--rules"), "{error}");
}
