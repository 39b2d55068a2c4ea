//! Start, drain, and what is left on disk.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use server::{Config, Server};
use wire::{Check, Kind};

use crate::harness::{Daemon, Held, ask, read_reply, run};

#[test]
fn a_drain_finishes_what_is_in_hand_and_loses_nothing() {
    let daemon = Daemon::start_with(|config| config.drain.announce_ms = 600);
    let http = daemon.http();
    for n in 0..50 {
        daemon.check(&json!({"id": format!("d{n}"), "kind": "login", "account": "u"}));
    }
    // A request that is half sent when the drain begins.
    let mut slow = TcpStream::connect(http).unwrap();
    let body = r#"{"id":"slow","kind":"login","account":"u"}"#;
    write!(
        slow,
        "POST /v1/check HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        &body[..20]
    )
    .unwrap();
    let idle = TcpStream::connect(http).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let stopping = std::thread::spawn(move || daemon.stop());
    std::thread::sleep(Duration::from_millis(200));
    let leaving = ask(http, "GET", "/readyz", "", b"");
    assert_eq!((leaving.status, leaving.body.as_str()), (503, "draining\n"));
    std::thread::sleep(Duration::from_millis(800));
    assert!(TcpStream::connect(http).is_err(), "the door is closed");
    slow.write_all(&body.as_bytes()[20..]).unwrap();
    assert_eq!(read_reply(&mut slow).verdict(), "allow");
    let end = stopping.join().unwrap();
    assert_eq!((end.decisions_written, end.decisions_lost, end.clean), (51, 0, true));
    drop(idle);
}

#[test]
fn a_drain_ends_idle_streams_and_answers_frames_in_hand() {
    let daemon = Daemon::start();
    let (unix_path, quic) = run(async {
        let (unix, quic) = (daemon.unix_client().await, daemon.quic_client().await);
        for client in [&unix, &quic] {
            client.check(&Check::new("a", Kind::Login, "u")).await.unwrap();
        }
        let began = Instant::now();
        let path = daemon.unix();
        let stopping = std::thread::spawn(move || daemon.stop());
        while !stopping.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let end = stopping.join().unwrap();
        assert!(end.clean && began.elapsed() < Duration::from_secs(5), "{end:?} after {:?}", began.elapsed());
        unix.check(&Check::new("b", Kind::Login, "u")).await.unwrap_err();
        (path, quic)
    });
    drop(quic);
    assert!(!unix_path.exists());
}

#[test]
fn a_drain_does_not_wait_for_a_reload_that_takes_its_time() {
    let daemon = Daemon::start_with(|config| config.drain.timeout_ms = 300);
    let held = Held::hold(&daemon.data().join("token.keys"));
    let (admin, token) = (daemon.admin(), daemon.token());
    let mut reload = TcpStream::connect(admin).unwrap();
    write!(
        reload,
        "POST /v1/reload HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let reached = held.reached();
    assert!(daemon.stop().clean);
    drop(reached);
}

#[test]
fn numbers_of_decisions_go_on_after_a_restart() {
    let mut daemon = Daemon::start();
    let number = |daemon: &Daemon, id: &str| {
        daemon.check(&json!({"id": id, "kind": "login", "account": "u"})).json()["decision"].as_u64().unwrap()
    };
    let first: Vec<u64> = (0..20).map(|n| number(&daemon, &format!("a{n}"))).collect();
    assert!(first.is_sorted() && first[0] == 1, "{first:?}");
    daemon.restart();
    assert!(number(&daemon, "b") > *first.last().unwrap());
}

#[test]
fn secrets_are_made_once_and_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = Daemon::start();
    let (token, cert) = (daemon.token(), std::fs::read(daemon.data().join("tls/dev-cert.pem")).unwrap());
    for file in ["admin.token", "token.keys", "hash.seed", "tls/dev-key.pem"] {
        let mode = std::fs::metadata(daemon.data().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    daemon.restart();
    assert_eq!(daemon.token(), token);
    assert_eq!(std::fs::read(daemon.data().join("tls/dev-cert.pem")).unwrap(), cert);
}

#[test]
fn a_start_that_cannot_be_is_refused_with_its_reason() {
    let daemon = Daemon::start();
    let taken = daemon.http();
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = Config::default();
        config.data.dir = folder.path().join("data");
        config.policy.dir = daemon.rules();
        (config.models.active, config.models.anomaly) = (String::new(), String::new());
        config.workers.count = 1;
        let any = "127.0.0.1:0".parse().unwrap();
        (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
        config
    };
    let refused = |config: Config| match Server::start(config) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    let mut busy = config();
    busy.listen.http = taken.to_string().parse().unwrap();
    assert!(refused(busy).contains(&format!("http address {taken}")));
    let mut nowhere = config();
    nowhere.policy.dir = folder.path().join("no-rules");
    assert!(refused(nowhere).contains("no-rules"));
    let mut model = config();
    model.models.active = "missing".to_owned();
    assert!(refused(model).contains("missing"));
    let mut key = config();
    (key.tls.cert, key.tls.key) = ("no.pem".into(), "no.key".into());
    assert!(refused(key).contains("no."));
    let mut range = config();
    (range.limits.streams_max, range.limits.quic_mtu_bytes) = (0, 9000);
    let range = refused(range);
    assert!(range.contains("limits.streams_max") && range.contains("limits.quic_mtu_bytes"), "{range}");
    let mut same = config();
    same.data.dir = daemon.data().to_owned();
    refused(same);
}

#[test]
fn the_summary_names_addresses_policy_loss_bound_and_token() {
    let daemon = Daemon::start();
    let summary = daemon.running().to_string();
    for part in [
        &daemon.http().to_string(),
        "4 rules, 2 limits, 1 breakers, 3 lists",
        "1 tests passed",
        "last 10 ms",
        "admin.token",
        "none",
    ] {
        assert!(summary.contains(part), "{part} is not in\n{summary}");
    }
}

#[test]
fn an_overdue_worker_answers_with_the_fallback_verdict_at_once() {
    // A bound that the smallest backlog passes.
    let daemon = Arc::new(Daemon::start_with(|config| {
        config.limits.backlog_ms_max = 1;
        config.workers.count = 1;
    }));
    let shed = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let flood = |thread: usize| {
        let (daemon, shed) = (daemon.clone(), shed.clone());
        std::thread::spawn(move || {
            for round in 0.. {
                let check =
                    |n| json!({"id": format!("{thread}-{round}-{n}"), "kind": "withdraw", "account": "u"});
                let checks: Vec<_> = (0..1000).map(check).collect();
                let answers = daemon.post("/v1/checks", json!(checks).to_string()).json();
                let fallback = |answer: &&serde_json::Value| answer["degraded"] == json!(["fallback"]);
                if let Some(answer) = answers.as_array().unwrap().iter().find(fallback) {
                    assert_eq!(answer["verdict"], json!("review"));
                    assert_eq!(answer["reasons"][0]["code"], json!("overloaded"));
                    shed.store(true, Ordering::Relaxed);
                }
                if shed.load(Ordering::Relaxed) || began.elapsed() > Duration::from_secs(30) {
                    return;
                }
            }
        })
    };
    let threads: Vec<_> = (0..8).map(flood).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(shed.load(Ordering::Relaxed), "no backlog of eight callers ever passed a millisecond");
    // On a machine with much else to do the worker may be late with its report.
    assert!((0..40).any(|_| daemon.metric("riskd_shed_total", "withdraw") > 0.0));
    // It recovers by itself.
    let recovered =
        |n| daemon.check(&json!({"id": format!("after{n}"), "kind": "login", "account": "u"})).status == 200;
    assert!((0..200).any(recovered));
}
