//! Which scenarios notice which flaw of a subject: each of them can fail.

use std::collections::{BTreeSet, HashSet};

use websans_testkit::corpus::broken::{Broken, Flaw};
use websans_testkit::corpus::{Pieces, Verdict, corpus, play};

/// A flaw, scenarios that must notice it, and the only areas in which it may be noticed; none if it may in any.
type Row = (Flaw, &'static [&'static str], &'static [&'static str]);

const ROWS: [Row; 30] = [
    (Flaw::MasksIgnored, &["masking/server/wrong-text", "masking/client/wrong-zero-key"], &["masking"]),
    (Flaw::MasksWrong, &["masking/server/length-5", "masking/client/control-frames-masked"], &[]),
    (Flaw::ReservedBitsIgnored, &["deflate/server/rsv1-ping", "deflate/client/not-agreed-text"], &[]),
    (Flaw::LengthsIgnored, &["limits/server/length-two-bytes-for-125"], &["limits"]),
    (Flaw::TextUnchecked, &["utf8/server/overlong-nul-cut", "deflate/client/not-text"], &[]),
    (
        Flaw::LimitsOff,
        &["limits/server/message-beyond", "limits/client/fragments-without-end", "deflate/server/bomb"],
        &["deflate", "handshake", "limits"],
    ),
    (Flaw::LimitsTooStrict, &["limits/server/message-at-limit", "limits/client/sixteen-fragments"], &[]),
    (Flaw::ControlsIgnored, &["limits/server/ping-126", "limits/client/close-in-fragments"], &[]),
    (Flaw::CodesWrong, &["close/server/code-1000", "limits/client/message-beyond"], &[]),
    (Flaw::ClosesUnchecked, &["close/server/code-1005", "close/client/reason-broken"], &[]),
    (Flaw::ClosesUnsent, &["close/server/no-code", "close/client/both-at-once"], &[]),
    (Flaw::ClosesTwice, &["close/server/twice", "close/client/fault-behind-ours"], &[]),
    (Flaw::ClosesIgnored, &["close/server/ping-behind", "floods/client/messages-behind-a-close"], &[]),
    (Flaw::PongsUnsent, &["floods/server/newest-pong", "floods/client/pings-unread"], &[]),
    (Flaw::PongsEmpty, &["limits/server/control-125", "utf8/client/pong-is-not-text"], &[]),
    (Flaw::MessagesChanged, &["masking/server/length-65536", "floods/client/single-bytes"], &[]),
    (
        Flaw::TimersLate,
        &[
            "timers/server/handshake-drip",
            "timers/client/handshake-interim",
            "timers/server/close-not-answered",
            "timers/client/keepalive-no-pong",
        ],
        &["timers"],
    ),
    (Flaw::TimersEarly, &["timers/server/keepalive-first-ping", "timers/client/idle"], &["timers"]),
    (Flaw::TransportKept, &["close/server/server-ends-first", "handshake/server/host-twice"], &[]),
    (Flaw::EndsUnnoticed, &["eof/server/within-a-payload", "eof/client/reset-while-open"], &["eof", "close"]),
    (Flaw::HandshakesUnchecked, &["handshake/server/without-host", "handshake/client/accept-wrong"], &[]),
    (
        Flaw::HandshakesTooStrict,
        &["handshake/server/good-lower-case-names", "handshake/client/good-other-reason"],
        &["handshake", "deflate"],
    ),
    (
        Flaw::EarlyLost,
        &["handshake/server/frames-behind-the-head", "handshake/client/close-behind-the-head"],
        // What comes behind an interim response, or a refusal, is lost as well.
        &["handshake"],
    ),
    (Flaw::StatusWrong, &["handshake/server/version-8", "handshake/server/method-post"], &[]),
    (
        Flaw::OffersAccepted,
        &["deflate/server/offer-unknown", "deflate/client/answer-twice", "handshake/server/protocol-none"],
        &[],
    ),
    (Flaw::OffersIgnored, &["deflate/server/offer-plain", "handshake/client/request-with-protocols"], &[]),
    (Flaw::WindowsWrong, &["deflate/server/takeover", "deflate/client/far-match"], &["deflate"]),
    (Flaw::ParametersUnsaid, &["deflate/server/offer-server-forgets"], &["deflate"]),
    (Flaw::PiecesLost, &["handshake/server/half-a-frame-behind-the-head"], &[]),
    (Flaw::EndingsMisreported, &["eof/server/open", "close/client/ours-4999"], &[]),
];

fn noticing(flaw: Flaw) -> BTreeSet<&'static str> {
    let notices = |verdict: Verdict| verdict != Verdict::Passed;
    let scenarios = corpus().scenarios.iter();
    scenarios
        .filter(|scenario| notices(play(&Broken(flaw), scenario, Pieces::Whole)))
        .map(|scenario| scenario.id.as_str())
        .collect()
}

#[test]
fn every_flaw_is_noticed_where_it_shows_and_every_scenario_notices_one() {
    assert_eq!(ROWS.map(|row| row.0), Flaw::ALL);
    let mut unable: BTreeSet<&str> = corpus().scenarios.iter().map(|one| one.id.as_str()).collect();
    let mut wrong = Vec::new();
    for (flaw, ids, areas) in ROWS {
        let noticed = noticing(flaw);
        for id in ids {
            if !noticed.contains(id) {
                wrong.push(format!("{id} does not notice {flaw:?}"));
            }
        }
        let seen: HashSet<&str> = noticed.iter().filter_map(|id| id.split('/').next()).collect();
        for area in seen {
            if !areas.is_empty() && !areas.contains(&area) {
                wrong.push(format!("{area} notices {flaw:?}"));
            }
        }
        unable.retain(|id| !noticed.contains(id));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unable.is_empty(), "nothing that is tried makes these fail: {unable:?}");
}
