//! Requests that mean one thing to a proxy and another to a server behind it.

use allocation_counter::measure;
use websans::Config;
use websans::handshake::HandshakeError as E;
use websans::handshake::server::{HttpVersion, check};

use crate::heads::{Parsed, REQUEST, accepting, head, plus, verdict, with};

/// All that a server writes in answer to a refused handshake.
fn refusal(error: E) -> String {
    let mut out = Vec::new();
    error.respond(&mut out);
    String::from_utf8(out).unwrap()
}

/// A body of a gigabyte is refused before any of it is read.
///
/// Fails when `check` does not look at `Content-Length`, and when `Head::spare_mut` gives room behind the head.
#[test]
fn cve_2018_12541_upgrade_with_a_gigabyte_of_body() {
    let announced = plus(&REQUEST, &["Content-Length: 1000000000"]);
    let bytes = [&announced[..], &vec![b'x'; 1 << 20]].concat();
    let info = measure(|| {
        let (mut acceptor, complete, rest) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        assert_eq!(acceptor.request().unwrap().check().unwrap_err(), E::UnexpectedBody);
        assert!(acceptor.spare_mut().is_empty(), "nothing is read behind the head");
        assert!(rest.len() >= (1 << 20) - 1024, "{} bytes are left where they are", rest.len());
    });
    assert!(info.bytes_max <= 2 << 10, "{} bytes", info.bytes_max);
    assert!(refusal(E::UnexpectedBody).starts_with("HTTP/1.1 400 "));
}

/// The tail of a request with a body is no second request: there is one answer, and it is the last.
///
/// Fails when `check` does not look at `Content-Length`.
#[test]
fn cve_2026_69243_body_that_is_a_request() {
    let smuggled = "GET /admin HTTP/1.1\r\nHost: internal\r\n\r\nxx";
    for length in [44, smuggled.len()] {
        let bytes = [plus(&REQUEST, &[&format!("Content-Length: {length}")]), smuggled.into()].concat();
        let (acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        let request = acceptor.request().unwrap();
        let error = request.check().unwrap_err();
        assert_eq!((error, request.path()), (E::UnexpectedBody, "/chat"));
        assert!(refusal(error).contains("\r\nConnection: close\r\n"));
    }
}

/// Bodies that two parsers could see differently are no handshakes, whichever of the two has parsed them.
///
/// Fails when `check` does not look at `Transfer-Encoding`, or at `Content-Length`, and when `is_empty` takes the
/// first of several.
#[test]
fn rustsec_2021_0020_ambiguous_bodies() {
    type Row<'r> = &'r [(&'static str, &'r str)];
    let rows: &[Row<'_>] = &[
        &[("Transfer-Encoding", "chunked")],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "0")],
        &[("Transfer-Encoding", "xchunked")],
        &[("Transfer-Encoding", "identity")],
        &[("Transfer-Encoding", "chunked, identity")],
        &[("Transfer-Encoding", "")],
        &[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        &[("Content-Length", "5")],
        &[("Content-Length", "+5")],
        &[("Content-Length", "+0")],
        &[("Content-Length", "-0")],
        &[("Content-Length", "5,5")],
        &[("Content-Length", "0,0")],
        &[("Content-Length", "0, 5")],
        &[("Content-Length", "0"), ("Content-Length", "5")],
        &[("Content-Length", "0"), ("Content-Length", "0")],
        &[("Content-Length", "")],
        &[("Content-Length", "0x0")],
        &[("Content-Length", "0 0")],
        &[("Content-Length", "0.0")],
        &[("Content-Length", "00000000000000000000000000000000001")],
        &[("Content-Length", "18446744073709551616")],
    ];
    for row in rows {
        let lines: Vec<_> = row.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let lines: Vec<_> = lines.iter().map(|line| &line[..]).collect();
        assert_eq!(verdict(&plus(&REQUEST, &lines)), Err(E::UnexpectedBody), "{row:?}");
        let mut headers = Parsed::request();
        headers.0.extend(row.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())));
        let error = check("GET", HttpVersion::Http11, &headers).unwrap_err();
        assert_eq!((error, error.http_status()), (E::UnexpectedBody, 400), "{row:?}");
    }
    // No body, said in so many words.
    for none in ["0", "000"] {
        assert_eq!(verdict(&plus(&REQUEST, &[&format!("Content-Length: {none}")])), Ok(()));
    }
}

/// Lines that some take for headers and others do not.
///
/// Fails when `Place::after` lets a lone LF end a line.
#[test]
fn rustsec_2021_0020_lines_that_are_none() {
    for (bad, expected) in [
        ("Content-Length : 5", E::InvalidHead),
        ("Content Length: 5", E::InvalidHead),
        ("Content-Length\u{e9}: 5", E::InvalidHead),
        ("X", E::InvalidHead),
        (": x", E::InvalidHead),
        (" X: y", E::FoldedLine),
        ("\tX: y", E::FoldedLine),
        ("X: a\nY: b", E::ControlCharacter),
        ("X: a\rY: b", E::ControlCharacter),
        ("\nX: y", E::ControlCharacter),
        ("X\u{b}: y", E::ControlCharacter),
        ("X: a\0b", E::ControlCharacter),
        ("X: a\u{7f}b", E::ControlCharacter),
    ] {
        let error = verdict(&plus(&REQUEST, &[bad])).unwrap_err();
        assert_eq!((error, error.http_status()), (expected, 400), "{bad:?}");
    }
}

/// What follows a refused handshake belongs to nobody: the answer says that the connection ends with it.
///
/// Fails when `Offer::of` takes version 8.
#[test]
fn shape_frames_behind_a_refusal_are_nobodys() {
    for (bytes, error) in [
        (with(&REQUEST, "Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"]), E::WrongVersion),
        (with(&REQUEST, "Upgrade", &[]), E::NotUpgrade),
        (with(&REQUEST, "Connection", &[]), E::InvalidConnection),
    ] {
        let bytes = [&bytes[..], b"\x81\x82\0\0\0\0hi"].concat();
        let (mut acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        assert_eq!(acceptor.request().unwrap().check().unwrap_err(), error);
        assert!(acceptor.spare_mut().is_empty());
        let answer = refusal(error);
        let connection = answer.lines().find_map(|line| line.strip_prefix("Connection: ")).unwrap();
        assert!(connection.starts_with("close"), "{answer}");
    }
}

/// Every refusal says that the connection ends, so that no proxy keeps it for another client.
///
/// Fails when `Response::refusing` says `Connection: keep-alive`.
#[test]
fn attack_16_refusals_end_the_connection() {
    use E as H;
    for error in [
        H::NotHttp,
        H::ControlCharacter,
        H::FoldedLine,
        H::InvalidHead,
        H::HeadTooLarge,
        H::TooManyHeaders,
        H::HttpVersion,
        H::Incomplete,
        H::Timeout,
        H::InvalidTarget,
        H::InvalidHost,
        H::MethodNotGet,
        H::MethodNotConnect,
        H::InvalidConnect,
        H::UnknownProtocol,
        H::ConnectionHeader,
        H::NotUpgrade,
        H::InvalidConnection,
        H::UnexpectedBody,
        H::WrongVersion,
        H::RepeatedVersion,
        H::InvalidKey,
        H::InvalidProtocols,
        H::TooManyProtocols,
        H::InvalidExtensions,
        H::OriginRefused,
    ] {
        let answer = refusal(error);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let has = |start: &str| head.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
        assert!(
            matches!(has("Connection: ")[..], [line] if line["Connection: ".len()..].starts_with("close")),
            "{answer}"
        );
        assert_eq!(has("Content-Length: "), [format!("Content-Length: {}", body.len())], "{answer}");
        assert!(has("Transfer-Encoding").is_empty() && !answer.starts_with("HTTP/1.1 1"), "{answer}");
    }
}

/// A proxy that takes any 101, or any answer to an upgrade, for a tunnel is given none for a version it does not know.
///
/// Fails when `Offer::of` takes version 8.
#[test]
fn attack_17_wrong_version_is_answered_and_over() {
    for version in ["8", "7", "0", "75", "12", "14", "99", "013", "13, 8", "8, 13", "x", ""] {
        let line = format!("Sec-WebSocket-Version: {version}");
        let bytes = [with(&REQUEST, "Sec-WebSocket-Version", &[&line]), head(REQUEST)].concat();
        let (mut acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        let error = acceptor.request().unwrap().check().unwrap_err();
        assert_eq!((error, error.http_status()), (E::WrongVersion, 426), "{version}");
        assert!(refusal(error).contains("\r\nConnection: close, Upgrade\r\n"));
        // The second request on the same socket is not even read, far less answered.
        assert!(acceptor.spare_mut().is_empty());
        acceptor.filled(100);
        assert_eq!(acceptor.request().unwrap().check().unwrap_err(), E::WrongVersion);
    }
}
