//! [`Scenario`]: what a file of `conformance/` says, field by field.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Which end of the connection is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The end that answers the opening handshake.
    Server,
    /// The end that opens it.
    Client,
}

/// One conversation with a subject, from the first byte of the opening handshake on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, which stays: `area/role/what`.
    pub id: String,
    /// What a subject that passes has shown.
    pub shows: String,
    /// The sections that demand it, or that bear on it.
    pub rfc: Vec<String>,
    /// The subject's end.
    pub role: Role,
    /// The settings that the subject must have: a name in `profiles.json`.
    #[serde(default = "plain")]
    pub profile: String,
    /// What the runner does, as the subject's peer.
    pub steps: Vec<Step>,
    /// What the subject's application must have been told in the end, where that can be asked.
    #[serde(default)]
    pub told: Option<Told>,
}

fn plain() -> String {
    "plain".to_owned()
}

/// What an application has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Whether the opening handshake succeeded.
    pub opened: bool,
    /// How many messages it got, orders included.
    #[serde(default)]
    pub messages: usize,
    /// The code of the ending as RFC 6455 §7.1.5 has it; if it is not said, it does not matter.
    #[serde(default)]
    pub code: Option<u16>,
}

impl Told {
    /// Whether an application that was told this was told what was wanted.
    pub(super) fn fits(&self, told: &Self) -> bool {
        (self.opened, self.messages) == (told.opened, told.messages)
            && (self.code.is_none() || self.code == told.code)
    }
}

/// One step of the runner's.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A whole, valid opening handshake.
    Open(Open),
    /// The subject's request must come, and be valid (role client).
    Request(Headers),
    /// Bytes, in one write.
    Send(Vec<Bytes>),
    /// Bytes, in writes of so many, with pauses.
    Drip(Drip),
    /// These patterns must come, one behind the other.
    Expect(Vec<Pattern>),
    /// One of several outcomes must come.
    Either(Either),
    /// A Ping must come, and is answered.
    AnswerPing,
    /// Nothing is done for so many milliseconds.
    Wait(u64),
    /// The runner's direction of the transport is ended.
    HalfClose,
    /// The transport is torn down.
    Reset,
}

/// A valid opening handshake, and what else stands in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Further header lines of the runner's side.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What must stand in the subject's head.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
}

/// What must stand in a head.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// By name.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
}

/// What a header must be like.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Absent: `null`.
    Absent(()),
    /// Equal to this, with its placeholders filled in.
    Is(String),
    /// Equal to one of these, or absent where `null` is among them.
    OneOf(Vec<Option<String>>),
    /// Present, and its value contains this or does not.
    Part(Part),
}

/// Part of a header's value.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// It contains this.
    Has(String),
    /// It does not contain this.
    Lacks(String),
}

/// Bytes in pieces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// The bytes.
    pub bytes: Vec<Bytes>,
    /// The size of a piece.
    pub piece: usize,
    /// Milliseconds behind each piece.
    #[serde(default)]
    pub pause: u64,
}

/// Some bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bytes {
    /// Lines of HTTP, each ended by CRLF, and the empty line; with placeholders.
    Http(Vec<String>),
    /// Text, with placeholders.
    Text(String),
    /// Pairs of hexadecimal digits, and blanks.
    Hex(String),
    /// A frame, legal or not.
    Frame(Frame),
    /// An order to the subject's application, in a text message.
    Order(String),
    /// The same again and again.
    Repeat(Repeat),
}

/// Bytes again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub times: usize,
    /// What.
    pub bytes: Vec<Bytes>,
}

/// A frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// `continuation`, `text`, `binary`, `close`, `ping`, `pong`, or a number.
    pub op: Op,
    /// The bit FIN.
    #[serde(default = "yes")]
    pub fin: bool,
    /// RSV1 is 4, RSV2 is 2, RSV3 is 1.
    #[serde(default)]
    pub rsv: u8,
    /// The masking key, in hexadecimal, or `none`; without it, what the runner's role demands.
    #[serde(default)]
    pub mask: Option<String>,
    /// How the length is written.
    #[serde(default)]
    pub form: Form,
    /// The length that the header declares, if it is not the payload's.
    #[serde(default)]
    pub length: Option<u64>,
    /// The payload: at most one of these four; none is an empty payload.
    #[serde(default)]
    pub text: Option<String>,
    /// The payload in hexadecimal.
    #[serde(default)]
    pub hex: Option<String>,
    /// The payload is so many letters x.
    #[serde(default)]
    pub fill: Option<usize>,
    /// The payload of a Close: a code, and the reason behind it.
    #[serde(default)]
    pub code: Option<u16>,
    /// The reason.
    #[serde(default)]
    pub reason: Option<String>,
}

const fn yes() -> bool {
    true
}

/// An opcode.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Op {
    /// A known one.
    Named(OpName),
    /// Any.
    Number(u8),
}

/// A known opcode.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the field's")]
pub enum OpName {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Op {
    /// The number.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::Named(name) => *name as u8,
            Self::Number(number) => *number,
        }
    }
}

/// How a length is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// In the fewest bytes.
    #[default]
    Minimal,
    /// In two further bytes.
    Two,
    /// In eight further bytes.
    Eight,
}

/// Several outcomes that the RFCs allow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Either {
    /// What websans does, to which it is held.
    pub ours: Vec<Pattern>,
    /// What others may do.
    pub or: Vec<Vec<Pattern>>,
}

/// Something that must come.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// A response, with its body unless it is a 101.
    Response(Response),
    /// Exactly this frame.
    Frame(Frame),
    /// A message, in however many frames, compressed or not.
    Message(Message),
    /// A Close with one of these codes; 1005 is a Close without a code.
    Close(Vec<u16>),
    /// Pongs, the last of them with this payload.
    LastPong(String),
    /// A Ping.
    Ping,
    /// The end of the transport, in order or by a reset.
    End(End),
    /// Nothing, not even an end, for so many milliseconds.
    Silence(u64),
    /// Whatever it is, up to the end of the transport.
    Anything,
}

/// A response.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The statuses that will do.
    pub status: Vec<u16>,
    /// What must stand in its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// Whether it answers `HEAD`, so that it has no body whatever its headers say.
    #[serde(default)]
    pub bodiless: bool,
}

/// A message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// A text message.
    #[serde(default)]
    pub text: Option<String>,
    /// A binary message, in hexadecimal.
    #[serde(default)]
    pub hex: Option<String>,
    /// A message of so many letters x.
    #[serde(default)]
    pub fill: Option<usize>,
    /// Whether those are a binary message.
    #[serde(default)]
    pub binary: bool,
    /// Whether it must come compressed, or must not.
    #[serde(default)]
    pub compressed: Option<bool>,
}

/// When the transport must end, in milliseconds from the beginning of the step.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Not before.
    #[serde(default)]
    pub after: u64,
    /// Not later, but for what a busy machine takes.
    #[serde(default)]
    pub within: Option<u64>,
}

impl Scenario {
    /// The family: what stands before the first two slashes of the id.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.rsplit_once('/').map_or(&self.id, |(group, _)| group)
    }

    /// Whether the subject's application must take orders.
    #[must_use]
    pub fn gives_orders(&self) -> bool {
        fn order(bytes: &[Bytes]) -> bool {
            bytes.iter().any(|bytes| match bytes {
                Bytes::Order(_) => true,
                Bytes::Repeat(repeat) => order(&repeat.bytes),
                _ => false,
            })
        }
        self.steps.iter().any(|step| match step {
            Step::Send(bytes) => order(bytes),
            Step::Drip(drip) => order(&drip.bytes),
            _ => false,
        })
    }
}
