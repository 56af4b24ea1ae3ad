//! The floor: each message costs one call to inflate it, one to compress it, and its share of a read and a write.

use std::cell::RefCell;
use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::input;
use crate::zlib::{Compressor, Decompressor, TAIL};

/// Largest message, inflated or not.
const LARGEST: usize = 128 * 1024;

pub(crate) fn serve(level: u8, takeover: bool) -> io::Result<()> {
    websans_bench_serve::serve(move |stream| connection(stream, level, takeover))
}

/// What all connections use in turn.
struct Shared {
    buffers: Buffers,
    /// For those who keep no history.
    contexts: Option<Contexts>,
}

pub(crate) struct Buffers {
    pub(crate) plain: Vec<u8>,
    pub(crate) reply: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self { plain: vec![0; LARGEST], reply: vec![0; 16 * LARGEST] }
    }
}

pub(crate) struct Contexts {
    compressor: Compressor,
    decompressor: Decompressor,
}

impl Contexts {
    pub(crate) fn new(level: u8, takeover: bool) -> Self {
        Self { compressor: Compressor::new(level, takeover), decompressor: Decompressor::new(takeover) }
    }
}

thread_local! {
    static SHARED: RefCell<Shared> = RefCell::new(Shared { buffers: Buffers::new(), contexts: None });
}

async fn connection(mut stream: TcpStream, level: u8, takeover: bool) -> crate::Result<()> {
    let mut own = takeover.then(|| Contexts::new(level, true));
    // What has come of a message, where a read ended in the midst of it.
    let mut partial = Vec::new();
    loop {
        let length = input::read(&mut stream, |input| {
            if input.is_empty() {
                return Ok(None);
            }
            SHARED.with_borrow_mut(|shared| {
                let Shared { buffers: Buffers { plain, reply }, contexts } = shared;
                let contexts = match &mut own {
                    Some(own) => own,
                    None => contexts.get_or_insert_with(|| Contexts::new(level, false)),
                };
                let fresh = partial.is_empty();
                if !fresh {
                    partial.extend_from_slice(input);
                }
                let (used, end) = echo(contexts, if fresh { input } else { &partial }, plain, reply)?;
                if fresh {
                    partial.extend_from_slice(&input[used..]);
                } else {
                    partial.drain(..used);
                }
                crate::Result::Ok(Some(end))
            })
        })
        .await??;
        let Some(length) = length else { return Ok(()) };
        // No other connection has run since, so that the replies are still there.
        let unsent = SHARED.with_borrow(|shared| {
            let replies = &shared.buffers.reply[..length];
            let sent = match replies {
                [] => 0,
                _ => match stream.try_write(replies) {
                    Ok(sent) => sent,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(error) => return Err(error),
                },
            };
            Ok(replies[sent..].to_vec())
        })?;
        stream.write_all(&unsent).await?;
    }
}

/// Echoes the whole messages at the start of `input`; returns how much of `input` they are, and of `reply`.
pub(crate) fn echo(
    contexts: &mut Contexts,
    input: &[u8],
    plain: &mut [u8],
    reply: &mut [u8],
) -> crate::Result<(usize, usize)> {
    let (mut used, mut end) = (0, 0);
    while let Some((length, rest)) = input[used..].split_first_chunk() {
        let length = usize::try_from(u32::from_le_bytes(*length))?;
        let Some(data) = rest.get(..length) else { break };
        let message = contexts.decompressor.decompress(data, plain)?;
        let (header, room) = reply[end..].split_first_chunk_mut().ok_or("no room for a reply")?;
        let compressed = contexts.compressor.compress(&plain[..message], room)? - TAIL.len();
        *header = u32::try_from(compressed)?.to_le_bytes();
        end += header.len() + compressed;
        used += 4 + length;
    }
    Ok((used, end))
}
