//! Folders that are watched: what changes in them, or takes their place, is in force by itself.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use server::Config;

use crate::harness::{Daemon, RULES};

fn daemon(change: impl FnOnce(&mut Config)) -> Daemon {
    Daemon::start_with(|config| {
        (config.policy.watch, config.policy.watch_quiet_ms) = (true, 50);
        change(config);
    })
}

/// The policy of the tests with another bound of the rule `large`.
fn rules(bound: &str) -> String {
    RULES.replace("5000.00", bound)
}

fn withdraw(daemon: &Daemon, id: &str) -> String {
    daemon.check(&json!({"id": id, "kind": "withdraw", "account": "u", "amount": "1000.00"})).verdict()
}

/// Waits until a withdrawal of 1000.00 gets that verdict.
fn await_verdict(daemon: &Daemon, name: &str, verdict: &str) {
    let began = Instant::now();
    for n in 0.. {
        if withdraw(daemon, &format!("{name}-{n}")) == verdict {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{name} never came into force");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn folder_of(path: &Path, bound: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("test.yaml"), rules(bound)).unwrap();
}

#[test]
fn a_watched_folder_is_in_force_once_it_has_been_left_alone() {
    let daemon = daemon(|_| {});
    assert_eq!(withdraw(&daemon, "w1"), "allow");
    fs::write(daemon.rules().join("test.yaml"), "rules: [half a f").unwrap();
    daemon.await_metric("riskd_reloads_total", "refused", 1.0);
    assert_eq!(withdraw(&daemon, "w2"), "allow", "the old rules serve on");
    let told = daemon.admin_call("GET", "/v1/policy", "").json()["last_reload"].clone();
    let expected = (&json!("files changed"), &json!("refused"), &json!("policy"));
    assert_eq!((&told["cause"], &told["result"], &told["reason"]), expected, "{told}");
    assert!(told["text"].as_str().unwrap().contains("test.yaml:1"), "{told}");
    assert!(told["diagnostics"][0]["line"].as_u64().unwrap() > 0, "{told}");
    // As an editor does it: into a file beside, then under the name.
    let saved = daemon.rules().join("test.yaml.new");
    fs::write(&saved, rules("1000.00")).unwrap();
    fs::rename(&saved, daemon.rules().join("test.yaml")).unwrap();
    daemon.await_metric("riskd_reloads_total", "activated", 1.0);
    assert_eq!(withdraw(&daemon, "w3"), "review");
    let told = daemon.admin_call("GET", "/v1/policy", "").json()["last_reload"].clone();
    assert_eq!((&told["result"], told.get("reason")), (&json!("activated"), None), "{told}");
}

#[test]
fn a_folder_that_others_take_the_place_of_is_watched_under_its_name() {
    let daemon = daemon(|_| {});
    let rules_dir = daemon.rules();
    let beside = |name: &str| rules_dir.with_file_name(name);
    for (turn, (bound, verdict)) in
        [("1000.00", "review"), ("5000.00", "allow"), ("900.00", "review")].into_iter().enumerate()
    {
        folder_of(&beside("rules.new"), bound);
        fs::rename(&rules_dir, beside(&format!("rules.{turn}"))).unwrap();
        fs::rename(beside("rules.new"), &rules_dir).unwrap();
        await_verdict(&daemon, &format!("swapped-{turn}"), verdict);
    }
    fs::write(rules_dir.join("test.yaml"), rules("5000.00")).unwrap();
    await_verdict(&daemon, "changed", "allow");

    fs::remove_dir_all(&rules_dir).unwrap();
    let began = Instant::now();
    while daemon.metric("riskd_reloads_total", "refused") == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the loss of the folder is not seen");
    }
    folder_of(&rules_dir, "1000.00");
    await_verdict(&daemon, "made-again", "review");
    fs::write(rules_dir.join("test.yaml"), rules("5000.00")).unwrap();
    await_verdict(&daemon, "changed-again", "allow");
}

#[test]
fn a_link_on_the_way_that_is_set_to_another_release_is_seen() {
    let releases = tempfile::tempdir().unwrap();
    let at = |name: &str| releases.path().join(name);
    folder_of(&at("1/rules"), "5000.00");
    folder_of(&at("2/rules"), "1000.00");
    std::os::unix::fs::symlink("1", at("current")).unwrap();
    let daemon = daemon(|config| config.policy.dir = at("current/rules"));
    assert_eq!(withdraw(&daemon, "first"), "allow");
    std::os::unix::fs::symlink("2", at("next")).unwrap();
    fs::rename(at("next"), at("current")).unwrap();
    await_verdict(&daemon, "second", "review");
    fs::write(at("2/rules/test.yaml"), rules("5000.00")).unwrap();
    await_verdict(&daemon, "changed", "allow");
}

#[test]
fn a_folder_of_models_that_is_made_after_the_start_is_watched() {
    let daemon = daemon(|config| config.models.dir = config.policy.dir.with_file_name("models"));
    let models = daemon.rules().with_file_name("models");
    fs::create_dir(&models).unwrap();
    daemon.await_metric("riskd_reloads_total", "activated", 1.0);
    fs::create_dir(models.join("m")).unwrap();
    daemon.await_metric("riskd_reloads_total", "activated", 2.0);
    fs::write(models.join("m/manifest.toml"), "").unwrap();
    daemon.await_metric("riskd_reloads_total", "activated", 3.0);
}

#[test]
fn files_that_are_written_without_end_put_a_reload_off_for_a_while_and_not_for_ever() {
    let models = tempfile::tempdir().unwrap();
    let daemon = daemon(|config| config.models.dir = models.path().to_owned());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fs::write(models.path().join("training.log"), "more").unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        fs::write(daemon.rules().join("test.yaml"), rules("1000.00")).unwrap();
        let began = Instant::now();
        let mut n = 0;
        while withdraw(&daemon, &format!("w{n}")) == "allow" && began.elapsed() < Duration::from_secs(20) {
            n += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(withdraw(&daemon, "after"), "review");
}
