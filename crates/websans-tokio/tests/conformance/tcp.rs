//! Over TCP, with a peer in a thread of its own.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use websans_testkit::conformance::tcp::{self, Playing};
use websans_testkit::conformance::{Habits, Peer, Report, Times};

use crate::subject::{Driven, Transport};

type OverTcp = Driven<Tcp>;

websans_testkit::conformance!(OverTcp);

struct Tcp;

impl Transport for Tcp {
    const TIMES: Times = Times::REAL;
    type Io = TcpStream;
    type Playing = Playing;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn start(peer: Peer, room: usize, _: Arc<Habits>, origin: Instant) -> (TcpStream, Playing) {
        let (ours, theirs) = tcp::pair(room);
        ours.set_nonblocking(true).unwrap();
        (TcpStream::from_std(ours).unwrap(), Playing::start(peer, theirs, origin.into_std()))
    }

    fn join(_: &Runtime, peer: &mut Playing) -> Report {
        peer.join()
    }
}
