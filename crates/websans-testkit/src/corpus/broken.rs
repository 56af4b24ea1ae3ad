//! [`Broken`]: the core with a flaw, so that it can be seen which scenarios notice.
//!
//! The flaws are made outside the core: in its settings, in the pace of its clock, or in the bytes on their way to it and
//! back.

use std::time::Duration;

use super::core::Driven;
use super::corpus;
use super::encode::accept;
use super::profile::{Compression, Profile};
use super::scenario::{Role, Scenario, Told};
use super::subject::{Read, Subject, Transport};
use crate::wire::{Form, Frame, opcode};

/// What is wrong with a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Frames may be masked or not.
    MasksIgnored,
    /// A server masks and a client does not.
    MasksWrong,
    /// Reserved bits mean nothing.
    ReservedBitsIgnored,
    /// Lengths may be written in any form.
    LengthsIgnored,
    /// Text is any bytes.
    TextUnchecked,
    /// Messages and heads have no limit.
    LimitsOff,
    /// Longer messages than allowed fail, but so do those at the limit.
    LimitsTooStrict,
    /// Control frames may be long and fragmented.
    ControlsIgnored,
    /// Every Close that is sent has a code of its own.
    CodesWrong,
    /// A Close may have any code, any reason, and one byte.
    ClosesUnchecked,
    /// No Close is ever sent.
    ClosesUnsent,
    /// The Close is sent twice.
    ClosesTwice,
    /// Frames behind a Close are still looked at.
    ClosesIgnored,
    /// Pings are not answered.
    PongsUnsent,
    /// Pongs come without their payload.
    PongsEmpty,
    /// Messages come back with another last byte.
    MessagesChanged,
    /// The clock is three times too slow.
    TimersLate,
    /// The clock is three times too fast.
    TimersEarly,
    /// The transport is never ended.
    TransportKept,
    /// That the peer ends the transport is not noticed.
    EndsUnnoticed,
    /// Every head that is complete counts as a valid handshake.
    HandshakesUnchecked,
    /// Only one wording of the handshake is accepted.
    HandshakesTooStrict,
    /// What comes in one read with the head is lost.
    EarlyLost,
    /// Every refusal has the same status.
    StatusWrong,
    /// Whatever is offered is agreed on.
    OffersAccepted,
    /// Nothing is agreed on or offered.
    OffersIgnored,
    /// Windows are forgotten although they were to stay, and kept although they were to be forgotten.
    WindowsWrong,
    /// Parameters are agreed on without being said.
    ParametersUnsaid,
    /// Reads that do not bring a whole frame lose it.
    PiecesLost,
    /// Everything that is told is of an ordinary end.
    EndingsMisreported,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::MasksIgnored,
        Self::MasksWrong,
        Self::ReservedBitsIgnored,
        Self::LengthsIgnored,
        Self::TextUnchecked,
        Self::LimitsOff,
        Self::LimitsTooStrict,
        Self::ControlsIgnored,
        Self::CodesWrong,
        Self::ClosesUnchecked,
        Self::ClosesUnsent,
        Self::ClosesTwice,
        Self::ClosesIgnored,
        Self::PongsUnsent,
        Self::PongsEmpty,
        Self::MessagesChanged,
        Self::TimersLate,
        Self::TimersEarly,
        Self::TransportKept,
        Self::EndsUnnoticed,
        Self::HandshakesUnchecked,
        Self::HandshakesTooStrict,
        Self::EarlyLost,
        Self::StatusWrong,
        Self::OffersAccepted,
        Self::OffersIgnored,
        Self::WindowsWrong,
        Self::ParametersUnsaid,
        Self::PiecesLost,
        Self::EndingsMisreported,
    ];
}

/// The core with a flaw.
#[derive(Clone, Copy, Debug)]
pub struct Broken(pub Flaw);

impl Subject for Broken {
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String> {
        let profile = spoiled(self.0, corpus().profile(scenario).clone());
        let inner = Driven::new(scenario.role, &profile);
        let role = scenario.role;
        Ok(Box::new(Flawed {
            flaw: self.0,
            role,
            inner,
            arriving: Stream::default(),
            leaving: Stream::default(),
            key: String::new(),
        }))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn slack(&self) -> Duration {
        Duration::from_millis(1)
    }
}

fn spoiled(flaw: Flaw, mut profile: Profile) -> Profile {
    match flaw {
        Flaw::LimitsOff => {
            profile.max_message = Some(u64::MAX >> 1);
            profile.max_fragments = Some(u32::MAX);
            profile.max_empty_fragments = Some(u8::MAX);
            profile.max_head = Some(1 << 20);
            profile.max_headers = Some(10_000);
        }
        Flaw::LimitsTooStrict => {
            profile.max_message = Some(profile.max_message.map_or(40_000, |limit| limit - 1));
            profile.max_fragments = Some(profile.max_fragments.map_or(300, |limit| limit - 6));
            profile.max_empty_fragments = profile.max_empty_fragments.map(|limit| limit - 1).or(Some(0));
            profile.max_head = Some(profile.max_head.map_or(2000, |limit| limit / 2));
        }
        Flaw::OffersIgnored => {
            profile.compression = None;
            profile.protocols.clear();
        }
        Flaw::OffersAccepted => {
            profile.compression = profile.compression.or(Some(Compression::LARGEST));
            for name in ["unknown", "chat", "superchat", "other", "Chat", "CHAT"] {
                if !profile.protocols.iter().any(|known| known == name) {
                    profile.protocols.push(name.to_owned());
                }
            }
        }
        Flaw::WindowsWrong => {
            if let Some(compression) = &mut profile.compression {
                compression.server_context_takeover = !compression.server_context_takeover;
                compression.client_context_takeover = !compression.client_context_takeover;
            }
        }
        _ => {}
    }
    profile
}

/// One direction.
#[derive(Default)]
struct Stream {
    /// What has not been passed on.
    held: Vec<u8>,
    behind_the_head: bool,
    closed: bool,
}

struct Flawed {
    flaw: Flaw,
    role: Role,
    inner: Driven,
    arriving: Stream,
    leaving: Stream,
    /// The client's key.
    key: String,
}

impl Flawed {
    /// What the subject gets instead of what came.
    fn arrive(&mut self, bytes: &[u8]) {
        self.arriving.held.extend_from_slice(bytes);
        if !self.arriving.behind_the_head {
            let Some(size) = self.arriving.head() else { return };
            let rest = self.arriving.held.split_off(size);
            let head = std::mem::replace(&mut self.arriving.held, rest);
            if self.flaw == Flaw::EarlyLost {
                self.arriving.held.clear();
            }
            let head = self.head_arrives(&head);
            self.inner.write(&head);
            self.arriving.behind_the_head = true;
        }
        if self.flaw == Flaw::PiecesLost && self.arriving.next().is_none() {
            self.arriving.held.clear();
        }
        while let Some(frame) = self.arriving.next() {
            for frame in self.frame_arrives(frame) {
                self.inner.write(&frame.to_bytes());
            }
        }
    }

    /// What is no whole frame is passed on when nothing more comes.
    fn let_through(&mut self) {
        let held = std::mem::take(&mut self.arriving.held);
        if !held.is_empty() {
            self.inner.write(&held);
        }
    }

    fn head_arrives(&mut self, head: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(head).into_owned();
        match (self.flaw, self.role) {
            (Flaw::HandshakesUnchecked, Role::Server) => {
                let wanted = ["sec-websocket-key", "sec-websocket-protocol", "sec-websocket-extensions"];
                let mut kept = vec![
                    "GET / HTTP/1.1",
                    "Host: localhost",
                    "Upgrade: websocket",
                    "Connection: Upgrade",
                    "Sec-WebSocket-Version: 13",
                ];
                let line = |name: &str| {
                    text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))
                };
                kept.extend(wanted[1..].iter().filter_map(|name| line(name)));
                let key = line(wanted[0]).filter(|line| line.len() == 43 && line.ends_with("=="));
                kept.push(key.unwrap_or("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="));
                format!("{}\r\n\r\n", kept.join("\r\n")).into_bytes()
            }
            (Flaw::HandshakesUnchecked, Role::Client) => format!(
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept(&self.key)
            )
            .into_bytes(),
            (Flaw::HandshakesTooStrict, _) => {
                let mut names = text.lines().skip(1).filter_map(|line| line.split_once(": "));
                let plain = names.all(|(name, value)| {
                    let known = ["Host", "Upgrade", "Connection"].contains(&name);
                    (known || name.starts_with("Sec-WebSocket"))
                        && value.trim() == value
                        && ["websocket", "Upgrade"].contains(&value) == ["Upgrade", "Connection"].contains(&name)
                });
                let lines = text.lines().count();
                let first = text.starts_with("GET / HTTP/1.1\r\nHost") || text.starts_with("HTTP/1.1 101 Switching");
                if plain && first && lines <= 8 && text.matches(": ").count() == lines - 2 {
                    head.to_vec()
                } else {
                    b"\0\r\n\r\n".to_vec()
                }
            }
            (Flaw::OffersAccepted, Role::Client) => {
                let kept = text.lines().filter(|line| {
                    !line.starts_with("Sec-WebSocket-Protocol") && !line.starts_with("Sec-WebSocket-Extensions")
                });
                kept.map(|line| format!("{line}\r\n")).collect::<String>().into_bytes()
            }
            (Flaw::OffersAccepted, Role::Server) => {
                let plain = |line: &str| match line.split_once(": ") {
                    Some(("Sec-WebSocket-Extensions", _)) => "Sec-WebSocket-Extensions: permessage-deflate".into(),
                    _ => line.to_owned(),
                };
                text.lines().map(|line| format!("{}\r\n", plain(line))).collect::<String>().into_bytes()
            }
            _ => head.to_vec(),
        }
    }

    fn frame_arrives(&mut self, mut frame: Frame) -> Vec<Frame> {
        let is_control = frame.opcode >= opcode::CLOSE;
        match self.flaw {
            Flaw::MasksIgnored => frame.key = (self.role == Role::Server).then_some([1, 2, 3, 4]),
            Flaw::ReservedBitsIgnored => frame.rsv = 0,
            Flaw::LengthsIgnored => frame.form = Form::Minimal,
            Flaw::ControlsIgnored if is_control => {
                frame.fin = true;
                frame.payload.truncate(125);
                if frame.opcode == opcode::CLOSE && frame.payload.len() == 125 {
                    frame.payload = vec![3, 232];
                }
            }
            Flaw::ClosesUnchecked if frame.opcode == opcode::CLOSE => frame.payload = vec![3, 232],
            Flaw::ClosesIgnored if frame.opcode == opcode::CLOSE => {
                // A Pong does nothing, so the connection goes on as if there had been no Close.
                frame.opcode = opcode::PONG;
            }
            Flaw::TextUnchecked if frame.opcode == opcode::TEXT => frame.opcode = opcode::BINARY,
            _ => {}
        }
        vec![frame]
    }

    /// What the peer gets instead of what the subject wrote.
    fn leave(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.leaving.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        if !self.leaving.behind_the_head {
            let Some(size) = self.leaving.head() else { return out };
            let rest = self.leaving.held.split_off(size);
            let head = std::mem::replace(&mut self.leaving.held, rest);
            let text = String::from_utf8_lossy(&head).into_owned();
            let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            self.key = key.unwrap_or_default().to_owned();
            self.leaving.behind_the_head = true;
            let refused = text.starts_with("HTTP/") && !text.starts_with("HTTP/1.1 101");
            let text = match self.flaw {
                Flaw::StatusWrong if refused => text.replacen("HTTP/1.1 ", "HTTP/1.1 2", 1),
                Flaw::OffersAccepted if !refused && self.role == Role::Server => {
                    let more = "permessage-deflate; client_max_window_bits=12, permessage-deflate";
                    let said = text.replacen("permessage-deflate", more, 1);
                    let chosen = said.to_ascii_lowercase().contains("sec-websocket-protocol");
                    let line = if chosen { "" } else { "\r\nSec-WebSocket-Protocol: chat" };
                    format!("{}{line}\r\n\r\n", said.trim_end())
                }
                Flaw::ParametersUnsaid => text
                    .lines()
                    .map(|line| match line.split_once("; ") {
                        Some((name, _)) => format!("{name}\r\n"),
                        None => format!("{line}\r\n"),
                    })
                    .collect(),
                _ => text,
            };
            out.extend(text.into_bytes());
            if refused {
                out.append(&mut self.leaving.held);
            }
        }
        while let Some(frame) = self.leaving.next() {
            for frame in self.frame_leaves(frame) {
                out.extend(frame.to_bytes());
            }
        }
        out
    }

    fn frame_leaves(&mut self, mut frame: Frame) -> Vec<Frame> {
        let is_close = frame.opcode == opcode::CLOSE;
        match self.flaw {
            Flaw::MasksWrong => frame.key = frame.key.is_none().then_some([1, 2, 3, 4]),
            Flaw::TextUnchecked if frame.opcode == opcode::BINARY => frame.opcode = opcode::TEXT,
            Flaw::CodesWrong if is_close => frame.payload = 4321u16.to_be_bytes().to_vec(),
            Flaw::ClosesUnsent if is_close => return Vec::new(),
            Flaw::ClosesTwice if is_close => return vec![frame.clone(), frame],
            Flaw::PongsUnsent if frame.opcode == opcode::PONG => return Vec::new(),
            Flaw::PongsEmpty if frame.opcode == opcode::PONG => frame.payload.clear(),
            Flaw::MessagesChanged if frame.opcode < opcode::CLOSE => match frame.payload.last_mut() {
                Some(last) => *last ^= 1,
                None => frame.payload.push(b'!'),
            },
            _ => {}
        }
        vec![frame]
    }

    fn paced(&self, time: Duration) -> Duration {
        match self.flaw {
            // Rounded up, so that any wait comes to its end.
            Flaw::TimersLate => time / 3 + Duration::from_nanos(1),
            Flaw::TimersEarly => time * 3,
            _ => time,
        }
    }
}

impl Stream {
    /// The size of the head, when it is there.
    fn head(&self) -> Option<usize> {
        Some(self.held.windows(4).position(|end| end == b"\r\n\r\n")? + 4)
    }

    /// The next frame, whole.
    fn next(&mut self) -> Option<Frame> {
        if self.closed {
            return None;
        }
        let (frame, size) = Frame::read(&self.held)?;
        self.held.drain(..size);
        Some(frame)
    }
}

impl Transport for Flawed {
    fn write(&mut self, bytes: &[u8]) {
        self.arrive(bytes);
    }

    fn read(&mut self, within: Duration) -> Read {
        self.let_through();
        let until = self.inner.now() + self.paced(within);
        loop {
            match self.inner.read(until.saturating_sub(self.inner.now())) {
                Read::Bytes(bytes) => {
                    let bytes = self.leave(&bytes);
                    if !bytes.is_empty() {
                        return Read::Bytes(bytes);
                    }
                }
                Read::End if self.flaw == Flaw::TransportKept => {
                    self.inner.wait(within);
                    return Read::Nothing;
                }
                other => return other,
            }
        }
    }

    fn half_close(&mut self) {
        self.let_through();
        if self.flaw != Flaw::EndsUnnoticed {
            self.inner.half_close();
        }
    }

    fn reset(&mut self) {
        if self.flaw != Flaw::EndsUnnoticed {
            self.inner.reset();
        }
    }

    fn wait(&mut self, time: Duration) {
        self.let_through();
        self.inner.wait(self.paced(time));
    }

    fn now(&self) -> Duration {
        match self.flaw {
            Flaw::TimersLate => self.inner.now() * 3,
            Flaw::TimersEarly => self.inner.now() / 3,
            _ => self.inner.now(),
        }
    }

    fn told(&mut self) -> Option<Told> {
        let told = self.inner.told();
        match self.flaw {
            Flaw::EndingsMisreported => told.map(|told| Told {
                code: told.code.map(|code| if code == 1000 { 1006 } else { 1000 }),
                ..told
            }),
            _ => told,
        }
    }
}
