//! What is agreed on, and what is not.

use websans::Config;
use websans::handshake::HandshakeError;
use websans_deflate::Deflate;
use websans_testkit::inflate::{Rules, judge};

use crate::support::*;

/// What a server answers to this offer, if it does.
fn answered(offer: &str) -> Option<String> {
    serve(Deflate::new(granting()), &[offer]).ok()?.0
}

/// Whether a client that allows anything agrees to this response.
fn agrees(response: &str) -> bool {
    dial(Deflate::new(granting()), &[response]).is_ok()
}

/// Windows of every size, and what looks like a size: in offers and in responses, of either end.
///
/// Fails when `window` in `negotiation.rs` takes what `str::parse` takes, and when it lets 16 pass.
#[test]
fn cve_2026_2229_windows_of_every_size() {
    let numbers = (0..=300).map(|bits: u32| (bits.to_string(), bits));
    let others = [
        "999",
        "65544",
        "4294967304",
        "18446744073709551624",
        "08",
        "010",
        "0x9",
        "+10",
        "-10",
        "1e1",
        "9.0",
    ];
    let others = others.into_iter().map(|value| (value.into(), 0));
    for (value, bits) in numbers.chain(others) {
        // zlib cannot be held to 8 for what is sent; what is received may have been sent by one that can.
        let (sent, received) = ((9..=15).contains(&bits), (8..=15).contains(&bits));
        for value in [value.clone(), format!("\"{value}\"")] {
            let server = format!("permessage-deflate; server_max_window_bits={value}");
            let client = format!("permessage-deflate; client_max_window_bits={value}");
            assert_eq!(answered(&server).is_some(), sent, "{server}");
            assert_eq!(answered(&client).is_some(), received, "{client}");
            assert_eq!(agrees(&server), received, "{server}");
            assert_eq!(agrees(&client), sent, "{client}");
        }
    }
    for value in [
        "",
        "\"\"",
        "\"15 \"",
        "\" 15\"",
        "1 5",
        "15;15",
        "1\u{1}5",
        "\"15",
        "15\"",
        "\u{ff11}\u{ff15}",
        "NaN",
    ] {
        for name in ["server", "client"] {
            let element = format!("permessage-deflate; {name}_max_window_bits={value}");
            assert_eq!(answered(&element), None, "{element}");
            assert!(!agrees(&element), "{element}");
        }
    }
}

/// Twice in one line, in two lines, a hundred times; alike and not.
///
/// Fails when `agreed_deflate` in `client.rs` looks at the first extension alone.
#[test]
fn shape_extension_named_twice_is_refused() {
    assert!(agrees(TAKEOVER));
    for copy in [TAKEOVER, FRESH, "permessage-deflate; server_max_window_bits=10"] {
        for times in [1, 2, 99] {
            let line = [TAKEOVER].into_iter().chain(std::iter::repeat_n(copy, times)).collect::<Vec<_>>();
            let settings = || Deflate::new(granting());
            let joined = line.join(", ");
            assert_eq!(dial(settings(), &[&joined]).err(), Some(HandshakeError::UnexpectedExtension));
            if times < 50 {
                assert!(dial(settings(), &line).is_err(), "{times} lines");
            }
            // An offer may be one of several: the first that will do is taken, once.
            let (answer, _) = serve(settings(), &[&joined]).unwrap();
            assert_eq!(answer.as_deref(), Some(TAKEOVER), "{times} copies");
        }
    }
}

/// No window of 8 bits is agreed on for our compressor, in either role, and none of its matches reaches beyond the window that
/// was agreed on.
///
/// Fails when `SMALLEST_OWN_WINDOW` is 8, and when `Shared::take_compress` uses 15 bits for any window.
#[test]
fn shape_window_of_256_bytes_is_declined() {
    let eight = "permessage-deflate; server_max_window_bits=8";
    assert_eq!(answered(eight), None);
    let (answer, _) = serve(Deflate::new(granting()), &[&format!("{eight}, {TAKEOVER}")]).unwrap();
    assert_eq!(answer.as_deref(), Some(TAKEOVER));
    assert!(!agrees("permessage-deflate; client_max_window_bits=8"));
    let mut smaller = granting();
    smaller.negotiation.server_max_window_bits = 8;
    smaller.negotiation.client_max_window_bits = 0;
    assert!(
        offer(&smaller).ends_with("server_max_window_bits=9; client_max_window_bits=9"),
        "{}",
        offer(&smaller)
    );

    for bits in 9..=15 {
        let window = 1_usize << bits;
        for end in BOTH {
            let both = if end == End::Server { (bits, 15) } else { (15, bits) };
            let element = element((false, false), both);
            let (mut conn, _) = end.open_with(Deflate::new(granting()), &element, Config::default());
            let rules = Rules { window, ..Rules::UNLIMITED };
            let mut history = Vec::new();
            let mut farthest = 0;
            for period in [window / 2, window - 262, window - 1, window, window + 1, window + 300] {
                let message: Vec<u8> = noise(7, period).into_iter().cycle().take(period + 300).collect();
                conn.send(&message).unwrap();
                let (payload, compressed) = sent_message(&mut conn);
                let verdict = judge(&payload, &history, rules);
                assert!(
                    compressed && verdict.fault.is_none() && verdict.bytes == message,
                    "{end:?}, {bits}, {period}"
                );
                farthest = farthest.max(verdict.farthest);
                history = verdict.history;
            }
            assert!(farthest <= window && farthest > window / 4, "{farthest} of {window}");
        }
    }
}
