//! What the suite is run against: an adapter's program, any program, or a server that already runs.

use core::fmt;
use std::path::PathBuf;

use super::case::Pattern;
use crate::failure::Result;
use crate::workspace::{Target, Workspace};

/// A crate of this workspace that moves bytes for the core, by the programs that test it.
pub(crate) struct Adapter {
    pub(crate) name: &'static str,
    server: &'static str,
    /// Middleware is for servers alone.
    client: Option<&'static str>,
    /// The cases that `cargo xtask test` runs.
    pub(super) tested: &'static [&'static str],
}

/// The adapters there are.
pub(crate) const ADAPTERS: &[Adapter] = &[
    Adapter {
        name: "std",
        server: "std-server",
        client: Some("std-client"),
        tested: WITHOUT_MOST_COMPRESSION,
    },
    Adapter {
        name: "tokio",
        server: "tokio-server",
        client: Some("tokio-client"),
        tested: A_THIRD_OF_COMPRESSION,
    },
    Adapter { name: "tower", server: "tower-server", client: None, tested: WITHOUT_MOST_COMPRESSION },
];

/// What one adapter is tested with by `cargo xtask test`: all but compression, and of that a group without and with context
/// takeover, on text and on binary data. Groups 12 and 13 compress 11 GB each way, which takes minutes of a processor;
/// `cargo xtask autobahn --all` runs all of them, and `autobahn/RESULTS.md` says when it did so last.
const A_THIRD_OF_COMPRESSION: &[&str] =
    &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.*", "12.4.*", "13.1.*", "13.6.*"];

/// What the other adapters are tested with then: of compression, some cases with small, with large and with fragmented
/// messages. Whatever the adapter, it is the core that compresses, so the rest of them would say once more what they
/// have said of the other one.
const WITHOUT_MOST_COMPRESSION: &[&str] = &[
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1", "12.1.2", "12.1.3", "12.1.4",
    "12.1.5", "12.1.10", "12.5.11", "13.*.1", "13.*.4", "13.7.11",
];

/// The cases that are run through TLS: those in which it matters how bytes arrive, and when the transport ends. The
/// rest is about the content of frames.
pub(super) const TLS_CASES: &[&str] = &["1.*", "2.*", "5.*", "7.*", "9.1.*", "9.2.*", "10.*"];

/// The package of those programs.
const PACKAGE: &str = "websans-autobahn";

/// The side the peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

impl Adapter {
    /// The program that takes this side.
    const fn program(&self, role: Role) -> Option<&'static str> {
        match role {
            Role::Server => Some(self.server),
            Role::Client => self.client,
        }
    }

    /// One side of it, through TLS or not, if it can take that side.
    pub(super) fn subject(&'static self, role: Role, tls: bool) -> Option<Subject> {
        let program = self.program(role)?;
        Some(Subject::Adapter { adapter: self, role, program, tls })
    }

    /// Every side of it, through TLS or not.
    pub(super) fn subjects(&'static self, tls: bool) -> impl Iterator<Item = Subject> {
        [Role::Server, Role::Client].into_iter().filter_map(move |role| self.subject(role, tls))
    }

    /// Its sides, in words.
    pub(crate) const fn sides(&self) -> &'static str {
        match self.client {
            Some(_) => "both sides",
            None => "the server side",
        }
    }
}

/// What is tested.
pub(super) enum Subject {
    Adapter { adapter: &'static Adapter, role: Role, program: &'static str, tls: bool },
    Program(PathBuf, Role),
    Url(String),
}

/// How to get at a subject, once all of it is built.
pub(super) enum Built {
    Url(String),
    Program {
        path: PathBuf,
        role: Role,
        /// The program that makes a certificate, if the run goes through TLS.
        certificate: Option<PathBuf>,
    },
}

impl Subject {
    /// What the suite calls it, which is also the name of its report.
    pub(super) fn agent(&self) -> String {
        match self {
            Self::Adapter { program, tls: false, .. } => (*program).into(),
            Self::Adapter { program, tls: true, .. } => format!("{program}-tls"),
            Self::Program(_, role) => format!("program-{role}"),
            Self::Url(_) => "url-server".into(),
        }
    }

    /// What people call it.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Adapter { adapter, role, tls: false, .. } => format!("{} {role}", adapter.name),
            Self::Adapter { adapter, role, tls: true, .. } => format!("{} {role}, TLS", adapter.name),
            Self::Program(path, role) => format!("{} {role}", path.display()),
            Self::Url(url) => url.clone(),
        }
    }

    /// The patterns of the cases to run, if not all: those chosen, or else those that make a difference.
    pub(super) fn cases(&self, chosen: &[String]) -> Result<Vec<Pattern>> {
        let chosen: Vec<&str> = match self {
            Self::Adapter { tls: true, .. } if chosen.is_empty() => TLS_CASES.to_vec(),
            _ => chosen.iter().map(String::as_str).collect(),
        };
        chosen.into_iter().map(Pattern::new).collect()
    }

    pub(super) fn build(&self, workspace: &Workspace) -> Result<Built> {
        match self {
            Self::Url(url) => Ok(Built::Url(url.clone())),
            Self::Program(path, role) => {
                Ok(Built::Program { path: path.clone(), role: *role, certificate: None })
            }
            Self::Adapter { role, program, tls, .. } => {
                let build = |name: &str| workspace.build(PACKAGE, Target::Bin, name);
                let path = build(program)?;
                let certificate = tls.then(|| build("certificate")).transpose()?;
                Ok(Built::Program { path, role: *role, certificate })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::Case;
    use super::super::report::GROUPS;
    use super::*;

    #[test]
    fn no_group_is_left_out() {
        for adapter in ADAPTERS {
            let patterns: Vec<Pattern> =
                adapter.tested.iter().map(|&pattern| Pattern::new(pattern).unwrap()).collect();
            for (group, name) in GROUPS {
                let case: Case = format!("{group}.1.1").parse().unwrap();
                assert!(patterns.iter().any(|pattern| pattern.matches(&case)), "{}: {name}", adapter.name);
            }
        }
    }

    #[test]
    fn whole_groups_of_compression_are_run_against_one_adapter() {
        let is_whole = |tested: &&&str| {
            let compresses = tested.starts_with("12.") || tested.starts_with("13.");
            compresses && tested.ends_with(".*")
        };
        assert!(ADAPTERS.iter().any(|adapter| adapter.tested.iter().filter(is_whole).count() >= 4));
    }
}
