//! Whom a QUIC client trusts, and who it says it is.

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::ConnectError;

/// Certificates that a daemon's must be, or be signed by; and, where the daemon asks for it, our own.
#[derive(Debug)]
pub struct Trust {
    pub(crate) roots: RootCertStore,
    pub(crate) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Trust {
    /// Trusts the certificates of a PEM text: an authority's, or the daemon's own self-signed one.
    ///
    /// # Errors
    /// It holds no certificate, or one that cannot be read.
    pub fn pem(text: &[u8]) -> Result<Trust, ConnectError> {
        Trust::certificates(read_certificates(text)?)
    }

    /// Trusts one certificate in DER.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn der(bytes: &[u8]) -> Result<Trust, ConnectError> {
        Trust::certificates([CertificateDer::from(bytes.to_vec())])
    }

    fn certificates(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Trust, ConnectError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|error| ConnectError::Trust(error.to_string()))?;
        }
        Ok(Trust { roots, identity: None })
    }

    /// Also proves to the daemon who we are, with a chain of certificates and its key, both in PEM.
    ///
    /// # Errors
    /// Either cannot be read.
    pub fn with_identity(self, chain: &[u8], key: &[u8]) -> Result<Trust, ConnectError> {
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| ConnectError::Trust(format!("the key cannot be read: {error}")))?;
        Ok(Trust { identity: Some((read_certificates(chain)?, key)), ..self })
    }
}

fn read_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| ConnectError::Trust(format!("the certificate cannot be read: {error}")))?;
    if certificates.is_empty() {
        return Err(ConnectError::Trust("the PEM text holds no certificate".to_owned()));
    }
    Ok(certificates)
}
