//! [`drain`]: the end of a transport whose peer may still be sending.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Most reads, of [`READ`] bytes each.
const READS: usize = 256;
const READ: usize = 4 << 10;

/// Ends our side of a transport that is not wanted any more, and throws away what still comes: at most 1 MiB, until the peer
/// ends its side. To close a TCP connection with bytes unread resets it, and the peer may never read what was said to it
/// last: why its handshake was refused, say. Put a time-out around it.
///
/// # Errors
/// Those of the transport. There is nothing to be done about them.
///
/// # Cancel safety
/// Dropped, our side may not have been ended yet.
pub async fn drain(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    io.shutdown().await?;
    let mut scratch = vec![0; READ];
    for _ in 0..READS {
        if io.read(&mut scratch).await? == 0 {
            break;
        }
    }
    Ok(())
}
