//! What the tests share: a connection of ours, and a peer that speaks in bytes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use websans_testkit::wire::{self, Frame};
use websans_tokio::stream::WebSocketStream;
use websans_tokio::{Config, Role};

/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server's connection over a pipe that holds `room` bytes, and the client's end of that.
pub(crate) async fn server(room: usize, config: Config) -> (WebSocketStream<DuplexStream>, Peer) {
    let (ours, io) = duplex(room);
    (WebSocketStream::from_raw_socket(ours, Role::Server, Some(config)).await, Peer { io })
}

/// A client that speaks in bytes.
pub(crate) struct Peer {
    pub(crate) io: DuplexStream,
}

impl Peer {
    pub(crate) async fn send(&mut self, frames: &[Frame]) {
        self.io.write_all(&wire::stream(frames, true)).await.unwrap();
    }

    /// What comes next must be this frame.
    pub(crate) async fn expect(&mut self, frame: &Frame) {
        let expected = frame.to_bytes();
        let mut bytes = vec![0; expected.len()];
        let read = tokio::time::timeout(LONG, self.io.read_exact(&mut bytes)).await;
        read.expect("it hangs").unwrap();
        let differs = bytes.iter().zip(&expected).position(|(got, wanted)| got != wanted);
        assert_eq!(differs, None, "of {} bytes", expected.len());
    }

    /// All that comes until the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        tokio::time::timeout(LONG, self.io.read_to_end(&mut rest)).await.expect("it hangs").unwrap();
        rest
    }
}

/// It must come to its end.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it hangs")
}
