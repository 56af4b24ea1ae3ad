//! Over a pipe in memory, with a peer in a task of its own. Time is paused: when neither has anything to do, it moves to
//! the next timer at once, so that hours go by in no time and every deadline is kept exactly.

use std::panic;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use websans_testkit::conformance::{Habits, Peer, Report, Setup, Task, Times};
use websans_tokio::WebSocket;

use crate::habitual::Habitual;
use crate::subject::{Driven, Transport};

type OverDuplex = Driven<Duplex>;

websans_testkit::conformance!(OverDuplex);

struct Duplex;

impl Transport for Duplex {
    const TIMES: Times = Times::VIRTUAL;
    type Io = Habitual<DuplexStream>;
    type Playing = Option<JoinHandle<(Report, Option<DuplexStream>)>>;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    async fn start(setup: Setup, origin: Instant) -> (WebSocket<Self::Io>, Self::Playing) {
        let role = setup.role();
        let Setup { config, negotiated, room, habits, peer, .. } = setup;
        let (ours, theirs) = duplex(room);
        let peer = tokio::spawn(play(peer, theirs, Arc::clone(&habits), origin));
        let io = Habitual::new(ours, habits);
        (WebSocket::from_handshake(io, role, config, negotiated, &[]), Some(peer))
    }

    fn join(runtime: &Runtime, peer: &mut Self::Playing) -> Report {
        let peer = peer.take().expect("a peer is joined once");
        match runtime.block_on(peer) {
            Ok((report, _)) => report,
            Err(error) => panic::resume_unwind(error.into_panic()),
        }
    }
}

/// The peer's end of the pipe stays open until its report is taken.
async fn play(
    mut peer: Peer,
    io: DuplexStream,
    habits: Arc<Habits>,
    origin: Instant,
) -> (Report, Option<DuplexStream>) {
    let mut io = Some(io);
    let mut buffer = vec![0; Peer::READ];
    loop {
        match (peer.next(origin.elapsed()), &mut io) {
            (Task::Done, _) => return (peer.report(), io),
            (Task::Wait(time), _) => sleep(time).await,
            (Task::Reset, io) => {
                habits.reset();
                *io = None;
            }
            (Task::Leave, io) => *io = None,
            (Task::Write(bytes), Some(io)) => peer.wrote(io.write_all(&bytes).await),
            (Task::Read { at_most, within: None }, Some(io)) => {
                peer.read(io.read(&mut buffer[..at_most]).await.map(|n| &buffer[..n]));
            }
            (Task::Read { at_most, within: Some(within) }, Some(io)) => {
                match timeout(within, io.read(&mut buffer[..at_most])).await {
                    Ok(read) => peer.read(read.map(|n| &buffer[..n])),
                    Err(_) => peer.nothing_came(),
                }
            }
            (Task::HalfClose, Some(io)) => io.shutdown().await.unwrap(),
            (Task::Write(_) | Task::Read { .. } | Task::HalfClose, None) => {
                panic!("the script has torn the transport down")
            }
        }
    }
}
