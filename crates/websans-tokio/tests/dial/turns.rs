//! One opening handshake at a time with each address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use websans_dial::Step;
use websans_tokio::{Client, connect};

use crate::servers::{LONG, converse, echo_over, serve};

#[tokio::test]
async fn r026_a_client_waits_for_its_other_connections_to_be_open() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let server = serve(move |stream| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            echo_over(stream).await;
        }
    })
    .await;
    for (together, expected) in [(false, 1), (true, 6)] {
        seen.store(0, Ordering::SeqCst);
        let mut client = Client::new(&format!("ws://{server}/")).unwrap();
        if together {
            client = client.turns(None);
        }
        let tasks: Vec<_> = (0..6).map(|_| tokio::spawn(connect(client.clone()))).collect();
        let mut sockets = Vec::new();
        for task in tasks {
            sockets.push(task.await.unwrap().unwrap());
        }
        assert_eq!(seen.load(Ordering::SeqCst), expected);
        // They wait for each other to be open, not to end.
        for socket in &mut sockets {
            converse(socket).await;
        }
    }
}

#[tokio::test]
async fn a_turn_that_does_not_come_has_a_deadline() {
    let silent = crate::servers::silent().await;
    let mut limits = crate::servers::short();
    let client = Client::new(&format!("ws://{silent}/")).unwrap();
    let first = tokio::spawn(connect(client.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    limits.connect = Duration::from_millis(200);
    let error = crate::servers::failure(&client.clone().limits(limits)).await;
    assert!(error.is_timeout() && error.step() == Step::Connect, "{error}");
    // The turn of one who goes away is the next one's.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let mut config = websans_tokio::Config::default();
    config.handshake_within = Duration::from_millis(200);
    let error = tokio::time::timeout(LONG, crate::servers::failure(&client.config(config))).await.unwrap();
    assert_eq!(error.step(), Step::Handshake, "{error}");
}
