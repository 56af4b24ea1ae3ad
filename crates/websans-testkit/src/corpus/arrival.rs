//! [`Arrival`]: what has come from the subject, and whether patterns fit it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::encode::{self, Names};
use super::scenario::{self, Message, Part, Pattern, Role, Value};
use crate::inflate::{Rules, judge};
use crate::wire::{Form, Frame, opcode};

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    pub(super) bytes: Vec<u8>,
    /// When the transport ended.
    pub(super) over: Option<Duration>,
    pub(super) place: Place,
}

/// How far it has been read, and what is remembered of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    at: usize,
    /// What compressed messages have left in the window.
    window: Vec<u8>,
    /// Up to the end of the transport comes the body of a response.
    in_body: bool,
    /// The payload of the Ping that came last.
    pub(super) ping: Vec<u8>,
}

/// Whether patterns fit.
#[derive(Debug)]
pub(super) enum Fit {
    /// All of them, up to here.
    Yes(Place),
    /// So far.
    SoFar,
    /// No, and why.
    No(String),
}

/// What patterns are to be judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'t> {
    pub(super) role: Role,
    pub(super) names: &'t Names,
    /// When the step began, and the present.
    pub(super) since: Duration,
    pub(super) now: Duration,
    pub(super) slack: Duration,
}

/// Why a pattern does not fit, or that more must come first.
enum Misfit {
    More,
    No(String),
}

type Fits<T = ()> = Result<T, Misfit>;

fn no<T>(why: impl Into<String>) -> Fits<T> {
    Err(Misfit::No(why.into()))
}

impl Arrival {
    /// What has come and was not looked at.
    pub(super) fn left(&self) -> &[u8] {
        if self.place.in_body { &[] } else { &self.bytes[self.place.at..] }
    }

    /// Whether `patterns` fit what has come.
    pub(super) fn fits(&self, patterns: &[Pattern], terms: Terms<'_>) -> Fit {
        let mut reading = Reading { arrival: self, place: self.place.clone(), terms };
        for pattern in patterns {
            match reading.one(pattern) {
                Ok(()) => {}
                Err(Misfit::No(why)) => return Fit::No(why),
                Err(Misfit::More) if self.over.is_some() => {
                    return Fit::No(format!("the transport ended before {}", named(pattern)));
                }
                Err(Misfit::More) => return Fit::SoFar,
            }
        }
        Fit::Yes(reading.place)
    }

    /// The subject's request, if it is there and valid: the path and the key.
    pub(super) fn request(&mut self, headers: &BTreeMap<String, Value>, names: &mut Names) -> Fit {
        let Some((head, size)) = head(&self.bytes[self.place.at..]) else {
            return if self.over.is_some() { Fit::No("no request came".into()) } else { Fit::SoFar };
        };
        let verdict = (|| {
            let mut words = head.first.split(' ');
            let (method, path, version) = (words.next(), words.next(), words.next());
            if (method, version, words.next()) != (Some("GET"), Some("HTTP/1.1"), None) {
                return Err(format!("the request line is {:?}", head.first));
            }
            names.path = path.unwrap_or_default().to_owned();
            if names.path != "/" && !names.path.starts_with("/?") && names.path.contains('#') {
                return Err(format!("the path is {}", names.path));
            }
            names.key = head.single("sec-websocket-key")?.unwrap_or_default().to_owned();
            if !encode::is_key(&names.key) {
                return Err(format!("the key is {:?}", names.key));
            }
            if head.single("host")? != Some(&names.host) {
                return Err(format!("Host is {:?} and not {}", head.single("host")?, names.host));
            }
            if head.single("sec-websocket-version")? != Some("13") {
                return Err("the version is not 13".to_owned());
            }
            head.is_upgrade()?;
            head.check(headers, names)
        })();
        match verdict {
            Ok(()) => {
                let mut place = self.place.clone();
                place.at += size;
                Fit::Yes(place)
            }
            Err(why) => Fit::No(why),
        }
    }
}

/// A place that moves on.
struct Reading<'a> {
    arrival: &'a Arrival,
    place: Place,
    terms: Terms<'a>,
}

impl Reading<'_> {
    fn rest(&self) -> &[u8] {
        &self.arrival.bytes[self.place.at..]
    }

    fn one(&mut self, pattern: &Pattern) -> Fits {
        match pattern {
            Pattern::Response(response) => self.response(response),
            Pattern::Frame(wanted) => {
                let (wanted, came) = (encode::frame(wanted), self.frame()?);
                if came == wanted { Ok(()) } else { no(format!("{} came", shown(&came))) }
            }
            Pattern::Message(wanted) => self.message(wanted),
            Pattern::Close(codes) => {
                let frame = self.frame()?;
                let code = match *frame.payload {
                    [] => 1005,
                    [high, low, ..] => u16::from_be_bytes([high, low]),
                    [_] => 0,
                };
                let fits = frame.opcode == opcode::CLOSE && frame.fin && codes.contains(&code);
                let is_text = std::str::from_utf8(frame.payload.get(2..).unwrap_or_default()).is_ok();
                if fits && is_text { Ok(()) } else { no(format!("{} came", shown(&frame))) }
            }
            Pattern::LastPong(payload) => loop {
                let frame = self.frame()?;
                if frame.opcode != opcode::PONG {
                    return no(format!("{} came", shown(&frame)));
                }
                if frame.payload == payload.as_bytes() {
                    return Ok(());
                }
            },
            Pattern::Ping => {
                let frame = self.frame()?;
                if frame.opcode != opcode::PING {
                    return no(format!("{} came", shown(&frame)));
                }
                self.place.ping = frame.payload;
                Ok(())
            }
            Pattern::End(end) => self.end(end),
            Pattern::Silence(time) => {
                if !self.rest().is_empty() {
                    return no(format!("{} came", short(self.rest())));
                }
                if self.arrival.over.is_some() {
                    return no("the transport ended");
                }
                let silent = self.terms.now.saturating_sub(self.terms.since);
                if silent >= Duration::from_millis(*time) { Ok(()) } else { Err(Misfit::More) }
            }
            Pattern::Anything => {
                self.place.at = self.arrival.bytes.len();
                if self.arrival.over.is_some() { Ok(()) } else { Err(Misfit::More) }
            }
        }
    }

    fn end(&self, end: &scenario::End) -> Fits {
        if !self.rest().is_empty() && !self.place.in_body {
            return no(format!("{} came", short(self.rest())));
        }
        let at = self.arrival.over.ok_or(Misfit::More)?.saturating_sub(self.terms.since);
        let slack = self.terms.slack;
        if at + slack.min(Duration::from_millis(50)) < Duration::from_millis(end.after) {
            return no(format!("the transport ended too early, after {at:?}"));
        }
        match end.within {
            Some(within) if at > Duration::from_millis(within) + slack => {
                no(format!("the transport ended too late, after {at:?}"))
            }
            _ => Ok(()),
        }
    }

    fn response(&mut self, wanted: &scenario::Response) -> Fits {
        let (head, size) = match head(self.rest()) {
            Some(found) => found,
            None if self.rest().len() > 4 && !self.rest().starts_with(b"HTTP/") => {
                return no(format!("{} came", short(self.rest())));
            }
            None => return Err(Misfit::More),
        };
        let status = head.first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status: u16 = match status.and_then(|digits| digits.parse().ok()) {
            Some(status) => status,
            None => return no(format!("the status line is {:?}", head.first)),
        };
        if !wanted.status.contains(&status) {
            return no(format!("the status is {status}"));
        }
        let judged = (|| {
            if status == 101 {
                head.is_upgrade()?;
                let accept = self.terms.names.fill("{accept}");
                if head.single("sec-websocket-accept")? != Some(&accept) {
                    return Err("Sec-WebSocket-Accept does not match".to_owned());
                }
            }
            head.check(&wanted.headers, self.terms.names)
        })();
        if let Err(why) = judged {
            return no(why);
        }
        let length = head.values("content-length").next().and_then(|digits| digits.parse::<usize>().ok());
        let body = if status == 101 { Some(0) } else { length.filter(|_| !wanted.bodiless) };
        match body {
            Some(body) if self.rest().len() < size + body => return Err(Misfit::More),
            Some(body) => self.place.at += size + body,
            None => {
                self.place.at += size;
                self.place.in_body = true;
            }
        }
        Ok(())
    }

    /// The next frame, which must be what RFC 6455 §5.2 demands of a sender.
    fn frame(&mut self) -> Fits<Frame> {
        let Some((frame, size)) = Frame::read(self.rest()) else { return Err(Misfit::More) };
        if frame.key.is_some() != (self.terms.role == Role::Client) {
            return no("a client masks, a server does not");
        }
        if frame.form != Form::Minimal {
            return no("a length is not written in the fewest bytes");
        }
        if frame.opcode >= opcode::CLOSE && (!frame.fin || frame.rsv != 0 || frame.payload.len() > 125) {
            return no(format!("{} came, which is no control frame", shown(&frame)));
        }
        self.place.at += size;
        Ok(Frame { key: None, ..frame })
    }

    fn message(&mut self, wanted: &Message) -> Fits {
        let first = self.frame()?;
        if !matches!(first.opcode, opcode::TEXT | opcode::BINARY) {
            return no(format!("{} came", shown(&first)));
        }
        let (opcode, compressed) = (first.opcode, first.rsv == 4);
        if !matches!(first.rsv, 0 | 4) {
            return no("a reserved bit is set");
        }
        let (mut payload, mut fin) = (first.payload, first.fin);
        while !fin {
            let next = self.frame()?;
            if next.opcode != opcode::CONTINUATION || next.rsv != 0 {
                return no(format!("{} came within a message", shown(&next)));
            }
            payload.extend(next.payload);
            fin = next.fin;
        }
        if wanted.compressed.is_some_and(|wanted| wanted != compressed) {
            return no(if compressed {
                "the message is compressed"
            } else {
                "the message is not compressed"
            });
        }
        if compressed {
            let inflated = judge(&payload, &self.place.window, Rules::UNLIMITED);
            if let Some(fault) = inflated.fault {
                return no(format!("{fault:?} in a compressed message"));
            }
            self.place.window = inflated.history;
            payload = inflated.bytes;
        }
        let (wanted_opcode, bytes) = match wanted {
            Message { text: Some(text), .. } => (opcode::TEXT, text.as_bytes().to_vec()),
            Message { hex: Some(digits), .. } => (opcode::BINARY, encode::hex(digits)),
            Message { fill, binary, .. } => {
                let opcode = if *binary { opcode::BINARY } else { opcode::TEXT };
                (opcode, vec![b'x'; fill.unwrap_or_default()])
            }
        };
        if (opcode, &payload) == (wanted_opcode, &bytes) {
            Ok(())
        } else {
            no(format!("a message of {} bytes came: {}", payload.len(), short(&payload)))
        }
    }
}

/// The first line and the headers of HTTP.
struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

/// The head that bytes begin with, and its size.
fn head(bytes: &[u8]) -> Option<(Head, usize)> {
    let size = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..size]);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some((Head { first, headers }, size))
}

impl Head {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn single<'h>(&'h self, name: &'h str) -> Result<Option<&'h str>, String> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(format!("{name} is repeated")),
        }
    }

    fn is_upgrade(&self) -> Result<(), String> {
        let upgrade = self.single("upgrade")?.unwrap_or_default();
        let connection: Vec<&str> =
            self.values("connection").flat_map(|value| value.split(',')).map(str::trim).collect();
        if !upgrade.eq_ignore_ascii_case("websocket") {
            return Err(format!("Upgrade is {upgrade:?}"));
        }
        if !connection.iter().any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return Err(format!("Connection is {connection:?}"));
        }
        Ok(())
    }

    fn check(&self, wanted: &BTreeMap<String, Value>, names: &Names) -> Result<(), String> {
        for (name, value) in wanted {
            let lower = name.to_ascii_lowercase();
            let came = self.values(&lower).collect::<Vec<_>>();
            let came = (!came.is_empty()).then(|| came.join(", "));
            let fits = match value {
                Value::Absent(()) => came.is_none(),
                Value::Is(value) => came.as_deref() == Some(&names.fill(value)),
                Value::OneOf(values) => values.contains(&came),
                Value::Part(Part::Has(part)) => came.as_deref().is_some_and(|came| came.contains(part)),
                Value::Part(Part::Lacks(part)) => came.as_deref().is_none_or(|came| !came.contains(part)),
            };
            if !fits {
                return Err(format!("{name} is {came:?}"));
            }
        }
        Ok(())
    }
}

fn short(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(48)]))
}

fn shown(frame: &Frame) -> String {
    let name = match frame.opcode {
        opcode::CONTINUATION => "a continuation",
        opcode::TEXT => "a text",
        opcode::BINARY => "a binary",
        opcode::CLOSE => "a close",
        opcode::PING => "a ping",
        opcode::PONG => "a pong",
        _ => "an unknown frame",
    };
    let code = match (frame.opcode, &*frame.payload) {
        (opcode::CLOSE, [high, low, ..]) => format!(" with {}", u16::from_be_bytes([*high, *low])),
        _ => String::new(),
    };
    let bits = if frame.rsv == 0 { String::new() } else { format!(", reserved bits {}", frame.rsv) };
    format!("{name}{code} of {} bytes{bits}: {}", frame.payload.len(), short(&frame.payload))
}

/// What a pattern waits for, in a word.
fn named(pattern: &Pattern) -> &'static str {
    match pattern {
        Pattern::Response(_) => "the response",
        Pattern::Frame(_) => "the frame",
        Pattern::Message(_) => "the message",
        Pattern::Close(_) => "the close",
        Pattern::LastPong(_) => "the pong",
        Pattern::Ping => "the ping",
        Pattern::End(_) | Pattern::Silence(_) | Pattern::Anything => "its time",
    }
}
