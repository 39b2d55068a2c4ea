//! Frames over the Unix socket and over QUIC.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use client::Client;
use serde_json::json;
use wire::frame::{self, FrameKind, HEADER_BYTES, Header};
use wire::{Check, DecodeError, ErrorCode, Kind, Outcome, OutcomeKind, Verdict};

use crate::harness::{Daemon, run};

async fn every_call_works(client: &Client, prefix: &str) {
    client.ping().await.unwrap();
    let id = |n: u32| format!("{prefix}{n}");
    let checks: Vec<Check<'_>> = (0..200).map(|n| Check::new(id(n), Kind::Login, "u")).collect();
    let answers = client.check_batch(&checks).await.unwrap();
    for (check, answer) in checks.iter().zip(answers) {
        let answer = answer.unwrap();
        assert_eq!(
            (answer.id.as_str(), answer.verdict, answer.replayed),
            (&*check.id, Verdict::Allow, false)
        );
        assert!(!answer.policy.is_empty());
    }
    assert!(client.check(&checks[7]).await.unwrap().replayed);
    let outcome = Outcome { id: checks[0].id.clone(), outcome: OutcomeKind::Settled, time_ms: None };
    client.outcome(&outcome).await.unwrap();
}

#[test]
fn every_call_works_over_the_unix_socket_and_over_quic() {
    let daemon = Daemon::start();
    run(async {
        every_call_works(&daemon.unix_client().await, "unix").await;
        every_call_works(&daemon.quic_client().await, "quic").await;
    });
    daemon.await_metric("riskd_checks_total", "login", 402.0);
    daemon.await_metric("riskd_outcomes_total", "", 2.0);
}

#[test]
fn all_doors_lead_to_the_same_state() {
    let daemon = Daemon::start();
    let check = Check::new("everywhere", Kind::Login, "u");
    run(async {
        assert!(!daemon.unix_client().await.check(&check).await.unwrap().replayed);
        assert!(daemon.quic_client().await.check(&check).await.unwrap().replayed);
    });
    let http = daemon.check(&json!({"id": "everywhere", "kind": "login", "account": "u"})).json();
    assert_eq!(http["replayed"], json!(true));
}

/// What the daemon writes back to these bytes until it closes, or goes silent.
fn exchange(daemon: &Daemon, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(daemon.unix()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    reply
}

fn first_error(reply: &[u8]) -> (u32, DecodeError) {
    let frame = frame::split(reply).unwrap().expect("a reply");
    (frame.header.tag, frame::decode_error(&frame.header, frame.body).unwrap())
}

#[test]
fn a_lost_frame_is_told_why_and_ends_the_connection() {
    let daemon = Daemon::start();
    let header = |body_bytes, kind, count| Header { body_bytes, kind, count, tag: 9 }.to_bytes();
    let oversized = header(u32::MAX, FrameKind::Checks, 1);
    let mut version = header(0, FrameKind::Ping, 0);
    version[4] = 77;
    let crowded = header(10, FrameKind::Checks, 1025);
    for (bytes, code) in [
        (oversized, ErrorCode::BadFrame),
        (version, ErrorCode::BadVersion),
        (crowded, ErrorCode::BadFrame),
        (*b"GET / HTTP/1", ErrorCode::BadVersion),
    ] {
        let (_, error) = first_error(&exchange(&daemon, &bytes));
        assert_eq!(error.code, code, "{error}");
    }
    assert_eq!(daemon.metric("riskd_checks_total", ""), 0.0);
    assert_eq!(daemon.get("/healthz").status, 200);
}

#[test]
fn a_bad_body_or_item_is_answered_in_its_place_and_the_connection_lives() {
    let daemon = Daemon::start();
    let good = Check::new("good", Kind::Login, "u");
    let mut frames = Vec::new();
    // A body whose lengths do not add up.
    frames.extend_from_slice(&Header { body_bytes: 3, kind: FrameKind::Checks, count: 1, tag: 1 }.to_bytes());
    frames.extend_from_slice(&[1, 2, 3]);
    // A frame that is not for the daemon.
    frame::encode_empty(FrameKind::Pong, 2, &mut frames);
    // A bad item between two good ones: its kind is none.
    let start = frames.len();
    let again = Check::new("again", Kind::Login, "u");
    frame::encode_checks(3, [&good, &Check::new("bad", Kind::Claim, "u"), &again], &mut frames).unwrap();
    let claim = find(&frames[start..], b"bad") + start;
    spoil_kind(&mut frames[start..claim]);
    frame::encode_empty(FrameKind::Ping, 4, &mut frames);

    let reply = exchange(&daemon, &frames);
    let mut rest = &reply[..];
    let mut next = || {
        let frame = frame::split(rest).unwrap().expect("another reply");
        rest = &rest[frame.bytes..];
        frame
    };
    for (tag, code) in [(1, ErrorCode::BadFrame), (2, ErrorCode::BadFrame)] {
        let frame = next();
        assert_eq!(frame.header.tag, tag);
        assert_eq!(frame::decode_error(&frame.header, frame.body).unwrap().code, code);
    }
    let answers = next();
    let answers: Vec<_> = frame::decode_answers(&answers.header, answers.body).unwrap().collect();
    assert_eq!(answers[0].as_ref().unwrap().id, "good");
    assert_eq!(answers[1].as_ref().unwrap_err().field, "kind");
    assert_eq!(answers[2].as_ref().unwrap().id, "again");
    assert_eq!(next().header.kind, FrameKind::Pong);
    daemon.await_metric("riskd_checks_total", "", 2.0);
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

/// Overwrites the last byte that could be the kind `claim` before an item's id with one that is no kind.
fn spoil_kind(bytes: &mut [u8]) {
    let at = bytes.iter().rposition(|&byte| byte == Kind::Claim.code()).unwrap();
    bytes[at] = 200;
}

#[test]
fn a_truncated_frame_is_cut_after_its_time() {
    let daemon = Daemon::start_with(|config| config.limits.body_timeout_ms = 300);
    let mut frames = Vec::new();
    frame::encode_checks(1, [&Check::new("half", Kind::Login, "u")], &mut frames).unwrap();
    for length in [1, HEADER_BYTES - 1, HEADER_BYTES, frames.len() - 1] {
        let mut stream = UnixStream::connect(daemon.unix()).unwrap();
        stream.write_all(&frames[..length]).unwrap();
        let began = Instant::now();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
        assert!(began.elapsed() < Duration::from_secs(5), "{length} bytes kept the connection open");
    }
    assert_eq!(daemon.metric("riskd_checks_total", ""), 0.0);
}

#[test]
fn a_frame_that_trickles_in_is_cut() {
    let daemon = Daemon::start_with(|config| config.limits.body_timeout_ms = 400);
    let header = Header { body_bytes: 4000, kind: FrameKind::Checks, count: 1, tag: 0 };
    let mut stream = UnixStream::connect(daemon.unix()).unwrap();
    stream.write_all(&header.to_bytes()).unwrap();
    let began = Instant::now();
    while stream.write_all(&[0]).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(4), "a byte at a time kept it open");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_frame_may_come_byte_by_byte_and_many_may_come_at_once() {
    let daemon = Daemon::start();
    let mut frames = Vec::new();
    let ids: Vec<String> = (0..300).map(|n| format!("many{n}")).collect();
    for (tag, id) in ids.iter().enumerate() {
        frame::encode_checks(tag as u32, [&Check::new(id, Kind::Login, "u")], &mut frames).unwrap();
    }
    let mut stream = UnixStream::connect(daemon.unix()).unwrap();
    let (slow, fast) = frames.split_at(40);
    for byte in slow {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.write_all(fast).unwrap();
    let (mut reply, mut tags) = (Vec::new(), Vec::new());
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    while tags.len() < ids.len() {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed after {} answers", tags.len());
        reply.extend_from_slice(&buffer[..count]);
        while let Some(frame) = frame::split(&reply).unwrap() {
            tags.push(frame.header.tag);
            let used = frame.bytes;
            reply.drain(..used);
        }
    }
    assert!(tags.iter().copied().eq(0..ids.len() as u32), "answers are in order");
}

#[test]
fn another_protocol_over_quic_is_refused_in_the_handshake() {
    let daemon = Daemon::start();
    let address = daemon.running().addresses().quic.unwrap();
    run(async {
        for protocols in [vec![b"h3".to_vec()], vec![b"riskd/2".to_vec()], vec![]] {
            let error = quic_with_alpn(&daemon, address, protocols).await.unwrap_err();
            assert!(error.contains("protocol") || error.contains("alpn") || error.contains("120"), "{error}");
        }
        quic_with_alpn(&daemon, address, vec![b"riskd/1".to_vec()]).await.unwrap();
    });
}

async fn quic_with_alpn(
    daemon: &Daemon,
    address: std::net::SocketAddr,
    protocols: Vec<Vec<u8>>,
) -> Result<(), String> {
    use rustls_pki_types::pem::PemObject;
    let cert =
        rustls_pki_types::CertificateDer::from_pem_file(daemon.data().join("tls/dev-cert.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = protocols;
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(crypto)));
    let connecting = endpoint.connect(address, "localhost").unwrap();
    connecting.await.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn with_a_client_authority_nobody_enters_without_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority_file = folder.path().join("ca.pem");
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(parameters, authority_key).unwrap();
    std::fs::write(&authority_file, authority.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["gateway".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();

    let daemon = Daemon::start_with(|config| config.tls.client_ca = authority_file);
    let address = daemon.running().addresses().quic.unwrap();
    run(async {
        let stranger = Client::connect_quic(address, "localhost", daemon.quic_trust()).await;
        let asked = match stranger {
            Ok(client) => client.ping().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert!(asked.is_err());
        let known =
            daemon.quic_trust().with_identity(cert.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        Client::connect_quic(address, "localhost", known).await.unwrap().ping().await.unwrap();
    });
}
