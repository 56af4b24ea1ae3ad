//! What fuzz targets do with their bytes. Each of these functions takes any, and panics if something is not as it
//! should be; tests give them some on every run, fuzzers many more.

#[cfg(feature = "adapters")]
mod adapters;
mod compressed_duplex;
mod deflate_params;
#[cfg(feature = "adapters")]
mod dial_answers;
mod inflate;
mod input;
#[cfg(feature = "adapters")]
mod tokio_adapter;

pub use compressed_duplex::compressed_duplex;
pub use deflate_params::deflate_params;
#[cfg(feature = "adapters")]
pub use dial_answers::dial_answers;
pub use inflate::inflate;
#[cfg(feature = "adapters")]
pub use tokio_adapter::tokio_adapter;

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 3] =
    [("deflate_params", deflate_params), ("inflate", inflate), ("compressed_duplex", compressed_duplex)];

/// Those of the adapters.
#[cfg(feature = "adapters")]
pub const ADAPTERS: [Target; 2] = [("dial_answers", dial_answers), ("tokio_adapter", tokio_adapter)];
