//! The adapter over real sockets and in-memory pipes.

mod support;

mod accept;
mod cancel;
mod compression;
mod group;
mod museum;
mod pressure;
mod split;
mod trouble;
