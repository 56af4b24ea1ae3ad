//! [`Header`]: what a file begins with.

use websans::deflate::Parameters;
use websans::{Config, Keepalive, Reply, Timestamp};

use crate::coding::{Bad, Cursor, put_bytes, put_duration, put_int, put_option};
use crate::error::FormatError;

/// The first bytes of every file: no text has them, and whatever changes line ends or drops eighth bits is noticed.
pub(crate) const MAGIC: [u8; 8] = *b"\x8BWSREC\r\n";

/// The one version there is.
pub const VERSION: u64 = 1;

/// What wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A [`Recorder`](crate::Recorder): every call, and what came of it.
    Calls,
    /// A [`Tap`](crate::Tap): what went over the transport, and when.
    Transport,
}

/// What a file begins with: all that [`websans::open`] is given, but for the keys and the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// What wrote the file.
    pub source: Source,
    /// Whether this end opened the connection.
    pub is_client: bool,
    /// When the connection was opened.
    pub start: Timestamp,
    /// Every limit and time-out.
    pub config: Config,
    /// The subprotocol.
    pub protocol: Option<String>,
    /// What was agreed on of compression.
    pub deflate: Option<Parameters>,
    /// Whether the connection compresses: it was given a codec.
    pub has_codec: bool,
}

impl Header {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        put_int(out, VERSION);
        out.push(u8::from(self.source == Source::Transport));
        out.push(self.is_client.into());
        put_int(out, self.start.as_nanos());
        write_config(out, &self.config);
        put_option(out, self.protocol.as_deref(), |out, protocol| put_bytes(out, protocol.as_bytes()));
        put_option(out, self.deflate, write_parameters);
        out.push(self.has_codec.into());
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, FormatError> {
        let magic = cursor.0.get(..MAGIC.len()).unwrap_or(cursor.0);
        if !MAGIC.starts_with(magic) {
            return Err(FormatError::NotARecording);
        }
        let total = cursor.0.len();
        let version = cursor.take(MAGIC.len()).and_then(|_| cursor.int());
        match version.map_err(|bad| FormatError::of(bad, total - cursor.0.len()))? {
            VERSION => {}
            version => return Err(FormatError::UnknownVersion(version)),
        }
        read_rest(cursor).map_err(|bad| FormatError::of(bad, total - cursor.0.len()))
    }
}

fn read_rest(cursor: &mut Cursor<'_>) -> Result<Header, Bad> {
    Ok(Header {
        source: if cursor.bool()? { Source::Transport } else { Source::Calls },
        is_client: cursor.bool()?,
        start: Timestamp::from_nanos(cursor.int()?),
        config: read_config(cursor)?,
        protocol: cursor.option(|cursor| {
            let bytes = cursor.bytes()?;
            core::str::from_utf8(bytes).map(String::from).map_err(|_| Bad::Wrong("subprotocol is not UTF-8"))
        })?,
        deflate: cursor.option(read_parameters)?,
        has_codec: cursor.bool()?,
    })
}

pub(crate) fn write_parameters(out: &mut Vec<u8>, parameters: Parameters) {
    out.push(parameters.server_no_context_takeover.into());
    out.push(parameters.client_no_context_takeover.into());
    out.push(parameters.server_max_window_bits);
    out.push(parameters.client_max_window_bits);
}

pub(crate) fn read_parameters(cursor: &mut Cursor<'_>) -> Result<Parameters, Bad> {
    let mut parameters = Parameters::default();
    parameters.server_no_context_takeover = cursor.bool()?;
    parameters.client_no_context_takeover = cursor.bool()?;
    for bits in [&mut parameters.server_max_window_bits, &mut parameters.client_max_window_bits] {
        *bits = cursor.byte()?;
        if !(8..=15).contains(bits) {
            return Err(Bad::Wrong("window of fewer than 8 or more than 15 bits"));
        }
    }
    Ok(parameters)
}

/// All of it, also what has its default value: defaults change from one release to the next.
fn write_config(out: &mut Vec<u8>, config: &Config) {
    put_int(out, config.max_message);
    put_int(out, config.max_streamed);
    put_int(out, config.max_fragments.into());
    put_option(out, config.max_inflate_ratio, |out, ratio| put_int(out, ratio.into()));
    out.push(config.max_empty_fragments);
    put_int(out, config.max_outbox as u64);
    put_int(out, config.read_buffer as u64);
    put_option(out, config.fragment_above, |out, len| put_int(out, len as u64));
    put_option(out, config.keepalive, |out, keepalive| {
        put_duration(out, keepalive.every);
        put_duration(out, keepalive.within);
    });
    put_option(out, config.idle, put_duration);
    put_duration(out, config.close_within);
    put_duration(out, config.write_stall);
    out.push((config.pong_reply == Reply::WhenAsked).into());
    out.push((config.close_reply == Reply::WhenAsked).into());
    put_int(out, config.max_head as u64);
    put_int(out, config.max_headers as u64);
    put_duration(out, config.handshake_within);
    put_int(out, config.max_refusal_body as u64);
}

fn read_config(cursor: &mut Cursor<'_>) -> Result<Config, Bad> {
    let u32 = |int: u64| u32::try_from(int).map_err(|_| Bad::Wrong("limit beyond 32 bits"));
    let reply = |asked| if asked { Reply::WhenAsked } else { Reply::Automatic };
    let mut config = Config::default();
    config.max_message = cursor.int()?;
    config.max_streamed = cursor.int()?;
    config.max_fragments = u32(cursor.int()?)?;
    config.max_inflate_ratio = cursor.option(|cursor| u32(cursor.int()?))?;
    config.max_empty_fragments = cursor.byte()?;
    config.max_outbox = cursor.size()?;
    config.read_buffer = cursor.size()?;
    config.fragment_above = cursor.option(Cursor::size)?;
    config.keepalive =
        cursor.option(|cursor| Ok(Keepalive { every: cursor.duration()?, within: cursor.duration()? }))?;
    config.idle = cursor.option(Cursor::duration)?;
    config.close_within = cursor.duration()?;
    config.write_stall = cursor.duration()?;
    config.pong_reply = reply(cursor.bool()?);
    config.close_reply = reply(cursor.bool()?);
    config.max_head = cursor.size()?;
    config.max_headers = cursor.size()?;
    config.handshake_within = cursor.duration()?;
    config.max_refusal_body = cursor.size()?;
    Ok(config)
}
