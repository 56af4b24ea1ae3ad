//! [`Reach`]: how far the next call of `receive` goes at most.

use websans::frame::Header;

/// Where in a frame the stream of received bytes is.
///
/// `receive` unmasks in place, so what it takes must be copied before it is called, and who calls it for each of many
/// small frames in a large buffer would have the rest of the buffer copied each time.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Bytes still to come of the frame.
    remaining: u64,
    /// The beginning of a header.
    spill: Vec<u8>,
}

impl Reach {
    /// Most bytes that one call takes of `input`.
    pub(crate) fn of(&self, input: &[u8]) -> usize {
        let all = input.len();
        if self.remaining > 0 {
            return at_most(self.remaining, all);
        }
        let mut head = [0; 2 * Header::MAX_LEN];
        let begun = self.spill.len().min(Header::MAX_LEN);
        let len = begun + all.min(Header::MAX_LEN);
        for (to, from) in head.iter_mut().zip(self.spill.iter().take(begun).chain(input)) {
            *to = *from;
        }
        match Header::parse(head.get(..len).unwrap_or_default()) {
            Ok(Some((header, n))) => {
                let n = n.saturating_sub(begun).min(all);
                n + at_most(header.len, all - n)
            }
            Ok(None) => all,
            // It ends here.
            Err(_) => all.min(Header::MAX_LEN),
        }
    }

    /// These bytes have been taken.
    pub(crate) fn advance(&mut self, mut taken: &[u8]) {
        loop {
            let n = at_most(self.remaining, taken.len());
            self.remaining -= n as u64;
            taken = taken.get(n..).unwrap_or_default();
            if taken.is_empty() {
                return;
            }
            while let Some((&byte, rest)) = taken.split_first() {
                taken = rest;
                self.spill.push(byte);
                match Header::parse(&self.spill) {
                    Ok(Some((header, _))) => {
                        self.remaining = header.len;
                        self.spill.clear();
                        break;
                    }
                    Ok(None) => {}
                    // Nothing is looked at behind this.
                    Err(_) => {
                        self.spill.clear();
                        return;
                    }
                }
            }
        }
    }
}

fn at_most(len: u64, available: usize) -> usize {
    usize::try_from(len).map_or(available, |len| len.min(available))
}
