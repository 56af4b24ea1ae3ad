//! Files that were written once, and must replay for as long as there is version 1.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use websans_record::{Record, Recorder, Recording, Replay, Tap};
use websans_testkit::dice::Dice;

/// Kinds of records of calls. There are four of those of transports in the files, too.
const CALLS: usize = 32;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn name(record: &Record<'_>) -> String {
    format!("{record:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn what_was_recorded_once_replays() {
    let mut kinds = BTreeSet::new();
    let mut files = 0;
    for entry in directory().read_dir().expect("there are files") {
        let path = entry.expect("the directory can be read").path();
        let file = std::fs::read(&path).expect("it can be read");
        let replayed = Replay::new().run(&file, |step| {
            kinds.insert(name(&step.call));
        });
        assert!(replayed.is_ok(), "{}: {replayed:?}", path.display());
        files += 1;
    }
    assert!(files >= 4 && kinds.len() == CALLS + 4, "{files} files with {}: {kinds:?}", kinds.len());
}

/// `cargo test -p websans-record --test golden -- --ignored`: for a version to come.
#[test]
#[ignore = "writes the files that the other test reads"]
fn write() {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for seed in 0..1500 {
        if seen.len() == CALLS {
            break;
        }
        let mut data = Dice::new(seed).bytes(60);
        data[3] &= 0b0011_0000; // neither compression, nor a cap, nor tight limits
        let (files, _) = websans_testkit::fuzz::record(&data);
        let mut kinds = BTreeSet::new();
        for file in &files {
            let mut recording = Recording::read(file).expect("a recording");
            while let Some(record) = recording.next_record().expect("whole records") {
                kinds.insert(name(&record));
            }
        }
        // Those that have something new, and are short.
        if files.iter().all(|file| file.len() < 8000) && !kinds.is_subset(&seen) {
            seen.extend(kinds);
            for (file, role) in files.iter().zip(["client", "server"]) {
                std::fs::write(directory().join(format!("{count}-{role}.wsrec")), file)
                    .expect("it can be written");
            }
            count += 1;
        }
    }
    let (config, negotiated) = (websans::Config::default(), websans::Negotiated::default());
    let start = websans::Timestamp::from_nanos(1);
    let mut server = Recorder::open(websans::Role::Server, config, negotiated, start, Vec::new(), 1 << 20);
    server.abort();
    std::fs::write(directory().join("abort.wsrec"), server.finish()).expect("it can be written");
    let frames = b"\x81\x05Hello\x89\x01?\x88\x02\x03\xe8";
    let config = websans::Config::default();
    let negotiated = websans::Negotiated::default();
    let mut tap = Tap::open(std::io::empty(), true, &config, &negotiated, frames, Vec::new(), 1 << 20);
    std::io::Write::write_all(&mut tap, b"\x8a\x81\0\0\0\0?\x88\x82\0\0\0\0\x03\xe8").expect("there is room");
    std::io::Read::read(&mut tap, &mut [0; 9]).expect("it has ended");
    let file = tap.handle().with(std::mem::take);
    std::fs::write(directory().join("tap.wsrec"), file).expect("it can be written");
}
