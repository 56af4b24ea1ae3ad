//! Over TCP, with a peer in a thread of its own.

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use websans_testkit::conformance::tcp::{self, Playing};
use websans_testkit::conformance::{Report, Setup, Times};
use websans_tokio::WebSocket;

use crate::habitual::Habitual;
use crate::subject::{Driven, Transport};

type OverTcp = Driven<Tcp>;

websans_testkit::conformance!(OverTcp);

struct Tcp;

impl Transport for Tcp {
    const TIMES: Times = Times::REAL;
    type Io = Habitual<TcpStream>;
    type Playing = Playing;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn start(setup: Setup, origin: Instant) -> (WebSocket<Self::Io>, Playing) {
        let role = setup.role();
        let Setup { config, negotiated, room, habits, peer, .. } = setup;
        let (ours, theirs) = tcp::pair(room);
        ours.set_nonblocking(true).unwrap();
        let io = Habitual::new(TcpStream::from_std(ours).unwrap(), habits);
        let peer = Playing::start(peer, theirs, origin.into_std());
        (WebSocket::from_handshake(io, role, config, negotiated, &[]), peer)
    }

    fn join(_: &Runtime, peer: &mut Playing) -> Report {
        peer.join()
    }
}
