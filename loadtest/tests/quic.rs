//! A run over QUIC against a server in the test, trusted by its certificate alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use loadtest::{Plan, Scenario, Target, measure};
use quinn::crypto::rustls::QuicServerConfig;
use wire::frame::{self, AnswersWriter};
use wire::{DecodeError, ErrorCode};

/// Starts a server that refuses every check as `forbidden`, and returns its address and certificate.
fn start() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut tls =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
    tls.alpn_protocols = vec![b"riskd/1".to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("QUIC")));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
            tell.send(endpoint.local_addr().expect("an address")).expect("the test waits");
            while let Some(incoming) = endpoint.accept().await {
                tokio::spawn(async move {
                    let connection = incoming.await.expect("a handshake");
                    while let Ok((send, receive)) = connection.accept_bi().await {
                        tokio::spawn(refuse_all(send, receive));
                    }
                });
            }
        });
    });
    (told.recv().expect("the server runs"), made.cert.pem())
}

async fn refuse_all(mut send: quinn::SendStream, mut receive: quinn::RecvStream) {
    let mut received = Vec::new();
    while let Ok(Some(chunk)) = receive.read_chunk(1 << 16, true).await {
        received.extend_from_slice(&chunk.bytes);
        let mut out = Vec::new();
        while let Some(frame) = frame::split(&received).expect("a header") {
            let mut writer = AnswersWriter::new(frame.header.tag, "", "", &mut out);
            for check in frame::decode_checks(&frame.header, frame.body).expect("a frame of checks") {
                assert!(check.is_ok());
                writer.push_error(&DecodeError::new(ErrorCode::Forbidden, "", "")).expect("room");
            }
            let bytes = frame.bytes;
            received.drain(..bytes);
        }
        if send.write_all(&out).await.is_err() {
            return;
        }
    }
}

#[test]
fn checks_cross_quic_and_errors_are_counted_by_code() {
    let (address, certificate) = start();
    let folder = tempfile::tempdir().expect("a folder");
    let trust = folder.path().join("cert.pem");
    std::fs::write(&trust, certificate).expect("a file");
    let scenario = "rate = 4000\nduration = '500ms'\nbatch = 10\nconnections = 2\n[traffic]\naccounts = 100";
    let scenario = Scenario::parse(scenario).expect("a valid scenario");
    let mut plan = Plan::new(Target::Quic(address), scenario).expect("a plan");
    plan.trust = Some(trust);
    let report = measure(&plan).expect("a run");
    assert_eq!((report.sent, report.answered, report.errors["forbidden"]), (2000, 2000, 2000), "{report}");
    assert!(report.broken.is_empty() && !report.clean(), "{report}");
}
