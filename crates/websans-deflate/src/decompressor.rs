//! [`Decompressor`]: the half for messages that are received.

use std::sync::Arc;

use websans::ProtocolError;
use websans::deflate::{Decode, Decoded};
use zlib_rs::{Inflate, InflateFlush, Status};

use crate::budget::Reservation;
use crate::provider::Shared;

/// Bytes of memory that inflating takes, with any window, for as long as a message is under way, or with context
/// takeover for as long as the connection lives.
pub const RECEIVE_MEMORY: usize = 47 << 10;

/// What was stripped from the end of a message (RFC 7692 §7.2.2), and a byte that must not be wanted.
const TAIL_AND_MORE: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// An empty block, which changes nothing.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

pub(crate) struct Decompressor {
    shared: Arc<Shared>,
    takeover: bool,
    /// Present while a message is under way, and with takeover from the first message on.
    context: Option<Box<Inflate>>,
    /// The message under way has had at least one byte.
    begun: bool,
    /// It is broken behind what has been written last.
    broken: bool,
    _reserved: Option<Arc<Reservation>>,
}

impl Decompressor {
    pub(crate) fn new(shared: Arc<Shared>, takeover: bool, reserved: Option<Arc<Reservation>>) -> Self {
        Self { shared, takeover, context: None, begun: false, broken: false, _reserved: reserved }
    }
}

impl Decode for Decompressor {
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        self.begun |= !input.is_empty();
        if !self.begun {
            // Not what RFC 7692 §7.2.3.6 makes of an empty message, but what can it mean else?
            return Ok(Decoded::Drained(0));
        }
        if self.broken {
            return Err(ProtocolError::InvalidDeflate);
        }
        // On an error it is not put back, so that nothing is left of what the peer has made of it.
        let mut context = self.context.take().unwrap_or_else(|| self.shared.take_inflate());
        let mut room = &mut *out;
        let mut written = 0;
        loop {
            let step = inflate(&mut context, input, room, InflateFlush::SyncFlush);
            *input = input.get(step.taken..).unwrap_or_default();
            room = room.get_mut(step.written..).unwrap_or_default();
            written += step.written;
            if step.broken && written == 0 {
                return Err(ProtocolError::InvalidDeflate);
            }
            if step.broken || room.is_empty() {
                // What is broken is so behind what has been written.
                self.broken = step.broken;
                self.context = Some(context);
                return Ok(Decoded::More(written));
            }
            if input.is_empty() {
                break;
            }
            if !step.ended {
                // It has room and takes no more, which it never does.
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        if !last {
            self.context = Some(context);
            return Ok(Decoded::Drained(written));
        }
        if let Err(error) = end(&mut context) {
            // The end is broken, and so behind what has been written.
            self.broken = true;
            return if written == 0 { Err(error) } else { Ok(Decoded::More(written)) };
        }
        self.begun = false;
        if self.takeover {
            self.context = Some(context);
        } else {
            self.shared.put_inflate(context);
        }
        Ok(Decoded::Drained(written))
    }
}

/// What a call of the decompressor has done.
struct Step {
    taken: usize,
    written: usize,
    /// At a final block (RFC 7692 §7.2.3.4): another stream may follow.
    ended: bool,
    /// This is no DEFLATE.
    broken: bool,
}

fn inflate(context: &mut Inflate, input: &[u8], out: &mut [u8], flush: InflateFlush) -> Step {
    let (taken, written) = (context.total_in(), context.total_out());
    let status = context.decompress(input, out, flush);
    let step = Step {
        taken: usize::try_from(context.total_in() - taken).unwrap_or(usize::MAX),
        written: usize::try_from(context.total_out() - written).unwrap_or(usize::MAX),
        ended: status == Ok(Status::StreamEnd),
        broken: status.is_err(),
    };
    if step.ended {
        context.reset(false);
    }
    step
}

/// Ends a message, all of which has been inflated: what was stripped from it must be the rest of an empty block, no
/// more and no less. Then nothing comes out of it, and it ends where a block and a byte end.
fn end(context: &mut Inflate) -> Result<(), ProtocolError> {
    let mut tail = &TAIL_AND_MORE[..];
    // The decompressor stops behind each block; there can be but a few in four bytes.
    for _ in 0..32 {
        let step = inflate(context, tail, &mut [0], InflateFlush::Block);
        tail = tail.get(step.taken..).unwrap_or_default();
        if step.broken || step.written > 0 || tail.is_empty() {
            break;
        }
        // Behind a block, but maybe with some bits of the last byte left over, which are ones: with these, the empty
        // block becomes a final or an invalid one. If the block was a final one, it takes no further.
        if tail.len() == 1 {
            let step = inflate(context, &EMPTY_BLOCK, &mut [0], InflateFlush::Block);
            let whole = if step.ended { 0 } else { EMPTY_BLOCK.len() };
            if !step.broken && step.taken == whole && step.written == 0 {
                return Ok(());
            }
            break;
        }
    }
    Err(ProtocolError::InvalidDeflate)
}
