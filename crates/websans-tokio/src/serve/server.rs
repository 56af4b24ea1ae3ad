//! [`Server`]: how to serve.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use websans::Config;
use websans::handshake::OriginPolicy;
#[cfg(feature = "rustls")]
use websans_dial::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
#[cfg(feature = "rustls")]
use websans_dial::{TlsError, rustls};

use super::event::{Listener, ServeEvent};

/// How to serve: plain data, for [`serve`](super::serve).
///
/// ```
/// use std::time::Duration;
/// use websans_tokio::handshake::OriginPolicy;
/// use websans_tokio::{Config, Server};
///
/// # async fn ctrl_c() {}
/// let server = Server::new(Config::default())
///     .max_connections(50_000)
///     .origins(OriginPolicy::List(vec!["https://example.com".parse()?]))
///     .shutdown_on(ctrl_c())
///     .grace(Duration::from_secs(30))
///     .on_event(|event| eprintln!("{event}"));
/// # Ok::<(), websans_tokio::handshake::BuildError>(())
/// ```
#[must_use]
pub struct Server {
    pub(super) config: Arc<Config>,
    pub(super) most: usize,
    pub(super) grace: Duration,
    pub(super) retry_after: Duration,
    pub(super) origins: OriginPolicy,
    pub(super) shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(super) listener: Option<Box<Listener>>,
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Server {
    /// A server whose connections have this configuration, with its
    /// [`handshake_within`](Config::handshake_within) for TLS and the request together.
    pub fn new(config: impl Into<Arc<Config>>) -> Self {
        Self {
            config: config.into(),
            most: 10_000,
            grace: Duration::from_secs(10),
            retry_after: Duration::from_secs(5),
            origins: OriginPolicy::default(),
            shutdown: None,
            listener: None,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// How many connections there may be at once, those among them whose handshake is under way. Default 10,000.
    ///
    /// Whoever comes beyond is answered with 503 and `Retry-After`, or closed at once where TLS would have to come
    /// first: that would cost what the limit saves. A place is freed when the connection's stream is dropped, whatever
    /// came before: the handler's return or panic, a task that was aborted, an error, a closing, a time-out.
    ///
    /// Each connection takes a file descriptor, and 64 more may be in use for those who are being refused.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// When those who were refused shall try again, in whole seconds. Default 5 s.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = after;
        self
    }

    /// Which web pages may connect; others are answered with 403. Default [`OriginPolicy::SameHost`]. Requests that are not
    /// for WebSocket pass.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.origins = policy;
        self
    }

    /// Goes down, as [`serve`](super::serve) describes, when `signal` is ready: `tokio::signal::ctrl_c`, say, or the receiving
    /// end of a channel. Default never.
    pub fn shutdown_on(mut self, signal: impl Future<Output: Sized> + Send + 'static) -> Self {
        self.shutdown = Some(Box::pin(async move {
            signal.await;
        }));
        self
    }

    /// How long connections and handlers are waited for when the server goes down. Default 10 s. A peer that does not answer
    /// a Close is given up after [`Config::close_within`] anyway.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What to do when something goes wrong: to write a line into a log. It is called in the middle of things, and must not
    /// block.
    pub fn on_event(mut self, listener: impl Fn(ServeEvent<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Speaks TLS: `wss`. The cryptography is what the configuration was built with; ALPN, if it is set there, must have
    /// `http/1.1`.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.tls = Some(tokio_rustls::TlsAcceptor::from(config.into()));
        self
    }

    /// Speaks TLS with this chain of certificates, the server's own first, and its private key, both in PEM, as they lie in
    /// files. The cryptography is `ring`'s, whatever the process has installed.
    ///
    /// # Errors
    /// [`TlsError::Pem`] if there is no certificate or no key, [`TlsError::Settings`] if they do not belong together.
    #[cfg(feature = "rustls")]
    pub fn tls_from_pem(
        self,
        certificates: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_ref())
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(|_| TlsError::Pem)?;
        if certificates.is_empty() {
            return Err(TlsError::Pem);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
            .map_err(TlsError::Settings)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.tls(config))
    }
}

impl Default for Server {
    /// With the default configuration.
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl From<Config> for Server {
    fn from(config: Config) -> Self {
        Self::new(config)
    }
}

impl From<Arc<Config>> for Server {
    fn from(config: Arc<Config>) -> Self {
        Self::new(config)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("max_connections", &self.most)
            .field("grace", &self.grace)
            .field("retry_after", &self.retry_after)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
