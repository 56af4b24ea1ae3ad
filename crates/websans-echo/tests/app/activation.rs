//! Sockets that a supervisor hands over.
#![cfg(unix)]

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Command;

use crate::support::{App, command};

/// As systemd does it: the descriptor 3, and the process's own id in the environment.
const HAND_OVER: &str = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";

#[test]
fn a_socket_handed_over_takes_precedence() {
    let (handed, taken) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = handed.local_addr().unwrap();
    let elsewhere = taken.local_addr().unwrap().to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", HAND_OVER]).arg(command().get_program()).args(["--listen", &elsewhere]);
    // Clients may come before the app does.
    let early = std::thread::spawn(move || std::net::TcpStream::connect(address));
    let app = App::run(shell.stdin(OwnedFd::from(handed)));
    assert_eq!(app.address, address);
    app.raw().assert_echo("handed over");
    early.join().unwrap().unwrap();
}

#[test]
fn what_is_meant_for_another_process_is_left_alone() {
    let app =
        App::run(command().args(["--listen", "127.0.0.1:0"]).env("LISTEN_PID", "1").env("LISTEN_FDS", "1"));
    app.raw().assert_echo("its own");
}

#[test]
fn what_is_no_socket_is_an_error() {
    let mut shell = Command::new("sh");
    shell.args(["-c", HAND_OVER]).arg(command().get_program()).args(["--listen", "127.0.0.1:0"]);
    let output = shell.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("LISTEN_FDS"));
}
