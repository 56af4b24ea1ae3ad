//! [`CATALOGUE`]: the attacks, with what must become of them.

use std::time::Duration;

use super::ending::Ending::{self, Close, Eof, Reset, Status};
use crate::server::{CLOSE_WITHIN, HANDSHAKE_WITHIN, WRITE_STALL};

/// One of the [`CATALOGUE`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What the attackers do.
    pub(crate) script: Script,
    /// How the server ends connections: one of these must occur.
    pub(crate) ends: &'static [Ending],
    /// How they may end besides. A server that ends a connection while the attacker still sends resets it, and the attacker may
    /// lose what was said last.
    pub(crate) also: &'static [Ending],
    /// How long none may last, from when the script says, but for [`LATE`].
    pub(crate) within: Option<Duration>,
    /// How many messages each attacker can have the server hold at once.
    pub(crate) messages: usize,
    /// Whether it is run by itself in a brief trial.
    pub(crate) brief: bool,
}

/// What a deadline is given for the machine to be busy.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// A handshake at one byte a second.
    Slowloris,
    /// A handshake whose end never comes.
    HalfRequest,
    /// Nothing at all.
    Silence,
    /// A hundred header lines.
    ManyHeaders,
    /// A header line of 64 KiB.
    LongHeader,
    /// 64 KiB of header lines.
    LongHead,
    /// Header lines without an end.
    EndlessHeaders,
    /// A message whose last 8 KiB come in fragments of one byte, and which goes on.
    OneByteFragments,
    /// A message in empty fragments.
    EmptyFragments,
    /// Pings, whose Pongs are read.
    Pings,
    /// Pings, whose Pongs are not.
    PingsUnread,
    /// Pongs that nobody has asked for.
    Pongs,
    /// A frame that declares a length beyond all limits.
    HugeLength,
    /// The same, byte by byte.
    DribbledLength,
    /// A frame that declares the longest length that is allowed, and nothing behind it.
    DeclaredLength,
    /// A message that inflates a thousand times.
    Bomb,
    /// The same in fragments.
    FragmentedBomb,
    /// A compressed message of nothing but empty blocks.
    EmptyBlocks,
    /// A compressed message that is nearly as long as it may be, and never ends.
    HalfCompressed,
    /// The longest message that is allowed but for its last byte.
    HalfMessage,
    /// Long messages, whose echoes are never read.
    EchoesUnread,
    /// No answer to the server's Close.
    CloseUnanswered,
    /// Messages without an end after the server's Close.
    DataAfterClose,
    /// A frame that is not masked.
    Unmasked,
    /// Frames that break the rules.
    ProtocolErrors,
    /// More connections than there are places.
    Connections,
    /// Connections that are reset, at every stage.
    Resets,
}

impl Script {
    /// Whether compression is agreed on.
    pub(super) const fn compresses(self) -> bool {
        matches!(self, Self::Bomb | Self::FragmentedBomb | Self::EmptyBlocks | Self::HalfCompressed)
    }

    /// How many connections an attacker has at once.
    pub(crate) const fn connections(self) -> usize {
        if matches!(self, Self::Connections) { 4 } else { 1 }
    }
}

/// A row of the catalogue.
const fn attack(name: &'static str, script: Script, ends: &'static [Ending]) -> Attack {
    Attack { name, script, ends, also: &[], within: None, messages: 1, brief: false }
}

impl Attack {
    const fn also(mut self, also: &'static [Ending]) -> Self {
        self.also = also;
        self
    }

    const fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    const fn messages(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    const fn brief(mut self) -> Self {
        self.brief = true;
        self
    }
}

/// All attacks.
pub(crate) const CATALOGUE: &[Attack] = &[
    // hyper ends a connection whose request is late without a word; `websans_tokio` answers it.
    attack("slowloris", Script::Slowloris, &[Status(408), Eof]).within(HANDSHAKE_WITHIN),
    attack("half-request", Script::HalfRequest, &[Status(408), Eof]).within(HANDSHAKE_WITHIN),
    attack("silence", Script::Silence, &[Status(408), Eof]).within(HANDSHAKE_WITHIN),
    attack("many-headers", Script::ManyHeaders, &[Status(431)]).also(&[Reset]),
    attack("long-header", Script::LongHeader, &[Status(431)]).also(&[Reset]),
    attack("long-head", Script::LongHead, &[Status(431)]).also(&[Reset]),
    attack("endless-headers", Script::EndlessHeaders, &[Status(431)]).also(&[Reset]),
    attack("one-byte-fragments", Script::OneByteFragments, &[Close(1009)]).also(&[Reset]),
    attack("empty-fragments", Script::EmptyFragments, &[Close(1008)]).also(&[Reset]),
    attack("pings", Script::Pings, &[]),
    // One Pong for all the Pings of a read: it takes long until there is no room for the next.
    attack("pings-unread", Script::PingsUnread, &[]).also(&[Close(1011), Reset]),
    attack("pongs", Script::Pongs, &[]),
    attack("huge-length", Script::HugeLength, &[Close(1009)]).also(&[Close(1002)]),
    attack("dribbled-length", Script::DribbledLength, &[Close(1009)]),
    attack("declared-length", Script::DeclaredLength, &[]),
    attack("bomb", Script::Bomb, &[Close(1009)]).also(&[Reset]),
    attack("fragmented-bomb", Script::FragmentedBomb, &[Close(1009)]).also(&[Reset]),
    attack("empty-blocks", Script::EmptyBlocks, &[Close(1009)]).also(&[Reset]),
    attack("half-compressed", Script::HalfCompressed, &[]).brief(),
    attack("half-message", Script::HalfMessage, &[]),
    // One that is being sent, whatever `max_outbox` says, and the next one.
    attack("echoes-unread", Script::EchoesUnread, &[Reset]).within(WRITE_STALL).messages(2),
    attack("close-unanswered", Script::CloseUnanswered, &[Eof, Reset]).within(CLOSE_WITHIN),
    attack("data-after-close", Script::DataAfterClose, &[Reset]).within(CLOSE_WITHIN),
    attack("unmasked", Script::Unmasked, &[Close(1002)]),
    attack("protocol-errors", Script::ProtocolErrors, &[Close(1002)]).also(&[Close(1007)]),
    attack("connections", Script::Connections, &[Status(503)]).also(&[Eof, Reset]).brief(),
    attack("resets", Script::Resets, &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attack_has_a_name_and_a_script_of_its_own() {
        for (index, attack) in CATALOGUE.iter().enumerate() {
            for other in &CATALOGUE[..index] {
                assert!(other.name != attack.name && other.script != attack.script, "{}", attack.name);
            }
            assert_ne!(attack.name, "mixed");
        }
    }
}
