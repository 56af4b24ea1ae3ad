//! Connections as `Stream` and `Sink`, whole and in `futures_util`'s halves.
#![cfg(feature = "stream")]

mod closing;
mod halves;
mod messages;
mod support;
mod text;
