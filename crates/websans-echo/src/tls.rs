//! [`acceptor`]: TLS from two files.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// Speaks TLS with the chain of certificates in one PEM file, the server's own first, and the private key in another. Clients
/// choose between HTTP/2 and HTTP/1.1.
pub(crate) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(|error| format!("no certificates in {}: {error}", certificates.display()))?;
    if chain.is_empty() {
        return Err(format!("no certificates in {}", certificates.display()).into());
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("no private key in {}: {error}", key.display()))?;
    // Named, so that none must be installed for the process.
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| {
            format!("cannot serve {} with {}: {error}", certificates.display(), key.display())
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
