//! TLS and QUIC settings. A development certificate is made at first start, so that a fresh clone speaks QUIC at once;
//! real ones come by configuration, and with an authority of client certificates nobody gets in without one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Config;
use crate::files;

/// The protocol's name in the TLS handshake. Callers of any other are refused there.
pub const ALPN: &[u8] = b"riskd/1";

/// Flow control: what one stream, and what one connection, may have under way unread. A frame of any size fits a stream's
/// window twice, so that the next one travels while one is decided.
const STREAM_WINDOW_BYTES: u32 = 2 * wire::limits::FRAME_BYTES_MAX as u32;
const CONNECTION_WINDOW_BYTES: u32 = 4 * STREAM_WINDOW_BYTES;

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A PEM file cannot be read or holds nothing of its kind.
    Pem(PathBuf, rustls_pki_types::pem::Error),
    /// The development certificate cannot be written.
    Write(PathBuf, std::io::Error),
    /// The development certificate cannot be made.
    Make(rcgen::Error),
    /// Certificate and key do not fit together, or cannot be used.
    Use(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Pem(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::Write(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::Make(error) => write!(f, "development certificate: {error}"),
            TlsError::Use(error) => write!(f, "certificate: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Certificate and key of the QUIC address.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM file of the chain.
    pub cert: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
}

impl Identity {
    /// The configured one, or the development one, made if it is not there yet.
    pub fn find_or_make(config: &Config) -> Result<Identity, TlsError> {
        if !config.tls.cert.as_os_str().is_empty() {
            return Ok(Identity { cert: config.tls.cert.clone(), key: config.tls.key.clone() });
        }
        let folder = config.data.dir.join("tls");
        let identity = Identity { cert: folder.join("dev-cert.pem"), key: folder.join("dev-key.pem") };
        if !(identity.cert.exists() && identity.key.exists()) {
            identity.make(&folder)?;
        }
        Ok(identity)
    }

    fn make(&self, folder: &Path) -> Result<(), TlsError> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
        let write = |path: &Path, text: String| {
            files::write_secret(path, text.as_bytes())
                .map_err(|error| TlsError::Write(path.to_owned(), error))
        };
        files::make_folder(folder).map_err(|error| TlsError::Write(folder.to_owned(), error))?;
        write(&self.key, made.signing_key.serialize_pem())?;
        write(&self.cert, made.cert.pem())
    }
}

/// What every QUIC endpoint of the daemon is made with.
pub fn quic_config(config: &Config, identity: &Identity) -> Result<quinn::ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::Use(error.to_string()))?;
    let builder = if config.tls.client_ca.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&config.tls.client_ca)? {
            roots.add(authority).map_err(|error| TlsError::Use(error.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Use(error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    };
    let key = PrivateKeyDer::from_pem_file(&identity.key)
        .map_err(|error| TlsError::Pem(identity.key.clone(), error))?;
    let mut tls = builder
        .with_single_cert(certificates(&identity.cert)?, key)
        .map_err(|error| TlsError::Use(error.to_string()))?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Early data could be replayed by anyone who recorded it.
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| TlsError::Use(error.to_string()))?;
    let mut quic = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    // The kernel picks a worker by the caller's address: a caller that moves would reach one that does not know it.
    quic.migration(false).transport_config(Arc::new(transport(config)));
    Ok(quic)
}

fn transport(config: &Config) -> TransportConfig {
    let limits = &config.limits;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .initial_mtu(limits.quic_mtu_bytes)
        // Discovery would raise the size past what segmentation offload can send in one call.
        .mtu_discovery_config(None)
        .max_idle_timeout(IdleTimeout::try_from(Duration::from_millis(limits.idle_timeout_ms)).ok());
    transport
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::Pem(path.to_owned(), error))
}
