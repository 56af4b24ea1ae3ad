//! [`Link`]: one direction of a transport that keeps order and loses nothing, until it does.

use std::collections::VecDeque;

use websans::Timestamp;

use super::plan::{Fault, Habits, Lie, Plan};
use crate::dice::Dice;

/// One direction.
pub(super) struct Link {
    habits: Habits,
    /// What is under way, and when it arrives.
    flight: VecDeque<(Timestamp, Vec<u8>)>,
    flying: usize,
    /// What may be read.
    arrived: VecDeque<u8>,
    /// When the writer's end of the transport arrives.
    fin: Option<Timestamp>,
    ended: bool,
    /// Bytes taken since the beginning.
    carried: usize,
    /// After how many bytes both directions break.
    breaks_after: Option<usize>,
    /// After how many bytes the reader sees the end, and the rest is lost.
    ends_after: Option<usize>,
    /// Nothing arrives between these.
    stall: Option<(Timestamp, Timestamp)>,
    /// After how many bytes it carries something else than was written.
    lie: Option<(usize, Lie)>,
    reader_gone: bool,
    /// Both directions break now.
    pub(super) breaks: bool,
}

impl Link {
    /// The link from the client (0) or from the server (1).
    pub(super) fn new(from: usize, plan: &Plan) -> Self {
        let mut link = Self {
            habits: plan.links[from],
            flight: VecDeque::new(),
            flying: 0,
            arrived: VecDeque::new(),
            fin: None,
            ended: false,
            carried: 0,
            breaks_after: None,
            ends_after: None,
            stall: None,
            lie: None,
            reader_gone: false,
            breaks: false,
        };
        match &plan.fault {
            Fault::Reset { link: broken, after } if *broken == from => link.breaks_after = Some(*after),
            Fault::HalfClose { link: broken, after } if *broken == from => link.ends_after = Some(*after),
            Fault::Stall { links, at, until } if links[from] => link.stall = Some((*at, *until)),
            Fault::Lie { link: liar, after, lie } if *liar == from => link.lie = Some((*after, lie.clone())),
            _ => {}
        }
        link
    }

    /// How much the transport would take.
    pub(super) fn room(&self) -> usize {
        if self.fin.is_some() {
            return 0;
        }
        self.habits.capacity.saturating_sub(self.arrived.len() + self.flying)
    }

    /// Takes some of `bytes`, at least one if there is room.
    pub(super) fn write(&mut self, now: Timestamp, bytes: &[u8], dice: &mut Dice) -> usize {
        let most = bytes.len().min(self.room());
        if most == 0 {
            return 0;
        }
        let n = if dice.chance(70) { most } else { dice.between(1, most) };
        let before = self.carried;
        self.carried += n;
        let mut kept = n;
        if self.reader_gone || self.breaks_after.is_some_and(|after| self.carried >= after) {
            self.breaks = true;
            return n;
        }
        if let Some(after) = self.ends_after.filter(|&after| self.carried >= after) {
            kept = after.saturating_sub(before);
        }
        let mut bytes = bytes[..kept].to_vec();
        if let Some((after, lie)) = self.lie.take_if(|(after, _)| *after < before + kept) {
            lie.tell(&mut bytes, after - before);
        }
        let mut rest = &bytes[..];
        self.flying += rest.len();
        while !rest.is_empty() {
            let len =
                if dice.chance(60) { rest.len() } else { dice.between(1, rest.len().min(self.habits.piece)) };
            let (piece, later) = rest.split_at(len);
            let at = self.arrival(now, dice);
            self.flight.push_back((at, piece.to_vec()));
            rest = later;
        }
        if self.ends_after.is_some_and(|after| self.carried >= after) && !self.ended {
            let at = self.arrival(now, dice);
            self.ended = true;
            self.flight.push_back((at, Vec::new())); // an empty piece is the end
        }
        n
    }

    /// Nothing overtakes.
    fn arrival(&self, now: Timestamp, dice: &mut Dice) -> Timestamp {
        let micros = dice.between(self.habits.fastest, self.habits.slowest);
        let mut at = now + core::time::Duration::from_micros(micros as u64);
        if let Some((from, until)) = self.stall {
            if at >= from && at < until {
                at = until;
            }
        }
        self.flight.back().map_or(at, |&(last, _)| last.max(at))
    }

    /// The writer ends its side.
    pub(super) fn shut(&mut self, now: Timestamp, dice: &mut Dice) {
        if self.fin.is_none() {
            let at = self.arrival(now, dice);
            self.fin = Some(at);
            if !self.ended {
                self.ended = true;
                self.flight.push_back((at, Vec::new()));
            }
        }
    }

    /// The reader lets go. True if that breaks the transport, because something is left unread.
    pub(super) fn leave(&mut self) -> bool {
        self.reader_gone = true;
        self.arrived.len() + self.flying > 0
    }

    /// What is due arrives.
    pub(super) fn arrive(&mut self, now: Timestamp) {
        while self.flight.front().is_some_and(|(at, bytes)| *at <= now && !bytes.is_empty()) {
            if let Some((_, bytes)) = self.flight.pop_front() {
                self.flying -= bytes.len();
                self.arrived.extend(bytes);
            }
        }
    }

    /// Whether the reader can see that nothing more will come.
    pub(super) fn at_end(&self, now: Timestamp) -> bool {
        let end = self.flight.front().is_some_and(|(at, bytes)| *at <= now && bytes.is_empty());
        end && self.arrived.is_empty()
    }

    /// How much may be read.
    pub(super) fn readable(&self) -> usize {
        self.arrived.len()
    }

    /// Reads up to `out.len()` bytes.
    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.arrived.len());
        let (front, back) = self.arrived.as_slices();
        let of_front = n.min(front.len());
        out[..of_front].copy_from_slice(&front[..of_front]);
        out[of_front..n].copy_from_slice(&back[..n - of_front]);
        self.arrived.drain(..n);
        n
    }

    /// When something arrives next that has not.
    pub(super) fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        let front = self.flight.front().filter(|_| !self.reader_gone)?;
        Some(front.0).filter(|&at| at > now)
    }

    /// The transport is broken.
    pub(super) fn lose_all(&mut self) {
        self.flight.clear();
        self.flying = 0;
        self.arrived.clear();
        (self.fin, self.ended) = (Some(Timestamp::from_nanos(0)), true);
        self.breaks = false;
    }
}
