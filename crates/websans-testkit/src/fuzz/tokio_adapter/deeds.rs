//! What an application does with a connection, or with a half of one.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websans::{Kind, Payload, SendError};
use websans_tokio::Error;

use super::super::adapters::{Deed, Got, Op, Said};
use super::World;
use super::hands::{Receives, Sends};
use super::tasks::patient;

/// Does all of it with a whole connection.
pub(super) async fn whole<H: Receives + Sends>(hands: &mut H, deeds: &[Deed], world: &World) {
    for deed in deeds {
        if deed.receives() {
            receive_once(hands, deed, world).await;
        } else {
            send_once(hands, 0, deed, world).await;
        }
    }
}

pub(super) async fn receive<R: Receives>(hands: &mut R, deeds: &[&Deed], world: &World) {
    for deed in deeds {
        receive_once(hands, deed, world).await;
    }
}

pub(super) async fn send<S: Sends>(hands: &mut S, sender: usize, deeds: &[&Deed], world: &World) {
    for deed in deeds {
        send_once(hands, sender, deed, world).await;
    }
}

/// Receives until there is no more.
pub(super) async fn drain<R: Receives>(hands: &mut R, world: &World) {
    while let Some(true) = next(hands, None, false, world).await {}
    // Whoever asks again is told the same.
    assert_eq!(next(hands, None, false, world).await, Some(false));
}

/// Closes and waits for the end, which there always is.
pub(super) async fn close<S: Sends>(hands: &mut S, patience: Option<u8>, world: &World) {
    if S::WHOLE {
        // What still arrives is thrown away.
        world.record.borrow_mut().excused = true;
    }
    if let Some(Err(error)) = patient(hands.end("bye"), patience).await {
        panic!("a closing has no end: {error:?}");
    }
}

async fn receive_once<R: Receives>(hands: &mut R, deed: &Deed, world: &World) {
    match deed.op {
        Op::Recv => drop(next(hands, deed.patience, false, world).await),
        Op::RecvOwned => drop(next(hands, deed.patience, true, world).await),
        Op::Read => read(hands, deed, world).await,
        _ => while next(hands, deed.patience, deed.a & 1 != 0, world).await == Some(true) {},
    }
}

/// Takes the next message; whether there is one, or `None` if it has not waited for it.
async fn next<R: Receives>(hands: &mut R, patience: Option<u8>, owned: bool, world: &World) -> Option<bool> {
    let next = patient(hands.next(owned), patience).await?;
    let mut record = world.record.borrow_mut();
    match next {
        Ok(Some((kind, bytes))) => {
            assert!(!record.over, "a message comes behind the end");
            record.got.push(Got { kind, bytes, whole: true });
            Some(true)
        }
        Ok(None) => {
            record.over = true;
            Some(false)
        }
        Err(error) => {
            record.fails(error);
            Some(false)
        }
    }
}

/// Takes the next message piece by piece, perhaps not all of it.
async fn read<R: Receives>(hands: &mut R, deed: &Deed, world: &World) {
    let reader = match patient(hands.begin(), deed.patience).await {
        None => return,
        Some(Ok(reader)) => reader,
        Some(Err(error)) => return world.record.borrow_mut().fails(error),
    };
    let Some(mut reader) = reader else {
        world.record.borrow_mut().over = true;
        return;
    };
    assert!(!world.record.borrow().over, "a message comes behind the end");
    let mut got = Got { kind: reader.kind(), bytes: Vec::new(), whole: false };
    let most = if deed.b & 1 == 0 { usize::MAX } else { usize::from(deed.b) * 4 };
    let mut piece = vec![0; 1 + usize::from(deed.a) * 3];
    let mut patience = deed.patience;
    while got.bytes.len() < most {
        let Some(read) = patient(reader.read(&mut piece), patience.take()).await else { continue };
        match read {
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

async fn send_once<S: Sends>(hands: &mut S, sender: usize, deed: &Deed, world: &World) {
    let patience = deed.patience;
    let (kind, bytes) = deed.message(&world.record.borrow_mut().tag(sender));
    let payload = || Payload::new(kind, &bytes[..]);
    let done = match deed.op {
        Op::Send => {
            let done = patient(hands.put(payload()), patience).await;
            world.record.borrow_mut().sent(sender, (kind, bytes.clone()), said(done.as_ref(), Said::Left));
            done
        }
        Op::Feed => {
            let done = patient(hands.enqueue(payload()), patience).await;
            world.record.borrow_mut().sent(sender, (kind, bytes.clone()), said(done.as_ref(), Said::Queued));
            return;
        }
        Op::Write => return write(hands, sender, deed, (kind, bytes), world).await,
        Op::Ping => patient(hands.call(&[deed.b; 125][..usize::from(deed.a) % 126]), patience).await,
        Op::Pong => {
            let payload = vec![deed.b; usize::from(deed.a) % 126];
            world.record.borrow_mut().pongs.push(payload.clone());
            patient(hands.answer(&payload), patience).await
        }
        Op::Flush => {
            let done = patient(hands.push(), patience).await;
            if let Some(Ok(())) = done {
                world.record.borrow_mut().flushed(sender);
            }
            done
        }
        Op::StartClose => patient(hands.begin_close("bye"), patience).await,
        Op::Close => return close(hands, patience, world).await,
        _ => return,
    };
    if let (true, Some(Ok(()))) = (S::WHOLE, done) {
        assert!(world.link().held.is_empty(), "the transport still has something of it");
    }
}

/// What the application knows of a message. `good`: if all went well.
fn said(done: Option<&Result<(), Error>>, good: Said) -> Said {
    match done {
        Some(Ok(())) => good,
        Some(Err(Error::Send(_))) => Said::No,
        Some(Err(_)) | None => Said::Nothing,
    }
}

/// Sends a message piece by piece, perhaps not all of it.
async fn write<S: Sends>(hands: &mut S, sender: usize, deed: &Deed, message: (Kind, Vec<u8>), world: &World) {
    let (kind, bytes) = message;
    let mut writer = match hands.compose(kind) {
        Ok(writer) => writer,
        Err(Error::Send(SendError::Closing | SendError::MessageInProgress)) => return,
        Err(error) => panic!("{error:?}"),
    };
    // What somebody has left unfinished may be what this goes on with.
    let unknown = world.record.borrow().unfinished > 0;
    let mut patience = deed.patience;
    let mut rest = &bytes[..];
    let mut failed = false;
    while !rest.is_empty() && !failed {
        let piece = &rest[..rest.len().min(1 + usize::from(deed.b) * 37)];
        match patient(writer.write(piece), patience.take()).await {
            None => {}
            Some(Ok(n)) => rest = &rest[n..],
            Some(Err(_)) => failed = true,
        }
        if deed.b & 1 != 0 && !failed {
            let flushed = patient(writer.flush(), deed.patience).await;
            failed = matches!(flushed, Some(Err(_)));
        }
    }
    let mut finished = None;
    if !failed && deed.a & 0x80 == 0 {
        finished = patient(writer.finish(), deed.patience).await;
        if finished.is_none() {
            finished = Some(writer.finish().await);
        }
    }
    drop(writer);
    let mut record = world.record.borrow_mut();
    let left = matches!(finished, Some(Ok(())));
    if unknown || !left {
        record.unfinished += 1;
    } else {
        record.sent(sender, (kind, bytes), Said::Left);
    }
}
