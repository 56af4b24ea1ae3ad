//! The client that connects again.

use std::net::{TcpListener, TcpStream};

use websans_std::handshake::server::Response;
use websans_std::{CloseCode, Message, WebSocket};

use crate::support::{Program, within};

const CLIENT: &str = env!("CARGO_BIN_EXE_reconnect");

/// The next connection, whose first message must be `request`.
fn accept(listener: &TcpListener, request: &str) -> WebSocket<TcpStream> {
    let mut socket = websans_std::accept(listener.accept().unwrap().0).unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Text(request)));
    socket
}

#[test]
fn it_comes_back_until_it_is_sent_away() {
    within(60, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut client = Program::start(CLIENT, &[&url, "0.05"]);

        // One connection breaks.
        let mut socket = accept(&listener, "after 0");
        socket.send("one").unwrap();
        socket.send("two").unwrap();
        assert_eq!((client.line(), client.line()), ("one".into(), "two".into()));
        drop(socket);
        // One is closed.
        let mut socket = accept(&listener, "after 2");
        socket.send("three").unwrap();
        let outcome = socket.close(CloseCode::GOING_AWAY, "").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        assert_eq!(client.line(), "three");
        // One is refused for now, one does not come about.
        let stream = listener.accept().unwrap().0;
        let refused = websans_std::accept_with(stream, |_| Err(Response::new(503).unwrap())).unwrap();
        assert!(refused.is_none());
        drop(listener.accept().unwrap());
        // And one is the last.
        let mut socket = accept(&listener, "after 3");
        socket.send(&b"four"[..]).unwrap();
        let outcome = socket.close(CloseCode::POLICY_VIOLATION, "enough").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        assert_eq!(client.line(), "4 bytes");
        let end = client.line();
        assert!(end.contains("1008") && end.contains("enough"), "{end}");
        assert!(client.ended(), "it is content");
    });
}

#[test]
fn a_refusal_for_good_is_an_error() {
    within(60, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut client = Program::start(CLIENT, &[&url, "0.05"]);
        let stream = listener.accept().unwrap().0;
        let refused = websans_std::accept_with(stream, |_| Err(Response::new(404).unwrap())).unwrap();
        assert!(refused.is_none());
        assert!(!client.ended());
    });
}
