//! The server under trial: an axum app with the middleware, which notes how each of its connections ended.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use websans_tower::{Keepalive, Options, Outcome, Socket, Sockets, Upgrade, WebSocketLayer};

use crate::Failure;

/// Short, in about the proportions of the defaults, as is [`WRITE_STALL`].
pub(crate) const KEEP_ALIVE: Keepalive =
    Keepalive { every: Duration::from_secs(2), within: Duration::from_secs(1) };
const WRITE_STALL: Duration = Duration::from_secs(2);
/// For a handler whose connection only keep-alive is to end.
const LONG: Duration = Duration::from_secs(60);

/// What is pushed.
static MESSAGE: [u8; 16 << 10] = [7; 16 << 10];

/// What a handler does with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Waits for messages and echoes them.
    Echoes,
    /// Sends as much as the client takes, and does not receive.
    Pushes,
    /// Sends as much as the client takes, in one half, and receives in the other.
    PushesAndReceives,
}

impl Habit {
    pub(crate) const ALL: [Self; 3] = [Self::Echoes, Self::Pushes, Self::PushesAndReceives];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Echoes => "/echo",
            Self::Pushes => "/push",
            Self::PushesAndReceives => "/push-and-receive",
        }
    }
}

impl fmt::Display for Habit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Echoes => "waits for messages",
            Self::Pushes => "sends",
            Self::PushesAndReceives => "sends and receives",
        })
    }
}

/// How a handler saw its connection end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) habit: Habit,
    pub(crate) at: Instant,
    pub(crate) outcome: Option<Outcome>,
}

/// What the handlers have noted.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<End>>>);

impl Notes {
    fn add(&self, habit: Habit, outcome: Option<Outcome>) {
        let end = End { habit, at: Instant::now(), outcome };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(end);
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: Sockets,
    notes: Notes,
}

impl Server {
    pub(crate) async fn start(host: &str) -> Result<Self, Failure> {
        let layer = WebSocketLayer::new(Options::new().keep_alive(KEEP_ALIVE));
        let (sockets, notes) = (layer.sockets(), Notes::default());
        let app = Router::new()
            .route(
                Habit::Echoes.path(),
                get(async |State(notes), upgrade| accept(notes, upgrade, Habit::Echoes)),
            )
            .route(
                Habit::Pushes.path(),
                get(async |State(notes), upgrade| accept(notes, upgrade, Habit::Pushes)),
            )
            .route(
                Habit::PushesAndReceives.path(),
                get(async |State(notes), upgrade| accept(notes, upgrade, Habit::PushesAndReceives)),
            )
            .layer(layer)
            .with_state(notes.clone());
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, sockets, notes })
    }

    /// The ends since the last call.
    pub(crate) fn take_ends(&self) -> Vec<End> {
        std::mem::take(&mut *self.notes.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many there have been since then.
    pub(crate) fn ends(&self) -> usize {
        self.notes.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn accept(notes: Notes, upgrade: Upgrade, habit: Habit) -> impl IntoResponse {
    let write_stall = if habit == Habit::PushesAndReceives { LONG } else { WRITE_STALL };
    let upgrade = upgrade.with_limits(|config| config.write_stall = write_stall);
    upgrade.accept(move |socket| async move {
        let outcome = match habit {
            Habit::Echoes => echo(socket).await,
            Habit::Pushes => push(socket).await,
            Habit::PushesAndReceives => push_and_receive(socket).await,
        };
        notes.add(habit, outcome);
    })
}

async fn echo(mut socket: Socket) -> Option<Outcome> {
    while let Ok(Some(message)) = socket.recv_owned().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    socket.outcome().cloned()
}

async fn push(mut socket: Socket) -> Option<Outcome> {
    while socket.send(&MESSAGE[..]).await.is_ok() {}
    socket.outcome().cloned()
}

async fn push_and_receive(socket: Socket) -> Option<Outcome> {
    let (mut receiver, sender) = socket.split();
    let push = async { while sender.send(&MESSAGE[..]).await.is_ok() {} };
    let receive = async { while let Ok(Some(_)) = receiver.recv().await {} };
    tokio::join!(push, receive);
    sender.outcome()
}
