//! What the disk does to the lists, and to every other file of the data folder: nothing panics a start, no entry is lost unseen,
//! and a disk that was full for a moment is no reason for a restart.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::Daemon;

fn is_denied(daemon: &Daemon, id: &str, account: &str, ip: &str) -> bool {
    daemon.check(&json!({"id": id, "kind": "login", "account": account, "ip": ip})).verdict() == "deny"
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A file as a bad disk gives it back: a few flipped bits, and cut.
fn damaged(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut ways = Vec::new();
    for at in [0, 13, bytes.len() / 3, bytes.len() / 2, bytes.len() - 40.min(bytes.len()), bytes.len() - 1] {
        if at < bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << (at % 8);
            ways.push((format!("bit {} of byte {at} flipped", at % 8), flipped));
        }
    }
    for length in [0, bytes.len() / 2, bytes.len() - 1] {
        ways.push((format!("cut to {length} bytes"), bytes[..length].to_vec()));
    }
    ways
}

#[test]
fn no_damaged_file_panics_a_start_or_loses_an_entry_unseen() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    let mut daemon = Daemon::start();
    let many = (0..400)
        .fold("key,reason\n".to_owned(), |body, n| body + &format!("10.1.{}.{},scan\n", n / 200, n % 200));
    assert_eq!(daemon.admin_call("PUT", "/v1/lists/bad_ips", many).status, 200);
    for account in ["u1", "u2", "u3"] {
        assert_eq!(daemon.admin_call("PUT", &format!("/v1/lists/bad_accounts/{account}"), "").status, 200);
    }
    assert!(is_denied(&daemon, "0", "u2", "192.0.2.1"));
    let outcome = json!({"id": "0", "outcome": "fraud"}).to_string();
    assert_eq!(daemon.post("/v1/outcome", outcome).status, 200);
    daemon.end();

    let data = daemon.data().to_owned();
    let all = files(&data);
    let whole: Vec<Vec<u8>> = all.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(all.len() > 8, "{all:?}");
    let (mut refused, mut served) = (0, 0);
    for (path, bytes) in all.iter().zip(&whole).filter(|(_, bytes)| !bytes.is_empty()) {
        for (how, damaged) in damaged(bytes) {
            fs::write(path, damaged).unwrap();
            let shown = path.strip_prefix(&data).unwrap().display().to_string();
            let started = catch_unwind(AssertUnwindSafe(|| daemon.try_start()));
            match started.unwrap_or_else(|_| panic!("{shown}: {how}")) {
                Ok(()) => {
                    served += 1;
                    for (account, ip) in [
                        ("u1", "192.0.2.1"),
                        ("u2", "192.0.2.1"),
                        ("u3", "192.0.2.1"),
                        ("v", "10.1.0.0"),
                        ("v", "10.1.1.199"),
                    ] {
                        let id = format!("{served}-{account}-{ip}");
                        assert!(
                            is_denied(&daemon, &id, account, ip),
                            "{shown}: {how}: {account} {ip} passes"
                        );
                    }
                    daemon.end();
                }
                Err(error) => {
                    refused += 1;
                    let folder = shown.split('/').next().unwrap();
                    let said = error.to_string();
                    assert!(said.contains(folder) || said.contains("certificate"), "{shown}: {how}: {said}");
                }
            }
            assert_eq!(PANICS.load(Ordering::Relaxed), 0, "{shown}: {how}");
            // A start may have made files of its own, and repaired others.
            for path in files(&data).iter().filter(|path| !all.contains(path)) {
                fs::remove_file(path).unwrap();
            }
            for (path, bytes) in all.iter().zip(&whole) {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }
    assert!(refused > 10 && served > 10, "{refused} refused, {served} served");
    daemon.try_start().unwrap();
}

#[test]
fn the_last_change_is_not_taken_for_a_write_that_was_cut_short() {
    let mut daemon = Daemon::start();
    for account in ["u1", "u2"] {
        assert_eq!(daemon.admin_call("PUT", &format!("/v1/lists/bad_accounts/{account}"), "").status, 200);
    }
    // As a kill leaves it: the catalogue does not say how far the log reaches.
    let log = daemon.data().join("lists/log");
    let segment = files(&log).into_iter().find(|path| path.extension().is_some()).unwrap();
    let bytes = fs::read(&segment).unwrap();
    let catalogue = daemon.data().join("lists/catalogue.json");
    daemon.end();
    let _ = fs::remove_file(&catalogue);
    for at in (bytes.len() - 150..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        fs::write(&segment, flipped).unwrap();
        let error = daemon.try_start().err().unwrap_or_else(|| panic!("byte {at}"));
        assert!(error.to_string().contains("lists"), "{error}");
    }
    // Half a block is what a crash leaves, and was acknowledged to nobody.
    fs::write(&segment, [&bytes[..], &bytes[bytes.len() - 60..]].concat()).unwrap();
    daemon.try_start().unwrap();
    assert!(is_denied(&daemon, "1", "u2", "192.0.2.1"));
}

#[test]
fn a_disk_that_fails_for_a_moment_is_told_and_got_over() {
    let daemon = Daemon::start();
    let log = daemon.data().join("lists/log");
    // No segment is open yet, and none can be made.
    fs::remove_dir_all(&log).unwrap();
    let put = |account: &str| daemon.admin_call("PUT", &format!("/v1/lists/bad_accounts/{account}"), "");
    let refused = put("u1");
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "internal"), "{refused:?}");
    assert!(!is_denied(&daemon, "1", "u1", "192.0.2.1"), "refused is not in force");
    let ready = daemon.get("/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, "degraded: list changes cannot be written\n"));
    assert_eq!(daemon.metric_now("riskd_lists_writable", ""), 0.0);
    assert!(daemon.metric_now("riskd_list_change_failures_total", "") >= 1.0);

    fs::create_dir(&log).unwrap();
    let began = Instant::now();
    while daemon.get("/readyz").body != "ready\n" {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(put("u1").status, 200);
    assert!(is_denied(&daemon, "2", "u1", "192.0.2.1"));
    assert_eq!(daemon.metric_now("riskd_lists_writable", ""), 1.0);
}

#[test]
fn lists_of_an_older_version_are_not_passed_over() {
    let mut daemon = Daemon::start();
    daemon.end();
    fs::write(daemon.data().join("lists.redb"), b"redb").unwrap();
    let error = daemon.try_start().err().expect("a refusal").to_string();
    assert!(error.contains("lists.redb") && error.contains("import"), "{error}");
}
