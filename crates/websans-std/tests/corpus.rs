//! The scenario files of websans-testkit, over TCP: what the wire shows of a server and of a client.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use websans_std::handshake::server::Choice;
use websans_std::{Client, CloseCode, Error, Incoming, Stream, WebSocket, connect};
use websans_testkit::conformance::Owned;
use websans_testkit::corpus::scenario::{Role, Told};
use websans_testkit::corpus::tcp::{Dialled, Reports, Servers};
use websans_testkit::corpus::{Order, Profile, hold};

#[test]
fn a_server_does_as_they_say() {
    hold("websans-std, server", &Servers::of_every_profile(serve), Role::Server, &[]);
}

#[test]
fn a_client_does_as_they_say() {
    hold("websans-std, client", &Dialled(dial), Role::Client, &[]);
}

fn serve(profile: &'static Profile, reports: Reports) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let reports = reports.clone();
            thread::spawn(move || {
                let peer = stream.peer_addr().unwrap();
                reports.enter(peer, accept(stream, profile).map_or(Told::default(), converse));
            });
        }
    });
    address
}

fn accept(stream: TcpStream, profile: &Profile) -> Result<WebSocket<TcpStream>, Error> {
    stream.set_nodelay(true)?;
    let deflate = profile.deflate();
    let socket = Incoming::read(stream, Arc::new(profile.config()))?.decide(|request| {
        let choice = Choice::new().protocol(profile.choose(request.protocols()).map(known));
        Ok(choice.deflate(deflate.as_ref().map(Into::into)))
    })?;
    Ok(socket.expect("nothing is refused"))
}

/// A name that outlives the request.
fn known(name: &str) -> &'static str {
    ["chat", "superchat"].into_iter().find(|known| *known == name).expect("a name of the profile")
}

fn dial(profile: &'static Profile, url: String) -> Told {
    let client = || -> Result<Client, Error> {
        let mut client = Client::new(&url)?.config(profile.config());
        for protocol in &profile.protocols {
            client = client.protocol(protocol)?;
        }
        Ok(client.deflate(profile.deflate().as_ref().map(Into::into))?)
    };
    connect(client().unwrap()).map_or(Told::default(), converse)
}

/// Echoes, and does as it is told, until the end.
fn converse<S: Stream>(mut socket: WebSocket<S>) -> Told {
    let mut told = Told { opened: true, messages: 0, code: None };
    let mut failures = 0;
    // An error is told once; what is left to do with the transport is done by receiving on.
    while failures < 2 {
        let message = match socket.recv() {
            Ok(Some(message)) => Owned::from(message),
            Ok(None) => break,
            Err(_) => {
                failures += 1;
                continue;
            }
        };
        told.messages += 1;
        let order = if let Owned::Text(text) = &message { Order::parse(text) } else { None };
        // What cannot be sent any more is not sent.
        let _ = match order {
            None => socket.send(&message),
            Some(Order::Close(code, reason)) => socket.start_close(CloseCode::new(code).unwrap(), &reason),
            Some(Order::Ping(payload)) => socket.ping(payload.as_bytes()),
            Some(Order::Send(text)) => socket.send(text),
        };
    }
    told.code = socket.outcome().map(websans_std::Outcome::code);
    told
}
