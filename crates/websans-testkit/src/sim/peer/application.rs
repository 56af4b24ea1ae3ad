//! The application's half of a [`Peer`]: it follows its script, and reads in its way.

use core::mem;

use bytes::Bytes;
use websans::{
    Close, Connection, Event, Inbox, Kind, Payload, Prepared, ProtocolError, Reply, SendError, State,
    Timestamp,
};

use super::super::Said;
use super::super::plan::{Command, Reader};
use super::super::trace::{Trace, What};
use super::Peer;
use crate::dice::Dice;

impl Peer {
    /// The application does what is due.
    pub(super) fn follow_script(&mut self, now: Timestamp, dice: &mut Dice, trace: &mut Trace) {
        while self.script.front().is_some_and(|&(at, _)| at <= now) {
            if let Some((_, command)) = self.script.pop_front() {
                self.due.push_back(command);
            }
        }
        self.stuck = false;
        loop {
            // Between the parts of a message there is no place for another.
            let open = matches!(self.conn.state(), State::Open | State::CloseReceived);
            let in_parts = self.saying.is_some() && open;
            let Some(at) = self.due.iter().position(|command| !(in_parts && command.is_whole())) else {
                break;
            };
            let before = self.conn.outbox().len();
            let full = before > 0 && before + self.due[at].len() > self.conn.config().max_outbox;
            if full && !dice.chance(5) {
                break;
            }
            let Some(command) = self.due.remove(at) else { break };
            let done = obey(&mut self.conn, &mut self.inbox, &command, dice);
            if let Err(error) = done {
                assert_eq!(self.conn.outbox().len(), before, "queued and refused");
                match error {
                    SendError::OutboxFull => assert!(full, "full with {before} bytes"),
                    SendError::Closing => assert!(!open),
                    other => panic!("{other:?} though nothing is wrong"),
                }
            }
            if done == Err(SendError::OutboxFull) {
                self.due.insert(at, command);
                break;
            }
            trace.note(now, self.side, What::Did(format!("{command:?}: {done:?}")));
            if done.is_ok() {
                self.note_done(now, command);
            }
        }
        self.stuck = !self.due.is_empty();
        let open = matches!(self.conn.state(), State::Open | State::CloseReceived);
        let in_parts = self.saying.is_some() && open;
        let in_the_way = self.due.front().filter(|command| in_parts && command.is_whole());
        if let Some(command) = in_the_way.filter(|_| dice.chance(10)) {
            let refused = obey(&mut self.conn, &mut self.inbox, command, dice);
            assert_eq!(refused, Err(SendError::MessageInProgress));
        }
    }

    fn note_done(&mut self, now: Timestamp, command: Command) {
        match command {
            Command::Send(kind, payload) | Command::SendPrepared(kind, payload) => {
                self.largest = self.largest.max(payload.len());
                self.sent.push(Said { kind, payload, skipped: false });
            }
            Command::Part(kind, payload, last) => {
                self.largest = self.largest.max(payload.len());
                let said = self.saying.get_or_insert(Said { kind, payload: Vec::new(), skipped: false });
                said.payload.extend(payload);
                if last {
                    self.sent.extend(self.saying.take());
                }
            }
            Command::Pause(time) => self.paused = Some(now + time),
            Command::Close(_) => self.closing = true,
            _ => {}
        }
    }

    /// The application looks at what was read, to the end or not.
    pub(super) fn hear(&mut self, now: Timestamp, dice: &mut Dice, trace: &mut Trace) {
        while self.backlog {
            let before = self.received.len();
            if self.reader == Reader::Accept {
                self.accept()
            } else {
                self.find(dice)
            }
            for said in &self.received[before..] {
                trace.note(now, self.side, What::Got(said.kind, said.payload.len()));
                if self.echo && !said.skipped {
                    self.due.push_back(Command::Send(said.kind, said.payload.clone()));
                }
            }
            if self.backlog && dice.chance(10) {
                return;
            }
        }
    }

    /// One step of an application with a buffer of its own.
    fn accept(&mut self) {
        let mut bytes = mem::take(&mut self.unread);
        let mut input = &mut bytes[self.looked_at..];
        let scarce = self.scarce.is_some_and(|at| at <= self.now);
        let event = self.conn.receive(&mut input);
        self.backlog = matches!(event, Ok(Some(_)));
        let mut failed = event.as_ref().err().copied();
        match event {
            Ok(Some(Event::Part(part))) => {
                (self.memory.limit)(scarce);
                let message = self.inbox.accept(&mut self.conn, part);
                (self.memory.limit)(false);
                match message {
                    Ok(Some(message)) => {
                        let payload = message.as_bytes().to_vec();
                        self.received.push(Said { kind: message.kind(), payload, skipped: false });
                    }
                    Ok(None) => {}
                    Err(error) => failed = Some(error),
                }
            }
            Ok(Some(Event::Ping(payload))) if self.conn.config().pong_reply == Reply::WhenAsked => {
                self.due.push_back(Command::Pong(payload.into_owned()));
            }
            _ => {}
        }
        let left = input.len();
        self.backlog |= left > 0;
        self.looked_at = bytes.len() - left;
        self.unread = bytes;
        if left == 0 {
            self.unread.clear();
            self.looked_at = 0;
        }
        failed.into_iter().for_each(|error| self.fail(error));
    }

    /// It is told of a fault: once, and only where there can be one.
    fn fail(&mut self, error: ProtocolError) {
        let lacks = self.scarce.is_some_and(|at| at <= self.now) && error == ProtocolError::OutOfMemory;
        assert!(lacks || self.heard.is_some(), "an honest peer breaks no rule: {error:?}");
        assert_eq!(self.failed.replace(error), None, "told of another fault");
        // Of a message that is skipped it is not known whether it was whole.
        self.hearing = self.hearing.take().filter(|said| said.skipped);
    }

    /// One step of an application that lets the inbox read.
    fn find(&mut self, dice: &mut Dice) {
        let whole = match self.reader {
            Reader::Next => true,
            Reader::NextChunk => false,
            Reader::Either | Reader::Accept => dice.chance(50),
        };
        if whole {
            if let Some(said) = &mut self.hearing {
                said.skipped = true;
            }
        }
        (self.memory.limit)(self.scarce.is_some_and(|at| at <= self.now));
        let found =
            if whole { self.inbox.next(&mut self.conn) } else { self.inbox.next_chunk(&mut self.conn) };
        (self.memory.limit)(false);
        self.backlog = match found {
            Ok(found) => found,
            Err(error) => {
                self.fail(error);
                false
            }
        };
        if !self.backlog {
            return;
        }
        let chunk = self.inbox.chunk().expect("something was found");
        assert!(!whole || chunk.first && chunk.last && self.inbox.message().is_some());
        if chunk.first {
            let unfinished = self.hearing.take();
            assert!(unfinished.as_ref().is_none_or(|said| said.skipped), "a message begins in another");
            self.received.extend(unfinished);
        }
        let Some(said) = (if chunk.first {
            Some(self.hearing.insert(Said { kind: chunk.kind, payload: Vec::new(), skipped: false }))
        } else {
            self.hearing.as_mut()
        }) else {
            panic!("a chunk of no message")
        };
        assert_eq!(said.kind, chunk.kind);
        if !said.skipped {
            said.payload.extend_from_slice(chunk.payload);
        }
        if chunk.last {
            self.received.extend(self.hearing.take());
        }
    }
}

/// Tells the core what the application wants, in one of the ways to say it.
fn obey(
    conn: &mut Connection,
    inbox: &mut Inbox,
    command: &Command,
    dice: &mut Dice,
) -> Result<(), SendError> {
    match command {
        Command::Send(kind, bytes) => conn.send(payload(*kind, bytes, dice)),
        Command::SendPrepared(kind, bytes) => {
            conn.send_prepared(&Prepared::new(payload(*kind, bytes, dice)).expect("texts are UTF-8"))
        }
        Command::Part(kind, bytes, last) => conn.send_part(Payload::new(*kind, &bytes[..]), *last),
        Command::Ping(bytes) => conn.ping(bytes),
        Command::Pong(bytes) => conn.pong(bytes),
        Command::Close(Some((code, reason))) => conn.close(*code, reason),
        Command::Close(None) => conn.close_with(Close::default()),
        Command::Abort => {
            conn.abort();
            Ok(())
        }
        Command::Pause(_) => Ok(()),
        Command::Park => {
            conn.park();
            // From a pool and back, or to be dropped.
            if let Some(buffer) = inbox.park().filter(|_| dice.chance(50)) {
                inbox.lend(buffer);
            }
            Ok(())
        }
    }
}

fn payload<'p>(kind: Kind, bytes: &'p [u8], dice: &mut Dice) -> Payload<'p> {
    match (dice.below(3), kind) {
        (0, _) => Payload::new(kind, bytes),
        (1, _) => Payload::new(kind, Bytes::copy_from_slice(bytes)),
        (_, Kind::Text) => core::str::from_utf8(bytes).expect("texts are UTF-8").into(),
        (_, Kind::Binary) => bytes.to_vec().into(),
    }
}
