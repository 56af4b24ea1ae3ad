//! [`client_bytes`]: any bytes as what a server sends to an open connection.

use super::received;

/// Gives a client the bytes of a server, and holds it to the [oracle](crate::oracle).
///
/// The first four bytes are the settings, and how the rest is cut and read.
///
/// # Panics
/// As [`server_bytes`](super::server_bytes).
pub fn client_bytes(data: &[u8]) {
    received::judge(false, data);
}
