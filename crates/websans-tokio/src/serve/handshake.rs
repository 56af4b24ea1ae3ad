//! [`Host`]: what happens to one connection, from its first byte to the handler's return.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::TcpStream;
use websans::Config;
use websans::handshake::OriginPolicy;

use super::event::{Log, ServeEvent};
use super::served::{Line, Served};
use crate::accept::Incoming;
use crate::error::Error;
use crate::group::{Member, Place};

/// What all connections of a server share.
pub(super) struct Host<H> {
    pub(super) config: Arc<Config>,
    pub(super) origins: OriginPolicy,
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(super) handler: H,
    pub(super) log: Log,
}

impl<H, F, E> Host<H>
where
    H: Fn(Incoming<Served>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    /// Attends to one connection.
    pub(super) async fn attend(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, member: Member) {
        let watch = Watch { log: &self.log, peer };
        // The place goes with the stream: the handler decides how long it lives.
        // Boxed, so that a task does not keep the room that TLS needs for its handshake for as long as it lives.
        if let Some(incoming) = Box::pin(self.receive(stream, peer, member)).await {
            if let Err(error) = (self.handler)(incoming).await {
                self.log.note(ServeEvent::HandlerFailed(peer, &*error.into()));
            }
        }
        drop(watch);
    }

    /// Reads the request. `None`: there is none, or the server goes down.
    async fn receive(&self, stream: TcpStream, peer: SocketAddr, member: Member) -> Option<Incoming<Served>> {
        let place = Arc::clone(member.place());
        let received = unless_going(&place, self.shake_hands(stream, member)).await?;
        match received {
            Ok(incoming) => {
                place.hand_out();
                Some(incoming)
            }
            Err(_) if place.is_going() => None,
            Err(error) => {
                self.log.note(ServeEvent::HandshakeFailed(peer, &error));
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream, member: Member) -> Result<Incoming<Served>, Error> {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &self.tls {
            // One time for TLS and the request together.
            let shaken = tokio::time::timeout(self.config.handshake_within, async {
                let line = Line::Tls(Box::new(tls.accept(stream).await?));
                self.read_request(Served::new(line, member)).await
            });
            return shaken
                .await
                .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        }
        self.read_request(Served::new(Line::Tcp(stream), member)).await
    }

    async fn read_request(&self, served: Served) -> Result<Incoming<Served>, Error> {
        let incoming = Incoming::read(served, Arc::clone(&self.config)).await?;
        // Any page may ask for a page; only what can read the answers is to be guarded.
        let checked = incoming.request().and_then(|request| {
            if request.is_upgrade() { request.check_origin(&self.origins) } else { Ok(()) }
        });
        match checked {
            Ok(()) => Ok(incoming),
            Err(error) => Err(incoming.refuse(error).await),
        }
    }
}

impl<H> Host<H> {
    pub(super) fn speaks_tls(&self) -> bool {
        #[cfg(feature = "rustls")]
        return self.tls.is_some();
        #[cfg(not(feature = "rustls"))]
        false
    }
}

/// Does `work` until it is done or the server goes down.
async fn unless_going<T>(place: &Place, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        place.wait(cx.waker());
        if place.is_going() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Notes a panic, by being dropped in the course of it.
struct Watch<'w> {
    log: &'w Log,
    peer: SocketAddr,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log.note(ServeEvent::HandlerPanicked(self.peer));
        }
    }
}

#[cfg(all(test, not(websans_schedules)))]
mod tests {
    use super::*;
    use crate::group::Group;

    /// One connection in hundreds of thousands must stay small: the task is the handler, and little else.
    #[tokio::test]
    async fn a_task_is_not_much_larger_than_its_handler() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let handler = |incoming: Incoming<Served>| async move {
            drop(incoming);
            Ok::<(), Error>(())
        };
        let host = Arc::new(Host {
            config: Arc::default(),
            origins: OriginPolicy::default(),
            #[cfg(feature = "rustls")]
            tls: None,
            handler,
            log: Log::new(None),
        });
        let peer = stream.peer_addr().unwrap();
        let task = host.attend(stream, peer, Group::new(1).enter_from(peer).unwrap());
        assert!(size_of_val(&task) <= 400, "{}", size_of_val(&task));
        assert!(size_of::<Served>() <= 56, "{}", size_of::<Served>());
    }
}
