//! [`Stats`]: what a connection counts as it goes.

use core::time::Duration;

use crate::deflate::Parameters;

/// Counters of one connection since it opened, and the last round-trip time. They cost nothing to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Whole messages received.
    pub messages_received: u64,
    /// Whole messages sent, that is, put into the outbox.
    pub messages_sent: u64,
    /// Frames of any kind received.
    pub frames_received: u64,
    /// Frames of any kind put into the outbox.
    pub frames_sent: u64,
    /// Bytes received, headers included.
    pub bytes_received: u64,
    /// Bytes taken from the outbox for writing, headers included.
    pub bytes_sent: u64,
    /// Bytes that wait in the outbox.
    pub bytes_queued: usize,
    /// From the last Ping that was answered to its Pong.
    pub round_trip: Option<Duration>,
    /// What compression does, if it was agreed on.
    pub compression: Option<Compression>,
}

/// What permessage-deflate has made of the messages that were compressed, in bytes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// What both ends have agreed on.
    pub parameters: Parameters,
    /// Most bytes of memory that the connection keeps from one message to the next in order to compress and inflate: 0
    /// without context takeover.
    pub memory: usize,
    /// What was given to the compressor.
    pub sent_plain: u64,
    /// What it made of that.
    pub sent_compressed: u64,
    /// What was given to the decompressor.
    pub received_compressed: u64,
    /// What it made of that. The [`Inbox`](crate::Inbox) inflates and counts, as it hands messages out.
    pub received_plain: u64,
}
