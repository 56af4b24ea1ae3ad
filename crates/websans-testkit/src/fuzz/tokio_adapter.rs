//! [`tokio_adapter`]: websans-tokio over a transport that does as it likes, for an application that has no patience.

mod deeds;
mod hands;
mod tasks;
mod transport;

use std::cell::RefCell;
use std::rc::Rc;

use tokio::runtime::{Builder, Runtime};
use websans::{Negotiated, Role};
use websans_tokio::WebSocket;

use super::adapters::{Deed, Link, Op, Record, Script, Then};
use super::input::Input;
use crate::listen::counted_keys;
use deeds::{close, drain, receive, send, whole};
use tasks::{Task, run};
use transport::{Transport, Wire};

thread_local! {
    /// One for all runs: to make it takes longer than a run.
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a reactor can be made");
}

/// Lets an application use a connection, whole and split, over a transport that reads and writes in pieces, lets wait and
/// breaks.
///
/// The bytes are a `Script`. Of its habits, bit 0 lets turns end, as tokio has it.
///
/// # Panics
/// If a call waits for what nobody will wake it for, or is woken again and again for nothing; if a message is lost, comes
/// twice, too late or changed, in either direction; or if what is written breaks the protocol.
pub fn tokio_adapter(data: &[u8]) {
    let script = Script::new(&mut Input::new(data));
    RUNTIME.with(|runtime| runtime.block_on(play(script)));
}

/// What an application has of a connection.
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Held {
    Whole(WebSocket<Transport>),
    Receiver(websans_tokio::Receiver<Transport>),
    Sender(websans_tokio::Sender<Transport>),
    Halves(websans_tokio::Receiver<Transport>, websans_tokio::Sender<Transport>),
}

async fn play(script: Script) {
    let Script { server, config, link, deeds, habits } = script;
    let world = World {
        wire: Rc::new(Wire::new(link)),
        record: Rc::default(),
        turns: habits & 1 != 0,
        clone: habits & 2 != 0,
    };
    let role = if server { Role::Server } else { Role::Client(counted_keys()) };
    let transport = Transport::new(&world.wire);
    let mut held =
        Held::Whole(WebSocket::from_handshake(transport, role, config, Negotiated::default(), &[]));
    // What is done between two changes of hands is done at once by both halves.
    for phase in deeds.split_inclusive(|deed| matches!(deed.op, Op::Then(_))) {
        held = world.phase(held, phase).await;
    }
    world.end(held, habits).await;
    let link = world.wire.link.borrow();
    let record = world.record.borrow();
    record.check(&link, server);
}

/// What surrounds the connection.
struct World {
    wire: Rc<Wire>,
    record: Rc<RefCell<Record>>,
    /// Whether turns end.
    turns: bool,
    /// Whether there are two senders.
    clone: bool,
}

impl World {
    async fn phase(&self, held: Held, deeds: &[Deed]) -> Held {
        let (received, sent): (Vec<&Deed>, Vec<&Deed>) = deeds.iter().partition(|deed| deed.receives());
        let held = match held {
            Held::Whole(mut socket) => {
                self.run([Task::new(whole(&mut socket, deeds, self))]).await;
                Held::Whole(socket)
            }
            Held::Receiver(mut receiver) => {
                self.run([Task::new(receive(&mut receiver, &received, self))]).await;
                Held::Receiver(receiver)
            }
            Held::Sender(mut sender) => {
                self.run([Task::new(send(&mut sender, 0, &sent, self))]).await;
                Held::Sender(sender)
            }
            Held::Halves(mut receiver, mut sender) => {
                let mut clone = self.clone.then(|| sender.clone());
                let (first, second) = sent.split_at(if self.clone { sent.len() / 2 } else { sent.len() });
                let mut tasks = vec![
                    Task::new(receive(&mut receiver, &received, self)),
                    Task::new(send(&mut sender, 0, first, self)),
                ];
                tasks.extend(clone.as_mut().map(|clone| Task::new(send(clone, 1, second, self))));
                self.run(tasks).await;
                Held::Halves(receiver, sender)
            }
        };
        match (deeds.last().map(|deed| deed.op), held) {
            (Some(Op::Then(Then::Split)), Held::Whole(socket)) => {
                let (receiver, sender) = socket.split();
                Held::Halves(receiver, sender)
            }
            (Some(Op::Then(Then::Reunite)), Held::Halves(receiver, sender)) => {
                Held::Whole(receiver.reunite(sender).expect("they are the only halves"))
            }
            (Some(Op::Then(Then::DropReceiver)), Held::Halves(receiver, sender)) => {
                drop(receiver);
                self.record.borrow_mut().excused = true;
                Held::Sender(sender)
            }
            (Some(Op::Then(Then::DropSender)), Held::Halves(receiver, _)) => Held::Receiver(receiver),
            (_, held) => held,
        }
    }

    async fn run<'t>(&self, tasks: impl IntoIterator<Item = Task<'t>>) {
        run(tasks.into_iter().collect(), &self.wire, &self.record, self.turns).await;
    }

    /// Brings the connection to its end, or drops it.
    async fn end(&self, mut held: Held, habits: u8) {
        if habits & 4 != 0 {
            return;
        }
        if let (Held::Halves(receiver, sender), true) = (&mut held, habits & 8 != 0) {
            // While one closes, the other receives what still comes.
            let tasks = [Task::new(drain(receiver, self)), Task::new(close(sender, None, self))];
            return self.run(tasks).await;
        }
        match held {
            Held::Whole(mut socket) if habits & 8 != 0 => {
                self.run([Task::new(close(&mut socket, None, self))]).await
            }
            Held::Whole(mut socket) => self.run([Task::new(drain(&mut socket, self))]).await,
            Held::Receiver(mut receiver) => self.run([Task::new(drain(&mut receiver, self))]).await,
            Held::Sender(mut sender) => self.run([Task::new(close(&mut sender, None, self))]).await,
            Held::Halves(receiver, sender) => {
                let mut socket = receiver.reunite(sender).expect("they are the only halves");
                self.run([Task::new(drain(&mut socket, self))]).await;
            }
        }
    }

    fn link(&self) -> std::cell::RefMut<'_, Link> {
        self.wire.link.borrow_mut()
    }
}
