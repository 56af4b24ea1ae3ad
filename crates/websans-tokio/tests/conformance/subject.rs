//! [`Driven`]: a connection of the adapter's, whole or split, on a runtime of its own.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use websans_testkit::conformance::{Fault, Finish, Hold, Owned, Report, Seat, Setup, Subject, Times};
use websans_tokio::{
    CloseCode, Error, Kind, MessageReader, MessageWriter, Outcome, Parts, Payload, Prepared, Receiver,
    Sender, Source, Stats, WebSocket,
};

/// What the two ends talk over.
pub(crate) trait Transport {
    const TIMES: Times;
    const SEATS: &'static [Seat] = &Seat::ALL;
    type Io: AsyncRead + AsyncWrite + Unpin;
    type Playing;

    /// A runtime with a single thread, so that all is in order.
    fn runtime() -> Runtime;

    /// Makes the connection and sets the peer going.
    fn start(setup: Setup, origin: Instant) -> impl Future<Output = (WebSocket<Self::Io>, Self::Playing)>;

    /// Waits for the peer's end.
    fn join(runtime: &Runtime, peer: &mut Self::Playing) -> Report;
}

/// A connection over `T`. Each call drives the runtime until it is done, and the peer with it if that is a task.
pub(crate) struct Driven<T: Transport> {
    driver: Driver,
    socket: Socket<T::Io>,
    peer: T::Playing,
    origin: Instant,
}

#[allow(clippy::large_enum_variant, reason = "there are few")]
enum Socket<S> {
    Whole(WebSocket<S>),
    Split(Option<Receiver<S>>, Sender<S>),
}

/// A runtime, and how often futures have been polled on it.
struct Driver {
    runtime: Runtime,
    polls: Cell<usize>,
}

impl Driver {
    fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        self.runtime.block_on(poll_fn(|cx| {
            self.polls.set(self.polls.get() + 1);
            future.as_mut().poll(cx)
        }))
    }
}

/// Calls `$receive` or `$send` of whichever holds the connection.
macro_rules! on {
    ($subject:expr, $receiver:ident => $receive:expr) => {
        match &mut $subject.socket {
            Socket::Whole($receiver) => $receive,
            Socket::Split(receiver, _) => {
                let $receiver = receiver.as_mut().expect("a receiver");
                $receive
            }
        }
    };
    ($subject:expr, _, $sender:ident => $send:expr) => {
        match &mut $subject.socket {
            Socket::Whole($sender) => $send,
            Socket::Split(_, $sender) => $send,
        }
    };
}

impl<T: Transport> Subject for Driven<T> {
    const TIMES: Times = T::TIMES;
    const SEATS: &'static [Seat] = T::SEATS;

    fn start(setup: Setup) -> Self {
        let driver = Driver { runtime: T::runtime(), polls: Cell::new(0) };
        let hold = setup.seat.hold;
        let (socket, peer, origin) = driver.runtime.block_on(async {
            let origin = Instant::now();
            let (socket, peer) = T::start(setup, origin).await;
            (socket, peer, origin)
        });
        let socket = match hold {
            Hold::Whole => Socket::Whole(socket),
            Hold::Split => {
                let (receiver, sender) = socket.split();
                Socket::Split(Some(receiver), sender)
            }
        };
        Self { driver, socket, peer, origin }
    }

    fn now(&self) -> Duration {
        let _context = self.driver.runtime.enter();
        self.origin.elapsed()
    }

    fn rest(&mut self, time: Duration) {
        self.driver.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    fn turns(&self) -> usize {
        self.driver.polls.get()
    }

    fn recv(&mut self) -> Result<Option<Owned>, Fault> {
        let received = on!(self, receiver => self.driver.run(async {
            receiver.recv().await.map(|message| message.map(Owned::from))
        }));
        received.map_err(fault)
    }

    fn read<R>(&mut self, read: impl FnOnce(Kind, &mut dyn Read) -> R) -> Result<Option<R>, Fault> {
        fn lend<S: Source, R>(
            reader: Option<MessageReader<'_, S>>,
            driver: &Driver,
            read: impl FnOnce(Kind, &mut dyn Read) -> R,
        ) -> Option<R> {
            reader.map(|reader| read(reader.kind(), &mut Blocking { io: reader, driver }))
        }
        let driver = &self.driver;
        on!(self, receiver => {
            let reader = driver.run(receiver.reader()).map_err(fault)?;
            Ok(lend(reader, driver, read))
        })
    }

    fn write(
        &mut self,
        kind: Kind,
        write: impl FnOnce(&mut dyn Write) -> io::Result<Finish>,
    ) -> Result<(), Fault> {
        fn lend<P: Parts>(
            writer: MessageWriter<'_, P>,
            driver: &Driver,
            write: impl FnOnce(&mut dyn Write) -> io::Result<Finish>,
        ) -> Result<(), Error> {
            let mut writer = Blocking { io: writer, driver };
            match write(&mut writer)? {
                Finish::Yes => driver.run(writer.io.finish()),
                Finish::No => Ok(()),
            }
        }
        let driver = &self.driver;
        on!(self, _, sender => lend(sender.writer(kind).map_err(fault)?, driver, write).map_err(fault))
    }

    fn send_payload(&mut self, message: Payload<'_>) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.send(message))).map_err(fault)
    }

    fn send_prepared(&mut self, message: &Prepared) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.send_prepared(message))).map_err(fault)
    }

    fn exchange(&mut self, messages: &[Owned]) -> Result<Vec<Owned>, Fault> {
        let mut received = Vec::new();
        match &mut self.socket {
            Socket::Whole(socket) => self.driver.run(async {
                for message in messages {
                    socket.send(message).await?;
                    received.extend(socket.recv().await?.map(Owned::from));
                }
                Ok(())
            }),
            Socket::Split(receiver, sender) => self.driver.run(async {
                let receiver = receiver.as_mut().expect("a receiver");
                let sends = async {
                    for message in messages {
                        sender.send(message).await?;
                    }
                    Ok(())
                };
                let receives = async {
                    for _ in messages {
                        received.extend(receiver.recv().await?.map(Owned::from));
                    }
                    Ok(())
                };
                tokio::try_join!(sends, receives).map(|_| ())
            }),
        }
        .map_err(fault)?;
        Ok(received)
    }

    fn feed(&mut self, message: &Owned) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.feed(message))).map_err(fault)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.flush())).map_err(fault)
    }

    fn ping(&mut self, payload: &[u8]) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.ping(payload))).map_err(fault)
    }

    fn pong(&mut self, payload: &[u8]) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.pong(payload))).map_err(fault)
    }

    fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Fault> {
        on!(self, _, sender => self.driver.run(sender.start_close(code, reason))).map_err(fault)
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Fault> {
        match &mut self.socket {
            Socket::Whole(socket) => self.driver.run(async { socket.close(code, reason).await.cloned() }),
            Socket::Split(None, sender) => self.driver.run(sender.close(code, reason)),
            Socket::Split(Some(receiver), sender) => self.driver.run(async {
                let receives = async { while let Ok(Some(_)) = receiver.recv().await {} };
                tokio::join!(sender.close(code, reason), receives).0
            }),
        }
        .map_err(fault)
    }

    fn drop_receiver(&mut self) {
        if let Socket::Split(receiver, _) = &mut self.socket {
            *receiver = None;
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match &self.socket {
            Socket::Whole(socket) => socket.outcome().cloned(),
            Socket::Split(_, sender) => sender.outcome(),
        }
    }

    fn stats(&self) -> Stats {
        match &self.socket {
            Socket::Whole(socket) => socket.stats(),
            Socket::Split(_, sender) => sender.stats(),
        }
    }

    fn join(&mut self) -> Report {
        T::join(&self.driver.runtime, &mut self.peer)
    }

    fn end(self) -> Report {
        let Self { driver, socket, mut peer, .. } = self;
        let context = driver.runtime.enter();
        drop(socket);
        drop(context);
        T::join(&driver.runtime, &mut peer)
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Io(error) => match error.downcast::<Error>() {
            Ok(cause) => fault(cause),
            Err(error) => Fault::Io(error.kind()),
        },
        Error::Protocol(error) => Fault::Protocol(error),
        Error::Send(error) => Fault::Send(error),
        other => Fault::Other(other.to_string()),
    }
}

/// A message's reader or writer, blocking.
struct Blocking<'d, T> {
    io: T,
    driver: &'d Driver,
}

impl<T: AsyncRead + Unpin> Read for Blocking<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.driver.run(self.io.read(buffer))
    }
}

impl<T: AsyncWrite + Unpin> Write for Blocking<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.driver.run(self.io.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.driver.run(self.io.flush())
    }
}
