//! The application of the conversations.

use tokio::io::{AsyncRead, AsyncWrite};
use websans_testkit::conformance::Owned;
use websans_testkit::corpus::Order;
use websans_testkit::corpus::scenario::Told;
use websans_tokio::{CloseCode, WebSocket};

/// Echoes, and does as it is told, until the end.
pub(crate) async fn converse<S>(mut socket: WebSocket<S>) -> Told
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut told = Told { opened: true, messages: 0, code: None };
    let mut failures = 0;
    // An error is told once; what is left to do with the transport is done by receiving on.
    while failures < 2 {
        let message = match socket.recv().await {
            Ok(Some(message)) => Owned::from(message),
            Ok(None) => break,
            Err(_) => {
                failures += 1;
                continue;
            }
        };
        told.messages += 1;
        let order = if let Owned::Text(text) = &message { Order::parse(text) } else { None };
        // What cannot be sent any more is not sent.
        let _ = match order {
            None => socket.send(&message).await,
            Some(Order::Close(code, reason)) => {
                socket.start_close(CloseCode::new(code).unwrap(), &reason).await
            }
            Some(Order::Ping(payload)) => socket.ping(payload.as_bytes()).await,
            Some(Order::Send(text)) => socket.send(&*text).await,
        };
    }
    told.code = socket.outcome().map(websans_tokio::Outcome::code);
    told
}
