//! [`server_bytes`]: any bytes as what a client sends to an open connection.

use super::received;

/// Gives a server the bytes of a client, and holds it to the [oracle](crate::oracle).
///
/// The first four bytes are the settings, and how the rest is cut and read.
///
/// # Panics
/// If it hears anything else than the oracle, ends otherwise, says anything but Pongs and one Close with the right code,
/// holds more than has come, or takes steps that come to nothing.
pub fn server_bytes(data: &[u8]) {
    received::judge(true, data);
}
