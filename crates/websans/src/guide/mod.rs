//! How the crate works, how to embed it, and why it is as it is.
#![allow(missing_docs, reason = "each page begins with its own title")]

#[doc = include_str!("path_of_a_byte.md")]
pub mod path_of_a_byte {}

#[doc = include_str!("embedding.md")]
pub mod embedding {}

#[doc = include_str!("closing.md")]
pub mod closing {}

#[doc = include_str!("compression.md")]
pub mod compression {}

#[doc = include_str!("limits_and_memory.md")]
pub mod limits_and_memory {}

#[doc = include_str!("design.md")]
pub mod design {}
