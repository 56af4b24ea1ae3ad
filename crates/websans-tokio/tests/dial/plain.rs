//! Connecting without anything in between.

use std::time::{Duration, Instant};

use websans::handshake::BuildError;
use websans_dial::{Cause, Limits, Step};
use websans_tokio::{Client, Error, connect, handshake};

use crate::servers::{LONG, Log, closed, converse, echo, failure, full, respond};

#[tokio::test]
async fn a_url_is_all_it_takes() {
    let server = echo().await;
    let mut socket = connect(format!("ws://{server}/")).await.unwrap();
    converse(&mut socket).await;
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), server);
    let client = Client::new(&format!("ws://{server}/")).unwrap();
    converse(&mut connect(&client).await.unwrap()).await;
    converse(&mut connect(client).await.unwrap()).await;
    assert!(matches!(connect("http://x").await.map(drop), Err(Error::Build(BuildError::UrlScheme))));
}

#[tokio::test]
async fn names_are_looked_up() {
    let server = echo().await;
    // Whether the name has an IPv6 address too or not: nobody listens there.
    converse(&mut connect(format!("ws://localhost:{}", server.port())).await.unwrap()).await;
    let error = failure(&Client::new("ws://no-such-host.invalid").unwrap()).await;
    assert_eq!((error.step(), error.host(), error.address()), (Step::Resolve, "no-such-host.invalid", None));
    assert!(error.to_string().starts_with("looking up no-such-host.invalid failed: "), "{error}");
}

#[tokio::test]
async fn the_dialling_can_be_spawned() {
    let url = format!("ws://{}", echo().await);
    let task = tokio::spawn(async move {
        let mut socket = connect(&*url).await.unwrap();
        converse(&mut socket).await;
    });
    task.await.unwrap();
}

#[test]
fn the_dialling_takes_no_room_in_the_task_that_goes_on() {
    let client = Client::new("wss://example.com").unwrap();
    let connecting = size_of_val(&connect(&client));
    assert!(connecting <= 1024, "{connecting} bytes");
    let shaking = size_of_val(&handshake(tokio::io::empty(), &client));
    assert!(shaking <= 1024, "{shaking} bytes");
}

#[tokio::test]
async fn over_a_stream_of_the_callers() {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(crate::servers::echo_over(far));
    let client = Client::new("wss://example.com/").unwrap();
    let mut socket = handshake(near, &client).await.unwrap();
    converse(&mut socket).await;
}

#[tokio::test]
async fn a_refusal_has_a_body() {
    let log = Log::default();
    let response = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
                    4\r\nwho \r\n8\r\nare you?\r\n0\r\n\r\n";
    let server = respond(response, &log).await;
    let client = Client::new(&format!("ws://{server}/x")).unwrap().basic_auth("user", "hidden").unwrap();
    let error = failure(&client).await;
    assert_eq!((error.step(), error.address()), (Step::Handshake, Some(server)));
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, &refusal.body[..], refusal.complete), (401, &b"who are you?"[..], true));
    assert_eq!(
        error.to_string(),
        format!("the opening handshake with {server} failed: the server answered with status 401")
    );
    assert!(log.lines()[0].contains("\r\nAuthorization: Basic dXNlcjpoaWRkZW4=\r\n"));
}

#[tokio::test]
async fn nobody_listens() {
    let (one, two) = (closed().await, closed().await);
    let mut limits = Limits::default();
    limits.stagger = Limits::STAGGER_MOST;
    let client = Client::new("ws://example.com").unwrap().addresses([one, two]).limits(limits);
    let begun = Instant::now();
    let error = failure(&client).await;
    assert!(begun.elapsed() < limits.stagger, "a refused attempt made the next one wait");
    assert_eq!((error.step(), error.is_timeout()), (Step::Connect, false));
    let Cause::Addresses(failures) = error.cause() else { panic!("{error}") };
    assert_eq!([failures[0].0, failures[1].0], [one, two]);
    let text = error.to_string();
    assert!(text.contains(&one.to_string()) && text.contains(&two.to_string()), "{text}");
}

#[tokio::test]
async fn an_address_that_never_answers_is_overtaken() {
    let (dead, server) = (full().await, echo().await);
    let client = Client::new("ws://example.com").unwrap().addresses([dead.address, server]);
    let begun = Instant::now();
    let mut socket = tokio::time::timeout(LONG, connect(&client)).await.unwrap().unwrap();
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), server);
    let elapsed = begun.elapsed();
    assert!(elapsed >= Duration::from_millis(250), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
    converse(&mut socket).await;
}
