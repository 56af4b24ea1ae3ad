//! The client on smol.

use std::net::TcpListener;
use std::thread;

use websans_std::CloseCode;
use websans_std::handshake::server::Response;

use crate::echo::ECHOES;
use crate::support::{Program, Server, within};

const CLIENT: &str = env!("CARGO_BIN_EXE_smol-client");

#[test]
fn it_speaks_with_the_servers() {
    within(60, || {
        for path in ECHOES {
            let server = Server::start(path, &[]);
            let long = "x".repeat(100_000);
            let mut client = Program::start(CLIENT, &[&server.url(), "one", "", "drei €", &long]);
            for word in ["one", "", "drei €", &long] {
                assert_eq!(client.line(), word);
            }
            let end = client.line();
            assert!(end.contains("1000"), "{end}");
            assert!(client.ended(), "it is content");
        }
    });
}

#[test]
fn it_says_what_goes_wrong() {
    within(60, || {
        // A server that refuses, and one that closes first.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            let refused = websans_std::accept_with(stream, |_| Err(Response::new(404).unwrap())).unwrap();
            assert!(refused.is_none());
            let mut socket = websans_std::accept(listener.accept().unwrap().0).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(websans_std::Message::Text("hello")));
            socket.close(CloseCode::GOING_AWAY, "off for lunch").unwrap().clone()
        });
        let mut refused = Program::start(CLIENT, &[&url, "hello"]);
        assert!(!refused.ended(), "a refusal is an error");
        let mut left = Program::start(CLIENT, &[&url, "hello"]);
        let end = left.line();
        assert!(end.contains("1001") && end.contains("off for lunch"), "{end}");
        assert!(left.ended());
        let outcome = server.join().unwrap();
        assert!(outcome.is_clean(), "{outcome}");
    });
}
