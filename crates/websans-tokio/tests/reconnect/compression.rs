//! Each connection negotiates for itself.

use tokio::net::TcpListener;
use websans_deflate::{Deflate, Settings};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Client, CloseCode, Config, Incoming, Message, Reconnect};

use crate::support::soon;

/// Whether the server before wanted it or not; and with a window of its own, not the one that was lost.
#[tokio::test(start_paused = true)]
async fn every_connection_offers_compression() {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = Deflate::new(settings.clone());
    let serving = tokio::spawn(async move {
        for wanted in [true, true, false, true] {
            let (stream, _) = listener.accept().await.unwrap();
            let choice = Choice::new().deflate(wanted.then(|| (&ours).into()));
            let incoming = Incoming::read(stream, Config::default()).await.unwrap();
            let mut socket = incoming.accept(&choice).await.unwrap();
            socket.send("welcome").await.unwrap();
            for _ in 0..2 {
                let message = socket.recv_owned().await.unwrap().unwrap();
                socket.send(message).await.unwrap();
            }
            let _ = socket.close(CloseCode::SERVICE_RESTART, "").await;
            assert_eq!(ours.budget_left() < ours.settings().context_budget, wanted);
        }
    });
    let theirs = Deflate::new(settings);
    let client = Client::new(&format!("ws://{address}/")).unwrap().deflate(&theirs).unwrap();
    let mut reconnect = Reconnect::new(client);
    let message = "what resembles nothing but itself; ".repeat(30);
    for wanted in [true, true, false, true] {
        // The server has closed the one before, which is found out here.
        assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text("welcome")));
        for round in 0..2 {
            soon(reconnect.send(&*message)).await.unwrap();
            assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text(&message)));
            let stats = reconnect.socket().unwrap().stats();
            let Some(counted) = stats.compression else {
                assert!(!wanted);
                continue;
            };
            assert!(wanted && counted.memory > 0);
            assert_eq!(counted.sent_plain, (round + 1) * message.len() as u64);
            assert_eq!(counted.sent_compressed, counted.received_compressed);
            assert!(counted.sent_compressed < 100, "{counted:?}");
        }
    }
    soon(reconnect.close(CloseCode::NORMAL, "")).await.unwrap();
    soon(serving).await.unwrap();
    drop(reconnect);
    assert_eq!(theirs.budget_left(), theirs.settings().context_budget, "what was lost keeps nothing");
}
