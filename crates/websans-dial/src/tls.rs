//! [`Tls`]: whom to trust, and whatever else TLS goes by.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;

/// The settings of TLS for `wss`, by [`rustls`].
///
/// The cryptography is `ring`'s, named explicitly: no default that a process has to install comes into it, so
/// nothing panics for want of one. Whoever wants another provider brings a whole configuration, by [`with`](Self::with).
/// ALPN offers `http/1.1`, which the opening handshake is; the server is named (SNI) if it has a name.
///
/// The roots of the platform are the default because they are what the machine's owner trusts, private authorities
/// of a company included, and because they are kept up to date. A container without any gets a typed error.
///
/// ```
/// use websans_dial::{Client, Tls};
///
/// # let (pem, _) = ("", ());
/// let client = Client::new("wss://example.com")?; // the platform's roots
/// if let Ok(private) = Tls::roots_from_pem(pem) {
///     let client = client.tls(private);
/// }
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts whom the operating system trusts, by its own verifier where it has one. On Linux and the BSDs this reads
    /// the certificates from files, which takes some milliseconds: keep it, or let it be the default, which is
    /// made once for the whole process.
    ///
    /// # Errors
    /// [`TlsError::Settings`] if the system has no certificates.
    pub fn platform() -> Result<Self, TlsError> {
        let builder = builder()?.with_platform_verifier().map_err(TlsError::Settings)?;
        Ok(Self::finish(builder))
    }

    /// Trusts whom Mozilla trusts, by the list that is compiled in: the same everywhere, and as old as the program.
    ///
    /// # Errors
    /// None in practice: [`TlsError::Settings`] if rustls does not take its own defaults.
    #[cfg(feature = "webpki-roots")]
    pub fn webpki() -> Result<Self, TlsError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Ok(Self::finish(builder()?.with_root_certificates(roots)))
    }

    /// Trusts these authorities alone: a private one, say.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] if there is none, [`TlsError::Settings`] if one of them is not a certificate.
    pub fn roots<'c>(certificates: impl IntoIterator<Item = CertificateDer<'c>>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.into_owned()).map_err(TlsError::Settings)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        Ok(Self::finish(builder()?.with_root_certificates(roots)))
    }

    /// [`roots`](Self::roots) from PEM, as they lie in a file.
    ///
    /// # Errors
    /// As there, and [`TlsError::Pem`].
    pub fn roots_from_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let pem = pem.as_ref();
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(none) if none.is_empty() && !pem.trim_ascii().is_empty() => Err(TlsError::Pem),
            Ok(certificates) => Self::roots(certificates),
            Err(_) => Err(TlsError::Pem),
        }
    }

    /// Goes by a configuration as it is: another provider, client certificates, a key log. `http/1.1` is added to its
    /// ALPN if that is empty.
    #[must_use]
    pub fn with(config: impl Into<Arc<ClientConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = alpn();
        }
        Self(config)
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }

    /// [`platform`](Self::platform), made once.
    pub(crate) fn shared() -> Result<Self, TlsError> {
        static SHARED: OnceLock<Tls> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        // Should two threads make one at once, the first one's is kept.
        let made = Self::platform()?;
        Ok(SHARED.get_or_init(|| made).clone())
    }

    fn finish(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Self {
        Self::with(builder.with_no_client_auth())
    }
}

/// A configuration with `ring` below it, whatever the process has installed.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

/// The name that the certificate of `host`, a name or an address, must be for.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    // A certificate has no dot at the end of a name, nor has SNI (RFC 6066 §3).
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// Why there is no TLS.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// The settings do not hold: the platform has no roots, or a certificate is malformed.
    Settings(rustls::Error),
    /// There are no roots, so nobody would be trusted.
    NoRoots,
    /// The text is not PEM.
    Pem,
    /// The host cannot be the name of a server.
    ServerName,
    /// The handshake failed: a certificate that is not trusted, or is for somebody else, or a peer that does not
    /// speak TLS.
    Handshake(rustls::Error),
}

impl TlsError {
    /// The error of rustls in `error`, where its adapters hide it.
    pub(crate) fn in_io(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(Self::Handshake(inner.clone()))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => write!(f, "TLS cannot be set up: {error}"),
            Self::NoRoots => f.write_str("there is no root certificate"),
            Self::Pem => f.write_str("the certificates are not valid PEM"),
            Self::ServerName => f.write_str("the host cannot be the name of a TLS server"),
            Self::Handshake(error) => error.fmt(f),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Settings(error) | Self::Handshake(error) => Some(error),
            Self::NoRoots | Self::Pem | Self::ServerName => None,
        }
    }
}
