//! Group 6: UTF-8, with the strings of Markus Kuhn's decoder test that the suite uses.

use super::{Answer, Case, Ending, Step, fragments};
use crate::wire::{Frame, opcode};

const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const EDITED: &[u8] = b"edited";

pub(super) fn cases() -> Vec<Case> {
    [handling(), fail_fast(), strings()].into_iter().flatten().collect()
}

fn invalid() -> Ending {
    Ending::ByPeer(vec![1007])
}

fn handling() -> Vec<Case> {
    let echo = |payload: &[u8]| vec![Answer::Text(payload.to_vec())];
    let begin = |payload: &str| Frame::text(payload).unfinished();
    let middle = |payload: &str| Frame::continuation(payload).unfinished();
    let (one, two) = ("Hello-µ@ßöä", "üàá-UTF-8!!");
    let whole = [one, two].concat();
    let surrogate = [GREEK, b"\xed\xa0\x80", EDITED].concat();
    let filled = "middle frame payload";
    vec![
        Case::good("6.1.1", vec![Frame::text("")], echo(b"")),
        Case::good("6.1.2", vec![begin(""), middle(""), Frame::continuation("")], echo(b"")),
        Case::good(
            "6.1.3",
            vec![begin(""), middle(filled), Frame::continuation("")],
            echo(filled.as_bytes()),
        ),
        Case::good("6.2.1", vec![Frame::text(&*whole)], echo(whole.as_bytes())),
        Case::good("6.2.2", vec![begin(one), Frame::continuation(two)], echo(whole.as_bytes())),
        Case::good("6.2.3", fragments(opcode::TEXT, whole.as_bytes(), 1), echo(whole.as_bytes())),
        Case::good("6.2.4", fragments(opcode::TEXT, GREEK, 1), echo(GREEK)),
        Case { ending: invalid(), ..Case::bad("6.3.1", vec![Frame::text(&*surrogate)], vec![]) },
        Case { ending: invalid(), ..Case::bad("6.3.2", fragments(opcode::TEXT, &surrogate, 1), vec![]) },
    ]
}

/// The connection fails at the first byte that no text can contain, not at the end of the frame or message.
fn fail_fast() -> Vec<Case> {
    let payload = [GREEK, b"\xf4\x90\x80\x80", EDITED].concat();
    let (quiet, failed) = (Step::Settle { failed: false }, Step::Settle { failed: true });
    let mut cases = Vec::new();
    for (n, bad) in [(1, 11..15), (2, 12..13)] {
        let frames = vec![
            Step::Send(vec![Frame::text(&payload[..bad.start]).unfinished()], None),
            quiet.clone(),
            Step::Send(vec![Frame::continuation(&payload[bad.clone()]).unfinished()], None),
            failed.clone(),
            Step::Send(vec![Frame::continuation(&payload[bad.end..])], None),
        ];
        let whole = Frame::text(&*payload);
        let pieces = vec![
            Step::Piece(whole.clone(), 0..bad.start),
            quiet.clone(),
            Step::Piece(whole.clone(), bad.clone()),
            failed.clone(),
            Step::Piece(whole, bad.end..payload.len()),
        ];
        cases.push(Case::new(format!("6.4.{n}"), frames, vec![], invalid()));
        cases.push(Case::new(format!("6.4.{}", n + 2), pieces, vec![], invalid()));
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    cases
}

/// One text message for each string, in the suite's order; what is UTF-8 is for `std` to say.
fn strings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, strings) in (5..).zip(groups()) {
        for (n, payload) in (1..).zip(strings) {
            let id = format!("6.{group}.{n}");
            let frames = vec![Frame::text(&*payload)];
            cases.push(match core::str::from_utf8(&payload) {
                Ok(_) => Case::good(id, frames, vec![Answer::Text(payload)]),
                Err(_) => Case { ending: invalid(), ..Case::bad(id, frames, vec![]) },
            });
        }
    }
    cases
}

fn groups() -> Vec<Vec<Vec<u8>>> {
    let list = |strings: &[&[u8]]| strings.iter().map(|string| string.to_vec()).collect::<Vec<_>>();
    // Each lead byte of a range but its last, each with a space behind it.
    let lonely = |first: u8, last: u8| (first..last).flat_map(|byte| [byte, b' ']).collect::<Vec<_>>();
    let cut_short: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let mut continuations = list(&[b"\x80", b"\xbf"]);
    continuations.extend((2..=6).map(|n| b"\x80\xbf".repeat(3)[..n].to_vec()));
    continuations.push((0x80..0xbf).collect());
    vec![
        list(&[
            b"hello\x24world",
            b"hello\xc2\xa2world",
            b"hello\xe2\x82\xacworld",
            b"hello\xf0\xa4\xad\xa2world",
            GREEK,
        ]),
        (1..=GREEK.len()).map(|n| GREEK[..n].to_vec()).collect(),
        list(&[b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
        list(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        list(&[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
        list(&[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
        list(&[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]),
        continuations,
        vec![
            lonely(0xc0, 0xdf),
            lonely(0xe0, 0xef),
            lonely(0xf0, 0xf7),
            lonely(0xf8, 0xfb),
            lonely(0xfc, 0xfd),
        ],
        list(&cut_short),
        vec![cut_short.concat()],
        list(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
        list(&[
            b"\xc0\xaf",
            b"\xe0\x80\xaf",
            b"\xf0\x80\x80\xaf",
            b"\xf8\x80\x80\x80\xaf",
            b"\xfc\x80\x80\x80\x80\xaf",
        ]),
        list(&[
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x87\xbf\xbf\xbf",
            b"\xfc\x83\xbf\xbf\xbf\xbf",
        ]),
        list(&[
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x80\x80\x80\x80",
            b"\xfc\x80\x80\x80\x80\x80",
        ]),
        list(&[
            b"\xed\xa0\x80",
            b"\xed\xad\xbf",
            b"\xed\xae\x80",
            b"\xed\xaf\xbf",
            b"\xed\xb0\x80",
            b"\xed\xbe\x80",
            b"\xed\xbf\xbf",
        ]),
        surrogate_pairs(),
        noncharacters(),
        (0xb9..=0xbf).map(|byte| vec![0xef, 0xbf, byte]).collect(),
    ]
}

fn surrogate_pairs() -> Vec<Vec<u8>> {
    let mut pairs = Vec::new();
    for high in [b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf"] {
        for low in [b"\xb0\x80", b"\xbf\xbf"] {
            pairs.push([b"\xed", &high[..], b"\xed", &low[..]].concat());
        }
    }
    pairs
}

/// U+FFFE, U+FFFF and their likes of the other planes are UTF-8.
fn noncharacters() -> Vec<Vec<u8>> {
    let planes = (0..=16).flat_map(|plane: u32| [plane << 16 | 0xFFFE, plane << 16 | 0xFFFF]);
    planes.flat_map(char::from_u32).map(|char| char.to_string().into_bytes()).collect()
}
