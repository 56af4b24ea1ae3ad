//! [`play`]: one scenario against one subject.

use std::collections::BTreeMap;
use std::time::Duration;

use super::arrival::{Arrival, Fit, Terms};
use super::encode::{self, KEY, Names, encode};
use super::scenario::{Bytes, Open, Pattern, Response, Role, Scenario, Step, Value};
use super::subject::{Read, Subject, Transport};

/// What became of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything came as it does from websans.
    Passed,
    /// Everything came as the RFCs allow.
    Acceptable,
    /// Something did not.
    Failed(String),
    /// The subject has not got what it takes.
    NotExpressible(String),
}

/// In which pieces the runner's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// As the scenario has them.
    Whole,
    /// One by one.
    Single,
    /// With one cut, behind so many bytes of all that is sent.
    CutAt(usize),
}

/// Plays a scenario. What the runner sends is written in `pieces`.
pub fn play(subject: &dyn Subject, scenario: &Scenario, pieces: Pieces) -> Verdict {
    let (verdict, _) = play_measured(subject, scenario, pieces);
    verdict
}

/// The same, and how many bytes were sent.
pub fn play_measured(subject: &dyn Subject, scenario: &Scenario, pieces: Pieces) -> (Verdict, usize) {
    let transport = match subject.start(scenario) {
        Ok(transport) => transport,
        Err(why) => return (Verdict::NotExpressible(why), 0),
    };
    let (host, path) = transport.address();
    let mut player = Player {
        scenario,
        transport,
        arrival: Arrival::default(),
        names: Names { host, path, key: KEY.to_owned() },
        pieces,
        sent: 0,
        mask: 0x37fa_213d,
        patience: subject.patience(),
        slack: subject.slack(),
        only_ours: true,
    };
    for (n, step) in scenario.steps.iter().enumerate() {
        if let Err(why) = player.step(step) {
            return (Verdict::Failed(format!("step {}: {why}", n + 1)), player.sent);
        }
    }
    let verdict = match player.finish() {
        Err(why) => Verdict::Failed(why),
        Ok(()) if player.only_ours => Verdict::Passed,
        Ok(()) => Verdict::Acceptable,
    };
    (verdict, player.sent)
}

struct Player<'s> {
    scenario: &'s Scenario,
    transport: Box<dyn Transport>,
    arrival: Arrival,
    names: Names,
    pieces: Pieces,
    /// Bytes so far.
    sent: usize,
    mask: u32,
    patience: Duration,
    slack: Duration,
    only_ours: bool,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Open(open) => self.open(open),
            Step::Request(headers) => self.request(&headers.headers),
            Step::Send(bytes) => {
                let bytes = self.encode(bytes);
                self.write(&bytes);
                Ok(())
            }
            Step::Drip(drip) => {
                for piece in self.encode(&drip.bytes).chunks(drip.piece.max(1)) {
                    self.write(piece);
                    self.transport.wait(Duration::from_millis(drip.pause));
                }
                Ok(())
            }
            Step::Expect(patterns) => self.one_of(&[patterns]),
            Step::Either(either) => {
                let all: Vec<&Vec<Pattern>> = [&either.ours].into_iter().chain(&either.or).collect();
                self.one_of(&all)
            }
            Step::AnswerPing => {
                self.one_of(&[&vec![Pattern::Ping]])?;
                let payload = std::mem::take(&mut self.arrival.place.ping);
                let bytes = encode::pong(payload, self.scenario.role, &mut self.mask);
                self.write(&bytes);
                Ok(())
            }
            Step::Wait(time) => {
                self.transport.wait(Duration::from_millis(*time));
                Ok(())
            }
            Step::HalfClose => {
                self.transport.half_close();
                Ok(())
            }
            Step::Reset => {
                self.transport.reset();
                Ok(())
            }
        }
    }

    /// The handshake, from whichever side.
    fn open(&mut self, open: &Open) -> Result<(), String> {
        let mut lines: Vec<String> = match self.scenario.role {
            Role::Server => &[
                "GET {path} HTTP/1.1",
                "Host: {host}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13",
            ][..],
            Role::Client => &[
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Accept: {accept}",
            ],
        }
        .iter()
        .map(|&line| line.to_owned())
        .collect();
        lines.extend(open.lines.iter().cloned());
        if self.scenario.role == Role::Client {
            self.request(&open.expect)?;
        }
        let bytes = self.encode(&[Bytes::Http(lines)]);
        self.write(&bytes);
        if self.scenario.role == Role::Server {
            let response = Response { status: vec![101], headers: open.expect.clone(), bodiless: false };
            self.one_of(&[&vec![Pattern::Response(response)]])?;
        }
        Ok(())
    }

    fn request(&mut self, headers: &BTreeMap<String, Value>) -> Result<(), String> {
        let until = self.transport.now() + self.patience;
        loop {
            match self.arrival.request(headers, &mut self.names) {
                Fit::Yes(place) => {
                    self.arrival.place = place;
                    return Ok(());
                }
                Fit::No(why) => return Err(why),
                Fit::SoFar if self.transport.now() >= until => return Err("no request came in time".into()),
                Fit::SoFar => self.read(until),
            }
        }
    }

    fn encode(&mut self, bytes: &[Bytes]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(bytes, self.scenario.role, &self.names, &mut self.mask, &mut out);
        out
    }

    fn write(&mut self, bytes: &[u8]) {
        let from = self.sent;
        self.sent += bytes.len();
        match self.pieces {
            Pieces::Single => bytes.chunks(1).for_each(|byte| self.transport.write(byte)),
            Pieces::CutAt(at) if from < at && at < self.sent => {
                let (before, behind) = bytes.split_at(at - from);
                self.transport.write(before);
                self.transport.write(behind);
            }
            _ => self.transport.write(bytes),
        }
    }

    fn read(&mut self, until: Duration) {
        let within = until.saturating_sub(self.transport.now());
        match self.transport.read(within) {
            Read::Bytes(bytes) => self.arrival.bytes.extend(bytes),
            Read::Nothing => {}
            Read::End => {
                self.arrival.over.get_or_insert(self.transport.now());
            }
        }
    }

    /// Waits until one of these has come, whichever it is, or none can come any more.
    fn one_of(&mut self, alternatives: &[&Vec<Pattern>]) -> Result<(), String> {
        let since = self.transport.now();
        let until = since + self.longest(alternatives);
        loop {
            let now = self.transport.now();
            let terms = Terms { role: self.scenario.role, names: &self.names, since, now, slack: self.slack };
            let mut open = false;
            let mut misfits = Vec::new();
            for (n, patterns) in alternatives.iter().enumerate() {
                match self.arrival.fits(patterns, terms) {
                    // What comes first is preferred: it may only not be all there yet.
                    Fit::Yes(_) if open && now < until => {}
                    Fit::Yes(place) => {
                        self.arrival.place = place;
                        self.only_ours &= n == 0;
                        return Ok(());
                    }
                    Fit::SoFar => open = true,
                    Fit::No(why) => {
                        if !misfits.contains(&why) {
                            misfits.push(why);
                        }
                    }
                }
            }
            if !open {
                return Err(misfits.join("; or: "));
            }
            if now >= until {
                return Err(format!("not all of it came within {:?}", until - since));
            }
            // A silence that has lasted is looked at before anything else comes.
            let silences =
                alternatives.iter().flat_map(|patterns| patterns.iter()).filter_map(|one| match one {
                    Pattern::Silence(time) => {
                        Some(since + Duration::from_millis(*time)).filter(|end| *end > now)
                    }
                    _ => None,
                });
            self.read(silences.min().unwrap_or(until).min(until));
        }
    }

    /// How long alternatives may take. A silence is not prolonged by the patience for what else may come.
    fn longest(&self, alternatives: &[&Vec<Pattern>]) -> Duration {
        let all = || alternatives.iter().flat_map(|patterns| patterns.iter());
        let silence: u64 = all().map(|one| if let Pattern::Silence(time) = one { *time } else { 0 }).sum();
        let silence = Duration::from_millis(silence);
        if all().all(|pattern| matches!(pattern, Pattern::Silence(_))) {
            return silence;
        }
        let ends = all().filter_map(|one| if let Pattern::End(end) = one { end.within } else { None });
        let end = ends.max().map_or(Duration::ZERO, |time| Duration::from_millis(time) + self.slack * 2);
        silence + end.max(self.patience)
    }

    fn finish(&mut self) -> Result<(), String> {
        // What is on its way already must not be more than was expected.
        self.read(self.transport.now());
        let left = self.arrival.left();
        if !left.is_empty() {
            return Err(format!("{} bytes came that nobody expected", left.len()));
        }
        let Some(wanted) = self.scenario.told.as_ref().filter(|_| self.only_ours) else { return Ok(()) };
        match self.transport.told() {
            Some(told) if !wanted.fits(&told) => {
                Err(format!("the application was told {told:?} and not {wanted:?}"))
            }
            _ => Ok(()),
        }
    }
}
