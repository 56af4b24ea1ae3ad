//! [`echo`]: every message goes back.

use std::fmt;

use websans_tower::{CloseCode, Error, Message, Outcome, Receiver, SendError, Sender};

/// How an echo ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Outcome(Outcome),
    /// Without a Close, because the client asked for that.
    Aborted,
}

/// Returns each message whole, as the kind it came as. Two texts are orders instead: `ServerClose` and `ServerAbort`, for
/// clients that want to see how they take it.
pub(crate) async fn echo(receiver: &mut Receiver, sender: &Sender) -> Result<Ending, Error> {
    while let Some(message) = receiver.recv().await? {
        let done = match message {
            Message::Text("ServerClose") => {
                sender.start_close(CloseCode::NORMAL, "Closing from server").await
            }
            Message::Text("ServerAbort") => return Ok(Ending::Aborted),
            message => sender.send(message).await,
        };
        match done {
            // This side is closing: let go what still comes until the client's Close does.
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error) => return receiver.outcome().map(Ending::Outcome).ok_or(error),
        }
    }
    let outcome = receiver.outcome().ok_or_else(|| std::io::Error::other("ended without an outcome"))?;
    Ok(Ending::Outcome(outcome))
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(outcome) => outcome.fmt(f),
            Self::Aborted => f.write_str("dropped without a close, as the client asked"),
        }
    }
}
