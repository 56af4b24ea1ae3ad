//! [`Line`]: whose turn it is among the senders of one connection.

use std::collections::VecDeque;

/// The senders that wait for room, in the order in which they came: whoever needs much of it would otherwise wait for as long
/// as others need less.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<u64>,
    next: u64,
    /// Somebody has left it: who comes next may not know.
    moved: bool,
}

/// A place in the line, of one who may not have had to wait yet.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<u64>);

impl Line {
    /// Whether it is `place`'s turn.
    pub(crate) fn is_first(&self, place: &Place) -> bool {
        self.waiting.front().copied() == place.0
    }

    /// Joins the line at its end, once.
    pub(crate) fn join(&mut self, place: &mut Place) {
        if place.0.is_none() {
            place.0 = Some(self.next);
            self.waiting.push_back(self.next);
            self.next += 1;
        }
    }

    /// Leaves it, from wherever in it.
    pub(crate) fn leave(&mut self, place: &mut Place) {
        if let Some(number) = place.0.take() {
            self.waiting.retain(|&waiting| waiting != number);
            self.moved = true;
        }
    }

    /// Whether anybody has left since this was last asked.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}

impl Place {
    /// Whether there is anything to leave.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served() {
        let mut line = Line::default();
        let [mut a, mut b, mut c] = [(); 3].map(|()| Place::default());
        assert!(line.is_first(&a), "nobody waits");
        line.join(&mut a);
        line.join(&mut a);
        assert!(line.is_first(&a) && !line.is_first(&b), "who has not joined comes later");
        line.join(&mut b);
        line.join(&mut c);
        line.leave(&mut b);
        assert!(line.is_first(&a) && !line.is_first(&b) && !b.is_taken());
        assert!(line.take_moved() && !line.take_moved());
        line.leave(&mut a);
        assert!(line.is_first(&c));
        line.leave(&mut c);
        assert!(line.is_first(&b));
    }
}
