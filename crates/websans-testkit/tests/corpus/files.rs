//! The files themselves.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;

use websans_testkit::corpus::scenario::{Bytes, Either, Frame, Pattern, Role, Scenario, Step};
use websans_testkit::corpus::{FILES, corpus};

#[test]
fn every_field_is_known() {
    // Unknown fields, steps and patterns are errors of the reader's.
    assert!(corpus().scenarios.len() >= 250, "{} scenarios", corpus().scenarios.len());
    assert_eq!(FILES.len(), 18);
}

#[test]
fn ids_are_unique_and_well_formed() {
    let mut ids = HashSet::new();
    for scenario in &corpus().scenarios {
        let parts: Vec<&str> = scenario.id.split('/').collect();
        let role = match scenario.role {
            Role::Server => "server",
            Role::Client => "client",
        };
        assert!(matches!(parts[..], [_, named, _] if named == role), "{}", scenario.id);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        assert!(parts.iter().all(|part| !part.is_empty() && part.chars().all(plain)), "{}", scenario.id);
        assert!(ids.insert(&scenario.id), "{} is there twice", scenario.id);
    }
}

#[test]
fn every_scenario_says_why() {
    for Scenario { id, shows, rfc, .. } in &corpus().scenarios {
        assert!(shows.len() > 10 && !shows.ends_with('.'), "{id}: {shows}");
        assert!(!rfc.is_empty(), "{id}");
        for section in rfc {
            let (name, number) = section.split_once(" §").unwrap_or_default();
            let known = ["1951", "6455", "6585", "7692", "8297", "9110", "9112"];
            assert!(name.strip_prefix("RFC ").is_some_and(|rfc| known.contains(&rfc)), "{id}: {section}");
            let parts: Vec<&str> = number.split('.').collect();
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            assert!(parts.len() <= 4 && parts.iter().all(|part| digits(part)), "{id}: {section}");
        }
    }
}

#[test]
fn every_profile_is_there_and_used() {
    let used: HashSet<&str> = corpus().scenarios.iter().map(|one| one.profile.as_str()).collect();
    let there: HashSet<&str> = corpus().profiles.keys().map(String::as_str).collect();
    assert_eq!(used, there);
    assert!(corpus().profiles.values().all(|profile| !profile.about.is_empty()));
}

#[test]
fn every_scenario_expects_something() {
    for scenario in &corpus().scenarios {
        let expects = scenario.told.is_some()
            || scenario.steps.iter().any(|step| {
                matches!(step, Step::Open(_) | Step::Expect(_) | Step::Either(_) | Step::AnswerPing)
            });
        assert!(expects, "{}", scenario.id);
        for step in &scenario.steps {
            match step {
                Step::Expect(patterns) => assert!(!patterns.is_empty(), "{}", scenario.id),
                Step::Either(Either { ours, or }) => {
                    assert!(!ours.is_empty() && !or.is_empty(), "{}", scenario.id);
                }
                Step::Send(bytes) => assert!(!bytes.is_empty(), "{}", scenario.id),
                _ => {}
            }
        }
    }
}

#[test]
fn frames_have_one_payload() {
    fn look(id: &str, bytes: &[Bytes]) {
        for bytes in bytes {
            match bytes {
                Bytes::Frame(frame) => payload(id, frame),
                Bytes::Repeat(repeat) => look(id, &repeat.bytes),
                _ => {}
            }
        }
    }
    fn payload(id: &str, frame: &Frame) {
        let given = [frame.text.is_some(), frame.hex.is_some(), frame.fill.is_some(), frame.code.is_some()];
        assert!(given.iter().filter(|given| **given).count() <= 1, "{id}");
        assert!(frame.reason.is_none() || frame.code.is_some(), "{id}");
    }
    for Scenario { id, steps, .. } in &corpus().scenarios {
        for step in steps {
            match step {
                Step::Send(bytes) => look(id, bytes),
                Step::Drip(drip) => look(id, &drip.bytes),
                Step::Expect(patterns) => {
                    for pattern in patterns {
                        if let Pattern::Frame(frame) = pattern {
                            payload(id, frame);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn either_role_is_tested_in_every_area() {
    let mut areas: BTreeMap<&str, HashSet<bool>> = BTreeMap::new();
    for scenario in &corpus().scenarios {
        let area = scenario.id.split('/').next().unwrap_or_default();
        areas.entry(area).or_default().insert(scenario.role == Role::Server);
    }
    assert!(areas.values().all(|roles| roles.len() == 2), "{areas:?}");
}

#[test]
fn the_generator_writes_these_files() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/generate");
    // Python is not there on every machine that runs the tests; continuous integration has it.
    let Ok(checked) = Command::new("python3").args([script, "--check"]).output() else { return };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
