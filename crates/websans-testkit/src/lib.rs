//! What the tests, fuzz targets and benchmarks of websans share.
//!
//! * [`wire`] writes frames, legal or not, and [`oracle`] reads them: slow, obviously correct, and without a line of
//!   the core. What the two say is what the core is held to.
//! * [`listen`](mod@listen) feeds bytes to a connection in each of the ways in which an application may read.
//! * [`sim`] lets two connections talk over links that delay, split, stall and break, under a virtual clock: one
//!   seed, one run.
//! * [`cases`] is the Autobahn test suite as data.
//! * `corpus`, with the feature of that name, plays the scenario files of `conformance/`, which know only the wire, against
//!   anything that speaks WebSocket.
//! * [`conformance`](mod@conformance) holds every adapter to the same scenarios, by a [macro](conformance!).
//! * [`strategies`] makes frames, messages, splits and damaged streams for proptest.
//! * [`calls`](mod@calls) makes any call at any time.
//! * [`inflate`](mod@inflate) is the reference for compressed messages, [`zlib`] an end that makes and judges them, [`blocks`]
//!   writes them by hand, and [`bombs`] as an attacker would.
//! * [`fuzz`] is what the fuzz targets do with their bytes.
//! * `schedules`, with `--cfg websans_schedules`, runs what waits for one another under one schedule after the other.
//! * [`stored`] is a DEFLATE without compression, to exercise the core's two hooks.
//! * [`dice`] is the only source of chance.
#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "written as literals and matched by tests"
)]

pub mod blocks;
pub mod bombs;
pub mod calls;
pub mod cases;
pub mod conformance;
#[cfg(feature = "corpus")]
pub mod corpus;
pub mod dice;
pub mod fuzz;
pub mod inflate;
pub mod listen;
pub mod oracle;
#[cfg(websans_schedules)]
pub mod schedules;
pub mod sim;
pub mod stored;
pub mod strategies;
pub mod wire;
pub mod zlib;
