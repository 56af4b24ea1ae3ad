//! [`Options`]: the command line.

use std::str::FromStr;

use websans_trials::Failure;

use crate::attack::{Attack, CATALOGUE};

const USAGE: &str =
    "usage: hostile [--adapter tower|tokio] [--attack NAME]... [--clients N] [--attackers N] [--brief]";

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) adapter: Adapter,
    pub(crate) clients: usize,
    pub(crate) attackers: usize,
    /// Rounds of the honest clients during a run that has no deadlines.
    pub(crate) rounds: u32,
    pub(crate) runs: Vec<Run>,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// The sample app's server: hyper and the middleware.
    Tower,
    /// `websans_tokio::serve`.
    Tokio,
}

/// What the attackers do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    One(&'static Attack),
    /// They are spread over the catalogue.
    Mixed,
}

impl Run {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::One(attack) => attack.name,
            Self::Mixed => "mixed",
        }
    }

    pub(crate) fn attacks(self) -> &'static [Attack] {
        match self {
            Self::One(attack) => std::slice::from_ref(attack),
            Self::Mixed => CATALOGUE,
        }
    }
}

impl FromStr for Run {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        if name == Self::Mixed.name() {
            return Ok(Self::Mixed);
        }
        let one = CATALOGUE.iter().find(|attack| attack.name == name).map(Self::One);
        one.ok_or_else(|| {
            let names: Vec<&str> = CATALOGUE.iter().map(|attack| attack.name).collect();
            format!("there is no attack {name}; there are mixed, {}", names.join(", ")).into()
        })
    }
}

impl FromStr for Adapter {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        [Self::Tower, Self::Tokio]
            .into_iter()
            .find(|adapter| adapter.name() == name)
            .ok_or_else(|| format!("there is no adapter {name}; there are tower and tokio").into())
    }
}

impl Adapter {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tower => "tower",
            Self::Tokio => "tokio",
        }
    }
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self, Failure> {
        let (mut clients, mut attackers, mut brief) = (None, None, false);
        let (mut adapter, mut runs) = (Adapter::Tower, Vec::new());
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            if argument == "--brief" {
                brief = true;
                continue;
            }
            let value = arguments.next().ok_or(USAGE)?;
            match argument {
                "--adapter" => adapter = value.parse()?,
                "--attack" => runs.push(value.parse()?),
                "--clients" => clients = Some(value.parse()?),
                "--attackers" => attackers = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        if runs.is_empty() {
            let chosen = CATALOGUE.iter().filter(|attack| !brief || attack.brief).map(Run::One);
            runs = chosen.chain([Run::Mixed]).collect();
        }
        let (count, rounds) = if brief { (200, 2) } else { (1000, 3) };
        let (clients, attackers) = (clients.unwrap_or(count), attackers.unwrap_or(count));
        Ok(Self { adapter, clients, attackers, rounds, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attacks_and_then_the_mix_unless_some_are_named() {
        let all = Options::parse(&[]).unwrap();
        assert_eq!((all.adapter, all.clients, all.attackers), (Adapter::Tower, 1000, 1000));
        assert_eq!(all.runs.len(), CATALOGUE.len() + 1);
        assert_eq!(all.runs.last(), Some(&Run::Mixed));
        let some =
            Options::parse(&["--attack", "mixed", "--adapter", "tokio", "--attack", "slowloris"]).unwrap();
        let names: Vec<&str> = some.runs.iter().map(|run| run.name()).collect();
        assert_eq!((some.adapter, names), (Adapter::Tokio, vec!["mixed", "slowloris"]));
    }

    #[test]
    fn a_brief_trial_is_smaller_in_every_way() {
        let brief = Options::parse(&["--brief", "--attackers", "300"]).unwrap();
        assert_eq!((brief.clients, brief.attackers), (200, 300));
        assert!(brief.runs.len() > 1 && brief.runs.len() < CATALOGUE.len() / 2);
        assert_eq!(brief.runs.last(), Some(&Run::Mixed));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for arguments in [
            &["--attack", "kindness"][..],
            &["--adapter", "std"],
            &["--attack"],
            &["--clients", "x"],
            &["x", "y"],
        ] {
            assert!(Options::parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
