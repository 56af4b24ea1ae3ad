//! Which scenarios notice which flaw of a subject: each of them can fail.

use std::collections::{BTreeMap, BTreeSet};

use websans_testkit::corpus::broken::{Broken, Flaw};
use websans_testkit::corpus::{Pieces, Verdict, corpus, play};

#[test]
fn report() {
    let mut by: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for flaw in Flaw::ALL {
        let mut n = 0; let mut areas: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ids = Vec::new();
        for scenario in &corpus().scenarios {
            if let Verdict::Failed(_) | Verdict::Acceptable = play(&Broken(flaw), scenario, Pieces::Whole) {
                n += 1; *areas.entry(scenario.id.split('/').next().unwrap()).or_default() += 1;
                by.entry(&scenario.id).or_default().insert(format!("{flaw:?}"));
                ids.push(&scenario.id);
            }
        }
        println!("{flaw:?} {n} {areas:?}");
        std::fs::write(format!("/tmp/flaw-{flaw:?}"), ids.iter().map(|s| format!("{s}\n")).collect::<String>()).unwrap();
    }
    for s in &corpus().scenarios { if !by.contains_key(&*s.id) { println!("UNNOTICED {}", s.id); } }
}
