//! The Autobahn test suite's cases against the bare core, as server and as client.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use websans_testkit::cases::{self, Arrived, Echo, Patience, Scale, Socket, Wire};

fn run_all(scale: Scale) {
    let mut failures = Vec::new();
    for server in [true, false] {
        for case in cases::all(scale) {
            let outcome = cases::run(&case, !server, &mut Echo::new(server));
            failures.extend(outcome.err().map(|what| (if server { "server" } else { "client" }, what)));
        }
    }
    assert!(failures.is_empty(), "{} failed: {failures:#?}", failures.len());
}

#[test]
fn every_case_passes() {
    run_all(Scale::Small);
}

#[test]
#[ignore = "hundreds of megabytes: seconds where tests are not optimized"]
fn every_case_passes_in_full_size() {
    run_all(Scale::Full);
}

/// The same over TCP, where bytes travel as they please.
#[test]
fn every_case_passes_over_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for server in [true, false] {
        for case in cases::all(Scale::Small) {
            let endpoint = TcpStream::connect(address).unwrap();
            let (tester, _) = listener.accept().unwrap();
            let thread = thread::spawn(move || echo(Echo::new(server), endpoint));
            cases::run(&case, !server, &mut Socket::new(tester)).unwrap();
            thread.join().unwrap();
        }
    }
}

/// Carries bytes between an endpoint and a socket until both are done.
fn echo(mut endpoint: Echo, mut stream: TcpStream) {
    let mut buffer = vec![0; 50_000];
    loop {
        let n = stream.read(&mut buffer).unwrap_or(0);
        if n == 0 {
            return endpoint.shut();
        }
        endpoint.write(&buffer[..n]);
        match endpoint.read(Patience::Moment) {
            Arrived::Bytes(bytes) => stream.write_all(&bytes).unwrap(),
            Arrived::Nothing | Arrived::End => {}
        }
        if endpoint.read(Patience::Moment) == Arrived::End {
            // Refused if the tester has gone, or if this was done before.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

/// As many cases, by the same numbers, as the suite has.
#[test]
fn no_case_is_missing() {
    let mut groups = BTreeMap::new();
    let mut ids = Vec::new();
    for case in cases::all(Scale::Small) {
        let group: u32 = case.id.split('.').next().unwrap().parse().unwrap();
        *groups.entry(group).or_insert(0) += 1;
        ids.push(case.id);
    }
    let counts = [(1, 16), (2, 11), (3, 7), (4, 10), (5, 20), (6, 145), (7, 37), (9, 54), (10, 1)];
    assert_eq!(groups, BTreeMap::from(counts));
    assert_eq!(ids.len(), 301);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 301, "an id stands twice");
}

/// The tester itself can fail: an endpoint of the wrong role passes nothing.
#[test]
fn a_wrong_endpoint_fails_every_case() {
    for case in cases::all(Scale::Small) {
        // A server is asked by another server, whose frames are not masked.
        let outcome = cases::run(&case, true, &mut Echo::new(true));
        assert!(outcome.is_err(), "{}", case.id);
    }
}
