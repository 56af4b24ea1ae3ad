//! Groups 9 and 10: long messages, many fragments, many messages.

use super::{Answer, Case, Ending, Scale, Step, fragments};
use crate::wire::{Frame, opcode};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

pub(super) fn cases(scale: Scale) -> Vec<Case> {
    let (part, times) = match scale {
        Scale::Small => (16, 100),
        Scale::Full => (1, 1000),
    };
    let mut cases = Vec::new();
    let lens = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
    for (group, kind) in [(1, opcode::TEXT), (2, opcode::BINARY)] {
        for (n, len) in (1..).zip(lens) {
            let payload = pattern(kind, len / part);
            let answer = answer(kind, payload.clone());
            cases.push(Case::good(format!("9.{group}.{n}"), vec![Frame::new(kind, payload)], vec![answer]));
        }
    }
    let sizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
    for (group, kind) in [(3, opcode::TEXT), (4, opcode::BINARY)] {
        for (n, size) in (1..).zip(sizes) {
            let payload = vec![if kind == opcode::TEXT { b'*' } else { 0xFE }; 4 * MIB / part];
            let frames = fragments(kind, &payload, size);
            cases.push(Case::good(format!("9.{group}.{n}"), frames, vec![answer(kind, payload)]));
        }
    }
    for (group, kind) in [(5, opcode::TEXT), (6, opcode::BINARY)] {
        for (n, chop) in (1..).zip([64, 128, 256, 512, 1024, 2048]) {
            let payload = pattern(kind, MIB / part);
            let answer = answer(kind, payload.clone());
            let case = Case::good(format!("9.{group}.{n}"), vec![Frame::new(kind, payload)], vec![answer]);
            cases.push(case.chopped(chop));
        }
    }
    for (group, kind) in [(7, opcode::TEXT), (8, opcode::BINARY)] {
        for (n, len) in (1..).zip([0, 16, 64, 256, 1024, 4096]) {
            let payload = vec![if kind == opcode::TEXT { b'*' } else { 0xFE }; len];
            let one = |count| [Step::Send(vec![Frame::new(kind, &*payload)], None), Step::Await(count)];
            let steps = (1..=times).flat_map(one).collect();
            let answers = vec![answer(kind, payload.clone()); times];
            cases.push(Case::new(format!("9.{group}.{n}"), steps, answers, Ending::ByTester));
        }
    }
    let payload = vec![b'*'; 65536];
    cases.push(Case::good("10.1.1", fragments(opcode::TEXT, &payload, 1300), vec![Answer::Text(payload)]));
    cases
}

fn pattern(kind: u8, len: usize) -> Vec<u8> {
    let pattern: &[u8] = if kind == opcode::TEXT { b"BAsd7&jh23" } else { b"\x00\xfe\x23\xfa\xf0" };
    pattern.iter().copied().cycle().take(len).collect()
}

fn answer(kind: u8, payload: Vec<u8>) -> Answer {
    if kind == opcode::TEXT { Answer::Text(payload) } else { Answer::Binary(payload) }
}
