//! A WebSocket in a stream of HTTP/2 ([RFC 8441]), over the crate [`h2`].
//!
//! One connection carries any number of WebSockets, beside ordinary requests. [`connect`] opens one over a connection that is
//! there already. A server that has judged an extended CONNECT
//! ([`check_connect`](crate::handshake::server::check_connect)) and has answered it makes an [`H2Stream`] of the two halves of
//! the stream, and a [`WebSocket`] of that.
//!
//! ```no_run
//! # async fn open(tls: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//! use websans_tokio::handshake::client::Request;
//! use websans_tokio::{Config, h2};
//!
//! // Over TLS whose ALPN has agreed on `h2`. What nobody reads in one stream must not hold up the others: the connection
//! // has room for more than one of them.
//! let mut builder = ::h2::client::Builder::new();
//! builder.initial_connection_window_size(1 << 20);
//! let (mut requests, connection) = builder.handshake(tls).await?;
//! tokio::spawn(connection);
//!
//! // There is no key in this handshake: the nonce may be anything.
//! let request = Request::new("wss://example.com/chat", [0; 16])?.protocol("chat.v2")?;
//! let mut socket = h2::connect(&mut requests, request, Config::default()).await?;
//! socket.send("hello").await?;
//! # Ok(()) }
//! ```
//!
//! # Flow control
//!
//! HTTP/2 has a window for each stream and one for the connection. What is read from a WebSocket opens both again, and what is
//! not read does not: a connection whose messages nobody asks for slows down its own peer, and keeps its stream's window from
//! the connection's. Unless the connection's is larger than what all such streams keep, they hold up all others, so set
//! `initial_connection_window_size` on either side. Writing waits for the peer's windows: nothing is queued beyond them.
//!
//! [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441

mod departure;
mod error;
mod stream;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::h2::RecvStream;
use ::h2::client::SendRequest;
use ::h2::ext::Protocol;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use tokio::time::sleep;
use websans::handshake::Headers;
use websans::handshake::client::{Refusal, Request};
use websans::{Config, Role, entropy};

use crate::socket::WebSocket;
use crate::sync::{Instant, timeout_at};
use crate::timer::Timer;

pub use error::OpenError;
pub use stream::H2Stream;

/// How soon the settings are looked at again, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Headers whose values no intermediary should keep in its table of HPACK (RFC 7541 §7.1.3).
const SECRET: [HeaderName; 3] =
    [http::header::AUTHORIZATION, http::header::COOKIE, http::header::PROXY_AUTHORIZATION];

/// Opens a WebSocket in a new stream of an HTTP/2 connection, whose
/// [`Connection`](::h2::client::Connection) must be polled all the while, in a task of its own as a rule.
///
/// It waits for the server's settings, without which the request must not be sent ([RFC 8441 §3]), then for a stream if as
/// many are open as the server allows, then for the answer: all in all for [`Config::handshake_within`]. That the settings
/// allow such requests can be asked of the crate `h2`, but not that they have come and do not: unless they change the limit
/// of streams while they are waited for, [`OpenError::NotEnabled`] comes when the time is up. Who knows that they have come
/// asks [`SendRequest::is_extended_connect_protocol_enabled`] first.
///
/// # Errors
/// [`OpenError`]; [`Refused`](OpenError::Refused) has the server's answer if that was another one.
///
/// # Cancel safety
/// Dropped, the stream is reset if it was begun; the connection goes on.
///
/// [RFC 8441 §3]: https://www.rfc-editor.org/rfc/rfc8441#section-3
pub async fn connect(
    h2: &mut SendRequest<Bytes>,
    request: Request,
    config: impl Into<Arc<Config>>,
) -> Result<WebSocket<H2Stream>, OpenError> {
    // On the heap, and only as long as it takes.
    Box::pin(open(h2, request, config.into())).await
}

async fn open(
    h2: &mut SendRequest<Bytes>,
    request: Request,
    config: Arc<Config>,
) -> Result<WebSocket<H2Stream>, OpenError> {
    let timer = Timer::new();
    let deadline = timer.instant(timer.now() + config.handshake_within);
    let message = extended_connect(&request)?;
    timeout_at(deadline, permission(h2)).await.unwrap_or(Err(OpenError::NotEnabled))?;
    let (answer, outgoing) = h2.send_request(message, false)?;
    let answer = timeout_at(deadline, answer).await.map_err(|_| OpenError::Timeout)??;
    let (head, incoming) = answer.into_parts();
    match request.connected(head.status.as_u16(), &Fields(&head.headers)).map_err(OpenError::Handshake)? {
        Some(negotiated) => {
            let keys = entropy::os_mask_keys().map_err(|error| OpenError::Entropy(io::Error::from(error)))?;
            let io = H2Stream::new(outgoing, incoming);
            Ok(WebSocket::from_handshake(io, Role::Client(keys), config, negotiated, &[]))
        }
        None => {
            let refusal = refusal(&head, incoming, config.max_refusal_body, deadline).await;
            Err(OpenError::Refused(Box::new(refusal)))
        }
    }
}

/// Waits until the server's settings allow an extended CONNECT, and until there may be a stream more.
async fn permission(h2: &mut SendRequest<Bytes>) -> Result<(), OpenError> {
    let (mut pause, longest) = PAUSES;
    let before = h2.current_max_send_streams();
    loop {
        poll_fn(|cx| h2.poll_ready(cx)).await?;
        // Settings are taken whole, so that the permission, looked at afterwards, is no older than the limit.
        let limit = h2.current_max_send_streams();
        if h2.is_extended_connect_protocol_enabled() {
            return Ok(());
        }
        if limit != before {
            return Err(OpenError::NotEnabled);
        }
        // Nothing wakes whoever waits for settings.
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// The request as `h2` takes it.
fn extended_connect(request: &Request) -> Result<http::Request<()>, OpenError> {
    let [_, _, (_, scheme), (_, authority), (_, path)] = request.connect_pseudo_headers();
    let uri = Uri::builder().scheme(&*scheme).authority(&*authority).path_and_query(&*path).build();
    let mut message = http::Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(uri.map_err(OpenError::Request)?)
        .extension(Protocol::from_static("websocket"))
        .body(())
        .map_err(OpenError::Request)?;
    for (name, value) in request.connect_headers() {
        let name = HeaderName::try_from(name).map_err(|error| OpenError::Request(error.into()))?;
        let mut value = HeaderValue::try_from(&*value).map_err(|error| OpenError::Request(error.into()))?;
        value.set_sensitive(SECRET.contains(&name));
        message.headers_mut().append(name, value);
    }
    Ok(message)
}

/// The refusal, with as much of its body as there is room and time for. The rest is given up with the stream.
async fn refusal(
    head: &http::response::Parts,
    mut incoming: RecvStream,
    max_body: usize,
    deadline: Instant,
) -> Refusal {
    let headers =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let mut refusal = Refusal::new(head.status.as_u16(), headers);
    loop {
        match timeout_at(deadline, incoming.data()).await {
            Ok(Some(Ok(data))) => {
                let room = max_body - refusal.body.len();
                refusal.body.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return refusal;
                }
                // It can fail only for more than has come.
                let _ = incoming.flow_control().release_capacity(data.len());
            }
            Ok(None) => {
                refusal.complete = true;
                return refusal;
            }
            Ok(Some(Err(_))) | Err(_) => return refusal,
        }
    }
}

/// Headers of the crate `http`, for the core.
struct Fields<'m>(&'m HeaderMap);

impl Headers for Fields<'_> {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_tables() {
        let request = Request::new("ws://[::1]:9001/a%20b?c", [0; 16]).unwrap();
        let request = request.header("Cookie", "a=b").unwrap().header("X", "y").unwrap();
        let request = request.header("Authorization", "Basic x").unwrap();
        let message = extended_connect(&request).unwrap();
        assert_eq!(message.uri(), "http://[::1]:9001/a%20b?c");
        let sensitive = message.headers().iter().filter(|(_, value)| value.is_sensitive());
        let names: Vec<&str> = sensitive.map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cookie", "authorization"]);
    }

    #[test]
    fn what_http_does_not_take_is_told() {
        let request = Request::new("ws://a/", [0; 16]).unwrap().host("a%").err();
        assert!(request.is_some(), "no authority of ours has a stray percent sign");
        let request = Request::new("ws://a/", [0; 16]).unwrap().host("a%20b").unwrap();
        assert!(matches!(extended_connect(&request), Err(OpenError::Request(_))));
    }
}
