//! The scenario files of `conformance/`: what they must look like, that the core does as they say, and which of them notice
//! which flaw.

mod files;
mod flaws;
mod holds;
