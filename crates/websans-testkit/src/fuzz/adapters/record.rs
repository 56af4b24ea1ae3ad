//! [`Record`]: what an application has received and sent, to be held against what was on the wire.

use websans::Kind;

use super::Link;
use crate::oracle::{self, End, Event, Rules};

/// What one application has received and sent.
#[derive(Debug, Default)]
pub(in super::super) struct Record {
    /// The messages that were received, each whole or as far as it was read.
    pub(in super::super) got: Vec<Got>,
    /// Receiving has come to its end.
    pub(in super::super) over: bool,
    /// Messages may have been thrown away, as by `close`, or a deadline may have cut some off.
    pub(in super::super) excused: bool,
    /// What each sender has sent, or tried to.
    pub(in super::super) sent: [Vec<Sent>; 2],
    /// Messages that writers have left unfinished, which others may have gone on with: nothing is known of them.
    pub(in super::super) unfinished: usize,
    /// Messages that were begun, whatever came of them.
    begun: usize,
    /// Payloads of Pongs of the application's own.
    pub(in super::super) pongs: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(in super::super) struct Got {
    pub(in super::super) kind: Kind,
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) whole: bool,
}

#[derive(Debug)]
pub(in super::super) struct Sent {
    kind: Kind,
    bytes: Vec<u8>,
    said: Said,
}

/// What the application was told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Said {
    /// That it was not sent.
    No,
    /// Nothing: it has not waited.
    Nothing,
    /// That it was queued.
    Queued,
    /// That it has left.
    Left,
}

impl Record {
    /// What the next message of a sender begins with, so that it can be told from all others.
    pub(in super::super) fn tag(&mut self, sender: usize) -> String {
        self.begun += 1;
        format!("{sender}:{}:", self.begun)
    }

    pub(in super::super) fn sent(&mut self, sender: usize, message: (Kind, Vec<u8>), said: Said) {
        let (kind, bytes) = message;
        if said == Said::Left {
            // What was queued before has left before.
            for before in self.sent[sender].iter_mut().filter(|sent| sent.said == Said::Queued) {
                before.said = Said::Left;
            }
        }
        self.sent[sender].push(Sent { kind, bytes, said });
    }

    /// All that was queued has left.
    pub(in super::super) fn flushed(&mut self, sender: usize) {
        for sent in self.sent[sender].iter_mut().filter(|sent| sent.said == Said::Queued) {
            sent.said = Said::Left;
        }
    }

    /// The connection has failed, and says so.
    #[track_caller]
    pub(in super::super) fn fails(&mut self, error: impl core::fmt::Debug) {
        assert!(!self.over, "a failure is told behind the end: {error:?}");
        self.over = true;
    }

    /// Holds it all against what was on the wire.
    ///
    /// # Panics
    /// If something was lost, came twice or in another order, or was never said.
    pub(in super::super) fn check(&self, link: &Link, server: bool) {
        let heard = oracle::read(
            &link.incoming[..link.read],
            &Rules { max_message: 1 << 16, max_empty_fragments: 255, ..Rules::unlimited(server) },
        );
        self.check_received(&heard.events);
        let mut out = link.written.clone();
        out.extend_from_slice(&link.held);
        let said = oracle::read(&out, &Rules::unlimited(!server));
        assert!(!matches!(said.end, End::Failed(_)), "it breaks the protocol: {:?} in {out:02x?}", said.end);
        // "The application MUST NOT send any more data frames after sending a Close frame" (§5.5.1): Pongs it may.
        let behind = oracle::read(&out[said.used..], &Rules::unlimited(!server));
        let pongs = behind.events.iter().all(|event| matches!(event, Event::Pong(_)));
        assert!(
            said.end == End::Open || pongs && behind.end == End::Open,
            "behind the Close comes {behind:?}"
        );
        self.check_sent(&said.events);
        let asked: Vec<&Vec<u8>> = heard
            .events
            .iter()
            .filter_map(|event| if let Event::Ping(ping) = event { Some(ping) } else { None })
            .collect();
        for event in said.events.iter().chain(&behind.events) {
            if let Event::Pong(pong) = event {
                assert!(
                    asked.contains(&pong) || self.pongs.contains(pong),
                    "nobody asked for the Pong {pong:02x?}"
                );
            }
        }
    }

    fn check_received(&self, events: &[Event]) {
        let messages = events.iter().filter_map(|event| match event {
            Event::Message { kind, payload, .. } => Some((*kind, payload)),
            _ => None,
        });
        let messages: Vec<_> = messages.collect();
        let is = |got: &Got, (kind, payload): &(Kind, &Vec<u8>)| {
            let same = if got.whole { got.bytes == **payload } else { payload.starts_with(&got.bytes) };
            same && got.kind == *kind
        };
        let mut left = &messages[..];
        for (index, got) in self.got.iter().enumerate() {
            // A closing that was given up has thrown away what came until then.
            let skipped =
                if self.excused { left.iter().position(|message| is(got, message)) } else { Some(0) };
            let Some((message, rest)) = skipped.and_then(|n| left.get(n..)).and_then(<[_]>::split_first)
            else {
                assert!(
                    !got.whole && (left.is_empty() || self.excused),
                    "message {index} was never sent: {got:?}"
                );
                left = &[];
                continue;
            };
            assert!(is(got, message), "message {index} is another one: {got:?} instead of {message:02x?}");
            left = rest;
        }
        if self.over && !self.excused {
            let (got, were) = (self.got.len(), messages.len());
            assert!(got >= were, "{got} of {were} messages have arrived");
        }
    }

    fn check_sent(&self, events: &[Event]) {
        let mut next = [0, 0];
        let mut unfinished = self.unfinished;
        for event in events {
            let Event::Message { kind, payload, .. } = event else { continue };
            let found = self.sent.iter().enumerate().find_map(|(sender, sent)| {
                let index = sent.iter().position(|sent| sent.kind == *kind && sent.bytes == *payload)?;
                Some((sender, index))
            });
            let Some((sender, index)) = found else {
                assert!(unfinished > 0, "nobody sent {:?}", String::from_utf8_lossy(payload));
                unfinished -= 1;
                continue;
            };
            let sent = &self.sent[sender];
            assert!(index >= next[sender], "message {index} of sender {sender} comes twice or too late");
            assert_ne!(sent[index].said, Said::No, "message {index} of sender {sender} was refused");
            for (index, lost) in sent.iter().enumerate().take(index).skip(next[sender]) {
                assert!(
                    matches!(lost.said, Said::No | Said::Nothing),
                    "message {index} of sender {sender} is lost: {lost:?}"
                );
            }
            next[sender] = index + 1;
        }
        for (sender, sent) in self.sent.iter().enumerate() {
            for lost in sent.iter().skip(next[sender]) {
                assert_ne!(lost.said, Said::Left, "sender {sender} was told that this has left: {lost:?}");
            }
        }
    }
}
