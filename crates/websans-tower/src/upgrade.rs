//! [`Upgrade`]: a good handshake that waits for the service's answer.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;
use websans_tokio::handshake::server::{Accepted, Choice, Offer};
use websans_tokio::handshake::{BuildError, HandshakeError, Headers};
use websans_tokio::{Config, Member, deflate};

use crate::Socket;
use crate::event::{Entry, Event};
use crate::handshake::Kind;
use crate::layer::Shared;
use crate::opening::{Opening, UpgradeError};
use crate::response::append;

/// A good handshake that waits for the service's answer: in the extensions of a request that
/// [`WebSocketLayer`](crate::WebSocketLayer) has let pass.
///
/// The service accepts it, in one of two ways, or gives any other response, and nothing is upgraded.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Empty;
/// use websans_tower::{Error, Socket, Upgrade};
///
/// async fn serve<B>(request: Request<B>) -> Response<Empty<Bytes>> {
///     match Upgrade::of(&request) {
///         Some(upgrade) => upgrade.accept(async |mut socket: Socket| socket.send("hello").await),
///         None => {
///             let mut response = Response::new(Empty::new());
///             *response.status_mut() = StatusCode::NOT_FOUND;
///             response
///         }
///     }
/// }
/// ```
///
/// A clone is the same handshake, and only one of them can accept it.
#[derive(Clone)]
#[must_use = "a handshake that is not accepted opens nothing"]
pub struct Upgrade {
    handshake: Arc<Handshake>,
    config: Arc<Config>,
    protocol: Option<Arc<str>>,
    deflate: Option<deflate::Extension>,
    /// The further headers of the response.
    headers: Choice<'static>,
}

pub(crate) struct Handshake {
    kind: Kind,
    /// As much of the request as its judgement needs, and no body.
    request: Parts,
    entry: Entry,
    ticket: Mutex<Option<Ticket>>,
}

/// What one acceptance takes.
pub(crate) struct Ticket {
    pub(crate) on_upgrade: OnUpgrade,
    /// The response that accepts is leaving; an error if another one is, or none.
    pub(crate) leaves: oneshot::Receiver<()>,
    pub(crate) member: Member,
    pub(crate) version: Version,
}

impl Upgrade {
    pub(crate) fn new(kind: Kind, parts: &Parts, ticket: Ticket, shared: &Shared, entry: &Entry) -> Self {
        let (mut request, ()) = Request::new(()).into_parts();
        request.method.clone_from(&parts.method);
        request.uri.clone_from(&parts.uri);
        request.version = parts.version;
        request.headers.clone_from(&parts.headers);
        if let Some(protocol) = parts.extensions.get::<Protocol>() {
            request.extensions.insert(protocol.clone());
        }
        let options = &shared.options;
        let ticket = Mutex::new(Some(ticket));
        let handshake = Handshake { kind, request, entry: entry.clone(), ticket };
        let offered = handshake.protocols();
        let protocol = options.protocols.iter().find(|ours| offered.contains(&ours.as_str()));
        Self {
            protocol: protocol.map(|protocol| Arc::from(protocol.as_str())),
            config: Arc::clone(&options.config),
            deflate: options.deflate.clone(),
            headers: Choice::new(),
            handshake: Arc::new(handshake),
        }
    }

    pub(crate) fn handshake(&self) -> Weak<Handshake> {
        Arc::downgrade(&self.handshake)
    }

    /// Whether `request` is a good handshake, and the service may accept it.
    pub fn is_websocket<B>(request: &Request<B>) -> bool {
        request.extensions().get::<Self>().is_some()
    }

    /// The handshake that `request` is, if it is a good one.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        request.extensions().get().cloned()
    }

    /// The subprotocols that the client speaks, the one it likes best first.
    #[must_use]
    pub fn protocols(&self) -> Vec<&str> {
        self.handshake.protocols()
    }

    /// The subprotocol that will be agreed on: the first of [`Options::protocols`](crate::Options::protocols) that the client speaks
    /// too, or what [`with_protocol`](Self::with_protocol) has set.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The page that asks, as it was sent. It has been found allowed. `None`: no browser asks.
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        let headers = &self.handshake.request.headers;
        headers.get(http::header::ORIGIN).map(http::HeaderValue::as_bytes)
    }

    /// The version of HTTP: 1.1, or 2 for a WebSocket that is a stream among others of one TCP connection.
    #[must_use]
    pub fn version(&self) -> Version {
        self.handshake.request.version
    }

    /// Whether the client offers permessage-deflate.
    #[must_use]
    pub fn offers_deflate(&self) -> bool {
        self.handshake.offer().is_ok_and(|offer| offer.offers_deflate())
    }

    /// Agrees on this subprotocol, or on none.
    ///
    /// # Errors
    /// [`BuildError::ProtocolNotOffered`] if the client does not speak it.
    pub fn with_protocol<'p>(mut self, protocol: impl Into<Option<&'p str>>) -> Result<Self, BuildError> {
        let protocol = protocol.into();
        if protocol.is_some_and(|protocol| !self.protocols().contains(&protocol)) {
            return Err(BuildError::ProtocolNotOffered);
        }
        self.protocol = protocol.map(Arc::from);
        Ok(self)
    }

    /// Compresses with this, or not at all, whatever [`Options::deflate`](crate::Options::deflate) says.
    pub fn with_deflate(mut self, extension: impl Into<Option<deflate::Extension>>) -> Self {
        self.deflate = extension.into();
        self
    }

    /// Changes limits and time-outs for this connection. It has a [`Config`] of its own then, and some 200 bytes more.
    pub fn with_limits(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Adds a header to the response: a cookie, say.
    ///
    /// # Errors
    /// As [`Choice::header`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        self.headers = self.headers.header(name, value)?;
        Ok(self)
    }

    /// Accepts: the service is to return this response, and when it has left, `handler` runs with the connection, in a task of its
    /// own. A handler returns nothing, or a `Result` whose error is [noted](crate::Options::on_event); one that never returns needs to
    /// be told its type: `async |socket| -> () { loop { .. } }`.
    ///
    /// The response is 101, or 200 over HTTP/2, and must leave as it is, with its extensions; its body may become another type of an
    /// empty one. If the service, or a layer between it and this one, lets
    /// another response leave, nothing runs; what layers further out do cannot be seen here, so let none of them refuse what has been
    /// accepted. If the handshake has been accepted before, by a clone, the response is 500 and nothing runs.
    ///
    /// In a handler of axum that returns its `Response`, `into_response()` makes one of it.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as [`tokio::spawn`].
    pub fn accept<F, Fut, R>(self, handler: F) -> Response<Empty<Bytes>>
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Conclusion,
    {
        let entry = self.handshake.entry.clone();
        let (response, opening) = self.accept_later();
        let Some(member) = opening.member().cloned() else {
            return response;
        };
        #[cfg(feature = "tracing")]
        let span = entry.span();
        let task = async move {
            // Why it was not opened has been noted.
            let Ok(socket) = opening.await else { return };
            let watch = Watch { entry: &entry };
            if let Some(error) = handler(socket).await.failure() {
                entry.note(Event::HandlerFailed(&*error));
            }
            drop(watch);
        };
        #[cfg(feature = "tracing")]
        let task = tracing::Instrument::instrument(task, span);
        member.abort_at_cut(tokio::spawn(task).abort_handle());
        response
    }

    /// Accepts, for another task to have the connection: one that was there before, or that goes on when the request's is over. The
    /// service is to return the response; the connection is there when [`Opening`] is, which may be sent to wherever it shall be, and
    /// it stays open until its owner drops it.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// use axum::{extract::State, response::IntoResponse};
    /// use tokio::sync::mpsc;
    /// use websans_tower::{Opening, Upgrade};
    ///
    /// async fn join(State(room): State<mpsc::Sender<Opening>>, upgrade: Upgrade) -> impl IntoResponse {
    ///     let (response, opening) = upgrade.accept_later();
    ///     let _ = room.send(opening).await; // the task of the room awaits it
    ///     response
    /// }
    /// ```
    #[must_use = "the response must be returned, and the connection awaited"]
    pub fn accept_later(self) -> (Response<Empty<Bytes>>, Opening) {
        match self.open() {
            Ok(opened) => opened,
            Err(error) => {
                self.handshake.entry.note(Event::NotOpened(&error));
                let mut response = Response::new(Empty::new());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                (response, Opening::failed(error))
            }
        }
    }

    fn open(&self) -> Result<(Response<Empty<Bytes>>, Opening), UpgradeError> {
        let entry = self.handshake.entry.clone();
        let choice = self.headers.clone().protocol(self.protocol()).deflate(self.deflate.clone());
        let accepted = self.handshake.offer()?.answer(&choice)?;
        let ticket = self.handshake.take().ok_or_else(UpgradeError::taken)?;
        let mut response = response(&accepted);
        response.extensions_mut().insert(Mark(self.handshake()));
        let Accepted { negotiated, .. } = accepted;
        Ok((response, Opening::new(ticket, Arc::clone(&self.config), negotiated, entry)))
    }
}

fn response(accepted: &Accepted) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::from_u16(accepted.status()).unwrap_or(StatusCode::OK);
    append(&mut response, accepted.headers());
    response
}

/// In the extensions of a response: it accepts this handshake.
#[derive(Clone)]
pub(crate) struct Mark(Weak<Handshake>);

impl Mark {
    pub(crate) fn is_of(&self, handshake: &Weak<Handshake>) -> bool {
        self.0.ptr_eq(handshake)
    }
}

impl Handshake {
    /// Takes what it can be accepted with: nobody else can then.
    pub(crate) fn take(&self) -> Option<Ticket> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the client offers. It has been found good; it is judged again because what was found lives in the request's headers.
    fn offer(&self) -> Result<Offer<'_>, HandshakeError> {
        self.kind.check(&self.request, self)
    }

    fn protocols(&self) -> Vec<&str> {
        self.offer().map(|offer| offer.protocols().to_vec()).unwrap_or_default()
    }
}

impl Headers for Handshake {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.request.headers.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("path", &self.handshake.request.uri.path())
            .field("version", &self.version())
            .field("protocols", &self.protocols())
            .field("protocol", &self.protocol())
            .finish_non_exhaustive()
    }
}

/// What a handler may return: nothing, or a `Result`, whose error is noted.
#[diagnostic::on_unimplemented(
    message = "a handler returns nothing, or a `Result` whose error converts into `Box<dyn Error + Send + Sync>`",
    note = "one that never returns needs to be told its type: `async |socket| -> () {{ loop {{ .. }} }}`"
)]
pub trait Conclusion {
    /// What went wrong, if anything did.
    fn failure(self) -> Option<Box<dyn StdError + Send + Sync>>;
}

impl Conclusion for () {
    fn failure(self) -> Option<Box<dyn StdError + Send + Sync>> {
        None
    }
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> Conclusion for Result<T, E> {
    fn failure(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// Notes a panic, by being dropped in the course of it.
struct Watch<'w> {
    entry: &'w Entry,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.entry.note(Event::HandlerPanicked);
        }
    }
}
