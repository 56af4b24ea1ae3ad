//! Two ends of a connection, with vectors of bytes for a network.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Buf;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{
    CloseCode, Config, Connection, Hangup, Inbox, Message, Negotiated, Role, State, Timestamp, open,
};

/// Where the conversation may break off.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Request = 1,
    Response,
    Text,
    Binary,
    Ping,
    Close,
    Ending,
}

/// One end, after the handshake.
struct End {
    conn: Connection,
    inbox: Inbox,
}

impl End {
    /// Reads what the other end has written. Each message goes to `with`, which may answer it.
    fn read(&mut self, mut bytes: &[u8], mut with: impl FnMut(&mut Connection, Message<'_>)) -> Option<()> {
        while !bytes.is_empty() {
            let spare = self.inbox.spare_mut();
            let n = spare.len().min(bytes.len());
            spare.get_mut(..n)?.copy_from_slice(bytes.get(..n)?);
            self.inbox.filled(n);
            bytes = bytes.get(n..)?;
            while self.inbox.next(&mut self.conn).ok()? {
                with(&mut self.conn, self.inbox.message()?);
            }
        }
        Some(())
    }

    /// Takes what is to be written.
    fn write(&mut self) -> Vec<u8> {
        let outbox = self.conn.outbox();
        let n = outbox.remaining();
        let mut bytes = vec![0; n];
        outbox.copy_to_slice(&mut bytes);
        bytes
    }
}

pub(crate) fn hold() -> Result<(), Step> {
    let start = Timestamp::from_nanos(0);
    let (mut server, mut client) = shake_hands(start)?;

    // A text, answered by itself.
    client.conn.send("Grüße!").map_err(|_| Step::Text)?;
    let answer = exchange(&mut client, &mut server, Step::Text)?;
    let mut echoed = false;
    client.read(&answer, |_, message| echoed = message == Message::Text("Grüße!")).ok_or(Step::Text)?;
    ensure(echoed, Step::Text)?;

    // A long message, which the client masks and the server gathers.
    let payload: Vec<u8> = (0..70_000u32).map(|at| at.to_le_bytes()[1]).collect();
    client.conn.send(payload.as_slice()).map_err(|_| Step::Binary)?;
    let answer = exchange(&mut client, &mut server, Step::Binary)?;
    let mut echoed = false;
    client.read(&answer, |_, message| echoed = message == Message::Binary(&payload)).ok_or(Step::Binary)?;
    ensure(echoed, Step::Binary)?;

    // The keep-alive asks, and the answer takes a while.
    let later = start + Duration::from_secs(30);
    client.conn.tick(later);
    let answer = exchange(&mut client, &mut server, Step::Ping)?;
    client.conn.tick(later + Duration::from_millis(20));
    client.read(&answer, |_, _| {}).ok_or(Step::Ping)?;
    ensure(client.conn.stats().round_trip == Some(Duration::from_millis(20)), Step::Ping)?;

    // The end.
    client.conn.close(CloseCode::NORMAL, "done").map_err(|_| Step::Close)?;
    let answer = exchange(&mut client, &mut server, Step::Close)?;
    client.read(&answer, |_, _| {}).ok_or(Step::Close)?;
    ensure(server.conn.hangup() == Hangup::ShutdownWrite, Step::Close)?;
    client.conn.eof();
    server.conn.eof();
    for end in [&client, &server] {
        let outcome = end.conn.outcome().ok_or(Step::Ending)?;
        ensure(outcome.is_clean() && outcome.code() == 1000, Step::Ending)?;
        ensure(end.conn.state() == State::Closed && end.conn.hangup() == Hangup::Drop, Step::Ending)?;
    }
    Ok(())
}

fn ensure(holds: bool, step: Step) -> Result<(), Step> {
    if holds { Ok(()) } else { Err(step) }
}

/// The client writes, the server reads and echoes; what the server writes comes back.
fn exchange(client: &mut End, server: &mut End, step: Step) -> Result<Vec<u8>, Step> {
    let mut refused = false;
    let bytes = client.write();
    server.read(&bytes, |conn, message| refused |= conn.send(message).is_err()).ok_or(step)?;
    ensure(!refused, step)?;
    Ok(server.write())
}

/// Both ends of a connection, server first.
fn shake_hands(now: Timestamp) -> Result<(End, End), Step> {
    let config = Config::default();

    let request = Request::new("ws://device.local/proof", *b"not random here!")
        .and_then(|request| request.protocol("proof"))
        .map_err(|_| Step::Request)?;
    let mut bytes = Vec::new();
    request.write(&mut bytes);

    let mut acceptor = Acceptor::new(&config, now);
    deliver(&bytes, acceptor.spare_mut()).ok_or(Step::Request)?;
    acceptor.filled(bytes.len());
    ensure(acceptor.poll(now) == Ok(true), Step::Request)?;
    let mut bytes = Vec::new();
    let agreed = {
        let request = acceptor.request().map_err(|_| Step::Request)?;
        let offer = request.check().map_err(|_| Step::Request)?;
        ensure(offer.protocols().contains(&"proof"), Step::Request)?;
        let choice = Choice::new().protocol("proof");
        offer.accept(&choice, &mut bytes).map_err(|_| Step::Request)?
    };

    let mut connector = Connector::new(request, &config, now);
    deliver(&bytes, connector.spare_mut()).ok_or(Step::Response)?;
    connector.filled(bytes.len());
    let Ok(Some(Answer::Open(also_agreed))) = connector.poll(now) else { return Err(Step::Response) };
    ensure(agreed.protocol == also_agreed.protocol, Step::Response)?;
    ensure(connector.into_rest().is_empty() && acceptor.into_rest().is_empty(), Step::Response)?;

    // A device takes its keys from its source of random numbers; a proof can do with a counter.
    let mut count = 0u32;
    let keys = Box::new(move || {
        count = count.wrapping_add(0x9e37_79b9);
        count.to_be_bytes()
    });
    let end = |role: Role, negotiated: Negotiated| {
        let (conn, inbox) = open(role, config.clone(), negotiated, now);
        End { conn, inbox }
    };
    Ok((end(Role::Server, agreed), end(Role::Client(keys), also_agreed)))
}

/// The bytes fit into one read.
fn deliver(bytes: &[u8], spare: &mut [u8]) -> Option<()> {
    spare.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}
