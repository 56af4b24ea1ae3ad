//! How long is waited (RFC 6455 §7.2.3), and what the server may say about it.

use std::time::Duration;

use websans_tokio::backoff::Backoff;
use websans_tokio::{Message, Reconnect};

use crate::support::{Act, Entry, Log, Script, client, nobody, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Goes on until so many waits are over.
async fn until_waited(reconnect: &mut Reconnect, log: &Log, waits: usize) {
    soon(async {
        while log.waits().len() < waits {
            let _ = tokio::time::timeout(SECOND, reconnect.recv()).await;
        }
    })
    .await;
}

/// The wait after one act, until the next connection, which echoes.
async fn wait_after(act: Act) -> Duration {
    let script = Script::start([act, Act::Echo]).await;
    let (mut reconnect, log) = script.client();
    until_waited(&mut reconnect, &log, 1).await;
    soon(reconnect.send("back again")).await.unwrap();
    assert_eq!(soon(reconnect.recv()).await.unwrap(), Some(Message::Text("back again")));
    script.assert_done();
    log.waits()[0]
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_made_at_once_and_the_first_wait_is_spread_over_five_seconds() {
    let mut first = Vec::new();
    for _ in 0..100 {
        let (mut reconnect, log) = client(nobody().await);
        let _ = tokio::time::timeout(Duration::from_millis(1), reconnect.recv()).await;
        let entries = log.entries();
        assert_eq!(entries[0], Entry::Attempt(1, Duration::ZERO));
        assert_eq!(entries[1], Entry::NotConnected);
        let Entry::Waiting(wait) = entries[2] else { panic!("{entries:?}") };
        first.push(wait);
    }
    assert!(first.iter().all(|wait| *wait <= 5 * SECOND), "{first:?}");
    // A fifth of the window has none of a hundred waits once in five thousand million times.
    for fifth in 0..5 {
        let window = fifth * SECOND..(fifth + 1) * SECOND;
        assert!(first.iter().any(|wait| window.contains(wait)), "none in {window:?}: {first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_doubles_up_to_its_bound() {
    let (mut reconnect, log) = client(nobody().await);
    until_waited(&mut reconnect, &log, 12).await;
    for (n, wait) in log.waits().into_iter().enumerate() {
        let window = (5 * SECOND * 2_u32.pow(u32::try_from(n).unwrap())).min(60 * SECOND);
        assert!(wait <= window, "wait {n}: {wait:?}");
    }
    // Twelve in a row under 5 s would be no growth.
    assert!(log.waits().iter().any(|wait| *wait > 5 * SECOND), "{:?}", log.waits());
    assert!(log.entries().contains(&Entry::Attempt(12, log.waits()[10])));
}

#[tokio::test(start_paused = true)]
async fn a_back_off_of_ones_own() {
    let mut backoff = Backoff::new();
    backoff.first = Duration::from_millis(100);
    backoff.longest = Duration::from_millis(200);
    let (reconnect, log) = client(nobody().await);
    let mut reconnect = reconnect.backoff(backoff);
    until_waited(&mut reconnect, &log, 10).await;
    assert!(log.waits().iter().all(|wait| *wait <= Duration::from_millis(200)));
}

#[tokio::test(start_paused = true)]
async fn restart_1012_waits_from_five_to_thirty_seconds() {
    for _ in 0..4 {
        let wait = wait_after(Act::Close(&[], 1012)).await;
        assert!((5 * SECOND..=30 * SECOND).contains(&wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn try_again_later_1013_waits_longest() {
    for _ in 0..4 {
        let wait = wait_after(Act::Close(&[], 1013)).await;
        assert!((30 * SECOND..=60 * SECOND).contains(&wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured() {
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
         Retry-After: Sat, 21 Nov 2026 12:02:00 GMT\r\nContent-Length: 0\r\n\r\n",
    ] {
        let wait = wait_after(Act::Answer(answer)).await;
        assert!((120 * SECOND..=125 * SECOND).contains(&wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_endings_wait_as_usual() {
    for act in [Act::Close(&[], 1000), Act::Close(&[], 1001), Act::Close(&[], 1011), Act::Vanish(&[])] {
        let wait = wait_after(act).await;
        assert!(wait <= 5 * SECOND, "{wait:?}");
    }
    let wait =
        wait_after(Act::Answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")).await;
    assert!(wait <= 5 * SECOND, "{wait:?}");
}
