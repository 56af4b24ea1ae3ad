//! [`Core`]: the core itself, in this process, under a virtual clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Buf;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{CloseCode, Config, Connection, Hangup, Inbox, Message, Negotiated, Role, Timestamp};

use super::corpus;
use super::profile::Profile;
use super::scenario::{self, Scenario, Told};
use super::subject::{Order, Read, Subject, Transport};
use crate::listen::counted_keys;

/// The core, driven as its guide to embedding says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core;

impl Subject for Core {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        let profile = corpus().profile(scenario);
        Ok(Box::new(Driven::new(scenario.role, profile)))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn slack(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// How far the subject is.
enum Stage {
    Accepting(Acceptor),
    Connecting(Connector),
    Open(Connection, Inbox),
    Over,
}

/// A connection of the core's and its application.
pub(super) struct Driven {
    profile: Profile,
    config: Config,
    now: Timestamp,
    stage: Stage,
    /// What the peer has written and the subject has not read.
    arriving: VecDeque<u8>,
    eof: bool,
    /// What the subject has written and the peer has not read.
    leaving: Vec<u8>,
    /// The subject's direction has ended.
    ended: bool,
    told: Told,
}

impl Driven {
    pub(super) fn new(role: scenario::Role, profile: &Profile) -> Self {
        let config = profile.config();
        let now = Timestamp::from_nanos(0);
        let mut leaving = Vec::new();
        let stage = match role {
            scenario::Role::Server => Stage::Accepting(Acceptor::new(&config, now)),
            scenario::Role::Client => {
                let request = request(profile);
                request.write(&mut leaving);
                Stage::Connecting(Connector::new(request, &config, now))
            }
        };
        let told = Told { opened: false, messages: 0, code: None };
        Self {
            profile: profile.clone(),
            config,
            now,
            stage,
            arriving: VecDeque::new(),
            eof: false,
            leaving,
            ended: false,
            told,
        }
    }

    /// Everything that can be done at this time.
    fn drive(&mut self) {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Accepting(acceptor) => self.accept(acceptor),
                Stage::Connecting(connector) => self.connect(connector),
                Stage::Open(conn, inbox) => self.talk(conn, inbox),
                Stage::Over => {
                    self.ended = true;
                    self.arriving.clear();
                    return;
                }
            };
            // A stage that has read all there is waits for more.
            if self.arriving.is_empty() && !matches!(self.stage, Stage::Over) {
                return;
            }
        }
    }

    fn accept(&mut self, mut acceptor: Acceptor) -> Stage {
        loop {
            let judged = acceptor.poll(self.now).and_then(|complete| {
                if !complete {
                    return Ok(None);
                }
                let request = acceptor.request()?;
                let offer = request.check()?;
                let chosen = self.profile.choose(offer.protocols());
                let deflate = self.profile.deflate();
                let choice = Choice::new().protocol(chosen).deflate(deflate.as_ref().map(Into::into));
                Ok(Some(offer.accept(&choice, &mut self.leaving).expect("what was offered was chosen")))
            });
            match judged {
                Ok(Some(negotiated)) => return self.opened(Role::Server, negotiated, &acceptor.into_rest()),
                Ok(None) if self.eof && self.arriving.is_empty() => {
                    acceptor.eof();
                    if acceptor.poll(self.now).is_ok() {
                        return Stage::Accepting(acceptor);
                    }
                }
                Ok(None) if self.arriving.is_empty() => return Stage::Accepting(acceptor),
                Ok(None) => {
                    let n = feed(acceptor.spare_mut(), &mut self.arriving);
                    acceptor.filled(n);
                }
                Err(error) => {
                    error.respond(&mut self.leaving);
                    return Stage::Over;
                }
            }
        }
    }

    fn connect(&mut self, mut connector: Connector) -> Stage {
        loop {
            match connector.poll(self.now) {
                Ok(Some(Answer::Open(negotiated))) => {
                    return self.opened(Role::Client(counted_keys()), negotiated, &connector.into_rest());
                }
                Ok(Some(_)) | Err(_) => return Stage::Over,
                Ok(None) if self.arriving.is_empty() => {
                    if !self.eof {
                        return Stage::Connecting(connector);
                    }
                    connector.eof();
                }
                Ok(None) => {
                    let n = feed(connector.spare_mut(), &mut self.arriving);
                    connector.filled(n);
                }
            }
        }
    }

    fn opened(&mut self, role: Role, negotiated: Negotiated, early: &[u8]) -> Stage {
        self.told.opened = true;
        let (conn, mut inbox) = websans::open(role, self.config.clone(), negotiated, self.now);
        inbox.preload(early);
        self.talk(conn, inbox)
    }

    fn talk(&mut self, mut conn: Connection, mut inbox: Inbox) -> Stage {
        conn.wake(self.now);
        loop {
            while let Ok(true) = inbox.next(&mut conn) {
                if let Some(message) = inbox.message() {
                    self.told.messages += 1;
                    answer(&mut conn, message);
                }
                self.flush(&mut conn);
            }
            conn.tick(self.now);
            self.flush(&mut conn);
            self.told.code = conn.outcome().map(websans::Outcome::code);
            match conn.hangup() {
                Hangup::Drop => return Stage::Over,
                Hangup::ShutdownWrite => self.ended = true,
                _ => {}
            }
            if !self.arriving.is_empty() {
                let n = feed(inbox.spare_mut(), &mut self.arriving);
                inbox.filled(n);
            } else if self.eof {
                self.eof = false;
                conn.eof();
            } else {
                return Stage::Open(conn, inbox);
            }
        }
    }

    fn flush(&mut self, conn: &mut Connection) {
        while conn.wants_write() {
            let n = conn.outbox().chunk().len();
            self.leaving.extend_from_slice(conn.outbox().chunk());
            conn.outbox().advance(n);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Accepting(acceptor) => Some(acceptor.deadline()),
            Stage::Connecting(connector) => Some(connector.deadline()),
            Stage::Open(conn, _) => conn.deadline(),
            Stage::Over => None,
        }
    }

    /// Lets time go by, up to `until` or to the first thing that comes of it if `stops`.
    fn advance(&mut self, until: Timestamp, stops: bool) {
        loop {
            if stops && (!self.leaving.is_empty() || self.ended) {
                return;
            }
            match self.deadline().filter(|deadline| *deadline <= until) {
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    self.drive();
                }
                None => {
                    self.now = self.now.max(until);
                    return self.drive();
                }
            }
        }
    }
}

impl Transport for Driven {
    fn write(&mut self, bytes: &[u8]) {
        self.arriving.extend(bytes);
        self.drive();
    }

    fn read(&mut self, within: Duration) -> Read {
        self.advance(self.now + within, true);
        if !self.leaving.is_empty() {
            Read::Bytes(std::mem::take(&mut self.leaving))
        } else if self.ended {
            Read::End
        } else {
            Read::Nothing
        }
    }

    fn half_close(&mut self) {
        self.eof = true;
        self.drive();
    }

    fn reset(&mut self) {
        if let Stage::Open(conn, _) = &mut self.stage {
            conn.abort();
            self.told.code = conn.outcome().map(websans::Outcome::code);
        }
        self.stage = Stage::Over;
        self.leaving.clear();
        self.ended = true;
    }

    fn wait(&mut self, time: Duration) {
        self.advance(self.now + time, false);
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.now.as_nanos())
    }

    fn told(&mut self) -> Option<Told> {
        Some(self.told.clone())
    }
}

/// What a client with these settings asks for.
fn request(profile: &Profile) -> Request {
    let mut request = Request::new("ws://localhost/", *b"the sample nonce").expect("a URL");
    for protocol in &profile.protocols {
        request = request.protocol(protocol).expect("a token");
    }
    let deflate = profile.deflate();
    request.deflate(deflate.as_ref().map(Into::into)).expect("windows that zlib has")
}

fn feed(spare: &mut [u8], arriving: &mut VecDeque<u8>) -> usize {
    let n = spare.len().min(arriving.len());
    for (to, from) in spare.iter_mut().zip(arriving.drain(..n)) {
        *to = from;
    }
    n
}

/// The application: it echoes, and does as it is told. What cannot be sent any more is not sent.
fn answer(conn: &mut Connection, message: Message<'_>) {
    let order = if let Message::Text(text) = &message { Order::parse(text) } else { None };
    let _ = match order {
        None => conn.send(message),
        Some(Order::Close(code, reason)) => {
            CloseCode::new(code).map_or(Ok(()), |code| conn.close(code, &reason))
        }
        Some(Order::Ping(payload)) => conn.ping(payload.as_bytes()),
        Some(Order::Send(text)) => conn.send(&*text),
    };
}
