//! The permission of the server, without which nothing is sent.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, timeout};
use websans_tokio::h2::{OpenError, connect};
use websans_tokio::{Config, Error};

use crate::support::{LONG, client, request, serve};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// A frame of HTTP/2: its type, flags and stream.
async fn frame(io: &mut DuplexStream) -> (u8, u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    io.read_exact(&mut head).await.unwrap();
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; len as usize];
    io.read_exact(&mut payload).await.unwrap();
    (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// A frame of settings.
fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let len = u8::try_from(settings.len() * 6).unwrap();
    let mut bytes = vec![0, 0, len, SETTINGS, 0, 0, 0, 0, 0];
    for (name, value) in settings {
        bytes.extend(name.to_be_bytes());
        bytes.extend(value.to_be_bytes());
    }
    bytes
}

/// The next frame that is neither settings nor their acknowledgement nor a window; none for so long.
async fn request_within(io: &mut DuplexStream, time: Duration) -> Option<(u32, Vec<u8>)> {
    let wanted = async {
        loop {
            let (kind, _, stream, payload) = frame(io).await;
            if kind == HEADERS {
                return (stream, payload);
            }
            assert!(stream == 0, "frame of type {kind} for stream {stream}");
        }
    };
    timeout(time, wanted).await.ok()
}

/// On the wire: no request before the settings have come that allow it, and it comes then.
#[tokio::test]
async fn r110_no_request_leaves_before_the_settings_have_come() {
    let (mut io, b) = tokio::io::duplex(64 << 10);
    let mut requests = client(b).await;
    let opening = tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await });
    let mut preface = [0; 24];
    io.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    let (kind, flags, stream, _) = frame(&mut io).await;
    assert_eq!((kind, flags, stream), (SETTINGS, 0, 0));
    assert_eq!(request_within(&mut io, Duration::from_millis(300)).await, None);

    io.write_all(&settings(&[(ENABLE_CONNECT_PROTOCOL, 1)])).await.unwrap();
    io.write_all(&[0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]).await.unwrap();
    let (stream, block) = request_within(&mut io, LONG).await.expect("the request");
    assert_eq!(stream, 1);
    assert!(!block.is_empty());
    // `:status: 200` of HPACK's static table.
    io.write_all(&[0, 0, 1, HEADERS, 4, 0, 0, 0, 1, 0x88]).await.unwrap();
    timeout(LONG, opening).await.unwrap().unwrap().unwrap();
}

/// Settings without the permission: nothing is sent, and that is told at once where it can be known.
#[tokio::test]
async fn r110_a_server_that_does_not_allow_it_is_asked_nothing() {
    let cases = [
        (&[][..], Duration::from_millis(300)),
        (&[(ENABLE_CONNECT_PROTOCOL, 0)], Duration::from_millis(300)),
        (&[(MAX_CONCURRENT_STREAMS, 7)], LONG),
        (&[(MAX_CONCURRENT_STREAMS, 7), (ENABLE_CONNECT_PROTOCOL, 0)], LONG),
    ];
    for (values, within) in cases {
        let (mut io, b) = tokio::io::duplex(64 << 10);
        let requests = client(b).await;
        let mut config = Config::default();
        config.handshake_within = within;
        let begun = Instant::now();
        let mut asking = requests.clone();
        let opening = tokio::spawn(async move { connect(&mut asking, request(), config).await });
        io.read_exact(&mut [0; 24]).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        io.write_all(&settings(values)).await.unwrap();
        let failure = timeout(LONG, opening).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(failure, OpenError::NotEnabled), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(request_within(&mut io, Duration::from_millis(100)).await, None);
    }
}

/// Settings that have come before and limit the streams look like none: the time decides.
#[tokio::test]
async fn r110_a_permission_is_waited_for_no_longer_than_the_handshake_may_take() {
    let (mut io, b) = tokio::io::duplex(64 << 10);
    let mut requests = client(b).await;
    io.read_exact(&mut [0; 24]).await.unwrap();
    io.write_all(&settings(&[(MAX_CONCURRENT_STREAMS, 7)])).await.unwrap();
    while requests.current_max_send_streams() != 7 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(200);
    let failure = connect(&mut requests, request(), config.clone()).await.unwrap_err();
    assert!(matches!(failure, OpenError::NotEnabled), "{failure}");
    let error = Error::from(failure);
    assert!(matches!(&error, Error::Io(io) if io.kind() == std::io::ErrorKind::Unsupported), "{error}");

    // It may be given later on.
    config.handshake_within = LONG;
    let opening = tokio::spawn(async move { connect(&mut requests, request(), config).await });
    sleep(Duration::from_millis(50)).await;
    io.write_all(&settings(&[(ENABLE_CONNECT_PROTOCOL, 1)])).await.unwrap();
    assert!(request_within(&mut io, LONG).await.is_some());
    opening.abort();
}

/// The same with a server of the crate `h2`.
#[tokio::test]
async fn r110_a_server_of_h2_that_does_not_allow_it() {
    let (a, b) = tokio::io::duplex(64 << 10);
    serve(a, h2::server::Builder::new(), |_| async { panic!("it was asked") });
    let mut requests = client(b).await;
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(300);
    let failure = timeout(LONG, connect(&mut requests, request(), config)).await.unwrap();
    assert!(matches!(failure, Err(OpenError::NotEnabled)), "{failure:?}");
    // Nor does it harm other requests: the connection goes on.
    assert!(requests.ready().await.is_ok());
}

/// A connection that has failed is told as that, settings or not.
#[tokio::test]
async fn a_connection_that_is_gone_is_told_at_once() {
    let (a, b) = tokio::io::duplex(64 << 10);
    let mut requests = client(b).await;
    let opening = tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await });
    sleep(Duration::from_millis(50)).await;
    drop(a);
    let failure = timeout(Duration::from_secs(5), opening).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(failure, OpenError::Http2(_)), "{failure}");
}
