//! Which tests a change has to face, and in which order.
//!
//! A test binary costs each change about as much to link as most tests take to run. So the first round has the few
//! binaries that are about the changed file; the second has all. Tests that go through all of something are strict with
//! little that others let pass, and take most of the time without optimization: they are left out.

/// Files whose changes face the same tests.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// The beginnings of their paths.
    files: &'static [&'static str],
    pub(super) rounds: &'static [Round],
}

/// Tests that are compiled and run together.
pub(super) struct Round {
    pub(super) packages: &'static [&'static str],
    /// Arguments to cargo that choose test binaries. It runs these in the order of their names, up to the first that
    /// fails.
    pub(super) tests: &'static [&'static str],
    /// Parts of the names of tests that are not run.
    pub(super) skipped: &'static [&'static str],
}

/// All of both crates. Always both: features of dependencies would differ otherwise, and all be built again.
const BOTH: &[&str] = &["websans", "websans-deflate"];

/// What takes seconds without optimization.
const SLOW: &[&str] = &[
    "r045_all_magnitudes_of_64_bit_lengths_in_all_splits",
    "r046_keys_of_the_operating_system_look_random",
    "r050_pongs_keep_the_order_of_pings",
    "r052_judgement_of_all_short_sequences",
    "r057_every_pair_of_first_bytes",
    "r098_what_does_not_inflate_fails",
    "a_message_that_comes_to_nothing_fails",
    "the_ratio_of_inflation_can_be_limited",
    "r090_no_match_reaches_beyond_the_window",
    "cve_2026_48779_a_million_fragments_of_a_byte",
];

const ALL: Round = Round { packages: BOTH, tests: &["--tests"], skipped: SLOW };

/// A file belongs to the first group that has it.
pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "handshake",
        files: &["crates/websans/src/handshake/"],
        rounds: &[
            Round {
                packages: BOTH,
                tests: &[
                    "--lib",
                    "--test=handshake_origin",
                    "--test=handshake_prop",
                    "--test=rfc6455",
                    "--test=rfc8441",
                ],
                // The other parts of rfc6455.
                skipped: &["closing::", "control::", "framing::", "limits::", "messages::", "vectors::"],
            },
            ALL,
        ],
    },
    Group {
        name: "compression",
        files: &[
            "crates/websans-deflate/",
            "crates/websans/src/deflate",
            "crates/websans/src/connection/compress.rs",
        ],
        rounds: &[Round { packages: BOTH, tests: &["--lib", "--test=rfc7692"], skipped: SLOW }, ALL],
    },
    Group {
        name: "connection",
        files: &[""],
        rounds: &[
            Round {
                packages: BOTH,
                tests: &[
                    "--test=close_table",
                    "--test=frame",
                    "--test=mask",
                    "--test=misuse",
                    "--test=rfc6455",
                    "--test=stats",
                    "--test=timers",
                ],
                skipped: SLOW,
            },
            ALL,
        ],
    },
];

impl Group {
    pub(super) fn is_of(&self, file: &str) -> bool {
        group(file).name == self.name
    }
}

/// The group of a file.
pub(super) fn group(file: &str) -> &'static Group {
    let has = |group: &&Group| group.files.iter().any(|prefix| file.starts_with(prefix));
    GROUPS.iter().find(has).unwrap_or(&GROUPS[GROUPS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_group() {
        for (file, name) in [
            ("crates/websans/src/handshake/server.rs", "handshake"),
            ("crates/websans/src/deflate.rs", "compression"),
            ("crates/websans/src/deflate/negotiation.rs", "compression"),
            ("crates/websans-deflate/src/pool.rs", "compression"),
            ("crates/websans/src/connection/compress.rs", "compression"),
            ("crates/websans/src/connection/send.rs", "connection"),
        ] {
            assert_eq!(group(file).name, name, "{file}");
            assert_eq!(GROUPS.iter().filter(|group| group.is_of(file)).count(), 1, "{file}");
        }
    }
}
