//! [`redact`]: a recording without its messages.

mod scrub;

use crate::coding::{put_bytes, put_signed};
use crate::error::{FormatError, ReplayError};
use crate::header::Source;
use crate::record::{Entry, Handed, Record, Recording, Said, tag};
use crate::replay::Replay;
use crate::replay::calls::Player;
use crate::tape::Tape;
use scrub::{Scrub, said};

/// A copy of `file` without the content of its messages, which replays in the same way.
///
/// Every byte of a binary message becomes 0. Every byte of text becomes the least one of its class, where the classes are those
/// that UTF-8 tells apart, so that text that is valid, or invalid from some byte on, stays so: `Grüße` becomes ten
/// times as dull and exactly as long. The reasons of Closes are text. What a connection swallows after its end becomes 0.
///
/// **What stays**: lengths, times, the order of things, masking keys, headers of frames, the payloads of Pings and Pongs (by which answers
/// are told from each other), codes of Closes, the subprotocol and the config; and of text, how many bytes each
/// character has. Who knows what may have been said can learn from that which of it was.
///
/// Nothing is guessed: the recording is replayed as it is and as it becomes, side by side, and if any call had another result, the
/// redaction fails. What is cut off at the end of the file is left out.
///
/// # Errors
/// [`ReplayError::Compressed`]: what messages compress to hangs on what they say, so there is no honest way to keep one and
/// change the other. Else as [`Replay::run`]; calls of `receive` that are mixed with reads of the inbox diverge.
pub fn redact(file: &[u8]) -> Result<Vec<u8>, ReplayError> {
    let recording = Recording::read(file)?;
    if recording.header().has_codec {
        return Err(ReplayError::Compressed);
    }
    match recording.header().source {
        Source::Calls => calls(recording),
        Source::Transport => transport(recording),
    }
}

fn next<'f>(recording: &mut Recording<'f>) -> Result<Option<Entry<'f>>, FormatError> {
    match recording.entry() {
        Err(FormatError::Truncated(_)) => Ok(None),
        entry => entry,
    }
}

fn calls(mut recording: Recording<'_>) -> Result<Vec<u8>, ReplayError> {
    let replay = Replay::new();
    let mut original = Player::new(&replay, &recording)?;
    let mut copy = Player::new(&replay, &recording)?;
    let mut file = Vec::new();
    recording.header().write(&mut file);
    let mut received = Scrub::new(!recording.header().is_client);
    let mut records = 0;
    while let Some(entry) = next(&mut recording)? {
        if let Record::Stopped(_) = entry.record {
            file.extend_from_slice(entry.bytes);
            break;
        }
        original.redo(&entry, records)?;
        let mut bytes = Vec::new();
        let mut scrubbed = |payload: &[u8], scrub: &mut dyn FnMut(&mut [u8])| {
            bytes = payload.to_vec();
            scrub(&mut bytes);
        };
        let text;
        match entry.record {
            Record::Receive(payload) | Record::Filled(payload) | Record::Preload(payload) => {
                scrubbed(payload, &mut |bytes| received.apply(bytes));
            }
            Record::Accept(Handed { kind, bytes: payload, .. })
            | Record::Send(Said { kind, bytes: payload, .. })
            | Record::SendPart(Said { kind, bytes: payload, .. }, _)
            | Record::SendPrepared(Said { kind, bytes: payload, .. }) => {
                scrubbed(payload, &mut |bytes| said(kind, bytes));
            }
            Record::Close(_, reason) => {
                scrubbed(reason.as_bytes(), &mut |bytes| said(websans::Kind::Text, bytes))
            }
            _ => {}
        }
        let record = match entry.record {
            Record::Receive(_) => Record::Receive(&bytes),
            Record::Filled(_) => Record::Filled(&bytes),
            Record::Preload(_) => Record::Preload(&bytes),
            Record::Accept(handed) => Record::Accept(Handed { bytes: &bytes, ..handed }),
            Record::Send(said) => Record::Send(Said { bytes: &bytes, ..said }),
            Record::SendPart(said, last) => Record::SendPart(Said { bytes: &bytes, ..said }, last),
            Record::SendPrepared(said) => Record::SendPrepared(Said { bytes: &bytes, ..said }),
            Record::Close(code, _) => {
                text = String::from_utf8_lossy(&bytes);
                Record::Close(code, &text)
            }
            other => other,
        };
        file.extend(copy.redo_otherwise(&Entry { record, ..entry }, records)?);
        if original.ignores_input() {
            received.end();
        }
        records += 1;
    }
    Ok(file)
}

fn transport(mut recording: Recording<'_>) -> Result<Vec<u8>, ReplayError> {
    let is_client = recording.header().is_client;
    let mut tape = Tape::new(recording.header(), Vec::new(), u64::MAX);
    let (mut received, mut sent) = (Scrub::new(!is_client), Scrub::new(is_client));
    while let Some(entry) = next(&mut recording)? {
        let (tag, delta, payload, scrub) = match entry.record {
            Record::Stopped(stop) => {
                tape.stop(stop);
                break;
            }
            Record::Agreed { deflate: Some(_), .. } => return Err(ReplayError::Compressed),
            Record::Received(delta, bytes) => (tag::RECEIVED, delta, bytes, &mut received),
            Record::Sent(delta, bytes) => (tag::SENT, delta, bytes, &mut sent),
            _ => {
                // As it is: only its check becomes another.
                let fields = entry.bytes.len().saturating_sub(5);
                let (tag, fields) =
                    entry.bytes.get(..fields).and_then(<[u8]>::split_first).unwrap_or((&0, &[]));
                tape.begin(*tag).raw(|body| body.extend_from_slice(fields));
                tape.end(entry.result, &[]);
                continue;
            }
        };
        let mut payload = payload.to_vec();
        scrub.apply(&mut payload);
        tape.begin(tag).raw(|body| {
            put_signed(body, delta);
            put_bytes(body, &payload);
        });
        tape.end(entry.result, &[]);
    }
    Ok(tape.sink)
}
