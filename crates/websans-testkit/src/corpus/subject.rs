//! [`Subject`] and [`Transport`]: what the runner needs of whatever it tests; [`Order`], what the subject's application does.

use std::time::Duration;

use super::scenario::{Scenario, Told};

/// What came of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing in time.
    Nothing,
    /// The end of the transport, in order or by a reset.
    End,
}

/// A transport whose other end is the subject's.
pub trait Transport {
    /// Writes all of it. The subject may be gone: then nothing happens.
    fn write(&mut self, bytes: &[u8]);

    /// What comes within this time.
    fn read(&mut self, within: Duration) -> Read;

    /// Ends this direction.
    fn half_close(&mut self);

    /// Tears it down.
    fn reset(&mut self);

    /// Lets time go by.
    fn wait(&mut self, time: Duration);

    /// The time since the transport was opened.
    fn now(&self) -> Duration;

    /// What stands in `Host` and in the request line.
    fn address(&self) -> (String, String) {
        ("localhost".to_owned(), "/".to_owned())
    }

    /// What the subject's application has been told, if that can be known.
    fn told(&mut self) -> Option<Told> {
        None
    }
}

/// Something that speaks WebSocket.
pub trait Subject: Sync {
    /// A transport to it, with the settings of the scenario's profile.
    ///
    /// # Errors
    /// Why the scenario cannot be expressed with it.
    fn start(&self, scenario: &Scenario) -> Result<Box<dyn Transport>, String>;

    /// How long something that must come may take where the scenario does not say.
    fn patience(&self) -> Duration;

    /// How late, and by how little early, anything may be.
    fn slack(&self) -> Duration;
}

/// What the echo application under test does instead of echoing: a text message that begins with `app:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// `app:close CODE REASON`.
    Close(u16, String),
    /// `app:ping PAYLOAD`.
    Ping(String),
    /// `app:send TEXT`.
    Send(String),
}

impl Order {
    /// The order that a text message is, if it is one.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        let order = message.strip_prefix("app:")?;
        let (name, rest) = order.split_once(' ').unwrap_or((order, ""));
        match name {
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Self::Close(code.parse().ok()?, reason.to_owned()))
            }
            "ping" => Some(Self::Ping(rest.to_owned())),
            "send" => Some(Self::Send(rest.to_owned())),
            _ => None,
        }
    }
}
