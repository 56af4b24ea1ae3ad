//! The core does as the scenarios say, whatever pieces the bytes come in.

use websans_testkit::corpus::{Core, Pieces, Verdict, corpus, play, play_measured};

/// Up to so many bytes every cut is tried, above it so many.
const CUTS: usize = 150;

#[test]
fn the_core_does_as_they_say() {
    let failed: Vec<String> = corpus()
        .scenarios
        .iter()
        .filter_map(|scenario| match play(&Core, scenario, Pieces::Whole) {
            Verdict::Passed => None,
            other => Some(format!("{}: {other:?}", scenario.id)),
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), corpus().scenarios.len(), failed.join("\n"));
}

#[test]
fn byte_by_byte_too() {
    for scenario in &corpus().scenarios {
        let verdict = play(&Core, scenario, Pieces::Single);
        assert_eq!(verdict, Verdict::Passed, "{}", scenario.id);
    }
}

#[test]
fn cut_anywhere_too() {
    for scenario in &corpus().scenarios {
        let (_, sent) = play_measured(&Core, scenario, Pieces::Whole);
        for at in (1..sent).step_by(1 + sent / CUTS) {
            let verdict = play(&Core, scenario, Pieces::CutAt(at));
            assert_eq!(verdict, Verdict::Passed, "{}, cut behind {at} of {sent} bytes", scenario.id);
        }
    }
}
