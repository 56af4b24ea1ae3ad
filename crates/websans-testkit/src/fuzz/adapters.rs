//! What the targets of the adapters share: the other end as a script, what a transport does next, and a record of what
//! came of it.

mod record;
mod script;

pub(super) use record::{Got, Record, Said};
pub(super) use script::{Deed, Io, Link, Op, Script, Then};
