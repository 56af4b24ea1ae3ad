//! The scenario files of `conformance/`, and what plays them against anything that speaks WebSocket.
//!
//! [`conformance`](mod@crate::conformance) and this hold adapters to account in two ways. There a scenario is Rust, starts behind
//! the opening handshake, and knows the adapter: halves, readers and writers, what a call returns. Here a scenario is
//! [data](Scenario), begins with the first byte of the handshake, and knows the wire alone, so that implementations in any
//! language can be held to it; `conformance/README.md` says how. Frames are [`wire`](crate::wire)'s either way, and
//! compressed ones are read by [`inflate`](mod@crate::inflate).
//!
//! [`play`] has a [`Subject`] and a scenario converse. Subjects are the [`Core`] in this process, under a virtual clock;
//! [servers](tcp::Servers) at an address; clients that connect to the runner, [again and again](tcp::Client) or
//! [when told to](tcp::Dialled); and the core [broken on purpose](broken), which scenarios must notice. Adapters are
//! [held](hold) to the corpus by a test of theirs.

mod arrival;
pub mod broken;
mod core;
mod encode;
mod held;
mod play;
mod profile;
pub mod scenario;
mod subject;
mod table;
pub mod tcp;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use self::core::Core;
pub use self::held::hold;
pub use self::play::{Pieces, Verdict, play, play_measured};
pub use self::profile::{Compression, Profile, Profiles};
pub use self::scenario::Scenario;
pub use self::subject::{Order, Read, Subject, Transport};
pub use self::table::{Played, failures, json, table};

/// The files, by name.
pub const FILES: &[(&str, &str)] = &[
    ("close-client.json", include_str!("../../conformance/close-client.json")),
    ("close-server.json", include_str!("../../conformance/close-server.json")),
    ("deflate-client.json", include_str!("../../conformance/deflate-client.json")),
    ("deflate-server.json", include_str!("../../conformance/deflate-server.json")),
    ("eof-client.json", include_str!("../../conformance/eof-client.json")),
    ("eof-server.json", include_str!("../../conformance/eof-server.json")),
    ("floods-client.json", include_str!("../../conformance/floods-client.json")),
    ("floods-server.json", include_str!("../../conformance/floods-server.json")),
    ("handshake-client.json", include_str!("../../conformance/handshake-client.json")),
    ("handshake-server.json", include_str!("../../conformance/handshake-server.json")),
    ("limits-client.json", include_str!("../../conformance/limits-client.json")),
    ("limits-server.json", include_str!("../../conformance/limits-server.json")),
    ("masking-client.json", include_str!("../../conformance/masking-client.json")),
    ("masking-server.json", include_str!("../../conformance/masking-server.json")),
    ("timers-client.json", include_str!("../../conformance/timers-client.json")),
    ("timers-server.json", include_str!("../../conformance/timers-server.json")),
    ("utf8-client.json", include_str!("../../conformance/utf8-client.json")),
    ("utf8-server.json", include_str!("../../conformance/utf8-server.json")),
];

const PROFILES: &str = include_str!("../../conformance/profiles.json");

/// All scenarios, and the profiles that they name.
#[derive(Debug)]
pub struct Corpus {
    /// In the order of the files.
    pub scenarios: Vec<Scenario>,
    /// By name.
    pub profiles: Profiles,
}

impl Corpus {
    /// The settings of a scenario.
    ///
    /// # Panics
    /// If it names none that there are: the tests of the files see to it that it does.
    #[must_use]
    pub fn profile(&self, scenario: &Scenario) -> &Profile {
        &self.profiles[&scenario.profile]
    }
}

/// The corpus.
///
/// # Panics
/// If a file is not as `conformance/README.md` says.
pub fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let read = |(name, text): &(&str, &str)| -> Vec<Scenario> {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let profiles =
            serde_json::from_str(PROFILES).unwrap_or_else(|error| panic!("profiles.json: {error}"));
        Corpus { scenarios: FILES.iter().flat_map(read).collect(), profiles }
    })
}

/// Plays scenarios, so many at the same time, and returns what became of each, in order.
///
/// # Panics
/// If a subject does.
pub fn play_all<'s>(subject: &dyn Subject, scenarios: &[&'s Scenario], at_once: usize) -> Vec<Played<'s>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut played = Vec::new();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            played.push(Played { scenario, verdict: play(subject, scenario, Pieces::Whole) });
        }
        played
    };
    let mut all: Vec<Played<'s>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let place = |played: &Played<'_>| scenarios.iter().position(|one| one.id == played.scenario.id);
    all.sort_by_key(place);
    all
}
