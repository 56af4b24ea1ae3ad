//! Compressed messages through the stream and the sink.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use websans_deflate::Deflate;
use websans_tokio::handshake::server::Choice;
use websans_tokio::stream::{Message, WebSocketStream, connect_async};
use websans_tokio::{Client, accept_with};

use crate::support::soon;

#[tokio::test]
async fn a_client_and_a_server_that_compress() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let deflate = Deflate::default();
        let socket = accept_with(io, async |_| Ok(Choice::new().deflate(&deflate))).await.unwrap().unwrap();
        let (sink, stream) = WebSocketStream::from(socket).split();
        let data = stream
            .filter(|message| std::future::ready(!matches!(message, Ok(message) if message.is_close())));
        data.forward(sink).await.unwrap();
    });
    let client = Client::new(&format!("ws://{address}/")).unwrap().deflate(Deflate::default()).unwrap();
    let (mut socket, response) = connect_async(client).await.unwrap();
    assert_eq!(response.status(), 101);
    let texts: Vec<_> =
        [0, 1, 127, 128, 5000, 40_000].iter().map(|len| "many that are alike; ".repeat(*len)).collect();
    for text in &texts {
        for message in [Message::text(text.clone()), Message::binary(text.clone().into_bytes())] {
            soon(socket.send(message.clone())).await.unwrap();
            assert!(soon(socket.next()).await.unwrap().unwrap() == message, "{} bytes", text.len());
        }
    }
    // All at once: what is fed leaves while the answers are waited for.
    for text in &texts {
        soon(socket.feed(Message::text(text.clone()))).await.unwrap();
    }
    for text in &texts {
        assert!(soon(socket.next()).await.unwrap().unwrap() == Message::text(text.clone()));
    }
    let stats = socket.stats();
    let counted = stats.compression.expect("it was agreed on");
    assert_eq!(
        (counted.sent_plain, counted.sent_compressed),
        (counted.received_plain, counted.received_compressed)
    );
    assert!(counted.sent_plain > 2_800_000 && stats.bytes_received < 100_000, "{stats:?}");
    soon(socket.close(None)).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::Close(None));
    assert!(soon(socket.next()).await.is_none());
    assert!(socket.outcome().unwrap().is_clean());
    soon(serving).await.unwrap();
}
