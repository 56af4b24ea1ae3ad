//! `wss` with a private authority, between peers that mean well and others.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;

use websans_dial::{Cause, Step, TlsError};
use websans_std::{Client, CloseCode, Error, Message, TlsStream, Transport, accept, connect};

use crate::peers::{
    LONG, authority, converse, echo_over, example, failure, identity, new_authority, pattern, secure_echo,
    serve, trusting,
};
use crate::relay::{Habit, relay};

#[test]
fn the_server_is_named_and_known() {
    let (identity, (sender, sessions)) = (identity(authority(), "example.com"), mpsc::channel());
    let server = serve(move |stream| {
        let stream = TlsStream::server(stream, identity.clone(), LONG).unwrap();
        let seen = stream.session(|session| session.alpn_protocol().map(<[u8]>::to_vec));
        sender.send(seen).unwrap();
        echo_over(stream);
    });
    let mut socket = connect(example(server)).unwrap();
    converse(&mut socket);
    assert!(matches!(socket.get_ref(), Transport::Tls(_)));
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    assert_eq!(sessions.recv().unwrap().as_deref(), Some(&b"http/1.1"[..]));
    assert!(socket.close(CloseCode::NORMAL, "bye").unwrap().is_clean());
}

#[test]
fn another_host_and_an_unknown_authority_are_not_talked_to() {
    let server = secure_echo(authority(), "example.com");
    let client = Client::new("wss://other.example/").unwrap().addresses([server]).tls(trusting());
    let wrong_host = failure(&client);
    let stranger = failure(&example(secure_echo(&new_authority("somebody"), "example.com")));
    for (error, about) in [(wrong_host, "other.example"), (stranger, "UnknownIssuer")] {
        assert_eq!((error.step(), error.code()), (Step::Tls, 1015), "{error}");
        assert!(matches!(error.cause(), Cause::Tls(TlsError::Handshake(_))), "{error:?}");
        assert!(error.to_string().contains(about), "{error}");
    }
}

/// The server is told why, too: the alert goes out before the transport ends.
#[test]
fn a_server_that_is_not_trusted_is_told() {
    let (identity, (sender, told)) = (identity(&new_authority("somebody"), "example.com"), mpsc::channel());
    let server = serve(move |stream| {
        let failure = TlsStream::server(stream, identity.clone(), LONG).map(drop).unwrap_err();
        sender.send(failure).unwrap();
    });
    assert_eq!(failure(&example(server)).step(), Step::Tls);
    let error = told.recv().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("alert"), "{error}");
}

#[test]
fn a_server_that_speaks_no_tls() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = serve(move |mut stream| {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(greeting.as_bytes());
        });
        let error = failure(&example(server));
        assert_eq!((error.step(), error.address(), error.is_timeout()), (Step::Tls, Some(server), false));
    }
}

#[test]
fn records_may_come_byte_by_byte() {
    let (identity, habit) = (identity(authority(), "example.com"), Habit::default());
    habit.dribble();
    let server = serve(move |stream| {
        let mut socket = accept(TlsStream::server(stream, identity.clone(), LONG).unwrap()).unwrap();
        socket.send(pattern(2000, 1)).unwrap();
        assert!(socket.close(CloseCode::NORMAL, "").unwrap().is_clean());
    });
    let mut socket = connect(example(relay(server, &habit))).unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Binary(&pattern(2000, 1))));
    assert_eq!(socket.recv().unwrap(), None);
    assert!(socket.outcome().unwrap().is_clean());
}

#[test]
fn a_false_record_is_an_error() {
    let habit = Habit::default();
    let mut socket = connect(example(relay(secure_echo(authority(), "example.com"), &habit))).unwrap();
    converse(&mut socket);
    habit.falsify();
    socket.send("there and back").unwrap();
    match socket.recv() {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.recv().unwrap(), None);
    assert_eq!(socket.outcome().unwrap().code(), 1006);
}

/// An end that TLS has not announced: it is the Close that was not received.
#[test]
fn a_cut_is_an_end_without_a_close() {
    let habit = Habit::default();
    let mut socket = connect(example(relay(secure_echo(authority(), "example.com"), &habit))).unwrap();
    converse(&mut socket);
    habit.cut();
    socket.send("there and back").unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let outcome = socket.outcome().unwrap();
    assert_eq!((outcome.cause, outcome.code()), (websans_std::Cause::Eof, 1006));
}
