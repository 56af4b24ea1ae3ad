//! [`WebSocketService`]: the service that the layer makes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use tokio::sync::oneshot;
use tower_service::Service;
use websans_tokio::handshake::HandshakeError;

use crate::event::{Entry, Event};
use crate::handshake::{Kind, Lines};
use crate::layer::Shared;
use crate::linger::Lingering;
use crate::opening::UpgradeError;
use crate::response::{ResponseBody, own, refusal, sentence};
use crate::upgrade::{Handshake, Mark, Ticket, Upgrade};

/// A service with the middleware before it: what [`WebSocketLayer`](crate::WebSocketLayer) makes.
#[derive(Clone)]
pub struct WebSocketService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// Why a handshake does not go on.
enum Denial {
    Refused(HandshakeError),
    NoPlace,
    NoUpgrade(UpgradeError),
}

impl<S> WebSocketService<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// The service beneath.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Judges a handshake. It goes on if it is good; the sender is to be told that the response that accepts it leaves.
    fn judge(
        &self,
        kind: Kind,
        parts: &mut Parts,
        entry: &Entry,
    ) -> Result<(Upgrade, oneshot::Sender<()>), Denial> {
        let Shared { options, group, .. } = &*self.shared;
        kind.check(parts, &Lines(&parts.headers)).map_err(Denial::Refused)?;
        let mut direct = kind.endpoint(parts);
        direct.secure = options.secure.or(direct.secure);
        let endpoint = options.forwarded.endpoint(direct, &parts.headers);
        options.origins.check(parts, endpoint).map_err(Denial::Refused)?;
        let member = group.enter().ok_or(Denial::NoPlace)?;
        // Last, since it takes from the request what a service beneath could use.
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
            // Neither layer's options can be left out, and there is one handshake.
            let nested = parts.extensions.get::<Upgrade>().is_some();
            let error = if nested { UpgradeError::nested() } else { UpgradeError::unavailable() };
            return Err(Denial::NoUpgrade(error));
        };
        let (sender, leaves) = oneshot::channel();
        let ticket = Ticket { on_upgrade, leaves, member, version: parts.version };
        Ok((Upgrade::new(kind, parts, ticket, &self.shared, entry), sender))
    }

    /// The answer to a handshake that does not go on.
    fn answer<R>(&self, denial: &Denial, version: Version) -> Response<ResponseBody<R>> {
        match denial {
            Denial::Refused(error) => {
                let mut answer = refusal(&error.response(), version);
                // For layers around this one, which may know more of the client: a log, say.
                answer.extensions_mut().insert(*error);
                answer
            }
            Denial::NoPlace => {
                let after = self.shared.options.retry_after;
                let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
                let closing = self.shared.group.is_closing();
                let why = if closing { "the server is going down" } else { "all places are taken" };
                let mut answer = sentence(
                    StatusCode::SERVICE_UNAVAILABLE,
                    version,
                    &format_args!("{why}: try again later"),
                );
                answer.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
                own(answer)
            }
            Denial::NoUpgrade(error) => own(sentence(StatusCode::INTERNAL_SERVER_ERROR, version, error)),
        }
    }
}

impl<S, B, R> Service<Request<B>> for WebSocketService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let kind = Kind::of(&request).filter(|_| self.shared.options.paths.serve(request.uri().path()));
        let Some(kind) = kind else {
            return ResponseFuture::service(self.inner.call(request), None);
        };
        let (mut parts, body) = request.into_parts();
        let entry = self.shared.log.entry(&parts);
        let (upgrade, leaves) = match self.judge(kind, &mut parts, &entry) {
            Ok(good) => good,
            Err(denial) => {
                if let (Kind::Upgrade, Some(on_upgrade)) = (kind, parts.extensions.remove()) {
                    self.shared.lingering.end(on_upgrade);
                }
                match &denial {
                    Denial::Refused(error) => entry.note(Event::Refused(*error)),
                    Denial::NoPlace => entry.note(Event::NoPlace),
                    Denial::NoUpgrade(error) => entry.note(Event::NotOpened(error)),
                }
                return ResponseFuture::refused(self.answer(&denial, parts.version));
            }
        };
        let pending = Pending {
            kind,
            version: parts.version,
            handshake: upgrade.handshake(),
            leaves: Some(leaves),
            lingering: self.shared.lingering.clone(),
        };
        parts.extensions.insert(upgrade);
        ResponseFuture::service(self.inner.call(Request::from_parts(parts, body)), Some(pending))
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocketService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A good handshake that the service answers. Dropped, no response accepts it.
///
/// hyper hands an HTTP/1.1 connection over when its last response has left, and a stream of HTTP/2 with any success, whatever the
/// response was. So it is judged here whether it is the one that accepts, or another that the service, or a layer around it, has put in
/// its place.
struct Pending {
    kind: Kind,
    version: Version,
    handshake: Weak<Handshake>,
    leaves: Option<oneshot::Sender<()>>,
    lingering: Lingering,
}

impl Pending {
    /// The response that is to leave.
    fn judge<R>(mut self, mut response: Response<R>) -> Response<ResponseBody<R>> {
        let accepts = match self.kind {
            Kind::Upgrade => response.status() == StatusCode::SWITCHING_PROTOCOLS,
            Kind::Connect => response.status().is_success(),
        };
        let mark: Option<Mark> = response.extensions_mut().remove();
        if accepts && mark.is_some_and(|mark| mark.is_of(&self.handshake)) {
            // Nobody waits for it any more if the opening was dropped.
            let _ = self.leaves.take().map(|leaves| leaves.send(()));
            return response.map(ResponseBody::service);
        }
        match self.kind {
            Kind::Upgrade => {
                // What the client has sent behind its handshake is nobody's, and must not be taken for another request.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response.map(ResponseBody::service)
            }
            // To the client it would say that its WebSocket is open.
            Kind::Connect if accepts => {
                own(sentence(StatusCode::NOT_IMPLEMENTED, self.version, &"nothing here accepts a WebSocket"))
            }
            Kind::Connect => response.map(ResponseBody::service),
        }
    }
}

impl Drop for Pending {
    /// Frees the place, even if somebody still has the [`Upgrade`].
    fn drop(&mut self) {
        let ticket = self.handshake.upgrade().and_then(|handshake| handshake.take());
        if let (Kind::Upgrade, Some(Ticket { on_upgrade, .. })) = (self.kind, ticket) {
            self.lingering.end(on_upgrade);
        }
    }
}

pin_project! {
    /// The future of a response.
    pub struct ResponseFuture<F, R> {
        #[pin]
        inner: Inner<F, R>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<F, R> {
        Service { #[pin] future: F, pending: Option<Pending> },
        Refused { answer: Option<Response<ResponseBody<R>>> },
    }
}

impl<F, R> ResponseFuture<F, R> {
    /// The service's response, to a good handshake if one is pending.
    fn service(future: F, pending: Option<Pending>) -> Self {
        Self { inner: Inner::Service { future, pending } }
    }

    fn refused(answer: Response<ResponseBody<R>>) -> Self {
        Self { inner: Inner::Refused { answer: Some(answer) } }
    }
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for ResponseFuture<F, R> {
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.project() {
            InnerProj::Service { future, pending } => {
                let response = ready!(future.poll(cx));
                let pending = pending.take();
                Poll::Ready(response.map(|response| match pending {
                    Some(pending) => pending.judge(response),
                    None => response.map(ResponseBody::service),
                }))
            }
            // A future that is polled after its end may do anything but break memory.
            InnerProj::Refused { answer } => {
                answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
            }
        }
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
