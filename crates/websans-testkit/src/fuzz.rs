//! What fuzz targets do with their bytes. Each of these functions takes any, and panics if something is not as it
//! should be; tests give them some on every run, fuzzers many more.

mod compressed_duplex;
mod deflate_params;
mod inflate;
mod input;
mod replay;

pub use compressed_duplex::compressed_duplex;
pub use deflate_params::deflate_params;
pub use inflate::inflate;
pub use replay::{record, replay};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 4] = [
    ("deflate_params", deflate_params),
    ("inflate", inflate),
    ("compressed_duplex", compressed_duplex),
    ("replay", replay),
];
