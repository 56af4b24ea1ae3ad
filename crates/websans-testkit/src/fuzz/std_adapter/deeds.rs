//! What an application does with a connection, or with a half of one.

use std::io::{ErrorKind, Read as _, Write as _};

use websans::{Kind, Payload, SendError};
use websans_std::Error;

use super::super::adapters::{Deed, Got, Op, Said};
use super::World;
use super::hands::{Receives, Sends};

/// Receives until there is no more.
pub(super) fn drain<R: Receives>(hands: &mut R, world: &World) {
    while next(hands, false, world) {}
    // Whoever asks again is told the same.
    assert!(!next(hands, false, world));
}

/// Closes and waits for the end, which there always is.
pub(super) fn close<S: Sends>(hands: &mut S, world: &World) {
    if S::WHOLE {
        // What still arrives is thrown away.
        world.record.borrow_mut().excused = true;
    }
    match hands.end("bye") {
        Ok(outcome) => world.cut_by(&outcome),
        Err(error) => panic!("a closing has no end: {error:?}"),
    }
}

pub(super) fn receive<R: Receives>(hands: &mut R, deed: &Deed, world: &World) {
    match deed.op {
        Op::Recv => drop(next(hands, false, world)),
        Op::RecvOwned => drop(next(hands, true, world)),
        Op::Read => read(hands, deed, world),
        _ => while next(hands, deed.a & 1 != 0, world) {},
    }
    if let Some(outcome) = hands.ended() {
        world.cut_by(&outcome);
    }
}

/// Takes the next message; whether there is one.
fn next<R: Receives>(hands: &mut R, owned: bool, world: &World) -> bool {
    let next = hands.next(owned);
    if let Some(outcome) = hands.ended() {
        world.cut_by(&outcome);
    }
    let mut record = world.record.borrow_mut();
    match next {
        Ok(Some((kind, bytes))) => {
            assert!(!record.over, "a message comes behind the end");
            record.got.push(Got { kind, bytes, whole: true });
            return true;
        }
        Ok(None) => record.over = true,
        Err(error) => record.fails(error),
    }
    false
}

/// Takes the next message piece by piece, perhaps not all of it.
fn read<R: Receives>(hands: &mut R, deed: &Deed, world: &World) {
    let mut reader = match hands.begin() {
        Ok(Some(reader)) => reader,
        Ok(None) => {
            world.record.borrow_mut().over = true;
            return;
        }
        Err(error) => return world.record.borrow_mut().fails(error),
    };
    assert!(!world.record.borrow().over, "a message comes behind the end");
    let mut got = Got { kind: reader.kind(), bytes: Vec::new(), whole: false };
    let most = if deed.b & 1 == 0 { usize::MAX } else { usize::from(deed.b) * 4 };
    let mut piece = vec![0; 1 + usize::from(deed.a) * 3];
    while got.bytes.len() < most {
        match reader.read(&mut piece) {
            Ok(0) => {
                got.whole = true;
                break;
            }
            Ok(n) => got.bytes.extend_from_slice(&piece[..n]),
            Err(error) => {
                let mut record = world.record.borrow_mut();
                assert!(!record.over, "a message fails behind the end: {error:?}");
                // The end of the connection, which is told again, or what has been told now.
                record.over = error.kind() != ErrorKind::UnexpectedEof;
                break;
            }
        }
    }
    world.record.borrow_mut().got.push(got);
}

pub(super) fn send<S: Sends>(hands: &mut S, sender: usize, deed: &Deed, world: &World) {
    let (kind, bytes) = deed.message(&world.record.borrow_mut().tag(sender));
    let payload = || Payload::new(kind, &bytes[..]);
    let done = match deed.op {
        Op::Send => {
            let done = hands.put(payload());
            world.record.borrow_mut().sent(sender, (kind, bytes.clone()), said(&done, Said::Left));
            done
        }
        Op::Feed => {
            let done = hands.enqueue(payload());
            world.record.borrow_mut().sent(sender, (kind, bytes.clone()), said(&done, Said::Queued));
            return;
        }
        Op::Write => return write(hands, sender, deed, (kind, bytes), world),
        Op::Ping => hands.call(&[deed.b; 125][..usize::from(deed.a) % 126]),
        Op::Pong => {
            let payload = vec![deed.b; usize::from(deed.a) % 126];
            world.record.borrow_mut().pongs.push(payload.clone());
            hands.answer(&payload)
        }
        Op::Flush => {
            let done = hands.push();
            if done.is_ok() {
                world.record.borrow_mut().flushed(sender);
            }
            done
        }
        Op::StartClose => hands.begin_close("bye"),
        Op::Close => return close(hands, world),
        _ => return,
    };
    // Nobody else writes, so all of it has left for good.
    assert!(done.is_err() || world.link.borrow().held.is_empty(), "the stream still has something of it");
}

/// What the application knows of a message. `good`: if all went well.
fn said(done: &Result<(), Error>, good: Said) -> Said {
    match done {
        Ok(()) => good,
        Err(Error::Send(_)) => Said::No,
        Err(_) => Said::Nothing,
    }
}

/// Sends a message piece by piece, perhaps not all of it.
fn write<S: Sends>(hands: &mut S, sender: usize, deed: &Deed, message: (Kind, Vec<u8>), world: &World) {
    let (kind, bytes) = message;
    let mut writer = match hands.compose(kind) {
        Ok(writer) => writer,
        Err(Error::Send(SendError::Closing)) => return,
        Err(error) => panic!("{error:?}"),
    };
    // What somebody has left unfinished may be what this goes on with.
    let unknown = world.record.borrow().unfinished > 0;
    let mut done = Ok(());
    for piece in bytes.chunks(1 + usize::from(deed.b) * 37) {
        done = writer.write_all(piece);
        if deed.b & 1 != 0 && done.is_ok() {
            done = writer.flush();
        }
        if done.is_err() {
            break;
        }
    }
    let left = if done.is_ok() && deed.a & 0x80 == 0 { writer.finish().is_ok() } else { false };
    let mut record = world.record.borrow_mut();
    if unknown || !left {
        record.unfinished += 1;
    } else {
        record.sent(sender, (kind, bytes), Said::Left);
    }
}
