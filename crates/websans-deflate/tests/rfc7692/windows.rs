//! How far back messages refer: row 90, and what a client says of its own window (row 84).

use websans::Config;
use websans_deflate::Deflate;
use websans_testkit::inflate::{Rules, judge};

use crate::support::*;

/// A message that repeats itself every `period` bytes.
fn periodic(period: usize, len: usize) -> Vec<u8> {
    noise(period as u64, period).into_iter().cycle().take(len).collect()
}

/// Sends `messages` and holds them to a window of so many bits; the longest distance.
fn farthest(
    conn: &mut websans::Connection,
    takeover: bool,
    bits: u8,
    messages: &[Vec<u8>],
    about: &str,
) -> usize {
    let rules = Rules { window: 1 << bits, ..Rules::UNLIMITED };
    let mut history = Vec::new();
    let mut farthest = 0;
    for message in messages {
        conn.send(message).unwrap();
        let (payload, compressed) = sent_message(conn);
        assert!(compressed);
        let verdict = judge(&payload, &history, rules);
        assert_eq!(verdict.fault, None, "{about}");
        assert!(verdict.bytes == *message && !verdict.from_tail, "{about}");
        assert!(verdict.farthest <= 1 << bits, "{about}: {}", verdict.farthest);
        farthest = farthest.max(verdict.farthest);
        if takeover {
            history = verdict.history;
        }
    }
    farthest
}

/// Neither end's compressor uses a window that is larger than what was agreed on for it (§7.1.2.1, §7.1.2.2): messages with
/// repetitions at, within and beyond the window.
#[test]
fn r090_no_match_reaches_beyond_the_window() {
    for bits in 9..=15u8 {
        let window = 1usize << bits;
        let mut messages: Vec<Vec<u8>> = Vec::new();
        for period in [window / 2, window - 300, window - 262, window - 1, window, window + 1] {
            messages.push(periodic(period, period + period.min(600)));
        }
        if bits < 15 {
            messages.push(periodic(2 * window, 2 * window + 300));
        }
        for end in BOTH {
            for takeover in [true, false] {
                for level in if bits < 12 { &[1, 4, 6, 9][..] } else { &[6] } {
                    let mut settings = granting();
                    settings.level = *level;
                    let both = if end == End::Server { (bits, 15) } else { (15, bits) };
                    let element = element((!takeover, !takeover), both);
                    let negotiated = end.shake(Deflate::new(settings), &element);
                    assert_eq!(end.sends(negotiated.deflate.unwrap()), (takeover, bits));
                    let (mut conn, _) = websans::open(end.role(), Config::default(), negotiated, START);
                    let about = format!("{end:?}, level {level}, {element}");
                    let reached = farthest(&mut conn, takeover, bits, &messages, &about);
                    // It does look for them.
                    assert!(reached >= window - 300, "{about}: {reached}");
                }
            }
        }
    }
}

/// Two agreements with one `Deflate` do not get each other's compressors.
#[test]
fn r090_pooled_compressors_keep_their_windows() {
    let deflate = Deflate::new(granting());
    for bits in [15, 9, 12, 9, 15, 10, 9] {
        for end in BOTH {
            let element = element((true, true), (bits, bits));
            let (mut conn, _) = end.open_with(&deflate, &element, Config::default());
            let messages = [periodic(400, 900), periodic(5_000, 9_000)];
            let reached = farthest(&mut conn, false, bits, &messages, &element);
            assert_eq!(reached >= 5_000, bits >= 13, "{element}: {reached}");
        }
    }
}

/// A window of 256 bytes is one that our compressor cannot keep to, so that it is never agreed on for it, nor asked for.
#[test]
fn r090_no_agreement_on_256_bytes() {
    let (answer, negotiated) =
        serve(Deflate::default(), &["permessage-deflate; server_max_window_bits=8"]).unwrap();
    assert!(answer.is_none() && negotiated.codec.is_none());
    assert!(dial(Deflate::default(), &[&format!("{FRESH}; client_max_window_bits=8")]).is_err());
    for bits in (0..9).chain(16..=255) {
        for own in [true, false] {
            let mut settings = granting();
            let negotiation = &mut settings.negotiation;
            *if own {
                &mut negotiation.server_max_window_bits
            } else {
                &mut negotiation.client_max_window_bits
            } = bits;
            // It is taken for the next one that there is.
            let deflate = Deflate::new(settings);
            let (_, negotiated) = serve(deflate, &["permessage-deflate; client_max_window_bits"]).unwrap();
            let agreed = negotiated.deflate.unwrap();
            let granted = if own { agreed.server_max_window_bits } else { agreed.client_max_window_bits };
            assert_eq!(granted, bits.clamp(9, 15));
        }
    }
}

/// What a client has said of itself holds "even if the server doesn't include" it (§7.1.2.2); what the server says makes
/// it smaller.
#[test]
fn r084_a_client_keeps_to_its_window() {
    for (own, answer, bits) in [
        (10, TAKEOVER, 10),
        (10, "permessage-deflate; client_max_window_bits=15", 10),
        (15, "permessage-deflate; client_max_window_bits=10", 10),
        (12, "permessage-deflate; client_max_window_bits=9", 9),
    ] {
        let mut settings = granting();
        settings.negotiation.client_max_window_bits = own;
        let (mut conn, _) = End::Client.open_with(Deflate::new(settings), answer, Config::default());
        let messages = [periodic(220, 700), periodic(2_000, 4_000), periodic(20_000, 21_000)];
        let reached = farthest(&mut conn, true, bits, &messages, answer);
        assert!(reached >= 220, "{reached}");
    }
}
