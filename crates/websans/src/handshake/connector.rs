//! [`Connector`]: waits for the answer to a client's request.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::client::{Refusal, Request};
use super::error::HandshakeError;
use super::head::Head;
use super::lines::{Lines, version_fault};
use super::refusal::Collecting;
use crate::config::{Config, Negotiated};
use crate::time::Timestamp;

/// What became of a request that was answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The connection is open.
    Open(Negotiated),
    /// The server answered with something other than 101: an error, a redirection, a demand for credentials.
    Refused(Refusal),
}

/// Collects the answer to one [`Request`] as it arrives, within the limits and the time of a [`Config`].
///
/// Its owner calls [`poll`](Self::poll) after every read and at [`deadline`](Self::deadline). Interim responses
/// (1xx) are skipped; all heads together are held to [`Config::max_head`] and [`Config::max_headers`].
#[derive(Debug)]
pub struct Connector {
    request: Request,
    head: Head,
    stage: Stage,
    deadline: Timestamp,
    max_body: usize,
    ended: bool,
}

/// How far a [`Connector`] has come.
#[derive(Debug)]
enum Stage {
    /// A head is awaited.
    Head,
    /// The rest of a refusal is awaited.
    Body(Collecting),
    /// The answer has been told: the connection is open.
    Open,
    /// The answer has been told: the server refused.
    Refused,
}

/// What one head means.
enum Verdict {
    Interim,
    Open(Negotiated),
    Refused(Collecting),
}

impl Connector {
    /// Waits for the answer to `request` from `now` on. The time it may take is counted from here, not from its
    /// last byte.
    #[must_use]
    pub fn new(request: Request, config: &Config, now: Timestamp) -> Self {
        Self {
            request,
            head: Head::response(config),
            stage: Stage::Head,
            deadline: now + config.handshake_within,
            max_body: config.max_refusal_body,
            ended: false,
        }
    }

    /// Where to read to. Empty, so that reading stops, when [`poll`](Self::poll) has something to tell.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        match &mut self.stage {
            Stage::Body(body) => body.spare_mut(),
            _ => self.head.spare_mut(),
        }
    }

    /// Takes note that `n` bytes have been read to the start of [`spare_mut`](Self::spare_mut).
    pub fn filled(&mut self, n: usize) {
        match &mut self.stage {
            Stage::Body(body) => body.filled(n),
            _ => self.head.filled(n),
        }
    }

    /// Takes note that the peer sends no more.
    pub fn eof(&mut self) {
        self.ended = true;
    }

    /// Tells the answer, once, when it is whole. A refusal counts as whole at the deadline, too: its status is
    /// what matters, and [`Refusal::complete`] tells whether the body is all there.
    ///
    /// # Errors
    /// Why there will be no answer, the same again at every call: [`Timeout`](HandshakeError::Timeout) from the
    /// deadline on, [`Incomplete`](HandshakeError::Incomplete) after [`eof`](Self::eof), what
    /// [`Head::is_complete`] tells, or what is wrong with a 101: [`HttpVersion`](HandshakeError::HttpVersion),
    /// [`InvalidUpgrade`](HandshakeError::InvalidUpgrade),
    /// [`InvalidConnection`](HandshakeError::InvalidConnection), [`WrongAccept`](HandshakeError::WrongAccept),
    /// [`InvalidExtensions`](HandshakeError::InvalidExtensions),
    /// [`UnexpectedExtension`](HandshakeError::UnexpectedExtension),
    /// [`UnexpectedProtocol`](HandshakeError::UnexpectedProtocol).
    pub fn poll(&mut self, now: Timestamp) -> Result<Option<Answer>, HandshakeError> {
        while matches!(self.stage, Stage::Head) && self.head.is_complete()? {
            match self.judge() {
                Ok(Verdict::Interim) => self.head.next_head(),
                Ok(Verdict::Open(negotiated)) => {
                    self.stage = Stage::Open;
                    return Ok(Some(Answer::Open(negotiated)));
                }
                Ok(Verdict::Refused(mut body)) => {
                    body.take(self.head.rest());
                    self.stage = Stage::Body(body);
                }
                Err(error) => self.head.fail(error),
            }
        }
        let late = now >= self.deadline;
        match &self.stage {
            Stage::Head if self.ended || late => {
                let error = if self.ended { HandshakeError::Incomplete } else { HandshakeError::Timeout };
                self.head.fail(error);
                Err(error)
            }
            Stage::Body(body) if self.ended || late || body.is_over() => {
                match core::mem::replace(&mut self.stage, Stage::Refused) {
                    Stage::Body(body) => Ok(Some(Answer::Refused(body.into_refusal(self.ended)))),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// When the answer must have come: poll then, if not before.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// What came behind the head of the 101 response: the first bytes of the WebSocket. Empty if the connection is
    /// not open.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        if matches!(self.stage, Stage::Open) { self.head.into_rest() } else { Vec::new() }
    }

    /// Parses the head and says what it means.
    fn judge(&mut self) -> Result<Verdict, HandshakeError> {
        let mut headers = Lines::with_room(&self.head);
        let mut parsed = httparse::Response::new(headers.room());
        match parsed.parse(self.head.bytes()) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::Version) => return Err(version_fault(&self.head, 0, 3)),
            _ => return Err(HandshakeError::InvalidHead),
        }
        let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(HandshakeError::InvalidHead);
        };
        let reason = parsed.reason.unwrap_or_default();
        let count = parsed.headers.len();
        headers.truncate(count);
        match status {
            0..=99 => Err(HandshakeError::InvalidHead),
            101 if minor == 0 => Err(HandshakeError::HttpVersion),
            101 => self.request.verify(&headers).map(Verdict::Open),
            100..=199 => Ok(Verdict::Interim),
            _ => {
                let refusal = Refusal {
                    status,
                    reason: reason.to_owned(),
                    headers: headers
                        .iter()
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    body: Vec::new(),
                    complete: false,
                };
                Ok(Verdict::Refused(Collecting::new(refusal, &headers, self.max_body)))
            }
        }
    }
}
