//! Replays what a [`Tap`](crate::Tap) saw: what arrived, through a connection of its own.

use std::sync::Arc;

use bytes::Buf;
use websans::{Config, Connection, Event, Inbox, Negotiated, Role, Timestamp};

use super::{Heard, Replay, Replayed, Step, describe, time_after};
use crate::error::{Divergence, ReplayError};
use crate::hash::Hash;
use crate::header::Header;
use crate::record::{Entry, Record, Recording};

pub(super) fn run(
    replay: &Replay,
    mut recording: Recording<'_>,
    mut on: impl FnMut(&Step<'_>),
) -> Result<Replayed, ReplayError> {
    let header = recording.header().clone();
    let config = Arc::new(header.config.clone());
    let mut end = open(&header, &config, Negotiated::default());
    let mut hash = Hash::new();
    let mut bytes = Vec::new();
    header.write(&mut bytes);
    hash.bytes(&bytes);
    let mut replayed = Replayed::default();
    let mut now = header.start.as_nanos();
    while let Some(entry) = recording.entry()? {
        if let Record::Stopped(stop) = entry.record {
            replayed.stopped = Some(stop);
            break;
        }
        now = time_after(now, &entry.record);
        let at = Timestamp::from_nanos(now);
        check(&mut hash, &entry).map_err(|()| {
            let call = describe(&entry);
            let (record, offset, results) = (replayed.records, entry.offset, None);
            ReplayError::Divergence(Divergence { record, offset, at, call, results })
        })?;
        let mut written = &[][..];
        match entry.record {
            Record::Agreed { protocol, deflate } => {
                let mut negotiated = Negotiated::default();
                negotiated.protocol = protocol.map(String::from);
                negotiated.deflate = deflate;
                if deflate.is_some() {
                    negotiated.codec = Some(replay.codec(&header, deflate)?);
                }
                end = open(&header, &config, negotiated);
                end.0.set_streamed(replay.streamed);
            }
            Record::Sent(_, bytes) => {
                written = bytes;
                replayed.written += bytes.len() as u64;
            }
            Record::Ended(_) => end.0.eof(),
            _ => {}
        }
        let (conn, inbox) = &mut end;
        conn.wake(at);
        let mut further = false;
        let mut step = |conn: &Connection, heard: Option<Heard<'_>>| {
            let (record, offset, call) = (replayed.records, entry.offset, entry.record);
            on(&Step { record, offset, at, call, heard, further, written, conn });
            further = true;
        };
        if let Record::Received(_, bytes) = entry.record {
            receive(conn, inbox, bytes, replay.streamed, &mut step);
        } else {
            step(conn, None);
        }
        // What this end would have answered is of no interest: what it did answer is in the file.
        conn.outbox().advance(usize::MAX);
        replayed.records += 1;
    }
    replayed.messages = end.0.stats().messages_received;
    Ok(replayed)
}

fn open(header: &Header, config: &Arc<Config>, negotiated: Negotiated) -> (Connection, Inbox) {
    // Nobody sees the keys.
    let role = if header.is_client { Role::Client(Box::new(|| [0; 4])) } else { Role::Server };
    websans::open(role, Arc::clone(config), negotiated, header.start)
}

/// Whether the record is what was written.
fn check(hash: &mut Hash, entry: &Entry<'_>) -> Result<(), ()> {
    let (body, check) = entry.bytes.split_at_checked(entry.bytes.len().saturating_sub(4)).ok_or(())?;
    hash.bytes(&[]);
    hash.bytes(body);
    if entry.keys.is_empty() && check == hash.check() { Ok(()) } else { Err(()) }
}

/// Reports all that these bytes come to; nothing at least once.
fn receive(
    conn: &mut Connection,
    inbox: &mut Inbox,
    bytes: &[u8],
    streamed: bool,
    step: &mut impl FnMut(&Connection, Option<Heard<'_>>),
) {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    let mut silent = true;
    loop {
        let heard = match conn.receive(&mut input) {
            Ok(None) => break,
            Ok(Some(Event::Part(part))) if streamed && !part.compressed => {
                step(conn, Some(Heard::Part(part)));
                silent = false;
                continue;
            }
            Ok(Some(Event::Part(part))) => match inbox.accept(conn, part) {
                Ok(None) => continue,
                Ok(Some(message)) => Heard::Message(message),
                Err(error) => Heard::Error(error),
            },
            Ok(Some(Event::Ping(payload))) => {
                step(conn, Some(Heard::Ping(&payload)));
                silent = false;
                continue;
            }
            Ok(Some(Event::Pong(payload))) => {
                step(conn, Some(Heard::Pong(&payload)));
                silent = false;
                continue;
            }
            Ok(Some(Event::Close(close))) => {
                step(conn, Some(Heard::Close(&close.into_owned())));
                silent = false;
                continue;
            }
            Ok(Some(_)) => continue,
            Err(error) => Heard::Error(error),
        };
        step(conn, Some(heard));
        silent = false;
    }
    if silent {
        step(conn, None);
    }
}
