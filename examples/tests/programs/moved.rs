//! The two programs whose pattern is tokio-tungstenite's.

use std::io::Write;

use websans_std::{CloseCode, Message};

use crate::echo::ECHOES;
use crate::support::{Program, Server, within};

const CLIENT: &str = env!("CARGO_BIN_EXE_stdio-client");
const SERVER: &str = env!("CARGO_BIN_EXE_broadcast-server");

/// What is typed, as if it were.
fn types(client: &mut Program, text: &str) {
    client.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn the_client_pipes_both_ways() {
    within(60, || {
        for path in ECHOES {
            let server = Server::start(path, &[]);
            let mut client = Program::start(CLIENT, &[&server.url()]);
            for line in ["one", "zwei €", &"x".repeat(5000)] {
                types(&mut client, &format!("{line}\n"));
                assert_eq!(client.line(), line);
            }
            drop(client.stdin.take());
            assert!(client.ended(), "the end of the input is its end");
        }
    });
}

#[test]
fn the_client_ends_with_the_server() {
    within(60, || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut client = Program::start(CLIENT, &[&url]);
        let mut server = websans_std::accept(listener.accept().unwrap().0).unwrap();
        server.send("goodbye\n").unwrap();
        assert_eq!(client.line(), "goodbye");
        types(&mut client, "wait");
        assert_eq!(server.recv().unwrap(), Some(Message::Binary(b"wait")));
        let outcome = server.close(CloseCode::GOING_AWAY, "").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        assert!(client.ended());
    });
}

#[test]
fn the_server_passes_on_to_all_others() {
    within(60, || {
        let server = Server::start(SERVER, &[]);
        let mut typing: Vec<_> = (0..3).map(|_| Program::start(CLIENT, &[&server.url()])).collect();
        let mut speaking = websans_std::connect(server.url().as_str()).unwrap();
        for _ in 0..4 {
            let line = server.program.line();
            assert!(line.ends_with(" has come"), "{line}");
        }
        types(&mut typing[0], "hello\n");
        assert_eq!((typing[1].line(), typing[2].line()), ("hello".into(), "hello".into()));
        assert_eq!(speaking.recv().unwrap(), Some(Message::Binary(b"hello\n")));
        assert!(server.program.line().ends_with(": hello"));
        assert_eq!(server.program.line(), "", "the line break that was typed");

        // Who leaves takes nobody along.
        drop(typing[1].stdin.take());
        assert!(typing[1].ended());
        assert!(server.program.line().ends_with(" has left"));
        speaking.send("bye\n").unwrap();
        assert_eq!((typing[0].line(), typing[2].line()), ("bye".into(), "bye".into()));
        let outcome = speaking.close(CloseCode::NORMAL, "").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        types(&mut typing[2], "anybody?\n");
        assert_eq!(typing[0].line(), "anybody?");
        assert!(typing[2].lines.try_recv().is_err(), "nobody hears himself");
    });
}
