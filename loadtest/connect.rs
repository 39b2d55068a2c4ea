//! Opening connections of every kind of target.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::limits;
use crate::plan::Plan;
use crate::run::RunError;
use crate::target::Target;

/// The protocol's name in the TLS handshake.
const ALPN: &[u8] = b"riskd/1";
/// What a certificate for this machine is made out to.
const SERVER_NAME: &str = "localhost";
/// Packets that may be under way before the first acknowledgement; the start must not be slow by design.
const WINDOW_PACKETS: u64 = 64;

/// A connection that is up.
pub(crate) enum Connection {
    /// Carries frames.
    Frames(Duplex),
    /// Carries JSON.
    Http(SendRequest<Full<Bytes>>),
}

/// Both directions of a stream, and whatever must live as long as it.
pub(crate) struct Duplex {
    pub read: Box<dyn AsyncRead + Unpin>,
    pub write: Box<dyn AsyncWrite + Unpin>,
    pub keep: Option<(quinn::Connection, quinn::Endpoint)>,
}

/// Opens one connection, within [`limits::CONNECT`].
pub(crate) async fn open(plan: &Plan) -> Result<Connection, RunError> {
    let refused = |error: String| RunError::Connect(plan.target.to_string(), error);
    let opened = tokio::time::timeout(limits::CONNECT, async {
        match &plan.target {
            Target::Unix(path) => unix(path).await.map_err(|error| refused(error.to_string())),
            Target::Http(address) => http(*address).await.map_err(refused),
            Target::Quic(address) => quic(plan, *address).await,
            Target::Echo => Err(refused("the echo was not started".to_owned())),
        }
    });
    opened.await.unwrap_or_else(|_| Err(refused(format!("no answer within {:?}", limits::CONNECT))))
}

async fn unix(path: &PathBuf) -> io::Result<Connection> {
    let (read, write) = UnixStream::connect(path).await?.into_split();
    Ok(Connection::Frames(Duplex { read: Box::new(read), write: Box::new(write), keep: None }))
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

async fn quic(plan: &Plan, address: SocketAddr) -> Result<Connection, RunError> {
    let refused = |error: String| RunError::Connect(plan.target.to_string(), error);
    let mut endpoint_config = quinn::EndpointConfig::default();
    endpoint_config.max_udp_payload_size(plan.quic_mtu_bytes).map_err(|error| refused(error.to_string()))?;
    let here: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::LOCALHOST, 0).into() } else { (Ipv6Addr::LOCALHOST, 0).into() };
    let socket = std::net::UdpSocket::bind(here).map_err(|error| refused(error.to_string()))?;
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint = quinn::Endpoint::new(endpoint_config, None, socket, runtime)
        .map_err(|error| refused(error.to_string()))?;
    let connection = endpoint
        .connect_with(client_config(plan)?, address, SERVER_NAME)
        .map_err(|error| refused(error.to_string()))?
        .await
        .map_err(|error| refused(error.to_string()))?;
    let (write, read) = connection.open_bi().await.map_err(|error| refused(error.to_string()))?;
    let keep = Some((connection, endpoint));
    Ok(Connection::Frames(Duplex { read: Box::new(read), write: Box::new(write), keep }))
}

fn client_config(plan: &Plan) -> Result<quinn::ClientConfig, RunError> {
    let Some(path) = &plan.trust else {
        return Err(RunError::Trust(
            "QUIC needs a certificate to trust: --trust FILE.pem; a daemon's development certificate is \
             tls/dev-cert.pem in its data folder"
                .to_owned(),
        ));
    };
    let unusable = |error: String| RunError::Trust(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| unusable(error.to_string()))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    let mut congestion = quinn::congestion::CubicConfig::default();
    congestion.initial_window(WINDOW_PACKETS * u64::from(plan.quic_mtu_bytes));
    let mut transport = quinn::TransportConfig::default();
    transport
        .initial_mtu(plan.quic_mtu_bytes)
        // Discovery would raise the size past what segmentation offload sends in one call.
        .mtu_discovery_config(None)
        .congestion_controller_factory(Arc::new(congestion));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
