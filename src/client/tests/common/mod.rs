//! A daemon in small, made of the codecs alone: it answers by the account of the check.
//!
//! `refuse` is answered with an error, a frame of `later` waits for the next frame, `garbage` is answered with
//! bytes that are no frame, `leave` ends the connection, and everybody else is allowed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use client::Trust;
use quinn::crypto::rustls::QuicServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;
use wire::frame::{self, AnswersWriter, Frame, FrameKind, ResultsWriter};
use wire::{AnswerHead, Check, DecodeError, ErrorCode, Verdict};

/// Serves one connection until it ends.
async fn serve(mut receive: impl AsyncRead + Unpin, mut send: impl AsyncWrite + Unpin) {
    let (mut received, mut out, mut held) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let used = match frame::split(&received) {
            Ok(Some(frame)) => {
                let again = reply(frame, &mut out, &mut held);
                if !again {
                    return;
                }
                frame.bytes
            }
            Ok(None) => {
                let _ = send.write_all(&std::mem::take(&mut out)).await;
                match receive.read_buf(&mut received).await {
                    Ok(count) if count > 0 => continue,
                    _ => break,
                }
            }
            Err(error) => {
                frame::encode_error(0, &error, &mut out);
                break;
            }
        };
        received.drain(..used);
    }
    let _ = send.write_all(&out).await;
    let _ = send.shutdown().await;
}

/// Appends the reply to a frame; false if the connection is to be left.
fn reply(frame: Frame<'_>, out: &mut Vec<u8>, held: &mut Vec<u8>) -> bool {
    let Frame { header, body, .. } = frame;
    match header.kind {
        FrameKind::Checks => {
            let checks: Vec<_> = frame::decode_checks(&header, body).unwrap().collect();
            let first = checks[0].as_ref().map_or("", |check| check.account.as_ref());
            match first {
                "leave" => return false,
                "garbage" => out.extend_from_slice(&[0xff; 64]),
                "later" => return answer(header.tag, &checks, held),
                _ => {}
            }
            answer(header.tag, &checks, out);
        }
        FrameKind::Outcomes => {
            let mut results = ResultsWriter::new(header.tag, out);
            for outcome in frame::decode_outcomes(&header, body).unwrap() {
                let known = outcome.is_ok_and(|outcome| outcome.id != "unknown");
                let error = DecodeError::new(ErrorCode::NotFound, "id", "no decision has this id");
                results.push(if known { Ok(()) } else { Err(&error) }).unwrap();
            }
        }
        FrameKind::Ping => frame::encode_empty(FrameKind::Pong, header.tag, out),
        _ => {
            let error = DecodeError::new(ErrorCode::BadFrame, "", "a client sends no such frame");
            frame::encode_error(header.tag, &error, out);
        }
    }
    out.append(held);
    true
}

fn answer(tag: u32, checks: &[Result<Check<'_>, DecodeError>], out: &mut Vec<u8>) -> bool {
    let mut answers = AnswersWriter::new(tag, "p1", "m1", out);
    for check in checks {
        match check {
            Ok(check) if check.account == "refuse" => {
                answers.push_error(&DecodeError::new(ErrorCode::InFlight, "id", "twice")).unwrap();
            }
            Ok(check) => {
                let head = AnswerHead {
                    id: &check.id,
                    verdict: Verdict::Allow,
                    challenge: None,
                    score: 0.25,
                    degraded: 0,
                    replayed: false,
                    policy: "p1",
                    model: "m1",
                    decision: 1,
                };
                answers.push(&head, []).unwrap();
            }
            Err(error) => answers.push_error(error).unwrap(),
        }
    }
    true
}

/// A Unix socket with the small daemon behind it; gone with the folder.
pub fn unix_daemon() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("riskd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (receive, send) = stream.into_split();
            tokio::spawn(serve(receive, send));
        }
    });
    (folder, path)
}

/// The small daemon on QUIC.
pub struct QuicDaemon {
    pub address: SocketAddr,
    pub certificate_pem: String,
    endpoint: quinn::Endpoint,
}

impl QuicDaemon {
    /// A daemon for `localhost` that speaks this protocol.
    pub fn start(alpn: &[u8]) -> QuicDaemon {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let mut tls =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let accepting = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                tokio::spawn(async move {
                    let Ok(connection) = incoming.await else { return };
                    while let Ok((send, receive)) = connection.accept_bi().await {
                        tokio::spawn(serve(receive, send));
                    }
                });
            }
        });
        let address = endpoint.local_addr().unwrap();
        QuicDaemon { address, certificate_pem: made.cert.pem(), endpoint }
    }

    pub fn trust(&self) -> Trust {
        Trust::pem(self.certificate_pem.as_bytes()).unwrap()
    }

    /// Breaks every connection at once.
    pub fn kill(&self) {
        self.endpoint.close(1_u32.into(), b"killed");
    }
}
