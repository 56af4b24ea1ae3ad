//! What a byte string means, decided by RFC 6455 alone.
//!
//! This reads the whole string at once, copies everything, looks at many bytes twice, and shares no code with the
//! core. Where the RFC leaves open which of several faults to name, these rules decide:
//!
//! * A fault is due at the byte that makes the header or the text illegal, whatever may follow.
//! * Of faults in one byte the first is named in the order opcode, FIN, reserved bits, place in a message; then, in
//!   the second byte, the mask before the length.
//! * A length is judged when all its bytes are there, but for its most significant bit; limits when the whole
//!   header is there; a Close when its whole payload is.

use core::str;

use websans::{Kind, ProtocolError};

/// What the decoder must know of its connection.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether a server reads, so that frames must be masked.
    pub server: bool,
    /// Whether RSV1 marks compressed messages. They are reported as they came: deflated, and not checked as text.
    pub compression: bool,
    /// Longest message.
    pub max_message: u64,
    /// Most fragments of a message.
    pub max_fragments: u32,
    /// Most empty fragments in a row that do not end a message.
    pub max_empty_fragments: u32,
}

impl Rules {
    /// No limit and no compression, for a reading server or client.
    #[must_use]
    pub const fn unlimited(server: bool) -> Self {
        Self {
            server,
            compression: false,
            max_message: u64::MAX,
            max_fragments: u32::MAX,
            max_empty_fragments: u32::MAX,
        }
    }

    /// Those of a connection with this configuration.
    #[must_use]
    pub fn of(config: &websans::Config, server: bool) -> Self {
        Self {
            server,
            compression: false,
            max_message: config.max_message,
            max_fragments: config.max_fragments,
            max_empty_fragments: config.max_empty_fragments.into(),
        }
    }
}

/// Something whole that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message {
        /// Text or binary.
        kind: Kind,
        /// Whether its first frame had RSV1 set.
        compressed: bool,
        /// All of it.
        payload: Vec<u8>,
    },
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// A Close with its code and reason, if it had one.
    Close(Option<(u16, String)>),
}

/// How the byte string ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More may follow.
    Open,
    /// With a Close; nothing after it counts.
    Closed,
    /// With a fault.
    Failed(ProtocolError),
}

/// The meaning of a byte string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What arrived, in order.
    pub events: Vec<Event>,
    /// What came last.
    pub end: End,
    /// Bytes of whole frames, up to and with a Close.
    pub used: usize,
}

struct Head {
    fin: bool,
    rsv1: bool,
    opcode: u8,
    key: [u8; 4],
    len: u64,
    size: usize,
}

struct Message {
    kind: Kind,
    compressed: bool,
    payload: Vec<u8>,
    /// How much of a text is known to be whole characters.
    characters: usize,
    fragments: u32,
    empty: u32,
}

/// Reads all of `bytes`.
#[must_use]
pub fn read(bytes: &[u8], rules: &Rules) -> Meaning {
    let mut meaning = Meaning { events: Vec::new(), end: End::Open, used: 0 };
    let mut message = None;
    loop {
        match read_frame(&bytes[meaning.used..], &mut message, rules) {
            Ok(None) => return meaning,
            Ok(Some((size, event))) => {
                meaning.used += size;
                meaning.events.extend(event);
                if let Some(Event::Close(_)) = meaning.events.last() {
                    meaning.end = End::Closed;
                    return meaning;
                }
            }
            Err(error) => {
                meaning.end = End::Failed(error);
                return meaning;
            }
        }
    }
}

/// One frame: its size, and what it completes.
fn read_frame(
    bytes: &[u8],
    message: &mut Option<Message>,
    rules: &Rules,
) -> Result<Option<(usize, Option<Event>)>, ProtocolError> {
    let Some(head) = read_head(bytes, message.is_some(), rules)? else { return Ok(None) };
    let rest = &bytes[head.size..];
    let have = usize::try_from(head.len).unwrap_or(usize::MAX).min(rest.len());
    let whole = have as u64 == head.len;
    let payload: Vec<u8> = (0..have).map(|i| rest[i] ^ head.key[i % 4]).collect();
    let size = head.size + have;

    if head.opcode >= 8 {
        if !whole {
            return Ok(None);
        }
        let event = match head.opcode {
            9 => Event::Ping(payload),
            10 => Event::Pong(payload),
            _ => Event::Close(read_close(&payload)?),
        };
        return Ok(Some((size, Some(event))));
    }

    // "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0, followed
    // by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame with
    // the FIN bit set and an opcode of 0" (§5.4).
    let kind = if head.opcode == 1 { Kind::Text } else { Kind::Binary };
    let mut so_far = message.take().unwrap_or(Message {
        kind,
        compressed: head.rsv1,
        payload: Vec::new(),
        characters: 0,
        fragments: 0,
        empty: 0,
    });
    so_far.fragments += 1;
    so_far.empty = if head.len == 0 && !head.fin { so_far.empty + 1 } else { 0 };
    // Every message has one.
    if so_far.fragments > rules.max_fragments.max(1) {
        return Err(ProtocolError::TooManyFragments);
    }
    if head.len > rules.max_message - so_far.payload.len() as u64 {
        return Err(ProtocolError::MessageTooBig);
    }
    if so_far.empty > rules.max_empty_fragments {
        return Err(ProtocolError::TooManyFragments);
    }
    so_far.payload.extend(payload);
    if so_far.kind == Kind::Text && !so_far.compressed {
        let rest = &so_far.payload[so_far.characters..];
        match str::from_utf8(rest) {
            Ok(_) => so_far.characters += rest.len(),
            // What is there may yet become a character, unless the message ends here.
            Err(error) if error.error_len().is_none() && !(head.fin && whole) => {
                so_far.characters += error.valid_up_to();
            }
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
    }
    if !whole {
        return Ok(None);
    }
    let Message { kind, compressed, payload, .. } = so_far;
    if head.fin {
        return Ok(Some((size, Some(Event::Message { kind, compressed, payload }))));
    }
    *message = Some(Message { kind, compressed, payload, ..so_far });
    Ok(Some((size, None)))
}

fn read_head(bytes: &[u8], in_message: bool, rules: &Rules) -> Result<Option<Head>, ProtocolError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let opcode = first & 0x0F;
    let fin = first & 0x80 != 0;
    let rsv1 = first & 0x40 != 0;
    if matches!(opcode, 3..=7 | 11..=15) {
        return Err(ProtocolError::ReservedOpcode);
    }
    if opcode >= 8 && !fin {
        return Err(ProtocolError::FragmentedControl);
    }
    let may_be_compressed = rules.compression && matches!(opcode, 1 | 2);
    if first & 0x30 != 0 || rsv1 && !may_be_compressed {
        return Err(ProtocolError::ReservedBits);
    }
    if opcode == 0 && !in_message {
        return Err(ProtocolError::UnexpectedContinuation);
    }
    if matches!(opcode, 1 | 2) && in_message {
        return Err(ProtocolError::ExpectedContinuation);
    }

    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let masked = second & 0x80 != 0;
    if masked && !rules.server {
        return Err(ProtocolError::MaskedFrame);
    }
    if !masked && rules.server {
        return Err(ProtocolError::UnmaskedFrame);
    }
    let short = second & 0x7F;
    if opcode >= 8 && short > 125 {
        return Err(ProtocolError::ControlTooLong);
    }

    let width = match short {
        127 => 8,
        126 => 2,
        _ => 0,
    };
    if width == 8 && bytes.get(2).is_some_and(|byte| byte & 0x80 != 0) {
        return Err(ProtocolError::LengthOutOfRange);
    }
    let Some(extended) = bytes.get(2..2 + width) else { return Ok(None) };
    let len = if width == 0 {
        u64::from(short)
    } else {
        extended.iter().fold(0, |len, &byte| len << 8 | u64::from(byte))
    };
    if width == 2 && len < 126 || width == 8 && len < 1 << 16 {
        return Err(ProtocolError::LengthNotMinimal);
    }

    let mut key = [0; 4];
    if masked {
        let Some(bytes) = bytes.get(2 + width..6 + width) else { return Ok(None) };
        key.copy_from_slice(bytes);
    }
    Ok(Some(Head { fin, rsv1, opcode, key, len, size: 2 + width + if masked { 4 } else { 0 } }))
}

fn read_close(payload: &[u8]) -> Result<Option<(u16, String)>, ProtocolError> {
    if payload.is_empty() {
        return Ok(None);
    }
    if payload.len() == 1 {
        return Err(ProtocolError::TruncatedCloseCode);
    }
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    // §7.4.1 and the registry of §7.4.2: 1004 is reserved, 1005, 1006 and 1015 "MUST NOT be set as a status code in
    // a Close control frame", 1012 to 1014 were registered later, 1016 to 2999 are for future use.
    let registered = matches!(code, 1000..=1003 | 1007..=1014);
    if !registered && !(3000..=4999).contains(&code) {
        return Err(ProtocolError::InvalidCloseCode);
    }
    match str::from_utf8(&payload[2..]) {
        Ok(reason) => Ok(Some((code, reason.to_owned()))),
        Err(_) => Err(ProtocolError::InvalidCloseReason),
    }
}
