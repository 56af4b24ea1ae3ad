//! [`WebSocketLayer`]: the middleware.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;
use websans_tokio::Group;

use crate::event::Log;
use crate::linger::Lingering;
use crate::options::Options;
use crate::service::WebSocketService;
use crate::sockets::Sockets;

/// The middleware: a [`Layer`] for services of `http` requests that come from hyper. See [the crate](crate).
///
/// A response that refuses a handshake has the [`HandshakeError`](crate::HandshakeError) among its extensions, for layers around this
/// one. [`Options::on_event`] hears of it too.
///
/// Layers that may refuse a request, to have it authenticated say, belong inside of this one (with `Router::layer`: added before it), or
/// before the handler accepts. A refusal further out comes too late: the connection has been accepted by then.
///
/// Clones, and the services that they make, share one set of connections: [`sockets`](Self::sockets).
#[derive(Clone)]
pub struct WebSocketLayer {
    shared: Arc<Shared>,
}

/// What all connections of a layer share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) group: Group,
    pub(crate) log: Log,
    pub(crate) lingering: Lingering,
}

impl WebSocketLayer {
    /// A layer with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let group = Group::new(options.most);
        let log = Log::new(options.listener.clone());
        Self { shared: Arc::new(Shared { options, group, log, lingering: Lingering::default() }) }
    }

    /// The connections that are opened through this layer and its clones.
    #[must_use]
    pub fn sockets(&self) -> Sockets {
        Sockets { group: self.shared.group.clone() }
    }
}

impl Default for WebSocketLayer {
    /// With the default options.
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl<S> Layer<S> for WebSocketLayer {
    type Service = WebSocketService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WebSocketService::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for WebSocketLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLayer")
            .field("options", &self.shared.options)
            .field("sockets", &self.shared.group.len())
            .finish()
    }
}
