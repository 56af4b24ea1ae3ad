//! Masking keys and nonces: unpredictable, and another one each time.

use std::collections::HashSet;

use websans::entropy::{os_mask_keys, os_nonce};
use websans::{Connection, Negotiated, Role};

use crate::support::*;

fn client(keys: websans::MaskKeys) -> Connection {
    websans::open(Role::Client(keys), quiet(), Negotiated::default(), START).0
}

/// The keys of so many frames, off the wire.
fn keys_of(conn: &mut Connection, frames: usize) -> Vec<u32> {
    let mut keys = Vec::with_capacity(frames);
    while keys.len() < frames {
        for _ in 0..1000 {
            conn.send(&b"x"[..]).unwrap();
        }
        let mut bytes = &drain(conn)[..];
        while let Some((frame, rest)) = bytes.split_first_chunk::<7>() {
            keys.push(u32::from_be_bytes([frame[2], frame[3], frame[4], frame[5]]));
            bytes = rest;
        }
    }
    keys
}

/// What is wrong with them, if they are to be chance: too many occur twice, or a bit is set too often or too seldom.
fn fault(keys: &[u32]) -> Option<String> {
    let n = keys.len() as f64;
    let distinct = keys.iter().collect::<HashSet<_>>().len();
    // Of n keys n * n / 2^33 are expected to have occurred before: 116 of a million, give or take eleven.
    let repeated = keys.len() - distinct;
    if repeated as f64 > n * n / 2_f64.powi(33) * 2.0 + 10.0 {
        return Some(format!("{repeated} occur again"));
    }
    for bit in 0..32 {
        let share = keys.iter().filter(|&&key| key >> bit & 1 == 1).count() as f64 / n;
        // Seven standard deviations: once in many billions of runs.
        if (share - 0.5).abs() > 3.5 / n.sqrt() {
            return Some(format!("bit {bit} is set in {:.2} % of all", share * 100.0));
        }
        let turns = keys.windows(2).filter(|pair| (pair[0] ^ pair[1]) >> bit & 1 == 1).count() as f64 / n;
        if (turns - 0.5).abs() > 3.5 / n.sqrt() {
            return Some(format!("bit {bit} changes in {:.2} % of all", turns * 100.0));
        }
    }
    let ones: u32 = keys.iter().map(|key| key.count_ones()).sum();
    let balance = f64::from(ones) / (32.0 * n);
    ((balance - 0.5).abs() > 0.002).then(|| format!("{:.2} % of all bits are set", balance * 100.0))
}

/// A million frames have keys of their own, as chance has it. The same judge objects to one key for all, to a counter, and
/// to a generator whose low bits go round.
///
/// Fails when `fresh_key` repeats a byte within its keys, and when `os_mask_keys` counts.
#[test]
fn cve_2025_10148_key_of_its_own_for_each_frame() {
    let keys = keys_of(&mut client(os_mask_keys().unwrap()), 1_000_000);
    assert_eq!(fault(&keys), None);
    let mut n = 0_u32;
    let mut state = 1_u32;
    let weak: [(&str, websans::MaskKeys); 3] = [
        ("one for all", Box::new(|| [1, 2, 3, 4])),
        (
            "counted",
            Box::new(move || {
                n += 1;
                n.to_be_bytes()
            }),
        ),
        (
            "congruent",
            Box::new(move || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()
            }),
        ),
    ];
    for (name, keys) in weak {
        assert!(fault(&keys_of(&mut client(keys), 100_000)).is_some(), "{name} passes for chance");
    }
}

/// Every frame that a client can be made to send has a fresh key: messages, parts, Pings, Pongs and the Close.
///
/// Fails when a Pong takes the key of the last frame.
#[test]
fn cve_2025_10148_every_kind_of_frame() {
    let mut conn = client(os_mask_keys().unwrap());
    let mut seen = HashSet::new();
    let mut frames = 0;
    for round in 0..50 {
        conn.send("x").unwrap();
        conn.send_part("x", false).unwrap();
        conn.send_part("x", true).unwrap();
        conn.ping(b"x").unwrap();
        receive(&mut conn, &encode(FIN | PING, None, b"x"));
        if round == 49 {
            conn.close(code(1000), "").unwrap();
        }
        for frame in sent(&mut conn) {
            frames += 1;
            seen.insert(frame.key.expect("a masked frame"));
        }
    }
    // Of so few, two are alike once in hundreds of thousands of runs.
    assert!(frames == 251 && seen.len() >= 250, "{} keys for {frames} frames", seen.len());
}

/// Nonces of handshakes are 16 bytes of chance each.
///
/// Fails when `os_nonce` fills half of it.
#[test]
fn shape_nonce_that_can_be_guessed_is_not_drawn() {
    let nonces: Vec<_> = (0..20_000).map(|_| os_nonce().unwrap()).collect();
    assert_eq!(nonces.iter().collect::<HashSet<_>>().len(), nonces.len());
    for place in 0..4 {
        let words =
            nonces.iter().map(|nonce| u32::from_be_bytes(nonce[4 * place..][..4].try_into().unwrap()));
        assert_eq!(fault(&words.collect::<Vec<_>>()), None, "word {place}");
    }
}

/// Connections that are opened at the same moment have nothing in common, and none begins with what the time could tell.
///
/// Fails when `os_mask_keys` has one seed for all connections.
#[test]
fn attack_15_keys_of_connections_opened_at_once() {
    let first: Vec<_> = (0..20_000).map(|_| os_mask_keys().unwrap()()).map(u32::from_be_bytes).collect();
    assert_eq!(fault(&first), None);
    let mut pair = [os_mask_keys().unwrap(), os_mask_keys().unwrap()];
    let both: Vec<u32> = (0..20_000)
        .map(|_| pair.each_mut().map(|keys| u32::from_be_bytes(keys())))
        .map(|[one, other]| one ^ other)
        .collect();
    assert_eq!(fault(&both), None, "one can be told from the other");
}
