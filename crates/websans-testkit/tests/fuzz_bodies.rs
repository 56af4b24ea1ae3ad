//! The fuzz targets without a fuzzer: what was worth keeping of what fuzzers found, the same with damage, and noise.

use std::path::Path;

use websans_testkit::bombs::{Attack, attacks};
use websans_testkit::dice::Dice;
use websans_testkit::fuzz;

/// Tells which input it was.
struct Input<'d>(&'d str, &'d [u8]);

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the target {} fails with {:02x?}", self.0, self.1);
        }
    }
}

fn try_out((name, target): fuzz::Target, data: &[u8]) {
    let _input = Input(name, data);
    target(data);
}

/// The inputs that are kept for a target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let mut paths: Vec<_> = directory
        .read_dir()
        .expect("there are seeds")
        .map(|entry| entry.expect("the directory can be read").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("seeds can be read")).collect()
}

fn replay(name: &str, noise: usize) {
    let mut targets = fuzz::TARGETS.iter();
    #[cfg(feature = "adapters")]
    let mut targets = targets.by_ref().chain(&fuzz::ADAPTERS);
    let target = *targets.find(|target| target.0 == name).expect("there is such a target");
    let mut dice = Dice::new(20_150_912);
    let seeds = seeds(name);
    assert!(seeds.len() > 10, "{} seeds", seeds.len());
    for seed in &seeds {
        try_out(target, seed);
        for _ in 0..4 {
            let mut damaged = seed.clone();
            for _ in 0..dice.between(1, 4) {
                let place = dice.below(damaged.len() + 1);
                match damaged.get_mut(place) {
                    Some(byte) => *byte ^= 1 << dice.below(8),
                    None => damaged.push(0),
                }
            }
            damaged.truncate(dice.between(damaged.len() / 2, damaged.len()));
            try_out(target, &damaged);
        }
    }
    for _ in 0..noise {
        let len = dice.below(120);
        try_out(target, &dice.bytes(len));
    }
}

#[test]
fn api_sequences() {
    replay("api_sequences", 2000);
}

#[test]
fn chunked_bytes() {
    replay("chunked_bytes", 2000);
}

#[test]
fn client_bytes() {
    replay("client_bytes", 2000);
}

#[test]
fn deflate_params() {
    replay("deflate_params", 3000);
}

#[test]
fn inflate() {
    replay("inflate", 3000);
    // What is meant to be costly, once without a limit and once with one.
    for Attack { payload, .. } in attacks(1000) {
        for limit in [0, 100] {
            // With this seed it is one message.
            fuzz::inflate(&[&[7, limit, 0, 5, 0][..], &payload].concat());
        }
    }
}

#[test]
fn compressed_duplex() {
    replay("compressed_duplex", 300);
}

#[test]
fn conversation() {
    replay("conversation", 1000);
}

#[test]
fn handshake_request() {
    replay("handshake_request", 2000);
}

#[test]
fn handshake_response() {
    replay("handshake_response", 2000);
}

#[test]
fn mask() {
    replay("mask", 2000);
}

#[test]
fn server_bytes() {
    replay("server_bytes", 2000);
}

#[test]
fn utf8() {
    replay("utf8", 2000);
}

#[test]
fn recordings() {
    replay("replay", 400);
}

#[test]
#[cfg(feature = "adapters")]
fn std_adapter() {
    replay("std_adapter", 500);
}

#[test]
#[cfg(feature = "adapters")]
fn tokio_adapter() {
    replay("tokio_adapter", 3000);
}

#[test]
#[cfg(feature = "adapters")]
fn dial_answers() {
    replay("dial_answers", 3000);
}
