//! How a client takes the response to its offer: rows 81 to 85 and 99.

use websans::Config;
use websans::handshake::HandshakeError;
use websans_deflate::{Deflate, Settings};

use crate::negotiation::{NO_GRAMMAR, NOT_DEFINED};
use crate::support::*;

/// What a client with these settings agrees on with a server that answers these lines.
fn agreed(
    settings: &Settings,
    answers: &[&str],
) -> Result<Option<websans::deflate::Parameters>, HandshakeError> {
    dial(Deflate::new(settings.clone()), answers).map(|negotiated| negotiated.deflate)
}

#[track_caller]
fn assert_fails(settings: &Settings, answers: &[&str], error: HandshakeError) {
    assert_eq!(agreed(settings, answers), Err(error), "{answers:?}");
}

/// A client that asks for `fresh` and `bits`, both of the server and the client.
fn asking(fresh: (bool, bool), bits: (u8, u8)) -> Settings {
    let mut settings = granting();
    let negotiation = &mut settings.negotiation;
    (negotiation.server_no_context_takeover, negotiation.client_no_context_takeover) = fresh;
    (negotiation.server_max_window_bits, negotiation.client_max_window_bits) = bits;
    settings
}

/// What a client sends, byte for byte.
#[test]
fn r081_an_offer_says_what_the_settings_say() {
    assert_eq!(offer(&granting()), "permessage-deflate; client_max_window_bits");
    assert_eq!(offer(&Settings::default()), format!("{FRESH}; client_max_window_bits"));
    for bits in 9..=15 {
        let own = if bits < 15 { format!("={bits}") } else { String::new() };
        let expected = format!("permessage-deflate; client_max_window_bits{own}");
        assert_eq!(offer(&asking((false, false), (15, bits))), expected);
        let theirs = if bits < 15 { format!("; server_max_window_bits={bits}") } else { String::new() };
        let expected =
            format!("permessage-deflate; server_no_context_takeover{theirs}; client_max_window_bits");
        assert_eq!(offer(&asking((true, false), (bits, 15))), expected);
    }
}

/// "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension negotiation offer for this
/// extension with an extension negotiation response meeting any of the following conditions" (§7).
#[test]
fn r081_a_response_that_is_not_defined_fails() {
    for settings in [granting(), Settings::default(), asking((true, true), (10, 11))] {
        let good = element((true, true), (10, 11));
        assert!(agreed(&settings, &[&good]).is_ok());
        for parameters in NOT_DEFINED {
            let error = HandshakeError::UnexpectedExtension;
            assert_fails(&settings, &[&format!("permessage-deflate; {parameters}")], error);
            assert_fails(&settings, &[&format!("{FRESH}; {parameters}")], error);
            assert_fails(&settings, &[&format!("{good}; {parameters}")], error);
        }
        for parameters in NO_GRAMMAR {
            let error = HandshakeError::InvalidExtensions;
            assert_fails(&settings, &[&format!("permessage-deflate; {parameters}")], error);
        }
    }
}

/// Each number up to 300, bare and quoted.
#[test]
fn r081_windows_are_numbers_from_8_to_15() {
    for bits in 0..=300 {
        for value in [format!("{bits}"), format!("\"{bits}\"")] {
            let server =
                agreed(&granting(), &[&format!("permessage-deflate; server_max_window_bits={value}")]);
            let window = u8::try_from(bits).unwrap_or(0);
            let expected = parameters((false, false), (window, 15));
            let expected = if (8..=15).contains(&bits) {
                Ok(Some(expected))
            } else {
                Err(HandshakeError::UnexpectedExtension)
            };
            assert_eq!(server, expected, "{value}");
            // "If the client doesn't support the configuration" (§5.1): our compressor does not do 8.
            let client =
                agreed(&granting(), &[&format!("permessage-deflate; client_max_window_bits={value}")]);
            let expected = parameters((false, false), (15, window));
            let expected = if (9..=15).contains(&bits) {
                Ok(Some(expected))
            } else {
                Err(HandshakeError::UnexpectedExtension)
            };
            assert_eq!(client, expected, "{value}");
        }
    }
}

/// A response may decline by saying nothing: the connection opens uncompressed.
#[test]
fn r081_a_response_without_extension_declines() {
    for settings in [granting(), asking((true, true), (9, 9))] {
        let negotiated = dial(Deflate::new(settings), &[]).unwrap();
        assert!(negotiated.deflate.is_none() && negotiated.codec.is_none());
        let (mut conn, _) = websans::open(End::Client.role(), Config::default(), negotiated, START);
        conn.send(websans::Payload::from("Hello").compress(true)).unwrap();
        assert_eq!(drain(&mut conn), End::Client.outgoing(websans_testkit::wire::Frame::text("Hello")));
    }
}

/// What a client asked for must be granted, or the connection is not what it asked for.
#[test]
fn r081_a_response_that_does_not_grant_what_was_asked_for_fails() {
    let error = HandshakeError::UnexpectedExtension;
    let settings = asking((true, false), (15, 15));
    assert_fails(&settings, &[TAKEOVER], error);
    assert_fails(&settings, &["permessage-deflate; client_no_context_takeover"], error);
    assert!(agreed(&settings, &["permessage-deflate; server_no_context_takeover"]).is_ok());
}

#[test]
fn r082_a_response_with_a_valued_flag_fails() {
    for flag in ["server_no_context_takeover", "client_no_context_takeover"] {
        for value in ["=1", "=0", "=true", "=\"true\"", "=15"] {
            for settings in [granting(), Settings::default()] {
                let answer = format!("permessage-deflate; {flag}{value}");
                assert_fails(&settings, &[&answer], HandshakeError::UnexpectedExtension);
            }
        }
    }
}

/// A server that was asked for a window answers with one that is not larger; one that was not may name any.
#[test]
fn r083_a_servers_window_beyond_the_offer_fails() {
    for asked in 9..=15 {
        let settings = asking((false, false), (asked, 15));
        for granted in 8..=15 {
            let answer = format!("permessage-deflate; server_max_window_bits={granted}");
            let expected = parameters((false, false), (granted, 15));
            let expected =
                if granted <= asked { Ok(Some(expected)) } else { Err(HandshakeError::UnexpectedExtension) };
            assert_eq!(agreed(&settings, &[&answer]), expected, "{asked}: {answer}");
        }
        // Not to say a word of it is to mean 15.
        assert_eq!(agreed(&settings, &[TAKEOVER]).is_ok(), asked == 15);
    }
}

#[test]
fn r084_a_clients_window_in_a_response_has_a_value() {
    let answer = "permessage-deflate; client_max_window_bits";
    assert_fails(&granting(), &[answer], HandshakeError::UnexpectedExtension);
    assert_fails(&asking((false, false), (15, 10)), &[answer], HandshakeError::UnexpectedExtension);
    for own in 9..=15 {
        let settings = asking((false, false), (15, own));
        for granted in 9..=15 {
            let answer = format!("{answer}={granted}");
            // What the client has said of itself holds, whether the server repeats it or not.
            let expected = parameters((false, false), (15, own.min(granted)));
            assert_eq!(agreed(&settings, &[&answer]), Ok(Some(expected)));
        }
        assert_eq!(agreed(&settings, &[TAKEOVER]), Ok(Some(parameters((false, false), (15, own)))));
    }
}

/// A client does without context takeover when the response says so, whether it has offered that or not (§7.1.1.2): each
/// message stands for itself from then on.
#[test]
fn r085_no_context_takeover_of_the_client_is_obeyed() {
    assert!(!offer(&granting()).contains("no_context_takeover"));
    for answer in [
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=9; client_no_context_takeover",
        FRESH,
    ] {
        let (mut conn, _) = End::Client.open(answer);
        for _ in 0..3 {
            conn.send("Hello").unwrap();
            assert_eq!(drain(&mut conn), End::Client.outgoing(deflated(HELLO)), "{answer}");
        }
    }
}

/// "The client MUST _Fail the WebSocket Connection_" if a response accepts what was not offered, or accepts it twice
/// (§5, RFC 6455 §4.1).
#[test]
fn r099_what_was_not_offered_fails() {
    for answer in [TAKEOVER, FRESH, "foo", "foo; bar=1", "permessage-deflate, foo"] {
        let negotiated = dialled(request(), &[answer]);
        assert_eq!(negotiated.map(|_| ()), Err(HandshakeError::UnexpectedExtension), "{answer}");
    }
    for answer in [
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; server_no_context_takeover, permessage-deflate",
        "permessage-deflate, permessage-deflate; foo",
        "permessage-deflate, permessage-bzip2",
        "permessage-deflate, foo",
        "foo, permessage-deflate",
        "foo",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "PerMessage-Deflate",
        "permessage-deflate2",
    ] {
        for settings in [granting(), Settings::default()] {
            assert_fails(&settings, &[answer], HandshakeError::UnexpectedExtension);
        }
    }
    // One line is all there may be (RFC 6455 §11.3.2).
    assert_fails(&granting(), &[TAKEOVER, TAKEOVER], HandshakeError::InvalidExtensions);
    assert_fails(&granting(), &[TAKEOVER, "foo"], HandshakeError::InvalidExtensions);
    assert_fails(&granting(), &[""], HandshakeError::InvalidExtensions);
}
