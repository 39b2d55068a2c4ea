//! Small runs against servers in the test: every check is counted once, wherever it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use loadtest::{Echo, Plan, Report, Scenario, Target, measure};

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).expect("a valid scenario")
}

fn run(plan: &Plan) -> Report {
    measure(plan).expect("a run")
}

#[test]
fn an_echo_answers_every_check_at_the_asked_rate() {
    let plan = Plan::new(
        Target::Echo,
        scenario(
            "rate = 20000\nduration = '1s'\nbatch = 20\nconnections = 3\n[traffic]\naccounts = 1000\n\
             [[phase]]\nname = 'low'\nfactor = 0.5\n[[phase]]\nname = 'high'\nfactor = 1.5\n",
        ),
    )
    .expect("a plan");
    let report = run(&plan);
    assert!((19_900..=20_100).contains(&report.sent), "{report}");
    assert_eq!((report.answered, report.latency.len()), (report.sent, report.sent), "{report}");
    assert_eq!((report.verdicts["allow"], report.errors.len(), report.broken.len()), (report.sent, 0, 0));
    let text = report.to_string();
    assert!(text.contains("low") && text.contains("high") && text.contains("spinning thread"), "{text}");
    let json = report.to_json();
    assert_eq!(json["phases"].as_array().map(Vec::len), Some(2));
    assert!(json["machine"]["cores"].as_u64() >= Some(1));
}

#[test]
fn closed_loop_stops_at_the_bound_on_requests() {
    let echo = Echo::start().expect("an echo");
    let mut plan = Plan::new(
        Target::Unix(echo.path().to_owned()),
        scenario("duration = '20s'\nbatch = 8\nconnections = 2\n[traffic]\naccounts = 100"),
    )
    .expect("a plan");
    plan.window = Some(4);
    plan.requests = Some(4000);
    plan.threads = 2;
    let report = run(&plan);
    assert_eq!((report.sent, report.answered), (4000, 4000), "{report}");
    assert!(report.clean(), "{report}");
}

#[test]
fn a_server_that_stalls_cannot_hide_it() {
    // It answers nothing for 300 ms, then everything at once: latencies must show the wait of all that was due meanwhile.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stall.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let echo = Echo::start().expect("an echo");
    let behind = echo.path().to_owned();
    std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().expect("a caller");
        let mut server = std::os::unix::net::UnixStream::connect(behind).expect("the echo");
        let (mut answers, mut out) =
            (server.try_clone().expect("a clone"), caller.try_clone().expect("a clone"));
        std::thread::spawn(move || std::io::copy(&mut answers, &mut out));
        std::thread::sleep(Duration::from_millis(300));
        let _ = std::io::copy(&mut caller, &mut server);
    });
    let plan = Plan::new(
        Target::Unix(path),
        scenario("rate = 2000\nduration = '600ms'\nbatch = 2\nconnections = 1\n[traffic]\naccounts = 100"),
    )
    .expect("a plan");
    let report = run(&plan);
    assert_eq!(report.answered, report.sent, "{report}");
    let waited = report.latency.value_at_quantile(0.8) as f64 / 1e6;
    assert!(waited > 50.0, "two in five checks were due in the stall and waited: {waited} ms\n{report}");
    assert!(report.latency.max() > 250_000_000, "{report}");
}

#[test]
fn a_silent_server_leaves_checks_unanswered_and_the_run_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("silent.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let plan = Plan::new(
        Target::Unix(path),
        scenario("rate = 100\nduration = '200ms'\nbatch = 1\nconnections = 1\n[traffic]\naccounts = 100"),
    )
    .expect("a plan");
    let report = run(&plan);
    drop(listener);
    assert_eq!((report.sent, report.answered, report.unanswered), (20, 0, 20), "{report}");
    assert!(!report.clean());
}

#[test]
fn a_connection_cut_in_the_middle_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().expect("a caller");
        let mut some = [0; 100];
        let _ = caller.read(&mut some);
        let _ = caller.write_all(b"no frame at all, but long enough");
    });
    let plan = Plan::new(
        Target::Unix(path),
        scenario("rate = 1000\nduration = '300ms'\nbatch = 1\nconnections = 1\n[traffic]\naccounts = 100"),
    )
    .expect("a plan");
    let report = run(&plan);
    assert_eq!(report.broken.len(), 1, "{report}");
    assert!(!report.clean());
}

#[test]
fn http_answers_and_refusals_are_counted_by_code() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || serve_http(stream, number == 1));
        }
    });
    let plan = Plan::new(
        Target::Http(address),
        scenario("rate = 400\nduration = '500ms'\nconnections = 2\n[traffic]\naccounts = 100"),
    )
    .expect("a plan");
    let report = run(&plan);
    assert_eq!((report.sent, report.answered), (200, 200), "{report}");
    assert_eq!((report.verdicts["challenge"], report.errors["overloaded"]), (100, 100), "{report}");
}

/// Answers every request on a connection alike.
fn serve_http(mut stream: TcpStream, overloaded: bool) {
    let body =
        if overloaded { r#"{"id":"x","verdict":"allow"}"# } else { r#"{"id":"x","verdict":"challenge"}"# };
    let status = if overloaded { "503 Service Unavailable" } else { "200 OK" };
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        received.extend_from_slice(&chunk[..read]);
        // The body of a check is one object that ends in a line feed.
        while let Some(end) = received.windows(2).position(|pair| pair == b"}\n") {
            received.drain(..end + 2);
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }
}

#[test]
fn nothing_listening_is_an_error_before_anything_is_sent() {
    let plan =
        Plan::new(Target::Unix("/nonexistent/riskd.sock".into()), Scenario::default()).expect("a plan");
    let error = measure(&plan).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("/nonexistent/riskd.sock"), "{error}");
    let plan = Plan::new(Target::parse("quic://127.0.0.1:9").expect("loopback"), Scenario::default())
        .expect("a plan");
    let error = measure(&plan).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("--trust"), "{error}");
}
