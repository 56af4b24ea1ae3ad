//! What it says on standard output, and to nobody.

use websans_testkit::wire::Frame;

use crate::support::App;

#[test]
fn every_connection_ends_in_a_line() {
    let app = App::start(&[]);
    let mut raw = app.raw();
    raw.write(&[Frame::close(1000, "bye")]);
    assert_eq!(raw.close().0, 1000);
    drop(raw);
    assert_eq!(app.log(), "closed cleanly (1000): bye");
    let mut raw = app.raw();
    raw.write(&[Frame::new(3, "x")]);
    assert_eq!(raw.close().0, 1002);
    drop(raw);
    assert!(app.log().contains("reserved"));
    drop(app.raw());
    assert!(app.log().contains("without a close"));
    assert_eq!(app.handshake("Origin: http://evil.example\r\n"), "403");
    assert_eq!(
        app.log(),
        "refused: 403 Forbidden: pages of this origin may not connect (RFC 6455 section 10.2)"
    );
}

/// Neither a reader that has gone nor one that does not read keeps it from its work.
#[test]
#[cfg(target_os = "linux")]
fn nobody_has_to_read_what_it_says() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    use nix::fcntl::{FcntlArg, fcntl};

    use crate::support::{address, command};

    for gone in [true, false] {
        let mut child = command().args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = child.stdout.take().unwrap();
        // A page of memory, the least there is: it is full after some 70 lines.
        fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let mut output = BufReader::new(pipe);
        let mut started = String::new();
        output.read_line(&mut started).unwrap();
        let address = address(&started);
        let output = (!gone).then_some(output);
        let app = App::adopt(child, address);
        for _ in 0..300 {
            let mut raw = app.raw();
            raw.assert_echo("hello");
            raw.write(&[Frame::close(1000, "bye")]);
            assert_eq!(raw.close().0, 1000);
        }
        app.raw().assert_echo("still there");
        drop(app);
        // What it had said lies there still.
        if let Some(mut output) = output {
            let mut said = String::new();
            output.read_to_string(&mut said).unwrap();
            assert!(said.lines().count() > 10, "{said}");
        }
    }
}
