//! The chat.

use std::net::TcpStream;
use std::thread;

use websans::{Config, Negotiated, Role, entropy};
use websans_std::{CloseCode, Message, WebSocket};
use websans_testkit::wire::{Frame, opcode};

use crate::support::{Server, keep_small, within};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

/// A guest who knows that he has come in, since he hears himself.
fn guest(server: &Server, id: u32) -> WebSocket<TcpStream> {
    let role = Role::Client(entropy::os_mask_keys().unwrap());
    let stream = server.raw().stream;
    let mut guest =
        WebSocket::from_handshake(stream, role, Config::default(), Negotiated::default(), &[]).unwrap();
    guest.send("here").unwrap();
    hears(&mut guest, &format!("guest {id}: here"));
    guest
}

fn hears(guest: &mut WebSocket<TcpStream>, text: &str) {
    assert!(guest.recv().unwrap() == Some(Message::Text(text)), "{text:.30}");
}

#[test]
fn everybody_hears_everybody() {
    within(60, || {
        let server = Server::start(CHAT, &[]);
        let mut first = guest(&server, 1);
        let mut second = guest(&server, 2);
        let mut third = guest(&server, 3);
        hears(&mut first, "guest 2: here");
        hears(&mut first, "guest 3: here");
        hears(&mut second, "guest 3: here");
        first.send(&b"not a text"[..]).unwrap();
        third.send("good evening").unwrap();
        for guest in [&mut first, &mut second, &mut third] {
            hears(guest, "guest 3: good evening");
        }
        // One leaves, one vanishes.
        let outcome = second.close(CloseCode::NORMAL, "").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        drop(first);
        third.send("still there?").unwrap();
        hears(&mut third, "guest 3: still there?");
    });
}

#[test]
fn who_does_not_read_holds_nobody_up_and_has_to_leave() {
    within(90, || {
        const COUNT: usize = 400;
        let news = |n: usize| format!("{n}:{}", "z".repeat(60_000));
        let server = Server::start(CHAT, &[]);
        let mut slow = server.raw();
        keep_small(&slow.stream);
        slow.send(&[Frame::text("here")]);
        slow.expect(&Frame::text("guest 1: here"));
        let mut talker = guest(&server, 2);
        let mut listener = guest(&server, 3);
        hears(&mut talker, "guest 3: here");
        let listening = thread::spawn(move || {
            for n in 0..COUNT {
                hears(&mut listener, &format!("guest 2: {}", news(n)));
            }
        });
        for n in 0..COUNT {
            talker.send(news(n)).unwrap();
            hears(&mut talker, &format!("guest 2: {}", news(n)));
        }
        listening.join().unwrap();
        #[cfg(target_os = "linux")]
        assert!(server.program.memory() < 64, "{} MiB", server.program.memory());
        // What had been queued still comes, in order, and then the reason.
        slow.expect(&Frame::text("guest 2: here"));
        slow.expect(&Frame::text("guest 3: here"));
        let mut heard = 0;
        loop {
            let (op, payload) = slow.frame();
            if op != opcode::TEXT {
                assert_eq!((op, &payload[..2]), (opcode::CLOSE, &1013u16.to_be_bytes()[..]));
                break;
            }
            assert!(payload == format!("guest 2: {}", news(heard)).into_bytes(), "{heard}");
            heard += 1;
        }
        assert!(heard > 60 && heard < COUNT, "{heard} messages");
        slow.send(&[Frame::close(1013, "")]);
        assert_eq!(slow.rest(), b"");
    });
}
