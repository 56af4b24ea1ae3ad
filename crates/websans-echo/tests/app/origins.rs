//! Whose pages may connect.

use crate::support::{App, header};

#[test]
fn only_its_own_page_may_connect() {
    let app = App::start(&[]);
    let own = format!("Origin: http://{}\r\n", app.address);
    assert_eq!(app.handshake(""), "101", "no browser");
    assert_eq!(app.handshake(&own), "101");
    for foreign in ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"] {
        let request = app.upgrade(&format!("Origin: {foreign}\r\n"));
        let (head, body) = app.ask(&request);
        assert!(head.starts_with("HTTP/1.1 403 "), "{foreign}: {head}");
        // A proxy must not take the connection for one that can be used again.
        assert_eq!(header(&head, "Connection"), Some("close"), "{head}");
        assert!(!body.is_empty());
    }
}

#[test]
fn other_pages_may_connect_if_they_are_named() {
    let app = App::start(&[
        "--allow-origin",
        "https://example.com",
        "--allow-origin",
        "https://*.example.org:8443",
    ]);
    let status = |origin: &str| app.handshake(&format!("Origin: {origin}\r\n"));
    assert_eq!(status("https://example.com"), "101");
    assert_eq!(status("https://a.example.org:8443"), "101");
    assert_eq!(app.handshake(""), "101");
    for foreign in
        ["http://example.com", "https://example.com.evil.example", "https://example.org:8443", "null"]
    {
        assert_eq!(status(foreign), "403", "{foreign}");
    }
    let app = App::start(&["--allow-origin", "any"]);
    assert_eq!(app.handshake("Origin: http://evil.example\r\n"), "101");
}

/// What a proxy says is believed only if it was asked for, and only in the one form.
#[test]
fn a_proxy_may_know_the_host_and_the_scheme() {
    const X: &str = "X-Forwarded-Host: echo.example\r\nX-Forwarded-Proto: https\r\n";
    const RFC: &str = "Forwarded: for=192.0.2.1;host=echo.example;proto=https\r\n";
    let statuses = |options: &[&str]| {
        let app = App::start(options);
        let page = "Origin: https://echo.example\r\n";
        [X, RFC].map(|said| app.handshake(&format!("{page}{said}")))
    };
    assert_eq!(statuses(&[]), ["403", "403"]);
    assert_eq!(statuses(&["--trust-proxy", "x-forwarded"]), ["101", "403"]);
    assert_eq!(statuses(&["--trust-proxy", "forwarded"]), ["403", "101"]);
    let app = App::start(&["--trust-proxy", "x-forwarded"]);
    assert_eq!(app.handshake(&format!("Origin: http://echo.example\r\n{X}")), "403", "the other scheme");
    assert_eq!(app.handshake(&format!("Origin: http://{}\r\n", app.address)), "101", "without the proxy");
}
