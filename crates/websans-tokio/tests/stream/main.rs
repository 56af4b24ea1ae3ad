//! Connections as `Stream` and `Sink`, whole and in `futures_util`'s halves.
#![cfg(feature = "stream")]

mod closing;
mod compression;
mod halves;
mod messages;
mod support;
mod text;
