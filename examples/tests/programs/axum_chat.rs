//! The chat in an app of axum.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use websans_std::{CloseCode, Message, WebSocket, handshake};

use crate::support::{SLACK, Server, within};

const CHAT: &str = env!("CARGO_BIN_EXE_axum-chat");

/// A guest who has come as far as this: the name may be taken.
fn knock(server: &Server, name: &str) -> WebSocket<TcpStream> {
    let client = websans_std::Client::new(&format!("ws://{}/ws", server.address)).unwrap();
    let mut guest = handshake(server.stream(), &client).unwrap();
    guest.send(name).unwrap();
    guest
}

/// A guest who has come in, and hears so.
fn guest(server: &Server, name: &str) -> WebSocket<TcpStream> {
    let mut guest = knock(server, name);
    hears(&mut guest, &format!("{name} has joined"));
    guest
}

fn hears(guest: &mut WebSocket<TcpStream>, text: &str) {
    assert_eq!(guest.recv().unwrap(), Some(Message::Text(text)));
}

fn sent_away(mut guest: WebSocket<TcpStream>, why: &str) {
    assert_eq!(guest.recv().unwrap(), None);
    let close = guest.outcome().unwrap().received.clone().unwrap();
    assert_eq!((close.code, &*close.reason), (Some(CloseCode::POLICY_VIOLATION), why));
}

#[test]
fn guests_have_names_and_hear_each_other() {
    within(60, || {
        let server = Server::start(CHAT, &[]);
        let mut ann = guest(&server, "ann");
        let mut bob = guest(&server, "bob");
        hears(&mut ann, "bob has joined");
        sent_away(knock(&server, "ann"), "this name is taken");
        sent_away(knock(&server, ""), "say your name first");
        bob.send("good evening").unwrap();
        for guest in [&mut ann, &mut bob] {
            hears(guest, "bob: good evening");
        }
        // One leaves, one vanishes; their names are free again.
        assert!(bob.close(CloseCode::NORMAL, "").unwrap().is_clean());
        hears(&mut ann, "bob has left");
        let bob = guest(&server, "bob");
        hears(&mut ann, "bob has joined");
        drop(bob);
        hears(&mut ann, "bob has left");
    });
}

#[test]
fn there_is_a_page_and_an_end_in_order() {
    within(60, || {
        let server = Server::start(CHAT, &[]);
        let mut page = server.stream();
        page.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("new WebSocket"), "{answer}");
        let mut ann = guest(&server, "ann");
        #[cfg(unix)]
        {
            let id = server.program.child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
            while ann.recv().unwrap().is_some() {}
            let outcome = ann.outcome().unwrap();
            assert!(outcome.is_clean() && outcome.code() == 1001, "{outcome}");
            let Server { mut program, .. } = server;
            assert_eq!(program.line(), "of 1 at the end 1 closed cleanly and 0 were cut off");
            assert!(program.ended(), "within {SLACK:?}");
        }
    });
}
