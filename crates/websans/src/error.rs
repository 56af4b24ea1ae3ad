//! What can go wrong: [`ProtocolError`] is the peer's fault, [`SendError`] the caller's.

use core::fmt;

use crate::close::CloseCode;

/// What the peer did that ends the connection.
///
/// Each kind names the rule that was broken and maps to the code of the Close frame that the connection
/// has queued by the time the error is returned ([RFC 6455 §7.1.7]).
///
/// [RFC 6455 §7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client's frame was not masked (§5.1).
    UnmaskedFrame,
    /// A server's frame was masked (§5.1).
    MaskedFrame,
    /// A reserved bit was set that no negotiated extension defines (§5.2).
    ReservedBits,
    /// An opcode was 3 to 7 or 11 to 15 (§5.2).
    ReservedOpcode,
    /// A length was not encoded in the fewest bytes (§5.2).
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length was set (§5.2).
    LengthOutOfRange,
    /// A Continuation frame came while no message was being received (§5.4).
    UnexpectedContinuation,
    /// A Text or Binary frame came in the middle of a fragmented message (§5.4).
    ExpectedContinuation,
    /// A control frame was fragmented (§5.5).
    FragmentedControl,
    /// A control frame declared more than 125 bytes of payload (§5.5).
    ControlTooLong,
    /// A Close frame's payload was one byte long (§5.5.1).
    TruncatedCloseCode,
    /// A Close frame carried a code that must not be sent (§7.4).
    InvalidCloseCode,
    /// A Close frame's reason was not UTF-8 (§5.5.1).
    InvalidCloseReason,
    /// A text message was not UTF-8 (§8.1).
    InvalidUtf8,
    /// A message is longer than [`Config::max_message`](crate::Config::max_message) (§10.4).
    MessageTooBig,
    /// A message has more fragments than [`Config::max_fragments`](crate::Config::max_fragments), or more
    /// empty ones in a row than [`Config::max_empty_fragments`](crate::Config::max_empty_fragments) (§10.4).
    TooManyFragments,
    /// A compressed message did not inflate (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A compressed message went on without inflating to anything: 8 KiB of it, which nothing but an attack needs (§10.4).
    UnproductiveDeflate,
    /// A compressed message inflated to more than
    /// [`Config::max_inflate_ratio`](crate::Config::max_inflate_ratio) times its length (§10.4).
    InflateRatio,
    /// No memory could be had for a message within all limits (§10.4). Not the peer's fault, but 1009 is what it is told:
    /// the message is too big to be processed.
    OutOfMemory,
}

impl ProtocolError {
    /// The code for the Close frame that answers this error (§7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig | Self::UnproductiveDeflate | Self::InflateRatio | Self::OutOfMemory => {
                CloseCode::MESSAGE_TOO_BIG
            }
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// What the peer did, as it is said to the peer in the Close frame's reason: at most 123 bytes.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnmaskedFrame => "client sent an unmasked frame (RFC 6455 section 5.1)",
            Self::MaskedFrame => "server sent a masked frame (RFC 6455 section 5.1)",
            Self::ReservedBits => "frame has a reserved bit set (RFC 6455 section 5.2)",
            Self::ReservedOpcode => "frame has a reserved opcode (RFC 6455 section 5.2)",
            Self::LengthNotMinimal => "frame length is not minimally encoded (RFC 6455 section 5.2)",
            Self::LengthOutOfRange => "frame length exceeds 63 bits (RFC 6455 section 5.2)",
            Self::UnexpectedContinuation => "continuation of no message (RFC 6455 section 5.4)",
            Self::ExpectedContinuation => "message within a fragmented message (RFC 6455 section 5.4)",
            Self::FragmentedControl => "control frame is fragmented (RFC 6455 section 5.5)",
            Self::ControlTooLong => "control frame exceeds 125 bytes (RFC 6455 section 5.5)",
            Self::TruncatedCloseCode => "close frame has half a code (RFC 6455 section 5.5.1)",
            Self::InvalidCloseCode => "close code must not be sent (RFC 6455 section 7.4)",
            Self::InvalidCloseReason => "close reason is not UTF-8 (RFC 6455 section 5.5.1)",
            Self::InvalidUtf8 => "text message is not UTF-8 (RFC 6455 section 8.1)",
            Self::MessageTooBig => "message exceeds the size limit (RFC 6455 section 10.4)",
            Self::TooManyFragments => "message has too many fragments (RFC 6455 section 10.4)",
            Self::InvalidDeflate => "compressed message does not inflate (RFC 7692 section 7.2.2)",
            Self::UnproductiveDeflate => "compressed message has no content (RFC 6455 section 10.4)",
            Self::InflateRatio => "message exceeds the ratio limit of compression (RFC 6455 section 10.4)",
            Self::OutOfMemory => "no memory for the message (RFC 6455 section 10.4)",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str(self.reason()),
            _ => write!(f, "the peer broke the protocol: {}", self.reason()),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Why something was not sent. The caller's doing, never caused by data from the network; nothing was queued
/// and the connection goes on as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame has been sent, or the connection has ended: no more may be sent (RFC 6455 §5.5.1).
    Closing,
    /// The outbox holds [`Config::max_outbox`](crate::Config::max_outbox) bytes: write some of it first.
    OutboxFull,
    /// A fragmented message is under way: finish it before another begins (§5.4).
    MessageInProgress,
    /// A part has another [`Kind`](crate::Kind) than the message's first part (§5.4).
    KindChanged,
    /// A text message, or a part of one, is not UTF-8 (§5.6).
    InvalidUtf8,
    /// A Ping's or Pong's payload is longer than 125 bytes (§5.5).
    ControlTooLong,
    /// A Close frame's reason is longer than 123 bytes (§5.5.1).
    ReasonTooLong,
    /// A server does not send 1010, which says that a server lacks an extension (§7.4.1).
    CodeNotForServers,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closing => "nothing more can be sent on this connection: it is closing or closed",
            Self::OutboxFull => "the outbox is full: the peer does not read as fast as messages are sent",
            Self::MessageInProgress => "another message is being sent in parts and is not finished",
            Self::KindChanged => "all parts of a message must be of one kind",
            Self::InvalidUtf8 => "a text message must be UTF-8",
            Self::ControlTooLong => "the payload of a ping or pong must not exceed 125 bytes",
            Self::ReasonTooLong => "the reason of a close must not exceed 123 bytes",
            Self::CodeNotForServers => "close code 1010 is for clients only",
        })
    }
}

impl core::error::Error for SendError {}

const _: () = assert!(size_of::<ProtocolError>() == 1 && size_of::<SendError>() == 1);
