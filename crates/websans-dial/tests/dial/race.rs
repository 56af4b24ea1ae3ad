//! The order and the times of a race of addresses (RFC 8305).

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use websans_dial::{Limits, Race};

use crate::peer::{START, address, after};

fn race(addresses: &[&str]) -> Race {
    Race::new(addresses.iter().map(|text| address(text)), &Limits::default(), START)
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

#[test]
fn families_take_turns_beginning_with_the_first() {
    let mut six = race(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"]);
    let mut four = race(&["127.0.0.1:1", "127.0.0.2:1", "[::1]:1"]);
    let order = |race: &mut Race| {
        let mut found = Vec::new();
        for step in 0..10 {
            found.extend(race.next(after(step * 250)).map(|address| address.ip().to_string()));
        }
        found
    };
    assert_eq!(order(&mut six), ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]);
    assert_eq!(order(&mut four), ["127.0.0.1", "::1", "127.0.0.2"]);
}

#[test]
fn an_attempt_has_its_time_to_itself() {
    let mut race = race(&["[::1]:1", "127.0.0.1:1", "[::2]:1"]);
    assert!(race.next(START).is_some());
    assert_eq!(race.next(START), None);
    assert_eq!(race.deadline(), after(250));
    assert_eq!(race.next(after(249)), None);
    assert_eq!(race.next(after(250)), Some(address("127.0.0.1:1")));
    assert_eq!(race.deadline(), after(500));
}

#[test]
fn a_failure_makes_room_at_once() {
    let mut race = race(&["[::1]:1", "127.0.0.1:1", "[::2]:1"]);
    assert!(race.next(START).is_some());
    race.failed(address("[::1]:1"), refused(), after(10));
    assert_eq!(race.deadline(), after(10));
    assert_eq!(race.next(after(10)), Some(address("127.0.0.1:1")));
    assert_eq!(race.next(after(10)), None);
    assert_eq!(race.next(after(260)), Some(address("[::2]:1")));
    assert!(!race.is_lost());
    race.failed(address("127.0.0.1:1"), refused(), after(270));
    // Nobody has heard of this one.
    race.failed(address("127.0.0.9:1"), refused(), after(270));
    assert!(!race.is_lost());
    race.failed(address("[::2]:1"), refused(), after(280));
    assert!(race.is_lost());
    let failures: Vec<_> = race.into_failures().into_iter().map(|(address, _)| address.to_string()).collect();
    assert_eq!(failures, ["[::1]:1", "127.0.0.1:1", "[::2]:1"]);
}

#[test]
fn the_stagger_is_kept_within_bounds() {
    for (asked, kept) in [(0, 100), (99, 100), (700, 700), (60_000, 2_000)] {
        let mut limits = Limits::default();
        limits.stagger = Duration::from_millis(asked);
        let mut race = Race::new([address("127.0.0.1:1"), address("127.0.0.2:1")], &limits, START);
        race.next(START);
        assert_eq!(race.deadline(), after(kept));
    }
}

#[test]
fn attempts_end_with_the_race() {
    let mut race = race(&["127.0.0.1:1"]);
    race.next(START);
    assert_eq!(race.attempt_until(START), START + Limits::ATTEMPT);
    assert_eq!(race.attempt_until(after(14_000)), START + Limits::CONNECT);
    assert_eq!((race.deadline(), race.end()), (START + Limits::CONNECT, START + Limits::CONNECT));
    let failures = race.into_failures();
    assert_eq!(failures[0].1.kind(), io::ErrorKind::TimedOut);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn every_address_is_tried_once_and_alternating(picks in prop::collection::vec((any::<bool>(), 0..100_u8), 1..100)) {
        let addresses: Vec<SocketAddr> = picks.iter().map(|&(six, n)| {
            let ip: IpAddr = if six { [0, 0, 0, 0, 0, 0, 0, n.into()].into() } else { [10, 0, 0, n].into() };
            (ip, 80).into()
        }).collect();
        let mut race = Race::new(addresses.iter().copied(), &Limits::default(), START);
        let mut tried = Vec::new();
        while let Some(next) = race.next(START) {
            tried.push(next);
            race.failed(next, io::ErrorKind::ConnectionRefused.into(), START);
        }
        prop_assert!(race.is_lost());
        let distinct: HashSet<_> = addresses.iter().collect();
        prop_assert_eq!(tried.len(), distinct.len().min(Race::MOST));
        prop_assert_eq!(tried.iter().collect::<HashSet<_>>().len(), tried.len());
        prop_assert_eq!(tried[0], addresses[0]);
        // Once two of a family follow each other, only that family is left.
        if let Some(at) = tried.windows(2).position(|pair| pair[0].is_ipv6() == pair[1].is_ipv6()) {
            prop_assert!(tried[at..].iter().all(|address| address.is_ipv6() == tried[at].is_ipv6()));
        }
    }
}
