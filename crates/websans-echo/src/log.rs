//! [`Log`]: lines on standard output.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Writes lines to standard output, if anybody listens.
///
/// A thread of its own does, because nobody may read what it writes: connections must not wait for that. What comes while a
/// thousand lines wait already is lost, and counted.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    /// Everything before this has been written.
    Written(Sender<()>),
}

impl Log {
    pub(crate) fn start() -> io::Result<Self> {
        let (entries, queue) = sync_channel(1000);
        let log = Self { entries, lost: Arc::default() };
        let lost = Arc::clone(&log.lost);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&queue, &lost))?;
        Ok(log)
    }

    pub(crate) fn line(&self, line: impl Display) {
        if self.entries.try_send(Entry::Line(line.to_string())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the lines are written, at most so long.
    pub(crate) fn flush(&self, within: Duration) {
        let (written, wait) = channel();
        if self.entries.try_send(Entry::Written(written)).is_ok() {
            let _ = wait.recv_timeout(within);
        }
    }
}

fn write(queue: &Receiver<Entry>, lost: &AtomicUsize) {
    let mut output = io::stdout();
    for entry in queue {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(output, "{missing} lines are lost: nobody read them in time");
        }
        match entry {
            Entry::Line(line) => _ = writeln!(output, "{line}"),
            Entry::Written(written) => _ = written.send(()),
        }
    }
}
