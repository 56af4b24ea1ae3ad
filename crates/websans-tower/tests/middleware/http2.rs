//! Many WebSockets on one TCP connection: streams of HTTP/2, which do not stand in each other's way.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Notify;
use tokio::time::sleep;
use websans_testkit::wire::{self, Frame};
use websans_tower::{CloseCode, Options, Socket, Upgrade};

use crate::support::{Http2, Server, connect_request, echo, echoing, serving, soon, until};

#[tokio::test]
async fn many_websockets_share_a_tcp_connection() {
    const COUNT: usize = 50;
    let server = Server::start(Options::new(), echoing).await;
    let mut client = Http2::connect(server.address).await;
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        streams.push(client.open().await);
    }
    assert_eq!(server.sockets.len(), COUNT);
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.send(&[Frame::text(format!("I am {n}")), Frame::binary(vec![1; 20 * n])]);
    }
    for (n, stream) in streams.iter_mut().enumerate().rev() {
        stream.expect(&Frame::text(format!("I am {n}"))).await;
        stream.expect(&Frame::binary(vec![1; 20 * n])).await;
    }
    // Every second one closes; the others notice nothing.
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.send(&[if n % 2 == 0 { Frame::close(1000, "") } else { Frame::text("still here") }]);
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        if n % 2 == 0 {
            assert_eq!(stream.rest().await, Frame::close(1000, "").to_bytes());
        } else {
            stream.expect(&Frame::text("still here")).await;
        }
    }
    until(|| server.sockets.len() == COUNT / 2).await;
    drop(streams);
    server.assert_empty().await;
}

#[tokio::test]
async fn a_long_message_goes_both_ways_within_the_windows() {
    let server = Server::start(Options::new(), echoing).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    let long: Vec<u8> = (0..251).cycle().take(1 << 20).collect();
    stream.send(&[Frame::binary(long.clone())]);
    stream.expect(&Frame::binary(long)).await;
    assert_eq!(server.events.all(), ["/chat opened"]);
}

#[tokio::test]
async fn r113_server_answers_200_and_takes_masked_frames_only() {
    let server = Server::start(Options::new(), echoing).await;
    let mut client = Http2::connect(server.address).await;
    let (head, mut stream) = client.open_by(connect_request()).await;
    assert_eq!(head.status, 200);
    stream.send(&[Frame::text("masked")]);
    stream.expect(&Frame::text("masked")).await;
    stream.send.send_data(wire::stream(&[Frame::text("bare")], false).into(), false).unwrap();
    let rest = stream.rest().await;
    assert_eq!((rest[0], &rest[2..4]), (0x88, &1002_u16.to_be_bytes()[..]));
    server.assert_empty().await;
    server.events.wait("mask").await;
}

#[tokio::test]
async fn r113_server_takes_end_stream_for_the_end_of_the_transport() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::text("last")]);
    stream.finish();
    // What came before it is answered.
    assert_eq!(stream.rest().await, Frame::text("last").to_bytes());
    server.assert_empty().await;
    server.events.wait("the peer ended the transport without a close (1006)").await;
}

#[tokio::test]
async fn r113_server_ends_the_stream_in_order_when_it_has_closed() {
    let handler = async |mut socket: Socket| {
        socket.send("first").await?;
        socket.close(CloseCode::NORMAL, "enough").await?;
        Ok(())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.expect(&Frame::text("first")).await;
    stream.expect(&Frame::close(1000, "enough")).await;
    stream.send(&[Frame::close(1000, "enough")]);
    assert_eq!(stream.rest().await, b"");
    server.assert_empty().await;
    server.events.wait("closed cleanly (1000): enough").await;
}

#[tokio::test]
async fn r113_server_ends_the_stream_of_a_handler_that_lets_go() {
    let server = Server::start(Options::new(), serving(async |_| Ok(()))).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    assert_eq!(stream.rest().await, b"");
    server.events.wait("dropped before it was closed").await;
}

/// What becomes of an idle connection when its stream is reset.
async fn reset(reason: h2::Reason) -> String {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut client = Http2::connect(server.address).await;
    let (mut stream, mut other) = (client.open().await, client.open().await);
    stream.send(&[Frame::text("before")]);
    stream.expect(&Frame::text("before")).await;
    stream.send.send_reset(reason);
    until(|| server.sockets.len() == 1).await;
    other.send(&[Frame::text("still here")]);
    other.expect(&Frame::text("still here")).await;
    server.events.wait("1006").await
}

#[tokio::test]
async fn r113_server_takes_a_reset_for_the_loss_of_the_transport() {
    let lost = "/chat the transport failed or was given up (1006)";
    assert_eq!(reset(h2::Reason::PROTOCOL_ERROR).await, lost);
    assert_eq!(reset(h2::Reason::INTERNAL_ERROR).await, lost);
    // hyper makes an end of this one, which is as little of a closing.
    let ended = "/chat the peer ended the transport without a close (1006)";
    assert_eq!(reset(h2::Reason::CANCEL).await, ended);
}

#[tokio::test]
async fn a_sender_learns_of_a_reset() {
    let handler = async |mut socket: Socket| loop {
        socket.send("tick").await?;
        sleep(Duration::from_millis(5)).await;
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.expect(&Frame::text("tick")).await;
    stream.send.send_reset(h2::Reason::CANCEL);
    server.assert_empty().await;
    server.events.wait("the handler failed: the transport failed").await;
}

#[tokio::test]
async fn the_loss_of_the_tcp_connection_is_that_of_all_its_streams() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut client = Http2::connect(server.address).await;
    let streams = [client.open().await, client.open().await, client.open().await];
    assert_eq!(server.sockets.len(), 3);
    client.driver.abort();
    server.assert_empty().await;
    drop(streams);
    let events = server.events.all();
    let lost = events.iter().filter(|event| event.ends_with("(1006)")).count();
    assert_eq!(lost, 3, "{events:?}");
}

/// Echoes, but on `/slow` reads nothing until it may.
fn slow(
    may: Arc<Notify>,
) -> impl Fn(Request<Incoming>) -> std::future::Ready<http::Response<crate::support::Body>> + Clone + Send + Sync
{
    move |request| {
        let is_slow = request.uri().path() == "/slow";
        let may = Arc::clone(&may);
        let handler = async move |socket: Socket| {
            if is_slow {
                may.notified().await;
            }
            echo(socket).await
        };
        std::future::ready(Upgrade::of(&request).unwrap().accept(handler).map(BodyExt::boxed))
    }
}

#[tokio::test]
async fn a_handler_that_does_not_read_stalls_its_own_stream_alone() {
    const WINDOW: u32 = 64 << 10;
    let window = WINDOW as usize;
    let may = Arc::new(Notify::new());
    let options = Options::new().limits(|config| config.max_message = 8 << 20);
    let server = Server::start_with(options, slow(Arc::clone(&may)), |builder| {
        builder.http2().initial_stream_window_size(WINDOW).initial_connection_window_size(1 << 20);
    })
    .await;
    let mut client = Http2::connect(server.address).await;
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/slow".parse().unwrap();
    let (_, mut stalled) = client.open_by(request).await;
    let mut lively = client.open().await;

    let long = wire::stream(&[Frame::binary(vec![7; 4 << 20])], true);
    let mut sent = 0;
    // As much as the window of the stream has room for, and no more.
    while sent < window {
        stalled.send.reserve_capacity(window);
        until_some_capacity(&mut stalled.send).await;
        let n = stalled.send.capacity().min(long.len() - sent);
        stalled.send.send_data(long[sent..sent + n].to_vec().into(), false).unwrap();
        sent += n;
    }
    assert_eq!(sent, window);
    stalled.send.reserve_capacity(1);
    for n in 0..20 {
        let frame = Frame::binary(vec![n; 100_000]);
        lively.send(std::slice::from_ref(&frame));
        lively.expect(&frame).await;
    }
    assert_eq!(stalled.send.capacity(), 0, "nobody has read");

    may.notify_one();
    let rest = long[sent..].to_vec();
    stalled.send.send_data(rest.into(), false).unwrap();
    stalled.expect(&Frame::binary(vec![7; 4 << 20])).await;
}

async fn until_some_capacity(send: &mut h2::SendStream<bytes::Bytes>) {
    while send.capacity() == 0 {
        soon(std::future::poll_fn(|cx| send.poll_capacity(cx))).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_its_own_stream_alone() {
    let options = Options::new().limits(|config| config.write_stall = Duration::from_millis(500));
    let server = Server::start(options, serving(echo)).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(64 << 10).initial_connection_window_size(1 << 20);
    let mut client = Http2::connect_by(server.address, &builder).await;
    let (mut stalled, mut lively) = (client.open().await, client.open().await);
    stalled.send(&vec![Frame::binary(vec![1; 100_000]); 10]);
    // It is given up in the end, since it takes nothing.
    let mut n = 0_u8;
    while server.sockets.len() == 2 {
        n = n.wrapping_add(1);
        let frame = Frame::binary(vec![n; 50_000]);
        lively.send(std::slice::from_ref(&frame));
        lively.expect(&frame).await;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(n > 3, "{n}");
    server.events.wait("the peer did not take what was sent").await;
    lively.send(&[Frame::text("still here")]);
    lively.expect(&Frame::text("still here")).await;
}

#[tokio::test]
async fn a_client_that_never_ends_its_side_is_not_waited_for_long() {
    let options = Options::new().limits(|config| config.close_within = Duration::from_millis(300));
    let server = Server::start(options, serving(echo)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::close(1000, "")]);
    stream.expect(&Frame::close(1000, "")).await;
    while let Some(data) = stream.read().await {
        assert_eq!(data.unwrap(), "");
    }
    let started = std::time::Instant::now();
    server.assert_empty().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    server.events.wait("closed cleanly (1000)").await;
}
