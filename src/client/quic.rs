//! A connection over QUIC, with as many streams as the daemon allows.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TransportConfig, VarInt};

use crate::error::{ClientError, ConnectError};
use crate::stream::{Receiver, Sender};
use crate::trust::Trust;

/// The protocol both sides must name.
pub const ALPN: &[u8] = b"riskd/1";

/// Payload of a datagram that fits an Ethernet frame under IPv6. Larger ones meet two traps with segmentation
/// offload: sends of ten segments fail silently over 6,550 bytes, and the offload itself ends at 65,535.
const MTU_BYTES: u16 = 1_452;
/// What may be in flight before the first acknowledgement: a large batch at once.
const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// What the daemon may send ahead of our reading, a stream: some thousand answers.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// The same for all streams of a connection together, and for what we send.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const IDLE_MAX: Duration = Duration::from_secs(30);

// A first flight under ten datagrams leaves a sender of ten segments a call waiting.
const _: () = assert!(INITIAL_WINDOW_BYTES >= 10 * MTU_BYTES as u64);
const _: () = assert!(MTU_BYTES <= 6_500);

/// A QUIC connection to one daemon.
#[derive(Clone, Debug)]
pub struct Connection {
    endpoint: Endpoint,
    connection: quinn::Connection,
}

/// Connects to a daemon whose certificate bears that name.
///
/// # Errors
/// The certificates cannot be used, or the daemon is not reached or not trusted.
pub async fn connect_quic(
    address: SocketAddr,
    server_name: &str,
    trust: Trust,
) -> Result<Connection, ConnectError> {
    let config = client_config(trust)?;
    let any_port = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let unreachable = |error: &dyn std::error::Error| ConnectError::Unreachable(error.to_string());
    let endpoint = Endpoint::client(any_port).map_err(|error| unreachable(&error))?;
    let connection = endpoint
        .connect_with(config, address, server_name)
        .map_err(|error| ConnectError::Trust(error.to_string()))?
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(Connection { endpoint, connection })
}

impl Connection {
    /// Opens a stream of its own order; frames of different streams do not wait for each other. Waits while the
    /// daemon allows no further one.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn open(&self) -> Result<(Sender, Receiver), ClientError> {
        let (send, receive) =
            self.connection.open_bi().await.map_err(|error| ClientError::Lost(error.to_string()))?;
        Ok((Sender::quic(send), Receiver::quic(receive)))
    }

    /// Closes the connection and waits until the daemon has been told.
    pub async fn close(self) {
        self.connection.close(VarInt::from_u32(0), b"done");
        self.endpoint.wait_idle().await;
    }
}

fn client_config(trust: Trust) -> Result<ClientConfig, ConnectError> {
    let unusable = |error: &dyn std::error::Error| ConnectError::Trust(error.to_string());
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .with_root_certificates(trust.roots);
    let mut tls = match trust.identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // A check sent as early data could be replayed by whoever recorded it.
    tls.enable_early_data = false;
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| unusable(&error))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut congestion = CubicConfig::default();
    congestion.initial_window(INITIAL_WINDOW_BYTES);
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(MTU_BYTES)
        .congestion_controller_factory(Arc::new(congestion))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .keep_alive_interval(Some(KEEP_ALIVE))
        // Half a minute is far below what the field can hold.
        .max_idle_timeout(IDLE_MAX.try_into().ok());
    transport
}
