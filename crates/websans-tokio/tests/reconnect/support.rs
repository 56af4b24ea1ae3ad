//! A server that does with each connection what the test says, and a client that writes down what it does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use websans_tokio::{Client, CloseCode, Reconnect, ReconnectEvent};

/// In paused time: longer than any wait.
pub(crate) const SOON: Duration = Duration::from_secs(7200);

/// What the server does with one connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers the request with this.
    Answer(&'static str),
    /// Sends these messages, then a Close with this code.
    Close(&'static [&'static str], u16),
    /// Sends these messages, and then ends TCP without a Close.
    Vanish(&'static [&'static str]),
    /// Sends back what it gets.
    Echo,
}

pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    /// The messages of each connection.
    pub(crate) heard: Arc<Mutex<Vec<Vec<String>>>>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    task: JoinHandle<()>,
}

impl Script {
    /// Starts a server that does one thing after the other. Beyond them it takes no connection.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acts = Arc::new(Mutex::new(acts.into_iter().collect::<VecDeque<_>>()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (acts, heard) = (Arc::clone(&acts), Arc::clone(&heard));
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let act = acts.lock().unwrap().pop_front().expect("a connection too many");
                    perform(stream, act, &heard).await;
                }
            }
        });
        Self { address, heard, acts, task }
    }

    /// A client for it.
    pub(crate) fn client(&self) -> (Reconnect, Log) {
        client(self.address)
    }

    /// All has been done, and nothing beyond.
    pub(crate) fn assert_done(&self) {
        assert!(!self.task.is_finished(), "a connection too many");
        assert!(self.acts.lock().unwrap().is_empty(), "too few connections");
    }
}

/// A client that connects to `address`, and what it tells.
pub(crate) fn client(address: SocketAddr) -> (Reconnect, Log) {
    let log = Log::default();
    let client = Client::new(&format!("ws://{address}/feed")).unwrap();
    let reconnect = Reconnect::new(client).on_event({
        let log = log.clone();
        move |event| log.write(&event)
    });
    (reconnect, log)
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn perform(mut stream: TcpStream, act: Act, heard: &Mutex<Vec<Vec<String>>>) {
    stream.set_nodelay(true).unwrap();
    if let Act::Answer(answer) = act {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut request).await;
        return;
    }
    let mut socket = websans_tokio::accept(stream).await.unwrap();
    heard.lock().unwrap().push(Vec::new());
    let note = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        heard.lock().unwrap().last_mut().unwrap().push(text);
    };
    match act {
        Act::Close(messages, code) => {
            for message in messages {
                socket.send(*message).await.unwrap();
            }
            socket.start_close(CloseCode::new(code).unwrap(), "").await.unwrap();
            while let Ok(Some(message)) = socket.recv().await {
                note(message.as_bytes());
            }
        }
        Act::Vanish(messages) => {
            for message in messages {
                socket.send(*message).await.unwrap();
            }
        }
        Act::Echo => {
            while let Ok(Some(message)) = socket.recv().await {
                note(message.as_bytes());
                let text = String::from_utf8(message.as_bytes().to_vec()).unwrap();
                if socket.send(&*text).await.is_err() {
                    break;
                }
            }
        }
        Act::Answer(_) => unreachable!(),
    }
}

/// The events of a client, and when they came.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Instant, Entry)>>>);

/// An event, kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Attempt(u32, Duration),
    Connected,
    NotConnected,
    HookFailed,
    Lost(u16, bool),
    Waiting(Duration),
    GivenUp,
}

impl Log {
    fn write(&self, event: &ReconnectEvent<'_>) {
        assert!(!event.to_string().is_empty());
        let entry = match event {
            ReconnectEvent::Attempt { number, delay } => Entry::Attempt(*number, *delay),
            ReconnectEvent::Connected => Entry::Connected,
            ReconnectEvent::NotConnected(_) => Entry::NotConnected,
            ReconnectEvent::HookFailed(_) => Entry::HookFailed,
            ReconnectEvent::Lost { outcome, error } => Entry::Lost(outcome.code(), error.is_some()),
            ReconnectEvent::Waiting(delay) => Entry::Waiting(*delay),
            ReconnectEvent::GivenUp => Entry::GivenUp,
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push((Instant::now(), entry));
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// What happened, without the lengths of the waits.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |entry| match entry {
            Entry::Attempt(number, _) => format!("attempt {number}"),
            Entry::Lost(code, error) => format!("lost {code}{}", if error { " by an error" } else { "" }),
            Entry::Waiting(_) => "waiting".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        self.entries().into_iter().map(name).collect()
    }

    /// The waits, each of which really took so long, and was told with the attempt.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let entries = self.0.lock().unwrap().clone();
        let mut waits = Vec::new();
        for pair in entries.windows(2) {
            if let [(since, Entry::Waiting(delay)), (until, next)] = pair {
                let Entry::Attempt(_, told) = next else { panic!("{next:?} after a wait") };
                assert_eq!(told, delay);
                let took = *until - *since;
                // Timers count whole milliseconds.
                assert!(
                    took >= *delay && took <= *delay + Duration::from_millis(2),
                    "{took:?} for {delay:?}"
                );
                waits.push(*delay);
            }
        }
        waits
    }
}

/// Waits for `future`, at most [`SOON`].
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("it comes in time")
}
