//! Transports that hold back, fail half way or never let go; halves that are busy or gone.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};
use websans_tokio::{Cause, CloseCode, Config, Error, Keepalive, Negotiated, Role, WebSocket};

use crate::support::pipe;

/// An hour of paused time.
const LONG: Duration = Duration::from_secs(3600);

/// What a [`Mock`] does when it is asked.
#[derive(Clone, Copy, Default, PartialEq)]
enum Does {
    #[default]
    Well,
    Wait,
    Fail,
}

#[derive(Default)]
struct State {
    input: VecDeque<u8>,
    /// Given again and again, whenever it is read.
    endless: Option<Vec<u8>>,
    ended: bool,
    writes: Does,
    flushes: Does,
    /// Bytes that it still takes.
    room: Option<usize>,
    waiting: Vec<Waker>,
    /// How often it was asked to write or to flush.
    asked: u32,
    shut: bool,
}

/// A transport that does as it is told, and knows nothing of turns.
#[derive(Clone, Default)]
struct Mock(Arc<Mutex<State>>);

impl Mock {
    fn with<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }

    /// Something is different now.
    fn wake(&self) {
        let waiting = self.with(|state| std::mem::take(&mut state.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }

    fn answer<T>(&self, cx: &Context<'_>, does: fn(&State) -> Does, well: T) -> Poll<io::Result<T>> {
        self.with(|state| {
            state.asked += 1;
            assert!(state.asked < 100_000, "it is asked again and again");
        });
        self.with(|state| match does(state) {
            Does::Well => Poll::Ready(Ok(well)),
            Does::Fail => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Does::Wait => {
                state.waiting.push(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl AsyncRead for Mock {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|state| {
            if let Some(endless) = &state.endless {
                while out.remaining() >= endless.len() {
                    out.put_slice(endless);
                }
                return Poll::Ready(Ok(()));
            }
            if state.input.is_empty() && !state.ended {
                state.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            let n = state.input.len().min(out.remaining());
            state.input.drain(..n).for_each(|byte| out.put_slice(&[byte]));
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Mock {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!self.with(|state| state.shut), "something is written behind the end");
        let taken = self.with(|state| state.room.map_or(bytes.len(), |room| room.min(bytes.len())));
        let answer =
            self.answer(cx, |state| if state.room == Some(0) { Does::Wait } else { state.writes }, taken);
        if let Poll::Ready(Ok(taken)) = answer {
            self.with(|state| state.room = state.room.map(|room| room - taken));
        }
        answer
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answer(cx, |state| state.flushes, ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|state| state.shut = true);
        Poll::Ready(Ok(()))
    }
}

fn quiet() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config
}

fn server(mock: &Mock, config: Config) -> WebSocket<Mock> {
    WebSocket::from_handshake(mock.clone(), Role::Server, config, Negotiated::default(), &[])
}

/// A client's frame with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

const CLOSE: [u8; 2] = [3, 232];

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_the_end_hear_of_it() {
    let (server, mut client) = pipe(4096, quiet());
    let (receiver, sender) = server.split();
    drop(receiver);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.closed().await.unwrap().cause })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    // One that has sent and waits for nothing has not taken the others' ears away.
    sender.send("hi").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    client.recv().await.unwrap();
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    for task in waiting {
        assert_eq!(timeout(Duration::from_secs(1), task).await.unwrap().unwrap(), Cause::Clean);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_flush_is_told_to_all() {
    let mock = Mock::default();
    mock.with(|state| state.flushes = Does::Wait);
    let (mut receiver, sender) = server(&mock, quiet()).split();
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|message| message.is_some()) });
    tokio::task::yield_now().await;
    let sending = tokio::spawn(async move { (sender.send("hello").await, sender.flush().await) });
    sleep(Duration::from_secs(1)).await;
    mock.with(|state| state.flushes = Does::Fail);
    mock.wake();
    let (sent, flushed) = timeout(LONG, sending).await.unwrap().unwrap();
    assert!(matches!((sent, flushed), (Err(Error::Io(_)), Err(Error::Io(_)))));
    // Nothing is heard of the peer any more: that is the end, and told once.
    let received = timeout(LONG, receiving).await.unwrap().unwrap();
    assert!(matches!(received, Err(Error::Io(_))), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_transport_holds_back_is_bounded_by_the_write_stall() {
    let mock = Mock::default();
    mock.with(|state| state.flushes = Does::Wait);
    let mut socket = server(&mock, quiet());
    let start = tokio::time::Instant::now();
    assert!(matches!(timeout(LONG, socket.send("hello")).await.unwrap(), Err(Error::Io(_))));
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(socket.recv().await.unwrap().is_none());
    assert_eq!(socket.outcome().unwrap().cause, Cause::WriteStall);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_held_back_is_waited_for() {
    for lets_go in [true, false] {
        let mock = Mock::default();
        mock.with(|state| {
            state.flushes = Does::Wait;
            state.input.extend(frame(0x88, &CLOSE));
            state.ended = true;
        });
        let mut socket = server(&mock, quiet());
        assert!(
            timeout(Duration::from_secs(2), socket.recv()).await.is_err(),
            "the Close is still on its way"
        );
        if lets_go {
            mock.with(|state| state.flushes = Does::Well);
            mock.wake();
        }
        let start = tokio::time::Instant::now();
        assert!(timeout(LONG, socket.recv()).await.unwrap().unwrap().is_none());
        assert_eq!(start.elapsed().as_secs(), if lets_go { 0 } else { 3 });
        assert!(socket.outcome().unwrap().is_clean());
    }
}

/// All that one read has brought is handed out, however long the application takes over it.
#[tokio::test(start_paused = true)]
async fn a_slow_application_loses_nothing_that_has_arrived() {
    let mock = Mock::default();
    let mut socket = server(&mock, quiet());
    socket.start_close(CloseCode::NORMAL, "").await.unwrap();
    mock.with(|state| {
        (0..6).for_each(|n| state.input.extend(frame(0x82, &[n])));
        state.input.extend(frame(0x88, &CLOSE));
        state.ended = true;
    });
    let mut messages = 0;
    while socket.recv().await.unwrap().is_some() {
        messages += 1;
        sleep(Duration::from_secs(4)).await;
    }
    assert_eq!((messages, socket.outcome().unwrap().cause), (6, Cause::Clean));
}

/// A peer that always says something, and never a message, keeps no deadline from being met.
#[tokio::test]
async fn a_flood_postpones_no_deadline() {
    let moment = Duration::from_millis(200);
    let mut config = quiet();
    config.close_within = moment;
    let mock = Mock::default();
    mock.with(|state| state.endless = Some(frame(0x8a, b"x")));
    let mut socket = server(&mock, config);
    let closing = timeout(Duration::from_secs(20), socket.close(CloseCode::NORMAL, "")).await;
    assert_eq!(closing.unwrap().unwrap().cause, Cause::CloseTimeout);

    let mut config = quiet();
    config.write_stall = moment;
    let mock = Mock::default();
    mock.with(|state| (state.endless, state.writes) = (Some(frame(0x89, b"x")), Does::Wait));
    let mut socket = server(&mock, config);
    let received = timeout(Duration::from_secs(20), socket.recv()).await;
    assert!(received.unwrap().unwrap().is_none());
    assert_eq!(socket.outcome().unwrap().cause, Cause::WriteStall);
}

/// Its answers lie unread: who only sends does not take a peer for dead that reads all the time.
#[tokio::test(start_paused = true)]
async fn who_only_sends_does_not_judge_whether_the_peer_lives() {
    let (mut server, mut client) = pipe(1024, Config::default());
    tokio::spawn(async move {
        while let Ok(Some(_)) = client.recv().await {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let start = tokio::time::Instant::now();
    for _ in 0..1000 {
        server.send(vec![0; 2000]).await.unwrap();
    }
    assert!(start.elapsed() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_busy_receiver_is_not_overruled_by_a_sender() {
    let (server, client) = pipe(1024, Config::default());
    let (mut receiver, sender) = server.split();
    let (mut heard, speaking) = client.split();
    tokio::spawn(async move {
        while let Ok(Some(_)) = heard.recv().await {
            sleep(Duration::from_millis(100)).await;
        }
    });
    tokio::spawn(async move {
        while speaking.send("alive").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    tokio::spawn(async move {
        while let Ok(Some(_)) = receiver.recv().await {
            sleep(Duration::from_secs(60)).await;
        }
    });
    for _ in 0..1000 {
        sender.send(vec![0; 2000]).await.unwrap();
    }
}

/// The turn may be over at any message, and the timer must be set all the same.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_turn_does_not_forget_the_deadline() {
    for messages in 120..132 {
        let mut config = Config::default();
        config.keepalive = Some(Keepalive { every: Duration::from_secs(1), within: Duration::from_secs(1) });
        let mock = Mock::default();
        mock.with(|state| (0..messages).for_each(|_| state.input.extend(frame(0x82, b"x"))));
        let mut socket = server(&mock, config);
        let receiving = tokio::spawn(async move {
            while let Ok(Some(_)) = socket.recv().await {}
            socket.outcome().unwrap().cause
        });
        let cause = timeout(LONG, receiving).await.unwrap().unwrap();
        assert_eq!(cause, Cause::KeepaliveTimeout, "{messages} messages");
    }
}

/// Others that send all the time hold up neither a small message nor one that needs all the room there is.
#[tokio::test]
async fn senders_have_their_turn() {
    let mut config = quiet();
    config.max_outbox = 64 << 10;
    let (server, mut client) = pipe(4096, config);
    let (_receiver, sender) = server.split();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = client.recv().await {} });
    let others: Vec<_> = (0..4)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move {
                loop {
                    let message = vec![1; 3000];
                    if n % 2 == 0 { sender.feed(message).await } else { sender.send(message).await }.unwrap();
                }
            })
        })
        .collect();
    sleep(Duration::from_millis(50)).await;
    for len in [4, 70 << 10] {
        timeout(Duration::from_secs(20), sender.send(vec![2; len])).await.unwrap().unwrap();
    }
    others.iter().chain([&reading]).for_each(tokio::task::JoinHandle::abort);
}

/// Futures that were given up keep neither their tasks nor a place in the line.
#[test]
fn who_gives_up_leaves_nothing_behind() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mock = Mock::default();
    mock.with(|state| state.writes = Does::Wait);
    let mut config = quiet();
    config.write_stall = LONG;
    config.max_outbox = 100;
    let (_receiver, sender) = server(&mock, config).split();
    let give_up = |count: u32| {
        runtime.block_on(async {
            for n in 0..count {
                let sender = sender.clone();
                let gives_up = async move {
                    let moment = Duration::from_millis(5);
                    if n % 2 == 0 {
                        let _ = timeout(moment, sender.send("x")).await;
                    } else {
                        let _ = timeout(moment, sender.flush()).await;
                    }
                };
                tokio::spawn(gives_up).await.unwrap();
            }
        });
    };
    give_up(300);
    let info = measure(|| give_up(3000));
    assert!(info.count_current <= 2, "{info:?}");
    mock.with(|state| state.writes = Does::Well);
    mock.wake();
    runtime.block_on(async { timeout(LONG, sender.send("after all")).await.unwrap().unwrap() });
}

/// What came with a handshake makes an inbox buffers of its own, which are not what others need.
#[test]
fn early_data_does_not_spoil_the_pool() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wake_ups = || {
        let mock = Mock::default();
        let mut socket = server(&mock, quiet());
        let info = measure(|| {
            runtime.block_on(async {
                for _ in 0..100 {
                    assert!(tokio::time::timeout(Duration::ZERO, socket.recv()).await.is_err());
                    mock.with(|state| state.input.extend(frame(0x82, b"x")));
                    assert!(socket.recv().await.unwrap().is_some());
                }
            });
        });
        info.bytes_total
    };
    let before = wake_ups();
    for _ in 0..40 {
        runtime.block_on(async {
            let early = frame(0x82, b"early");
            let mock = Mock::default();
            let negotiated = Negotiated::default();
            let mut socket = WebSocket::from_handshake(mock, Role::Server, quiet(), negotiated, &early);
            assert!(socket.recv().await.unwrap().is_some());
            assert!(timeout(Duration::ZERO, socket.recv()).await.is_err());
        });
    }
    let after = wake_ups();
    assert!(after <= before + (32 << 10), "{before} bytes, then {after}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_ends_and_takes_nothing_is_given_up() {
    let mock = Mock::default();
    mock.with(|state| state.flushes = Does::Wait);
    let mut socket = server(&mock, quiet());
    // The transport takes the first, and nothing after that.
    assert!(timeout(Duration::from_secs(1), socket.send("first")).await.is_err());
    mock.with(|state| (state.writes, state.ended) = (Does::Wait, true));
    socket.feed("second").await.unwrap();
    assert!(timeout(LONG, socket.recv()).await.expect("it has an end").unwrap().is_none());
    // Nor is it written to when it has been ended.
    assert!(timeout(LONG, socket.recv()).await.expect("it has an end").unwrap().is_none());
    assert!(mock.with(|state| state.shut));
}

/// Who has taken a part of a message and ends then: nobody has flushed that, since more is to follow. Without a look at what is
/// overdue, one call would never return.
#[tokio::test(start_paused = true)]
async fn a_peer_that_ends_and_takes_no_more_is_given_up() {
    let ending = || {
        let mock = Mock::default();
        mock.with(|state| (state.room, state.ended) = (Some(100), true));
        let socket = server(&mock, quiet());
        (mock, socket)
    };
    let message = &[b'x'; 200][..];
    for closes in [false, true] {
        let (mock, mut socket) = ending();
        socket.feed(message).await.unwrap();
        if closes {
            timeout(LONG, socket.close(CloseCode::NORMAL, "")).await.expect("it has an end").unwrap();
        }
        for _ in 0..2 {
            assert!(timeout(LONG, socket.recv()).await.expect("it has an end").unwrap().is_none());
        }
        assert!(mock.with(|state| state.shut));

        let (mock, socket) = ending();
        let (receiver, sender) = socket.split();
        drop(receiver);
        let sent = timeout(LONG, sender.send(message)).await.expect("it has an end");
        assert!(sent.is_err(), "a part of it is lost");
        let ended = if closes {
            timeout(LONG, sender.close(CloseCode::NORMAL, "")).await
        } else {
            timeout(LONG, sender.closed()).await
        };
        ended.expect("it has an end").unwrap();
        drop((mock, sender));
    }
}

/// The same for who has it as a stream of messages.
#[cfg(feature = "stream")]
#[tokio::test(start_paused = true)]
async fn a_stream_of_messages_to_a_peer_that_takes_no_more_has_an_end() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use websans_tokio::stream::{Message, WebSocketStream};

    for closes in [false, true] {
        let mock = Mock::default();
        mock.with(|state| (state.room, state.ended) = (Some(100), true));
        let mut stream = WebSocketStream::from(server(&mock, quiet()));
        stream.feed(Message::binary(vec![b'x'; 200])).await.unwrap();
        if closes {
            stream.feed(Message::Close(None)).await.unwrap();
        }
        assert!(timeout(LONG, stream.next()).await.expect("it has an end").is_none());
        assert!(mock.with(|state| state.shut));
    }
}
