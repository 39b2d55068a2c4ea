//! Hostile and broken requests: a clear error naming the field, nothing counted, and the daemon lives.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Daemon, ask, read_reply};

/// Body of a check, error code, and the field that must be named.
const CASES: &[(&str, &str, &str)] = &[
    ("", "malformed", ""),
    ("{", "malformed", ""),
    ("not json", "malformed", ""),
    (r#"{"id":"x","kind":"claim","account":"u"} x"#, "malformed", ""),
    ("\u{feff}{}", "malformed", ""),
    ("[]", "wrong_type", ""),
    ("null", "wrong_type", ""),
    (r#"{"kind":"claim","account":"u"}"#, "missing_field", "id"),
    (r#"{"id":"","kind":"claim","account":"u"}"#, "missing_field", "id"),
    (r#"{"id":"x","account":"u"}"#, "missing_field", "kind"),
    (r#"{"id":"x","kind":"claim"}"#, "missing_field", "account"),
    (r#"{"id":"x","kind":"dance","account":"u"}"#, "out_of_range", "kind"),
    (r#"{"id":"x","kind":7,"account":"u"}"#, "wrong_type", "kind"),
    (r#"{"id":7,"kind":"claim","account":"u"}"#, "wrong_type", "id"),
    (r#"{"id":"x","kind":"claim","account":"u","amount":"8.888"}"#, "out_of_range", "amount"),
    (r#"{"id":"x","kind":"claim","account":"u","amount":8.888}"#, "out_of_range", "amount"),
    (r#"{"id":"x","kind":"claim","account":"u","amount":"-1"}"#, "out_of_range", "amount"),
    (r#"{"id":"x","kind":"claim","account":"u","amount":true}"#, "wrong_type", "amount"),
    (r#"{"id":"x","kind":"claim","account":"u","ip":"999.1.1.1"}"#, "out_of_range", "ip"),
    (r#"{"id":"x","kind":"claim","account":"u","packet":"nope"}"#, "out_of_range", "packet"),
    (r#"{"id":"x","kind":"claim","account":"u","geo":{"lat":91,"lon":0}}"#, "out_of_range", "geo.lat"),
    (r#"{"id":"x","kind":"claim","account":"u","device":{"rooted":"yes"}}"#, "wrong_type", "device.rooted"),
    (
        r#"{"id":"x","kind":"claim","account":"u","device":{"colour":"red"}}"#,
        "unknown_field",
        "device.colour",
    ),
    (r#"{"id":"x","kind":"claim","account":"u","colour":"red"}"#, "unknown_field", "colour"),
    (r#"{"id":"x","kind":"claim","account":"u","kyc":4}"#, "out_of_range", "kyc"),
];

#[test]
fn every_malformed_check_names_its_field_and_counts_nothing() {
    let daemon = Daemon::start();
    for (body, code, field) in CASES {
        let reply = daemon.post("/v1/check", body);
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
        assert_eq!(reply.error(), ((*code).to_owned(), (*field).to_owned()), "{body}: {reply:?}");
    }
    let long = json!({"id": "i".repeat(65), "kind": "claim", "account": "u"}).to_string();
    assert_eq!(daemon.post("/v1/check", long).error(), ("too_long".to_owned(), "id".to_owned()));
    assert_eq!(daemon.metric("riskd_checks_total", ""), 0.0);
    assert_eq!(daemon.metric("riskd_refused_total", ""), CASES.len() as f64 + 1.0);
    assert_eq!(daemon.check(&json!({"id": "x", "kind": "claim", "account": "u"})).verdict(), "allow");
}

#[test]
fn times_of_1970_and_2200_are_counted_at_the_bound_and_flagged() {
    let daemon = Daemon::start();
    for (at, time) in [
        json!(0),
        json!("1970-01-01T00:00:00Z"),
        json!("2200-01-01T00:00:00Z"),
        json!(253_402_300_799_999_i64),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"id": format!("t{at}"), "kind": "claim", "account": "u", "time": time});
        let reply = daemon.check(&body);
        assert_eq!(
            (reply.status, &reply.json()["degraded"]),
            (200, &json!(["clock_skew"])),
            "{time}: {reply:?}"
        );
    }
    for time in [json!(-1), json!(253_402_300_800_000_i64), json!("1969-12-31T23:59:59Z")] {
        let body = json!({"id": "t", "kind": "claim", "account": "u", "time": time});
        assert_eq!(daemon.check(&body).error(), ("out_of_range".to_owned(), "time".to_owned()), "{time}");
    }
    daemon.await_metric("riskd_checks_total", "", 4.0);
}

#[test]
fn a_million_brackets_and_oversized_bodies_are_refused() {
    let daemon = Daemon::start();
    let deep = "[".repeat(1_000_000);
    for path in ["/v1/check", "/v1/checks", "/v1/outcome"] {
        let reply = daemon.post(path, &deep);
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
    }
    let nested = format!(
        r#"{{"id":"x","kind":"claim","account":"u","ext":{}1{}}}"#,
        "{\"a\":".repeat(5000),
        "}".repeat(5000)
    );
    assert_eq!(daemon.post("/v1/check", nested).status, 400);
    let huge = ask(daemon.http(), "POST", "/v1/checks", "", &vec![b' '; 9 << 20]);
    assert_eq!((huge.status, huge.error().0.as_str()), (400, "too_long"));
    let many = vec![json!({"id": "x", "kind": "claim", "account": "u"}); 1025];
    assert_eq!(daemon.post("/v1/checks", json!(many).to_string()).error().0, "too_long");
    assert_eq!(daemon.metric("riskd_checks_total", ""), 0.0);
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn ext_fields_must_be_declared_with_their_types() {
    let daemon = Daemon::start();
    let check = |id: &str, ext: serde_json::Value| json!({"id": id, "kind": "pay", "account": "u", "amount": "1.00", "ext": ext});
    assert_eq!(daemon.check(&check("1", json!({"store_tier": 3}))).verdict(), "allow");
    let undeclared = daemon.check(&check("2", json!({"store_teir": 3})));
    assert_eq!(undeclared.error(), ("unknown_field".to_owned(), "ext.store_teir".to_owned()));
    let mistyped = daemon.check(&check("3", json!({"store_tier": "three"})));
    assert_eq!(mistyped.error(), ("wrong_type".to_owned(), "ext.store_tier".to_owned()));
    let both = daemon
        .post("/v1/checks", json!([check("4", json!({"x": 1})), check("5", json!({}))]).to_string())
        .json();
    assert_eq!(both[0]["error"]["field"], json!("ext.x"));
    assert_eq!(both[1]["verdict"], json!("allow"));
    daemon.await_metric("riskd_checks_total", "", 2.0);
}

#[test]
fn malformed_outcomes_name_their_field() {
    let daemon = Daemon::start();
    for (body, code, field) in [
        ("{}", "missing_field", "id"),
        (r#"{"id":"x"}"#, "missing_field", "outcome"),
        (r#"{"id":"x","outcome":"lost"}"#, "out_of_range", "outcome"),
        (r#"{"id":"x","outcome":"settled","why":1}"#, "unknown_field", "why"),
    ] {
        assert_eq!(daemon.post("/v1/outcome", body).error(), (code.to_owned(), field.to_owned()), "{body}");
    }
    assert_eq!(daemon.metric("riskd_outcomes_total", ""), 0.0);
}

#[test]
fn bytes_that_are_no_http_are_refused() {
    let daemon = Daemon::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"POST\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(daemon.http()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 4"), "{reply}");
    }
    let mut stream = TcpStream::connect(daemon.http()).unwrap();
    let _ = write!(stream, "GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(read_reply(&mut stream).status, 431);
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn half_open_connections_are_cut() {
    let daemon = Daemon::start_with(|config| {
        config.limits.header_timeout_ms = 300;
        config.limits.body_timeout_ms = 300;
    });
    let silent = TcpStream::connect(daemon.http()).unwrap();
    let mut in_head = TcpStream::connect(daemon.http()).unwrap();
    in_head.write_all(b"POST /v1/check HTTP/1.1\r\nHost:").unwrap();
    let admin = TcpStream::connect(daemon.admin()).unwrap();
    for mut stream in [silent, in_head, admin] {
        let began = Instant::now();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(began.elapsed() < Duration::from_secs(5), "it was not cut");
    }
    let mut in_body = TcpStream::connect(daemon.http()).unwrap();
    in_body.write_all(b"POST /v1/check HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\n{\"id\":").unwrap();
    assert_eq!(read_reply(&mut in_body).error().0, "malformed");
    daemon.await_metric("riskd_connections", "http", 0.0);
}

#[test]
fn a_body_that_trickles_in_is_cut() {
    let daemon = Daemon::start_with(|config| config.limits.body_timeout_ms = 400);
    let mut stream = TcpStream::connect(daemon.http()).unwrap();
    stream.write_all(b"POST /v1/check HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n").unwrap();
    let began = Instant::now();
    while stream.write_all(b" ").is_ok() && began.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() < Duration::from_secs(4), "a byte at a time kept it open");
}

#[test]
fn connections_past_the_bound_are_closed_and_places_come_free_again() {
    let daemon = Daemon::start_with(|config| {
        config.workers.count = 1;
        config.limits.connections_max = 3;
    });
    let held: Vec<_> = (0..3).map(|_| TcpStream::connect(daemon.http()).unwrap()).collect();
    daemon.await_metric("riskd_connections", "http", 3.0);
    let mut fourth = TcpStream::connect(daemon.http()).unwrap();
    let mut rest = Vec::new();
    assert_eq!(fourth.read_to_end(&mut rest).unwrap_or(0), 0);
    drop(held);
    daemon.await_metric("riskd_connections", "http", 0.0);
    assert_eq!(daemon.get("/healthz").status, 200);
}
