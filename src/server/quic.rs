//! Frames over QUIC. A connection carries a few long-lived streams, and each stream is a session of its own.

use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, EndpointConfig, Incoming, RecvStream, SendStream, TokioRuntime, VarInt};
use tokio::task::JoinSet;

use crate::metrics::Door;
use crate::session;
use crate::worker::{Place, Worker};

/// Sent with the close of a connection at a drain: nothing went wrong, come back elsewhere.
const CLOSED_BY_DRAIN: VarInt = VarInt::from_u32(0);
/// Time for a caller to acknowledge the last answers of a stream.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The endpoint of a worker. Needs the worker's runtime around it.
pub fn endpoint(socket: UdpSocket, config: quinn::ServerConfig) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Takes connections until the daemon drains, then waits for them to end.
pub async fn accept(worker: Rc<Worker>, endpoint: Endpoint) {
    let mut draining = pin!(worker.draining());
    loop {
        let incoming = tokio::select! {
            biased;
            () = &mut draining => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => incoming,
                None => break,
            },
        };
        let half_full = worker.connections() > worker.shared.config.limits.connections_max / 2;
        if half_full && incoming.may_retry() && !incoming.remote_address_validated() {
            // Places grow scarce: only callers that receive at the address they name get one.
            let _ = incoming.retry();
        } else if let Some(place) = worker.place(Door::Quic) {
            tokio::task::spawn_local(serve(worker.clone(), incoming, place));
        } else {
            incoming.refuse();
        }
    }
    // Handshakes that come now are refused at once instead of being left to time out.
    endpoint.set_server_config(None);
    endpoint.wait_idle().await;
}

async fn serve(worker: Rc<Worker>, incoming: Incoming, _place: Place) {
    let limits = &worker.shared.config.limits;
    let handshake = Duration::from_millis(limits.header_timeout_ms);
    let connection = match tokio::time::timeout(handshake, async { incoming.await }).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            tracing::debug!(%error, "QUIC handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!("QUIC handshake timed out");
            return;
        }
    };
    let mut streams = JoinSet::new();
    let mut draining = pin!(worker.draining());
    loop {
        tokio::select! {
            biased;
            () = &mut draining => break,
            Some(_) = streams.join_next() => {}
            stream = connection.accept_bi() => match stream {
                Ok((send, receive)) => {
                    streams.spawn_local(stream_session(worker.clone(), send, receive));
                }
                Err(_) => break,
            },
        }
    }
    while streams.join_next().await.is_some() {}
    connection.close(CLOSED_BY_DRAIN, b"draining");
}

async fn stream_session(worker: Rc<Worker>, mut send: SendStream, receive: RecvStream) {
    if session::run(&worker, receive, &mut send).await.is_ok() && send.finish().is_ok() {
        // Closing the connection would discard answers that are still under way.
        let _ = tokio::time::timeout(LAST_ANSWERS, send.stopped()).await;
    }
}
