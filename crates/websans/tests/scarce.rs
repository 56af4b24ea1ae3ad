//! No memory for a message: it costs the connection, not the process.

#[path = "../../websans-testkit/examples/simulate/scarce.rs"]
mod scarce;

use scarce::{Scarce, refuse};
use websans::{
    Cause, Close, CloseCode, Config, Connection, Event, Inbox, Kind, Message, Negotiated, ProtocolError,
};
use websans_testkit::listen::endpoint;
use websans_testkit::stored;
use websans_testkit::wire::{Frame, stream};

#[global_allocator]
static ALLOCATOR: Scarce = Scarce::new();

/// A message that needs more than a read buffer, in one frame and in several.
fn long(len: usize, fragments: usize) -> Vec<Frame> {
    let payload = vec![b'm'; len];
    let pieces: Vec<&[u8]> = payload.chunks(len.div_ceil(fragments)).collect();
    let frames = pieces.iter().enumerate().map(|(i, &piece)| {
        let frame = if i == 0 { Frame::text(piece) } else { Frame::continuation(piece) };
        if i + 1 < pieces.len() { frame.unfinished() } else { frame }
    });
    frames.collect()
}

fn config() -> Config {
    let mut config = Config::default();
    config.read_buffer = 4 << 10;
    config
}

/// Reads all of `bytes` in pieces, with memory short or not while room for them is asked for and while messages are made of
/// them, and says which messages came and what went wrong.
fn read(
    conn: &mut Connection,
    inbox: &mut Inbox,
    mut bytes: &[u8],
    short: [bool; 2],
) -> (Vec<usize>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        refuse(short[0]);
        let spare = inbox.spare_mut();
        refuse(false);
        assert!(!spare.is_empty());
        let n = spare.len().min(bytes.len()).min(3000);
        spare[..n].copy_from_slice(&bytes[..n]);
        inbox.filled(n);
        bytes = &bytes[n..];
        loop {
            refuse(short[1]);
            let found = inbox.next(conn);
            refuse(false);
            let len = inbox.message().map(|message| message.as_bytes().len());
            match found {
                Ok(true) => messages.push(len.unwrap()),
                Ok(false) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fn assert_given_up(conn: &Connection) {
    let outcome = conn.outcome().expect("the connection has failed");
    assert_eq!(outcome.cause, Cause::Protocol(ProtocolError::OutOfMemory));
    let close = Close::new(CloseCode::MESSAGE_TOO_BIG, ProtocolError::OutOfMemory.reason());
    assert_eq!(outcome.sent, Some(close));
}

#[test]
fn no_memory_ends_the_connection_and_not_the_process() {
    for server in [true, false] {
        for (len, fragments) in [(9 << 10, 1), (100 << 10, 1), (100 << 10, 7), (300 << 10, 100)] {
            let frames =
                [vec![Frame::text("before")], long(len, fragments), vec![Frame::text("after")]].concat();
            let bytes = stream(&frames, server);
            let (mut conn, mut inbox) = endpoint(server, &config(), Negotiated::default());
            let read = read(&mut conn, &mut inbox, &bytes, [true; 2]);
            assert_eq!(read, (vec![6], Some(ProtocolError::OutOfMemory)), "{len} in {fragments}");
            assert_given_up(&conn);
            // What still comes is swallowed.
            let room = inbox.spare_mut().len();
            inbox.filled(room);
            assert_eq!(inbox.next(&mut conn), Ok(false));
        }
    }
}

/// Bytes that find no room where they belong are read elsewhere: memory that is there again when they are gathered was
/// never missed.
#[test]
fn memory_that_is_back_in_time_is_enough() {
    let frames = [long(200 << 10, 3), vec![Frame::text("after")]].concat();
    let bytes = stream(&frames, true);
    let (mut conn, mut inbox) = endpoint(true, &config(), Negotiated::default());
    assert_eq!(read(&mut conn, &mut inbox, &bytes, [true, false]), (vec![200 << 10, 5], None));
}

/// A reader of chunks needs no memory for a message.
#[test]
fn chunks_need_no_memory() {
    let bytes = stream(&long(300 << 10, 3), true);
    let (mut conn, mut inbox) = endpoint(true, &config(), Negotiated::default());
    let mut rest = &bytes[..];
    let mut len = 0;
    refuse(true);
    while !rest.is_empty() {
        let spare = inbox.spare_mut();
        let n = spare.len().min(rest.len());
        spare[..n].copy_from_slice(&rest[..n]);
        inbox.filled(n);
        rest = &rest[n..];
        while inbox.next_chunk(&mut conn).unwrap() {
            len += inbox.chunk().unwrap().payload.len();
        }
    }
    refuse(false);
    assert_eq!(len, 300 << 10);
}

#[test]
fn a_compressed_message_without_memory() {
    let plain = vec![b'z'; 100 << 10];
    let frame = Frame::text(stored::deflate(&plain)).reserved(4);
    let bytes = stream(&[Frame::text("before"), frame], true);
    let (mut conn, mut inbox) = endpoint(true, &config(), stored::negotiated(0));
    let read = read(&mut conn, &mut inbox, &bytes, [true; 2]);
    assert_eq!(read, (vec![6], Some(ProtocolError::OutOfMemory)));
    assert_given_up(&conn);
}

/// Parts that lie in a buffer of the caller's.
#[test]
fn accepted_parts_without_memory() {
    let mut bytes = stream(&[vec![Frame::text("before")], long(50 << 10, 5)].concat(), true);
    let (mut conn, mut inbox) = endpoint(true, &config(), Negotiated::default());
    let mut input = &mut bytes[..];
    let mut messages = 0;
    let error = loop {
        let Some(Event::Part(part)) = conn.receive(&mut input).unwrap() else {
            panic!("a message is read whole")
        };
        assert_eq!(part.kind, Kind::Text);
        refuse(true);
        let accepted = inbox.accept(&mut conn, part);
        refuse(false);
        match accepted {
            Ok(message) => messages += usize::from(message == Some(Message::Text("before"))),
            Err(error) => break error,
        }
    };
    assert_eq!((messages, error), (1, ProtocolError::OutOfMemory));
    assert_given_up(&conn);
}
