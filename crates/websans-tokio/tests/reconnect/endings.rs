//! When there is no other attempt, and what is told.

use std::time::Duration;

use websans_tokio::{Client, CloseCode, Config, Error, Message, Reconnect, Reply, SendError};

use crate::support::{Act, Script, client, nobody, soon};

#[tokio::test(start_paused = true)]
async fn each_attempt_and_what_came_of_it_is_told_in_order() {
    let script = Script::start([
        Act::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        Act::Answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        Act::Close(&["first"], 1001),
        Act::Vanish(&["second"]),
        Act::Close(&["third"], 1008),
    ])
    .await;
    let (mut reconnect, log) = script.client();
    assert!(log.names().is_empty(), "nothing happens before it is asked for");
    for text in ["first", "second", "third"] {
        assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text(text)));
        assert!(reconnect.socket().is_some());
    }
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    assert_eq!(
        log.names(),
        [
            "attempt 1",
            "notconnected",
            "waiting",
            "attempt 2",
            "notconnected",
            "waiting",
            "attempt 3",
            "connected",
            "lost 1001",
            "waiting",
            "attempt 1",
            "connected",
            "lost 1006",
            "waiting",
            "attempt 1",
            "connected",
            "lost 1008",
            "givenup",
        ]
    );
    log.waits();
    script.assert_done();
}

#[tokio::test(start_paused = true)]
async fn sent_away_by_1008_it_stays_away() {
    let script = Script::start([Act::Close(&["last"], 1008)]).await;
    let (mut reconnect, log) = script.client();
    assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text("last")));
    assert!(reconnect.outcome().is_none());
    for _ in 0..3 {
        assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    }
    assert_eq!(reconnect.outcome().unwrap().code(), 1008);
    assert!(reconnect.socket().is_none());
    assert!(matches!(soon(reconnect.send("?")).await, Err(Error::Send(SendError::Closing))));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(log.names().last().unwrap(), "givenup");
    script.assert_done();
}

/// A configuration that leaves the answer to the application: it is given all the same, by the application that `Reconnect` is.
#[tokio::test(start_paused = true)]
async fn the_peers_close_is_always_answered() {
    let script = Script::start([Act::Close(&["last"], 1008)]).await;
    let mut config = Config::default();
    config.close_reply = Reply::WhenAsked;
    let client = Client::new(&format!("ws://{}", script.address)).unwrap().config(config);
    let mut reconnect = Reconnect::new(client);
    assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text("last")));
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    let outcome = reconnect.outcome().unwrap();
    assert!(outcome.is_clean());
    assert_eq!(outcome.sent, outcome.received);
    script.assert_done();
}

#[tokio::test(start_paused = true)]
async fn refused_by_4xx_it_says_so_once() {
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").leak();
        let script = Script::start([Act::Answer(answer)]).await;
        let (mut reconnect, log) = script.client();
        let Err(Error::Connect(error)) = soon(reconnect.recv()).await else { panic!("{status}") };
        assert_eq!(error.refusal().unwrap().status.to_string(), status[..3]);
        assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
        assert_eq!(log.names(), ["attempt 1", "notconnected", "givenup"]);
        script.assert_done();
    }
}

#[tokio::test(start_paused = true)]
async fn send_says_it_as_well() {
    let script = Script::start([Act::Answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")]).await;
    let (mut reconnect, _) = script.client();
    assert!(matches!(soon(reconnect.send("?")).await, Err(Error::Connect(_))));
    assert!(matches!(soon(reconnect.send("?")).await, Err(Error::Send(SendError::Closing))));
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    script.assert_done();
}

#[tokio::test(start_paused = true)]
async fn closed_by_this_end_it_is_over() {
    let script = Script::start([Act::Echo]).await;
    let (mut reconnect, log) = script.client();
    soon(reconnect.send("hello")).await.unwrap();
    let too_long = "x".repeat(124);
    let refused = soon(reconnect.close(CloseCode::NORMAL, &too_long)).await.map(|_| ());
    assert!(matches!(refused, Err(Error::Send(SendError::ReasonTooLong))));
    assert!(soon(reconnect.close(CloseCode::NORMAL, "done")).await.unwrap().unwrap().is_clean());
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    assert_eq!(log.names(), ["attempt 1", "connected", "lost 1000", "givenup"]);
    script.assert_done();
}

/// The Close is on its way and whoever waited for the rest is gone: that is no reason to connect again, even if the peer never
/// answers.
#[tokio::test(start_paused = true)]
async fn a_close_that_was_dropped_is_still_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut reconnect, log) = client(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = websans_tokio::accept(stream).await.unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await; // without a word
        drop(socket);
        tokio::time::timeout(Duration::from_secs(600), listener.accept()).await.is_err()
    });
    soon(reconnect.connected()).await.unwrap();
    let waited =
        tokio::time::timeout(Duration::from_millis(100), reconnect.close(CloseCode::NORMAL, "")).await;
    assert!(waited.is_err());
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    assert_eq!(log.names(), ["attempt 1", "connected", "lost 1006", "givenup"]);
    assert!(server.await.unwrap(), "it came back");
}

#[tokio::test(start_paused = true)]
async fn closed_while_it_waits_it_is_over() {
    let (mut reconnect, log) = client(nobody().await);
    let _ = tokio::time::timeout(Duration::from_millis(1), reconnect.recv()).await;
    assert_eq!(soon(reconnect.close(CloseCode::NORMAL, "")).await.unwrap(), None);
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None);
    assert_eq!(log.names(), ["attempt 1", "notconnected", "waiting", "givenup"]);
    assert_eq!(soon(reconnect.close(CloseCode::NORMAL, "")).await.unwrap(), None);
    assert_eq!(log.names().len(), 4);
}
