//! [`std_adapter`]: websans-std over a stream that does as it likes.

mod deeds;
mod hands;
mod stream;

use std::cell::RefCell;
use std::rc::Rc;

use core::time::Duration;
use websans::{Cause, Config, Keepalive, Negotiated, Outcome, Role};
use websans_std::WebSocket;

use super::adapters::{Deed, Link, Op, Record, Script, Then};
use super::input::Input;
use crate::listen::counted_keys;
use deeds::{close, drain, receive, send};
use stream::Stream;

/// All deadlines. Waits are real ones here, and short.
const SOON: Duration = Duration::from_millis(3);

/// Lets an application use a connection, whole and split, over a stream that reads and writes in pieces, waits, breaks and holds
/// back what it has taken.
///
/// The bytes are a `Script`. A call that blocks cannot be given up, so all are waited for, and halves take turns. What
/// deadlines cut off depends on the machine; what is asserted does not.
///
/// # Panics
/// If the stream is called again and again for nothing; if a message is lost, comes twice, too late or changed, in either
/// direction; or if what is written breaks the protocol.
pub fn std_adapter(data: &[u8]) {
    let Script { server, mut config, link, deeds, habits } = Script::new(&mut Input::new(data));
    hasten(&mut config);
    let world =
        World { link: Rc::new(RefCell::new(link)), record: RefCell::default(), clone: habits & 2 != 0 };
    let role = if server { Role::Server } else { Role::Client(counted_keys()) };
    let stream = Stream::new(&world.link);
    let socket = WebSocket::from_handshake(stream, role, config, Negotiated::default(), &[]);
    let mut held = Held::Whole(socket.expect("its time-outs can be set"));
    for (index, deed) in deeds.iter().enumerate() {
        held = world.act(held, index, deed);
    }
    world.end(held, habits);
    world.record.borrow().check(&world.link.borrow(), server);
}

/// Brings all deadlines near that there are.
fn hasten(config: &mut Config) {
    config.close_within = SOON;
    config.write_stall = SOON;
    config.keepalive = config.keepalive.map(|_| Keepalive { every: SOON, within: SOON });
}

/// What an application has of a connection.
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Held {
    Whole(WebSocket<Stream>),
    Receiver(websans_std::Receiver<Stream>),
    Sender(websans_std::Sender<Stream>),
    Halves(websans_std::Receiver<Stream>, websans_std::Sender<Stream>),
}

/// What surrounds the connection.
struct World {
    link: Rc<RefCell<Link>>,
    record: RefCell<Record>,
    /// Whether there are two senders.
    clone: bool,
}

impl World {
    /// Does one thing after the other with whatever half can.
    fn act(&self, mut held: Held, index: usize, deed: &Deed) -> Held {
        match (&mut held, deed.op) {
            (_, Op::Then(then)) => return self.change(held, then),
            (Held::Whole(socket), _) if deed.receives() => receive(socket, deed, self),
            (Held::Whole(socket), _) => send(socket, 0, deed, self),
            (Held::Receiver(receiver) | Held::Halves(receiver, _), _) if deed.receives() => {
                receive(receiver, deed, self);
            }
            (Held::Sender(sender) | Held::Halves(_, sender), _) if !deed.receives() => {
                let second = self.clone && index % 2 == 1;
                send(&mut sender.clone(), usize::from(second), deed, self);
            }
            _ => {}
        }
        held
    }

    fn change(&self, held: Held, then: Then) -> Held {
        match (then, held) {
            (Then::Split, Held::Whole(socket)) => {
                let (receiver, sender) = socket.split().expect("it can be cloned");
                Held::Halves(receiver, sender)
            }
            (Then::DropReceiver, Held::Halves(receiver, sender)) => {
                drop(receiver);
                self.record.borrow_mut().excused = true;
                Held::Sender(sender)
            }
            (Then::DropSender, Held::Halves(receiver, _)) => Held::Receiver(receiver),
            (_, held) => held,
        }
    }

    /// Brings the connection to its end, or drops it.
    fn end(&self, mut held: Held, habits: u8) {
        if habits & 4 != 0 {
            return;
        }
        let closes = habits & 8 != 0;
        match &mut held {
            Held::Whole(socket) if closes => close(socket, self),
            Held::Whole(socket) => drain(socket, self),
            Held::Receiver(receiver) => drain(receiver, self),
            Held::Sender(sender) => close(sender, self),
            Held::Halves(receiver, sender) => {
                if closes {
                    close(sender, self);
                }
                drain(receiver, self);
            }
        }
    }

    /// Notes how the connection has ended: deadlines cut off what was still to come.
    fn cut_by(&self, outcome: &Outcome) {
        let cut = matches!(outcome.cause, Cause::CloseTimeout | Cause::WriteStall | Cause::KeepaliveTimeout);
        self.record.borrow_mut().excused |= cut;
    }
}
