//! What fuzz targets do with their bytes. Each of these functions takes any, and panics if something is not as it
//! should be; tests give them some on every run, fuzzers many more.

mod accept;
#[cfg(feature = "adapters")]
mod adapters;
mod api_sequences;
mod chunked_bytes;
mod client_bytes;
mod compressed_duplex;
mod conversation;
mod deflate_params;
#[cfg(feature = "adapters")]
mod dial_answers;
mod got;
mod handshake_request;
mod handshake_response;
mod head;
mod inflate;
mod input;
mod mask;
mod received;
mod replay;
mod server_bytes;
#[cfg(feature = "adapters")]
mod std_adapter;
#[cfg(feature = "adapters")]
mod tokio_adapter;
mod utf8;

pub use api_sequences::api_sequences;
pub use chunked_bytes::chunked_bytes;
pub use client_bytes::client_bytes;
pub use compressed_duplex::compressed_duplex;
pub use conversation::conversation;
pub use deflate_params::deflate_params;
#[cfg(feature = "adapters")]
pub use dial_answers::dial_answers;
pub use handshake_request::handshake_request;
pub use handshake_response::handshake_response;
pub use inflate::inflate;
pub use mask::mask;
pub use replay::{record, replay};
pub use server_bytes::server_bytes;
#[cfg(feature = "adapters")]
pub use std_adapter::std_adapter;
#[cfg(feature = "adapters")]
pub use tokio_adapter::tokio_adapter;
pub use utf8::utf8;

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Those of the core, of compression and of recordings.
pub const TARGETS: [Target; 13] = [
    ("api_sequences", api_sequences),
    ("chunked_bytes", chunked_bytes),
    ("client_bytes", client_bytes),
    ("compressed_duplex", compressed_duplex),
    ("conversation", conversation),
    ("deflate_params", deflate_params),
    ("handshake_request", handshake_request),
    ("handshake_response", handshake_response),
    ("inflate", inflate),
    ("mask", mask),
    ("replay", replay),
    ("server_bytes", server_bytes),
    ("utf8", utf8),
];

/// Those of the adapters.
#[cfg(feature = "adapters")]
pub const ADAPTERS: [Target; 3] =
    [("dial_answers", dial_answers), ("std_adapter", std_adapter), ("tokio_adapter", tokio_adapter)];
