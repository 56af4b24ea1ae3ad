//! The chat that compresses.

use std::io::Write as _;

use websans_std::{CloseCode, Message};

use crate::support::{Program, Server, within};

const CHAT: &str = env!("CARGO_BIN_EXE_compressed-chat");

/// A guest who has got a key.
fn guest(server: &Server) -> Program {
    let guest = Program::start(CHAT, &["join", &server.url()]);
    let key = guest.line();
    assert!(key.starts_with("your key") && key.len() > 60, "{key}");
    guest
}

fn types(guest: &mut Program, text: &str) {
    guest.stdin.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The four numbers in what is printed at the end.
fn numbers(line: &str) -> [usize; 4] {
    let numbers = line.rsplit(": ").next().unwrap().split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<_> = numbers.filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{line:?}"))
}

#[test]
fn guests_hear_each_other_and_learn_what_was_saved() {
    within(60, || {
        let server = Server::start_with(CHAT, &["serve", "127.0.0.1:0"]);
        let (mut first, second) = (guest(&server), guest(&server));
        // One who does not compress.
        let mut plain = websans_std::connect(server.url().as_str()).unwrap();
        assert!(matches!(plain.recv().unwrap(), Some(Message::Text(key)) if key.starts_with("your key")));
        let said = ["ha ".repeat(1000), "ho ".repeat(1000)].map(|text| text.trim_end().to_owned());
        for text in &said {
            types(&mut first, text);
            let heard = format!("guest 1: {text}");
            assert!(first.line() == heard && second.line() == heard);
            assert_eq!(plain.recv().unwrap(), Some(Message::Text(&heard)));
        }
        plain.send("too short to be compressed").unwrap();
        assert_eq!(first.line(), "guest 3: too short to be compressed");
        assert!(plain.close(CloseCode::NORMAL, "").unwrap().is_clean());
        assert_eq!(server.program.line(), "guest 3 has left: without compression");

        drop(first.stdin.take());
        let own = numbers(&first.line());
        assert!(first.ended());
        let left = server.program.line();
        assert!(left.starts_with("guest 1 has left: "), "{left}");
        let [sent, sent_as, received, received_as] = own;
        assert_eq!(
            numbers(&left),
            [received, received_as, sent, sent_as],
            "what one has sent, the other has received"
        );
        assert_eq!((sent, received), (2 * 2999, 2 * (2999 + 9)));
        assert!(sent_as < 100 && received_as < 150, "{own:?}");
    });
}
