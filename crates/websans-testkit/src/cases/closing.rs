//! Group 7: closing.

use super::{Answer, Case, Ending, Step};
use crate::wire::{Frame, opcode};

const HELLO: &str = "Hello World!";

pub(super) fn cases() -> Vec<Case> {
    let close = || Frame::close(1000, "");
    let normal = || Ending::ByScript(vec![Some(1000)]);
    let closed =
        |id: &str, frames: Vec<Frame>| Case::new(id, vec![Step::Send(frames, None)], vec![], normal());
    let failed = |id: &str, frame: Frame, codes: &[u16]| {
        Case::new(id, vec![Step::Send(vec![frame], None)], vec![], Ending::ByPeer(codes.to_vec()))
    };
    let bad_text = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    let big = b"BAsd7&jh23".repeat(256 << 10)[..256 << 10].to_vec();
    let mut cases = vec![
        Case::good("7.1.1", vec![Frame::text(HELLO)], vec![Answer::Text(HELLO.into())]),
        closed("7.1.2", vec![close(), Frame::new(opcode::CLOSE, "")]),
        closed("7.1.3", vec![close(), Frame::ping("")]),
        closed("7.1.4", vec![close(), Frame::text(HELLO)]),
        closed(
            "7.1.5",
            vec![Frame::text("fragment1").unfinished(), close(), Frame::continuation("fragment2")],
        ),
        Case {
            answers: vec![Answer::Text(big.clone()), Answer::Text(HELLO.into())],
            ..closed("7.1.6", vec![Frame::text(big), Frame::text(HELLO), close(), Frame::ping("")])
        },
        Case { ending: Ending::ByScript(vec![None]), ..closed("7.3.1", vec![Frame::new(opcode::CLOSE, "")]) },
        failed("7.3.2", Frame::new(opcode::CLOSE, "a"), &[1002]),
        closed("7.3.3", vec![close()]),
        closed("7.3.4", vec![Frame::close(1000, HELLO)]),
        closed("7.3.5", vec![Frame::close(1000, [b'*'; 123])]),
        failed("7.3.6", Frame::close(1000, [b'*'; 124]), &[1002]),
        failed("7.5.1", Frame::close(1000, bad_text), &[1007]),
    ];
    let good_codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (n, code) in (1..).zip(good_codes) {
        // A server must not say 1010, not even as an answer.
        let answers = if code == 1010 { vec![Some(1010), Some(1000)] } else { vec![Some(code)] };
        let case = closed(&format!("7.7.{n}"), vec![Frame::close(code, "")]);
        cases.push(Case { ending: Ending::ByScript(answers), ..case });
    }
    for (n, code) in (1..).zip([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]) {
        cases.push(failed(&format!("7.9.{n}"), Frame::close(code, ""), &[1002]));
    }
    for (n, code) in (1..).zip([5000, 65535]) {
        cases.push(failed(&format!("7.13.{n}"), Frame::close(code, ""), &[1002]));
    }
    cases
}
