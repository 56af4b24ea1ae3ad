//! The command line.

use std::net::TcpListener;
use std::process::{Output, Stdio};

use crate::support::command;

#[test]
fn help_names_every_option() {
    fn run(arguments: &[&str]) -> Output {
        command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }
    let help = run(&["--help"]);
    assert!(help.status.success());
    // However the terminal's width breaks its lines.
    let text = String::from_utf8(help.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for option in [
        "--listen",
        "--keep-alive",
        "--keep-alive-timeout",
        "--allow-origin",
        "--max-message",
        "--compression",
        "--compression-takeover",
        "--tls",
        "--background",
        "--trust-proxy",
        "x-forwarded",
        "LISTEN_FDS",
        "ServerClose",
        "ServerAbort",
        "--help",
        "--version",
    ] {
        assert!(text.contains(option), "{option} is missing:\n{text}");
    }
    for default in ["127.0.0.1:5000", "1048576", "30", "10"] {
        assert!(text.contains(&format!("[default: {default}]")), "the default {default} is missing:\n{text}");
    }
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(String::from_utf8(version.stdout).unwrap().contains(env!("CARGO_PKG_VERSION")));
    for wrong in [
        &["--no-such-option"][..],
        &["--keep-alive", "soon"],
        &["--keep-alive", "-1"],
        &["--keep-alive", "NaN"],
        &["--max-message", "-1"],
        &["--allow-origin", "example.com"],
        &["--compression-takeover"],
        &["--tls", "certificate.pem"],
        &["--trust-proxy", "everybody"],
        &["surplus"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address), "the address is named");
}
