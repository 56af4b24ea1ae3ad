//! What both roles have in common of receiving any bytes.

use websans::{Config, Negotiated, Reply};

use crate::listen::{Heard, Way, endpoint, hold, listen, rules};
use crate::{oracle, stored};

use super::input::Input;

/// Most bytes of a stream. Compressed messages that come to nothing are judged from 8 KiB on, which the oracle knows
/// nothing of.
const LONGEST: usize = 8000;

/// Settings of the one who receives.
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) compression: bool,
}

impl Settings {
    /// Three bytes.
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        const LENGTHS: [u64; 8] = [u64::MAX, 0, 1, 10, 125, 126, 1000, 1 << 20];
        let (lengths, counts, habits) = (input.byte(), input.byte(), input.byte());
        let mut config = Config::default();
        config.max_message = LENGTHS[usize::from(lengths & 7)];
        config.max_streamed = LENGTHS[usize::from(lengths >> 3 & 7)];
        config.max_fragments = [131_072, 0, 1, 3][usize::from(counts & 3)];
        config.max_empty_fragments = [16, 0, 1, u8::MAX][usize::from(counts >> 2 & 3)];
        config.read_buffer = [16 << 10, 0, 2 << 10, 3000][usize::from(counts >> 4 & 3)];
        config.pong_reply = if habits & 2 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        config.close_reply = if habits & 4 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        Self { config, compression: habits & 1 != 0 }
    }

    pub(super) fn negotiated(&self) -> Negotiated {
        if self.compression { stored::negotiated(0) } else { Negotiated::default() }
    }
}

/// What a peer may send, at most.
pub(super) fn stream<'d>(input: &mut Input<'d>) -> &'d [u8] {
    let rest = input.rest();
    &rest[..rest.len().min(LONGEST)]
}

/// Reads a stream in two ways: as events, and as messages.
pub(super) fn judge(server: bool, data: &[u8]) {
    let mut input = Input::new(data);
    let settings = Settings::read(&mut input);
    let how = input.byte();
    let bytes = stream(&mut input);
    let piece = [LONGEST, 1, 2, 7, 100, 2048, 3000, 13][usize::from(how >> 2 & 7)];
    let messages = [Way::Next, Way::NextChunk, Way::Accept, Way::Next][usize::from(how & 3)];
    let mut meaning = None;
    for way in [Way::Receive, messages] {
        let rules = rules(way, server, &settings.config, settings.compression);
        // Who reads whole messages without compression is told the same as who reads events.
        let known = meaning.take().filter(|_| !settings.compression && way != Way::NextChunk);
        let said = known.unwrap_or_else(|| oracle::read(bytes, &rules));
        hold_to(way, server, &settings, bytes, piece, &said);
        meaning = Some(said);
    }
}

fn hold_to(way: Way, server: bool, settings: &Settings, bytes: &[u8], piece: usize, said: &oracle::Meaning) {
    let endpoint = endpoint(server, &settings.config, settings.negotiated());
    let heard = listen(way, endpoint, bytes.chunks(piece));
    hold(way, server, &settings.config, &heard, said);
    hold_end(&heard);
}

/// A connection that has ended tells of it what it has said of it.
fn hold_end(heard: &Heard) {
    let Some(outcome) = &heard.outcome else { return };
    match heard.end {
        oracle::End::Failed(error) => {
            let sent = outcome.sent.as_ref().and_then(|close| close.code);
            assert_eq!(sent, Some(error.close_code()), "the code of the failure");
            assert_eq!(outcome.code(), 1006, "no Close has been received");
        }
        oracle::End::Closed => assert!(outcome.is_clean() && outcome.received.is_some()),
        oracle::End::Open => panic!("an outcome without an end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, stream};

    /// What a server hears of some frames, with a change, against what it was told.
    fn hold_changed(way: Way, change: impl FnOnce(&mut Heard)) {
        let frames = [Frame::text("one"), Frame::ping("p"), Frame::binary("two"), Frame::close(1001, "bye")];
        let bytes = stream(&frames, true);
        let config = Config::default();
        let said = oracle::read(&bytes, &rules(way, true, &config, false));
        let endpoint = endpoint(true, &config, Negotiated::default());
        let mut heard = listen(way, endpoint, [&bytes[..]]);
        change(&mut heard);
        hold(way, true, &config, &heard, &said);
        hold_end(&heard);
    }

    #[test]
    fn what_is_so_passes() {
        Way::ALL.into_iter().for_each(|way| hold_changed(way, |_| {}));
    }

    #[test]
    #[should_panic(expected = "Receive, server true")]
    fn a_lost_event_is_found() {
        hold_changed(Way::Receive, |heard| drop(heard.events.remove(1)));
    }

    #[test]
    #[should_panic(expected = "Next, server true")]
    fn another_order_is_found() {
        hold_changed(Way::Next, |heard| heard.events.swap(0, 1));
    }

    #[test]
    #[should_panic(expected = "NextChunk, server true")]
    fn another_end_is_found() {
        hold_changed(Way::NextChunk, |heard| heard.end = oracle::End::Open);
    }

    #[test]
    #[should_panic(expected = "Ping 0 is not answered")]
    fn a_ping_without_an_answer_is_found() {
        hold_changed(Way::Accept, |heard| drop(heard.written.drain(..3)));
    }

    #[test]
    #[should_panic(expected = "the Close")]
    fn another_close_code_is_found() {
        hold_changed(Way::Next, |heard| {
            let place = heard.written.len() - 4;
            assert_eq!(heard.written[place - 1], 3);
            heard.written[place] ^= 2;
        });
    }

    #[test]
    #[should_panic(expected = "half a frame was written")]
    fn a_frame_behind_the_close_is_found() {
        hold_changed(Way::Next, |heard| heard.written.extend_from_slice(&[0x8A, 0]));
    }
}
