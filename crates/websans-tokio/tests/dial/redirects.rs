//! Redirections between servers.

use websans_dial::{Cause, RedirectError, Step};
use websans_tokio::{Client, connect};

use crate::servers::{Log, converse, echo, failure, respond};

fn redirection(to: &str) -> String {
    format!("HTTP/1.1 307 There\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nthere")
}

#[tokio::test]
async fn a_redirection_is_followed() {
    let log = Log::default();
    let second = respond(redirection(&format!("http://{}/last", echo().await)), &log).await;
    let first = respond(redirection(&format!("//{second}/next?x")), &log).await;
    let client = Client::new(&format!("ws://{first}/")).unwrap().bearer("hidden").unwrap();
    let client = client.cookie("sid", "hidden").unwrap().header("X-Open", "yes").unwrap();
    let mut socket = connect(client.clone().redirects(2)).await.unwrap();
    converse(&mut socket).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].matches("hidden").count(), 2, "{}", lines[0]);
    assert!(lines[1].starts_with("GET /next?x HTTP/1.1\r\n"), "{}", lines[1]);
    assert!(!lines[1].contains("hidden") && lines[1].contains("X-Open: yes"), "{}", lines[1]);
    // A nonce is for one request.
    let key = |line: &str| line.split_once("Sec-WebSocket-Key: ").unwrap().1[..24].to_owned();
    assert_ne!(key(&lines[0]), key(&lines[1]));

    let error = failure(&client).await;
    assert_eq!(error.refusal().unwrap().body, b"there");
}

#[tokio::test]
async fn a_loop_is_left() {
    let log = Log::default();
    let server = respond(redirection("/again"), &log).await;
    let error = failure(&Client::new(&format!("ws://{server}/")).unwrap().redirects(4)).await;
    assert!(matches!(error.cause(), Cause::Redirect(RedirectError::TooMany(4))), "{error}");
    assert_eq!((error.step(), error.address()), (Step::Redirect, Some(server)));
    assert_eq!(log.lines().len(), 5);
}
