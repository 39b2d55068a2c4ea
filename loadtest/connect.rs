//! Opening connections of every kind of target.

use std::net::SocketAddr;

use bytes::Bytes;
use client::{Receiver, Sender, Trust};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::limits;
use crate::plan::Plan;
use crate::run::RunError;
use crate::target::Target;

/// What a certificate for this machine is made out to.
const SERVER_NAME: &str = "localhost";

/// A connection that is up.
pub(crate) enum Connection {
    /// Carries frames.
    Frames(Duplex),
    /// Carries JSON.
    Http(SendRequest<Full<Bytes>>),
}

/// Both directions of a stream, and the connection it belongs to.
pub(crate) struct Duplex {
    pub sender: Sender,
    pub receiver: Receiver,
    pub quic: Option<client::Connection>,
}

/// Opens one connection, within [`limits::CONNECT`].
pub(crate) async fn open(plan: &Plan) -> Result<Connection, RunError> {
    let refused = |error: String| RunError::Connect(plan.target.to_string(), error);
    let opened = tokio::time::timeout(limits::CONNECT, async {
        match &plan.target {
            Target::Unix(path) => {
                let (sender, receiver) =
                    client::connect_unix(path).await.map_err(|error| refused(error.to_string()))?;
                Ok(Connection::Frames(Duplex { sender, receiver, quic: None }))
            }
            Target::Http(address) => http(*address).await.map_err(refused),
            Target::Quic(address) => {
                let trust = trust(plan)?;
                quic(*address, trust).await.map_err(refused)
            }
            Target::Echo => Err(refused("the echo was not started".to_owned())),
        }
    });
    opened.await.unwrap_or_else(|_| Err(refused(format!("no answer within {:?}", limits::CONNECT))))
}

async fn http(address: SocketAddr) -> Result<Connection, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Its end shows as an error of the next request.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Connection::Http(sender))
}

async fn quic(address: SocketAddr, trust: Trust) -> Result<Connection, String> {
    let connection =
        client::connect_quic(address, SERVER_NAME, trust).await.map_err(|error| error.to_string())?;
    let (sender, receiver) = connection.open().await.map_err(|error| error.to_string())?;
    Ok(Connection::Frames(Duplex { sender, receiver, quic: Some(connection) }))
}

fn trust(plan: &Plan) -> Result<Trust, RunError> {
    let Some(path) = &plan.trust else {
        return Err(RunError::Trust(
            "QUIC needs a certificate to trust: --trust FILE.pem; a daemon's development certificate is \
             tls/dev-cert.pem in its data folder"
                .to_owned(),
        ));
    };
    let unusable = |error: String| RunError::Trust(format!("{}: {error}", path.display()));
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    Trust::pem(&text).map_err(|error| unusable(error.to_string()))
}
