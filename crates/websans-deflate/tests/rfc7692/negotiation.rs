//! How a server answers offers: rows 80, 82 to 84, 86.

use websans::handshake::HandshakeError;
use websans_deflate::{Deflate, Settings};

use crate::support::*;

/// The answer of a server with these settings to these lines.
#[track_caller]
fn answered(settings: &Settings, offers: &[&str]) -> Option<String> {
    serve(Deflate::new(settings.clone()), offers).unwrap().0
}

#[track_caller]
fn assert_answers(settings: &Settings, cases: &[(&str, Option<&str>)]) {
    for (offers, answer) in cases {
        assert_eq!(answered(settings, &[offers]).as_deref(), *answer, "{offers}");
    }
}

/// A server that insists on all there is.
fn strict() -> Settings {
    let mut settings = granting();
    settings.negotiation.server_no_context_takeover = true;
    settings.negotiation.client_no_context_takeover = true;
    settings.negotiation.server_max_window_bits = 10;
    settings.negotiation.client_max_window_bits = 11;
    settings
}

/// Parameters that nobody has defined, that are there twice, or that have a value they cannot have, or none.
pub(crate) const NOT_DEFINED: &[&str] = &[
    "foo",
    "foo=1",
    "Server_no_context_takeover",
    "SERVER_MAX_WINDOW_BITS=10",
    "max_window_bits=10",
    "s2c_no_context_takeover",
    "mem_level=8",
    "server_no_context_takeover; server_no_context_takeover",
    "client_no_context_takeover; client_no_context_takeover",
    "server_max_window_bits=10; server_max_window_bits=10",
    "server_max_window_bits=10; server_max_window_bits=11",
    "client_max_window_bits=10; client_max_window_bits=10",
    "client_max_window_bits=10; client_max_window_bits",
    "client_max_window_bits=08",
    "client_max_window_bits=010",
    "client_max_window_bits=\"08\"",
    "client_max_window_bits=1e1",
    "client_max_window_bits=0xa",
    "client_max_window_bits=+10",
    "client_max_window_bits=-10",
    "client_max_window_bits=10.0",
    "client_max_window_bits=ten",
    "client_max_window_bits=\"16\"",
    "client_max_window_bits=4294967306",
    "client_max_window_bits=18446744073709551626",
    "server_max_window_bits",
    "server_max_window_bits=08",
    "server_max_window_bits=\"010\"",
    "server_max_window_bits=1e1",
    "server_max_window_bits=256",
    "server_max_window_bits=265",
];

/// What breaks the grammar of RFC 6455 §9.1: a value is a token, quoted or not.
pub(crate) const NO_GRAMMAR: &[&str] = &[
    "client_max_window_bits=",
    "client_max_window_bits=\"\"",
    "client_max_window_bits=\"15 \"",
    "client_max_window_bits=\" 15\"",
    "client_max_window_bits=15 15",
    "server_max_window_bits=\"10",
    "server_max_window_bits=10;",
    "=10",
];

/// "A server MUST decline an extension negotiation offer for this extension if any of the following conditions are met"
/// (§7): alone, in front of one that will do, and behind it.
#[test]
fn r080_an_offer_that_is_not_defined_is_declined() {
    for settings in [granting(), strict()] {
        let good = "permessage-deflate; client_max_window_bits";
        let answer = answered(&settings, &[good]).unwrap();
        for parameters in NOT_DEFINED {
            let bad = format!("permessage-deflate; {parameters}");
            assert_eq!(answered(&settings, &[&bad]), None, "{bad}");
            let further = format!("{bad}; client_no_context_takeover");
            assert_eq!(answered(&settings, &[&further]), None, "{further}");
            for lines in
                [&[&*format!("{bad}, {good}")][..], &[&bad, good], &[good, &bad], &[&bad, &bad, good]]
            {
                assert_eq!(answered(&settings, lines).as_ref(), Some(&answer), "{lines:?}");
            }
        }
        for parameters in NO_GRAMMAR {
            let bad = format!("permessage-deflate; {parameters}");
            for lines in [&[&*bad][..], &[good, &bad], &[&bad, good]] {
                let error =
                    serve(Deflate::new(settings.clone()), lines).map(|(answer, _)| answer).unwrap_err();
                assert_eq!(error, HandshakeError::InvalidExtensions, "{lines:?}");
                assert_eq!(error.http_status(), 400);
            }
        }
    }
}

/// Each number up to 300, bare and quoted, in either parameter.
#[test]
fn r080_windows_are_numbers_from_8_to_15() {
    let settings = granting();
    for bits in 0..=300 {
        for value in [format!("{bits}"), format!("\"{bits}\"")] {
            let client =
                answered(&settings, &[&format!("permessage-deflate; client_max_window_bits={value}")]);
            let expected = format!("permessage-deflate; client_max_window_bits={bits}");
            assert_eq!(client, (8..=15).contains(&bits).then_some(expected), "{value}");
            // 8 is well-formed, but more than our compressor can promise.
            let server =
                answered(&settings, &[&format!("permessage-deflate; server_max_window_bits={value}")]);
            let expected = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(server, (9..=15).contains(&bits).then_some(expected), "{value}");
        }
    }
}

/// "The order of elements is important as it specifies the client's preference" (§5): the first that can be accepted is,
/// and no other.
#[test]
fn r080_the_first_acceptable_offer_is_accepted() {
    assert_answers(
        &granting(),
        &[
            ("permessage-deflate", Some("permessage-deflate")),
            (
                "permessage-deflate, permessage-deflate; server_no_context_takeover",
                Some("permessage-deflate"),
            ),
            (
                "permessage-deflate; server_no_context_takeover, permessage-deflate",
                Some("permessage-deflate; server_no_context_takeover"),
            ),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10, \
                 permessage-deflate; server_max_window_bits=9",
                Some("permessage-deflate; server_max_window_bits=10"),
            ),
            ("foo, bar; baz=\"qux\", permessage-deflate", Some("permessage-deflate")),
            ("permessage-deflate; foo, permessage-bzip2", None),
            ("x-webkit-deflate-frame", None),
            ("Permessage-Deflate", None),
            ("permessage-deflate2, permessage-deflat", None),
            (
                " , permessage-deflate ; client_max_window_bits = 9 ,",
                Some("permessage-deflate; client_max_window_bits=9"),
            ),
        ],
    );
    assert_answers(
        &strict(),
        &[
            // A client that cannot be told its window may exceed ours.
            ("permessage-deflate", None),
            (
                "permessage-deflate, permessage-deflate; client_max_window_bits",
                Some(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=10; client_max_window_bits=11",
                ),
            ),
        ],
    );
    // However they are spread over lines.
    let lines = ["foo", "permessage-deflate; server_max_window_bits=8, bar", FRESH, TAKEOVER];
    assert_eq!(answered(&granting(), &lines).as_deref(), Some(FRESH));
    assert_eq!(answered(&granting(), &[&lines.join(", ")]).as_deref(), Some(FRESH));
    assert_eq!(answered(&granting(), &[]), None);
}

/// Parameters come in any order.
#[test]
fn r080_all_parameters_at_once() {
    let parameters = [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits=10",
        "client_max_window_bits=12",
    ];
    for first in 0..4 {
        for second in 0..4 {
            let mut parameters = parameters.to_vec();
            parameters.swap(0, first);
            parameters.swap(1, second);
            let offer = format!("permessage-deflate; {}", parameters.join("; "));
            let (answer, negotiated) = serve(Deflate::new(granting()), &[&offer]).unwrap();
            assert_eq!(answer, Some(element((true, true), (10, 12))), "{offer}");
            assert_eq!(negotiated.deflate, Some(self::parameters((true, true), (10, 12))));
        }
    }
}

/// Neither parameter has a value, in an offer or in a response (§7.1.1.1, §7.1.1.2).
#[test]
fn r082_an_offer_with_a_valued_flag_is_declined() {
    for flag in ["server_no_context_takeover", "client_no_context_takeover"] {
        for value in ["=1", "=0", "=true", "=\"true\"", "=15", "=server_no_context_takeover"] {
            let offer = format!("permessage-deflate; {flag}{value}");
            assert_eq!(answered(&granting(), &[&offer]), None, "{offer}");
            let offers = format!("{offer}, permessage-deflate; {flag}");
            assert_eq!(answered(&granting(), &[&offers]), Some(format!("permessage-deflate; {flag}")));
        }
    }
}

/// "by including the "server_max_window_bits" extension parameter in the extension negotiation response [...] with the
/// same or smaller value as the offer" (§7.1.2.1): the smaller of what both want.
#[test]
fn r083_the_servers_window_is_at_most_what_was_offered() {
    for ours in 9..=15 {
        let mut settings = granting();
        settings.negotiation.server_max_window_bits = ours;
        for asked in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={asked}");
            let (answer, negotiated) = serve(Deflate::new(settings.clone()), &[&offer]).unwrap();
            let bits = asked.min(ours);
            assert_eq!(answer, Some(format!("permessage-deflate; server_max_window_bits={bits}")));
            assert_eq!(negotiated.deflate.unwrap().server_max_window_bits, bits);
        }
        // Unasked, if it matters.
        let (answer, negotiated) = serve(Deflate::new(settings.clone()), &[TAKEOVER]).unwrap();
        let bits = if ours < 15 { format!("; server_max_window_bits={ours}") } else { String::new() };
        assert_eq!(answer, Some(format!("permessage-deflate{bits}")));
        assert_eq!(negotiated.deflate.unwrap().server_max_window_bits, ours);
        assert_eq!(answered(&settings, &["permessage-deflate; server_max_window_bits=8"]), None);
    }
}

/// "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension parameter, the
/// corresponding extension negotiation response to the offer MUST NOT include" it (§7.1.2.2).
#[test]
fn r084_the_clients_window_is_named_only_if_it_was_offered() {
    for ours in 9..=15 {
        let mut settings = granting();
        settings.negotiation.client_max_window_bits = ours;
        let named = |bits| Some(format!("permessage-deflate; client_max_window_bits={bits}"));
        assert_eq!(answered(&settings, &["permessage-deflate; client_max_window_bits"]), named(ours));
        for hint in 8..=15 {
            let offer = format!("permessage-deflate; client_max_window_bits={hint}");
            let (answer, negotiated) = serve(Deflate::new(settings.clone()), &[&offer]).unwrap();
            // 8 among them: what inflates with more inflates that as well.
            assert_eq!(answer, named(hint.min(ours)));
            assert_eq!(negotiated.deflate.unwrap().client_max_window_bits, hint.min(ours));
        }
        let expected = (ours == 15).then(|| TAKEOVER.to_owned());
        assert_eq!(answered(&settings, &[TAKEOVER]), expected, "{ours}");
        let both = format!("{TAKEOVER}, {TAKEOVER}; client_max_window_bits");
        assert_eq!(answered(&settings, &[&both]), expected.or(named(ours)), "{ours}");
    }
}

/// A client that says it compresses with 256 bytes is understood.
#[test]
fn r084_what_is_agreed_on_with_8_bits_inflates() {
    let setup = Setup::new("permessage-deflate; client_max_window_bits=8");
    let deflate = Deflate::new(setup.settings.clone());
    let mut message = websans_testkit::blocks::Blocks::new();
    let far = noise(8, 256);
    message.stored(false, &far).far_match(256);
    let payload = message.message();
    let bytes = End::Server.incoming(deflated_binary(&payload));
    let expected = [&far[..], &far[..3]].concat();
    splits(&bytes, |pieces| {
        let ending = websans_testkit::oracle::End::Open;
        assert_heard(End::Server, &deflate, &setup, pieces, &[binary(&expected)], ending);
    });
}

/// "A server accepts an extension negotiation offer that includes the "server_no_context_takeover" extension parameter by
/// including the "server_no_context_takeover" extension parameter in the corresponding extension negotiation response"
/// (§7.1.1.1).
#[test]
fn r086_no_context_takeover_is_confirmed_and_obeyed() {
    for offer in [
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=9",
    ] {
        let deflate = Deflate::new(granting());
        let (answer, negotiated) = serve(&deflate, &[offer]).unwrap();
        assert!(answer.unwrap().split("; ").any(|parameter| parameter == "server_no_context_takeover"));
        assert!(negotiated.deflate.unwrap().server_no_context_takeover);
        let (mut conn, _) = websans::open(End::Server.role(), websans::Config::default(), negotiated, START);
        for _ in 0..3 {
            conn.send("Hello").unwrap();
            assert_eq!(drain(&mut conn), End::Server.outgoing(deflated(HELLO)), "{offer}");
        }
    }
    // Without it the server may name it all the same, or not.
    assert_eq!(answered(&granting(), &[TAKEOVER]).as_deref(), Some(TAKEOVER));
    let unasked = answered(&Settings::default(), &[TAKEOVER]);
    assert_eq!(unasked.as_deref(), Some(FRESH));
}

/// Nobody compresses who was not told to.
#[test]
fn compression_is_off_unless_it_is_asked_for() {
    let mut out = Vec::new();
    request().write(&mut out);
    assert!(!String::from_utf8(out).unwrap().to_ascii_lowercase().contains("extensions"));
    for offers in [TAKEOVER, FRESH, "permessage-deflate; client_max_window_bits"] {
        let (answer, negotiated) = serve(None, &[offers]).unwrap();
        assert!(answer.is_none() && negotiated.deflate.is_none());
    }
    // And who was told to forgets each message before the next, unless told otherwise.
    let answer = answered(&Settings::default(), &["permessage-deflate; client_max_window_bits"]);
    assert_eq!(answer, Some(format!("{FRESH}; client_max_window_bits=15")));
}
