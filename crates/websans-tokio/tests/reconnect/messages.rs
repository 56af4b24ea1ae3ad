//! Messages, the hook, and futures that are dropped half-way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use websans_tokio::{CloseCode, Error, Message, SendError};

use crate::support::{Act, Script, soon};

#[tokio::test(start_paused = true)]
async fn the_hook_runs_on_each_connection_before_anything_else() {
    let script = Script::start([Act::Close(&[], 1001), Act::Close(&[], 1001), Act::Echo]).await;
    let (reconnect, log) = script.client();
    let mut count = 0;
    let mut reconnect = reconnect.on_connect(move |socket| {
        count += 1;
        Box::pin(async move { socket.send(&*format!("subscribe {count}")).await })
    });
    soon(reconnect.send("first of mine")).await.unwrap();
    let mut received = Vec::new();
    while received.len() < 2 {
        let message = soon(reconnect.recv()).await.unwrap().unwrap();
        received.push(String::from_utf8(message.as_bytes().to_vec()).unwrap());
        if received.len() == 1 {
            soon(reconnect.send("more")).await.unwrap();
        }
    }
    assert_eq!(received, ["subscribe 3", "more"]);
    let heard = script.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 3);
    for (n, messages) in heard.iter().enumerate() {
        assert_eq!(messages[0], format!("subscribe {}", n + 1));
    }
    assert_eq!(log.names().iter().filter(|name| *name == "connected").count(), 3);
    script.assert_done();
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_gives_the_connection_up() {
    let script = Script::start([Act::Echo, Act::Echo]).await;
    let (reconnect, log) = script.client();
    let mut count = 0;
    let mut reconnect = reconnect.on_connect(move |socket| {
        count += 1;
        Box::pin(async move {
            socket.send("hello").await?;
            if count == 1 { Err(std::io::Error::other("not what was expected").into()) } else { Ok(()) }
        })
    });
    assert_eq!(soon(reconnect.recv()).await.unwrap().unwrap().as_bytes(), b"hello");
    assert_eq!(
        log.names(),
        ["attempt 1", "hookfailed", "lost 1006 by an error", "waiting", "attempt 2", "connected"]
    );
    script.assert_done();
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_there_is_no_connection_waits_for_one() {
    let unavailable = Act::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let script = Script::start([unavailable.clone(), unavailable, Act::Echo]).await;
    let (mut reconnect, log) = script.client();
    soon(reconnect.send("patience")).await.unwrap();
    assert_eq!(log.names().iter().filter(|name| *name == "waiting").count(), 2);
    assert_eq!(soon(reconnect.recv()).await.unwrap().unwrap().as_bytes(), b"patience");
    script.assert_done();
}

/// All that came before an ending is delivered before the next connection is made.
#[tokio::test(start_paused = true)]
async fn nothing_that_was_received_is_lost() {
    let script = Script::start([
        Act::Close(&["1", "2", "3"], 1001),
        Act::Vanish(&["4", "5", "6"]),
        Act::Close(&["7"], 1008),
    ])
    .await;
    let (mut reconnect, _) = script.client();
    let mut received = String::new();
    while let Some(message) = soon(reconnect.recv()).await.unwrap() {
        received.push_str(std::str::from_utf8(message.as_bytes()).unwrap());
    }
    assert_eq!(received, "1234567");
    script.assert_done();
}

/// While this end closes, nothing can be sent; what the peer had said before is kept for `recv`.
#[tokio::test(start_paused = true)]
async fn to_send_does_not_cost_what_was_received() {
    let script = Script::start([Act::Close(&["said before"], 1001)]).await;
    let (mut reconnect, _) = script.client();
    let socket = soon(reconnect.connected()).await.unwrap();
    socket.start_close(CloseCode::NORMAL, "").await.unwrap();
    for _ in 0..2 {
        let refused = soon(reconnect.send("too late")).await;
        assert!(matches!(refused, Err(Error::Send(SendError::Closing))), "{refused:?}");
    }
    assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text("said before")));
    assert_eq!(soon(reconnect.recv()).await.unwrap(), None, "this end has closed, and cleanly");
    assert!(reconnect.outcome().unwrap().is_clean());
    script.assert_done();
}

/// `recv` is dropped every millisecond: at each stage of connecting, in the hook, and while it waits.
#[tokio::test(start_paused = true)]
async fn dropped_at_any_time_it_goes_on() {
    let script = Script::start([
        Act::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        Act::Close(&[], 1012),
        Act::Echo,
    ])
    .await;
    let (reconnect, log) = script.client();
    let hooks = Arc::new(AtomicU32::new(0));
    let mut reconnect = reconnect.on_connect({
        let hooks = Arc::clone(&hooks);
        move |socket| {
            let hooks = Arc::clone(&hooks);
            Box::pin(async move {
                sleep(Duration::from_millis(50)).await; // much longer than anybody waits for it
                socket.send("hello").await?;
                hooks.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        }
    });
    let mut drops = 0;
    let text = soon(async {
        loop {
            match timeout(Duration::from_millis(1), reconnect.recv()).await {
                Ok(message) => break message.unwrap().unwrap().as_bytes().to_vec(),
                Err(_) => drops += 1,
            }
        }
    })
    .await;
    assert_eq!(text, b"hello");
    assert!(drops > 5000, "{drops}: 1012 alone waits five seconds");
    assert_eq!(hooks.load(Ordering::Relaxed), 2);
    let attempts = log.names().into_iter().filter(|name| name.starts_with("attempt")).count();
    assert_eq!(attempts, 3, "{:?}", log.names());
    script.assert_done();
}

#[test]
fn it_can_be_used_in_tasks() {
    fn sent<T: Send>(_: &T) {}
    let client = websans_tokio::Client::new("ws://127.0.0.1:9").unwrap();
    let mut reconnect = websans_tokio::Reconnect::new(client);
    sent(&reconnect);
    sent(&reconnect.recv());
    sent(&reconnect.send("?"));
    sent(&reconnect.close(CloseCode::NORMAL, ""));
}
