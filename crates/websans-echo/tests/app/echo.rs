//! The echo.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use websans_deflate::{Deflate, Settings};
use websans_std::{Client, CloseCode, Config, Message, connect};
use websans_testkit::wire::{Frame, opcode};

use crate::support::App;

#[test]
fn it_echoes() {
    let app = App::start(&["--max-message", "20000000"]);
    let mut config = Config::default();
    config.max_message = 20_000_000;
    let mut socket = connect(Client::new(&app.url()).unwrap().config(config)).unwrap();
    for len in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let text = "ä".repeat(len / 2);
        socket.send(&text).unwrap();
        assert_eq!(socket.recv().unwrap(), Some(Message::Text(&text)));
        let bytes = vec![0xa5; len];
        socket.send(&bytes).unwrap();
        assert!(socket.recv().unwrap() == Some(Message::Binary(&bytes)));
    }
    // Many at once, before the first echo is read.
    for n in 0..1000 {
        socket.feed(format!("{n}")).unwrap();
    }
    socket.flush().unwrap();
    for n in 0..1000 {
        assert_eq!(socket.recv().unwrap(), Some(Message::Text(&format!("{n}"))));
    }
    let outcome = socket.close(CloseCode::new(4001).unwrap(), "auf Wiedersehen, größter Server").unwrap();
    assert!(outcome.is_clean());
    let received = outcome.received.as_ref().unwrap();
    assert_eq!((received.code.unwrap().get(), &*received.reason), (4001, "auf Wiedersehen, größter Server"));
}

#[test]
fn it_answers_pings_and_echoes_the_close_and_ends_the_transport_first() {
    let app = App::start(&[]);
    let mut raw = app.raw();
    raw.write(&[Frame::ping("ping"), Frame::text("text"), Frame::close(1000, "bye"), Frame::text("late")]);
    assert_eq!(raw.frame(), (opcode::PONG, b"ping".to_vec()));
    assert_eq!(raw.frame(), (opcode::TEXT, b"text".to_vec()));
    assert_eq!(raw.close(), (1000, "bye".to_owned()));
    raw.assert_eof();
}

/// One that breaks the protocol is told, and the app goes on with the others.
#[test]
fn it_survives_a_bad_client() {
    let app = App::start(&[]);
    for bad in [Frame::new(3, "x"), Frame::text([0xff]), Frame::close(1006, "")] {
        let mut raw = app.raw();
        raw.write(&[Frame::text("fine"), bad]);
        assert_eq!(raw.frame(), (opcode::TEXT, b"fine".to_vec()));
        assert!(matches!(raw.close().0, 1002 | 1007));
        raw.assert_eof();
    }
    drop(app.raw());
    drop(app.connect());
    let (head, _) = app.ask("\x16\x03\x01 no HTTP\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let mut socket = connect(app.url()).unwrap();
    socket.send("still there?").unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Text("still there?")));
}

#[test]
fn long_messages_are_refused() {
    let app = App::start(&["--max-message", "1000"]);
    let mut raw = app.raw();
    raw.write(&[Frame::binary([7; 1000]), Frame::binary([7; 1001])]);
    assert_eq!(raw.frame(), (opcode::BINARY, vec![7; 1000]));
    assert_eq!(raw.close().0, 1009);
    raw.assert_eof();
}

#[test]
fn silent_clients_are_pinged_and_dropped() {
    let started = Instant::now();
    let app = App::start(&["--keep-alive", "0.3", "--keep-alive-timeout", "0.5"]);
    let mut raw = app.raw();
    for _ in 0..3 {
        let (opcode, payload) = raw.frame();
        assert_eq!(opcode, opcode::PING);
        raw.write(&[Frame::pong(payload)]);
    }
    assert!(started.elapsed() >= Duration::from_millis(900));
    assert_eq!(raw.frame().0, opcode::PING);
    assert_eq!(raw.close().0, 1011);
    raw.assert_eof();

    let app = App::start(&["--keep-alive", "0"]);
    let mut raw = app.raw();
    raw.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let error = raw.stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn messages_are_compressed_if_both_sides_want_it() {
    let text = "compressed, because it says the same again and again; ".repeat(100);
    for (options, takeover) in [
        (&[][..], None),
        (&["--compression"], Some(false)),
        (&["--compression", "--compression-takeover"], Some(true)),
    ] {
        let app = App::start(options);
        let mut settings = Settings::default();
        settings.negotiation.server_no_context_takeover = false;
        settings.negotiation.client_no_context_takeover = false;
        let deflate = Deflate::new(settings);
        let mut socket = connect(Client::new(&app.url()).unwrap().deflate(&deflate).unwrap()).unwrap();
        let mut received = Vec::new();
        for _ in 0..2 {
            let before = socket.stats().bytes_received;
            socket.send(&text).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(Message::Text(&text)));
            received.push(socket.stats().bytes_received - before);
        }
        assert_eq!(received[0] < 1000, takeover.is_some(), "{options:?}: {received:?}");
        // The second time it is all in the window, if there is one still.
        assert_eq!(received[1] < received[0], takeover == Some(true), "{options:?}: {received:?}");
        // One that does not offer it.
        app.raw().assert_echo("as it is");
    }
}

/// For those who want to see how a client takes it.
#[test]
fn two_texts_are_orders() {
    for options in [&[][..], &["--background"]] {
        let app = App::start(options);
        let mut raw = app.raw();
        raw.write(&[Frame::text("first"), Frame::text("ServerClose"), Frame::text("late")]);
        assert_eq!(raw.frame(), (opcode::TEXT, b"first".to_vec()));
        assert_eq!(raw.close(), (1000, "Closing from server".to_owned()));
        raw.write(&[Frame::close(1000, "")]);
        raw.assert_eof();
        drop(raw);
        assert_eq!(app.log(), "closed cleanly (1000): Closing from server");

        let mut raw = app.raw();
        raw.write(&[Frame::text("first"), Frame::text("ServerAbort")]);
        assert_eq!(raw.frame(), (opcode::TEXT, b"first".to_vec()));
        raw.assert_eof();
        assert!(app.log().contains("without a close"));

        let mut raw = app.raw();
        raw.write(&[Frame::binary("ServerClose")]);
        assert_eq!(raw.frame(), (opcode::BINARY, b"ServerClose".to_vec()));
        for text in ["serverclose", "ServerClose ", "ServerAbort\n", "ServerAborted"] {
            raw.assert_echo(text);
        }
    }
}

#[test]
fn a_background_task_echoes_as_well() {
    let app = App::start(&["--background"]);
    let mut sockets: Vec<_> = (0..20).map(|_| app.raw()).collect();
    for n in 0..3 {
        for socket in &mut sockets {
            socket.assert_echo(&format!("message {n}"));
        }
    }
    drop(sockets);
    assert!(app.log().contains("without a close"));
    assert_eq!(app.handshake("Origin: http://evil.example\r\n"), "403");
}
