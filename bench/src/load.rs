//! The load: connections that send messages made beforehand and look at what comes back.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;
use crate::frame::{Framing, Replies};
use crate::input;
use crate::records;
use crate::zlib::{Compressor, Decompressor, TAIL};

/// The messages to send, and what is to come back.
pub(crate) struct Script {
    framing: Framing,
    messages: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
}

impl Script {
    /// How many different messages there are, to be sent in turn.
    pub(crate) const MESSAGES: usize = 64;

    /// Each message is compressed for itself, which every agreement on takeover allows.
    pub(crate) fn new(framing: Framing, length: usize) -> Result<Self> {
        let messages = records::messages(Self::MESSAGES, length);
        let mut compressor = Compressor::new(6, false);
        let mut data = vec![0; 2 * length];
        let request = |message: &Vec<u8>| {
            let compressed = compressor.compress(message, &mut data)?;
            Ok(framing.request(&data[..compressed - TAIL.len()]))
        };
        let requests = messages.iter().map(request).collect::<Result<_>>()?;
        Ok(Self { framing, messages, requests })
    }

    pub(crate) fn message(&self, number: usize) -> &[u8] {
        &self.messages[number % Self::MESSAGES]
    }

    /// The bytes to send as the message of this number.
    pub(crate) fn request(&self, number: usize) -> &[u8] {
        &self.requests[number % Self::MESSAGES]
    }
}

/// What came back so far, on all connections.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) replies: Cell<u64>,
    pub(crate) bytes: Cell<u64>,
}

/// A connection that is open.
pub(crate) struct Connection {
    stream: TcpStream,
    replies: Replies,
    script: Rc<Script>,
    /// The number of the next message to send.
    next: usize,
    checker: Option<Checker>,
}

/// Inflates the replies of one connection and compares them with what was sent.
struct Checker {
    decompressor: Decompressor,
    data: Vec<u8>,
    plain: Vec<u8>,
    /// The number of the message that is to come back next.
    next: usize,
}

impl Connection {
    /// Connects and shakes hands. `takeover` is what a server that does not shake hands does; from the others it must be
    /// what they answer.
    ///
    /// With `checked`, every reply is inflated, which is as much work as the server's: one connection of many is enough.
    pub(crate) async fn open(
        port: u16,
        script: &Rc<Script>,
        takeover: bool,
        first: usize,
        checked: bool,
    ) -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        if script.framing == Framing::WebSocket {
            shake_hands(&mut stream, takeover).await?;
        }
        let checker = checked.then(|| Checker {
            decompressor: Decompressor::new(takeover),
            data: Vec::new(),
            // One byte more than any, to see a reply that is too long.
            plain: vec![0; script.messages[0].len() + 1],
            next: first,
        });
        Ok(Self {
            stream,
            replies: Replies::new(script.framing),
            script: Rc::clone(script),
            next: first,
            checker,
        })
    }

    /// Keeps `depth` messages under way for as long as it is polled.
    pub(crate) async fn run(mut self, depth: usize, counts: Rc<Counts>) -> Result<()> {
        self.send(depth).await?;
        loop {
            let complete = self.receive(&counts).await?;
            self.send(complete).await?;
        }
    }

    /// Sends one message and waits for it to come back.
    pub(crate) async fn exchange(&mut self, counts: &Counts) -> Result<()> {
        self.send(1).await?;
        while self.receive(counts).await? == 0 {}
        Ok(())
    }

    async fn send(&mut self, count: usize) -> Result<()> {
        let first = self.next;
        self.next += count;
        match count {
            0 => {}
            1 => self.stream.write_all(self.script.request(first)).await?,
            _ => {
                let batch: Vec<&[u8]> =
                    (first..self.next).map(|number| self.script.request(number)).collect();
                self.stream.write_all(&batch.concat()).await?;
            }
        }
        Ok(())
    }

    /// Waits for something to come; returns how many replies it completed.
    async fn receive(&mut self, counts: &Counts) -> Result<usize> {
        let Self { stream, replies, script, checker, .. } = self;
        input::read(stream, |input| {
            if input.is_empty() {
                return Err("the server closed a connection".into());
            }
            let complete = replies.take(input, |piece, last| match checker {
                Some(checker) => checker.take(script, piece, last),
                None => Ok(()),
            })?;
            counts.replies.set(counts.replies.get() + complete as u64);
            counts.bytes.set(counts.bytes.get() + input.len() as u64);
            Ok(complete)
        })
        .await?
    }
}

impl Checker {
    fn take(&mut self, script: &Script, piece: &[u8], last: bool) -> Result<()> {
        self.data.extend_from_slice(piece);
        if last {
            self.data.extend(TAIL);
            let length = self.decompressor.decompress(&self.data, &mut self.plain)?;
            if self.plain[..length] != *script.message(self.next) {
                return Err(format!("reply {} is not what was sent", self.next).into());
            }
            self.data.clear();
            self.next += 1;
        }
        Ok(())
    }
}

/// The offer of a browser, but without `client_max_window_bits`: one of the peers takes that as a wish for the smallest
/// window.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// Fails unless permessage-deflate comes out as `takeover` says in both directions, with the largest windows.
async fn shake_hands(stream: &mut TcpStream, takeover: bool) -> Result<()> {
    stream.write_all(REQUEST).await?;
    let mut head = Vec::new();
    // The server speaks only when spoken to, so nothing comes behind its answer.
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("the server closed a connection instead of an answer".into());
        }
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let mut lines = head.lines();
    if !lines.next().is_some_and(|line| line.starts_with("http/1.1 101 ")) {
        return Err(format!("the server refused: {head}").into());
    }
    let answer = lines.find_map(|line| line.strip_prefix("sec-websocket-extensions:")).unwrap_or_default();
    let mut parameters: Vec<&str> = answer.split(';').map(str::trim).collect();
    // The value that says the default.
    parameters.retain(|parameter| *parameter != "server_max_window_bits=15");
    parameters.sort_unstable();
    let wanted: &[&str] = match takeover {
        false => &["client_no_context_takeover", "permessage-deflate", "server_no_context_takeover"],
        true => &["permessage-deflate"],
    };
    if parameters != wanted {
        return Err(format!("the server agreed on {answer:?}").into());
    }
    Ok(())
}
