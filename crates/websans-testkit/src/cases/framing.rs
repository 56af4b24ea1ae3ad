//! Groups 1 to 5: framing, Pings and Pongs, reserved bits, opcodes, fragmentation.

use super::{Answer, Case, Ending, Step};
use crate::wire::{Frame, opcode};

const HELLO: &str = "Hello, world!";
const BYTES: [u8; 8] = [0, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0, 0xFF];

pub(super) fn cases() -> Vec<Case> {
    [sizes(), pings(), reserved_bits(), opcodes(), fragmentation()].into_iter().flatten().collect()
}

fn sizes() -> Vec<Case> {
    let lens = [0, 125, 126, 127, 128, 65535, 65536, 65536];
    let mut cases = Vec::new();
    for (kind, byte) in [(1, b'*'), (2, 0xFE)] {
        for (n, len) in (1..).zip(lens) {
            let payload = vec![byte; len];
            let (frame, answer) = if kind == 1 {
                (Frame::text(payload.clone()), Answer::Text(payload))
            } else {
                (Frame::binary(payload.clone()), Answer::Binary(payload))
            };
            let case = Case::good(format!("1.{kind}.{n}"), vec![frame], vec![answer]);
            cases.push(if n == 8 { case.chopped(997) } else { case });
        }
    }
    cases
}

fn pings() -> Vec<Case> {
    let pong = |payload: &[u8]| vec![Answer::Pong(payload.to_vec())];
    let answered = |id, payload: &[u8]| Case::good(id, vec![Frame::ping(payload)], pong(payload));
    let unasked = Frame::pong("unsolicited pong payload");
    let ten: Vec<String> = (0..10).map(|n| format!("payload-{n}")).collect();
    let ten_pings = Case::good(
        "2.10",
        ten.iter().map(|payload| Frame::ping(payload.as_bytes())).collect(),
        ten.iter().map(|payload| Answer::Pong(payload.clone().into())).collect(),
    );
    vec![
        answered("2.1", b""),
        answered("2.2", HELLO.as_bytes()),
        answered("2.3", &BYTES),
        answered("2.4", &[0xFE; 125]),
        Case::bad("2.5", vec![Frame::ping([0xFE; 126])], vec![]),
        answered("2.6", &[0xFE; 125]).chopped(1),
        Case::good("2.7", vec![Frame::pong("")], vec![]),
        Case::good("2.8", vec![unasked.clone()], vec![]),
        Case::good("2.9", vec![unasked, Frame::ping("ping payload")], pong(b"ping payload")),
        ten_pings.clone(),
        Case { id: "2.11".into(), ..ten_pings.chopped(1) },
    ]
}

/// A good message, a bad frame, a Ping: the first is echoed, the last is not answered.
fn bad_second(id: &str, frame: Frame) -> Case {
    Case::bad(id, vec![Frame::text(HELLO), frame, Frame::ping("")], vec![Answer::Text(HELLO.into())])
}

fn reserved_bits() -> Vec<Case> {
    let text = |rsv| Frame::text(HELLO).reserved(rsv);
    vec![
        Case::bad("3.1", vec![text(1)], vec![]),
        bad_second("3.2", text(2)),
        bad_second("3.3", text(3)).by_frame(),
        bad_second("3.4", text(4)).chopped(1),
        Case::bad("3.5", vec![Frame::binary(BYTES).reserved(5)], vec![]),
        Case::bad("3.6", vec![Frame::ping(HELLO).reserved(6)], vec![]),
        Case::bad("3.7", vec![Frame::new(opcode::CLOSE, "").reserved(7)], vec![]),
    ]
}

fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, low) in [(1, 3), (2, 11)] {
        let alone = |n: u8, payload: &str| {
            Case::bad(format!("4.{group}.{n}"), vec![Frame::new(low + n - 1, payload)], vec![])
        };
        let second =
            |n: u8, payload: &str| bad_second(&format!("4.{group}.{n}"), Frame::new(low + n - 1, payload));
        cases.extend([
            alone(1, ""),
            alone(2, "reserved opcode payload"),
            second(3, ""),
            second(4, HELLO),
            second(5, HELLO).chopped(1),
        ]);
    }
    cases
}

/// Three ways to send the same: at once, frame by frame, byte by byte.
fn three_ways(first: usize, case: &Case) -> [Case; 3] {
    let named = |n: usize, case: Case| Case { id: format!("5.{}", first + n), ..case };
    [named(0, case.clone()), named(1, case.clone().by_frame()), named(2, case.clone().chopped(1))]
}

fn fragmentation() -> Vec<Case> {
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| format!("fragment{n}"));
    let begin = |payload: &str| Frame::text(payload).unfinished();
    let middle = |payload: &str| Frame::continuation(payload).unfinished();
    let end = |payload: &str| Frame::continuation(payload);
    let nothing_to_continue = "non-continuation payload";
    let both = vec![Answer::Text(b"fragment1fragment2".to_vec())];

    let mut cases = vec![
        Case::bad("5.1", vec![Frame::ping(&*one).unfinished(), end(&two)], vec![]),
        Case::bad("5.2", vec![Frame::pong(&*one).unfinished(), end(&two)], vec![]),
    ];
    cases.extend(three_ways(3, &Case::good("", vec![begin(&one), end(&two)], both.clone())));
    let ping = "ping payload";
    let with_ping = vec![Answer::Pong(ping.into()), both[0].clone()];
    cases.extend(three_ways(6, &Case::good("", vec![begin(&one), Frame::ping(ping), end(&two)], with_ping)));
    let hello = Frame::text(HELLO);
    cases.extend(three_ways(9, &Case::bad("", vec![end(nothing_to_continue), hello.clone()], vec![])));
    cases.extend(three_ways(12, &Case::bad("", vec![middle(nothing_to_continue), hello], vec![])));
    cases.push(Case::bad("5.15", vec![begin(&one), end(&two), middle(&three), Frame::text(&*four)], both));
    let twice = |frames: [Frame; 3]| [frames.clone(), frames].concat();
    cases.push(Case::bad("5.16", twice([middle(&one), begin(&two), end(&three)]), vec![]));
    cases.push(Case::bad("5.17", twice([end(&one), begin(&two), end(&three)]), vec![]));
    cases.push(Case::bad("5.18", vec![begin(&one), Frame::text(&*two)], vec![]));

    let pings = ["pongme 1!", "pongme 2!"];
    let whole = [&*one, &two, &three, &four, &five].concat();
    let steps = vec![
        Step::Send(vec![begin(&one), middle(&two), Frame::ping(pings[0])], None),
        Step::Settle { failed: false },
        Step::Send(vec![middle(&three), middle(&four), Frame::ping(pings[1]), end(&five)], None),
    ];
    let answers = pings.map(|ping| Answer::Pong(ping.into())).into_iter().chain([Answer::Text(whole.into())]);
    let paused = Case::new("5.19", steps, answers.collect(), Ending::ByTester);
    cases.push(paused.clone());
    cases.push(Case { id: "5.20".into(), ..paused.by_frame() });
    cases
}
