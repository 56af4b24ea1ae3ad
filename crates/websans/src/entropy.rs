//! Unpredictable bytes from the operating system, for adapters to inject: the core itself has no entropy.
//!
//! "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy"
//! ([RFC 6455 §5.3]). The keys come from ChaCha8, seeded by the operating system for each connection.
//!
//! [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3

use alloc::boxed::Box;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::config::MaskKeys;

pub use getrandom::Error;

/// Masking keys for one client connection.
///
/// # Errors
/// If the operating system has no entropy to give, which is possible only early at its start.
pub fn os_mask_keys() -> Result<MaskKeys, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut rng = ChaCha8Rng::from_seed(seed);
    Ok(Box::new(move || rng.next_u32().to_ne_bytes()))
}

/// The nonce of a client's handshake: 16 bytes ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
///
/// # Errors
/// As [`os_mask_keys`].
pub fn os_nonce() -> Result<[u8; 16], Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}
