//! What comes out: tables in Markdown.

use crate::contest::Sample;
use crate::entrant::{Entrant, Kind};

/// An entrant's medians over the rounds.
pub(crate) struct Standing<'a> {
    entrant: &'a Entrant,
    median: Sample,
    /// The least and the most processor time.
    range: (f64, f64),
}

impl<'a> Standing<'a> {
    pub(crate) fn new((entrant, samples): (&&'a Entrant, Vec<Sample>)) -> Self {
        let sorted = |of: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let cpu = sorted(|sample| sample.cpu);
        let median = Sample {
            cpu: median(&cpu),
            per_second: median(&sorted(|sample| sample.per_second)),
            reply_bytes: median(&sorted(|sample| sample.reply_bytes)),
        };
        Self { entrant, median, range: (cpu[0], cpu[cpu.len() - 1]) }
    }
}

/// The middle of sorted values, of which there must be one.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

pub(crate) fn standings_table(standings: &[Standing<'_>]) -> String {
    let header = [
        "server",
        "takeover",
        "level",
        "CPU us per message",
        "least to most",
        "to raw zlib",
        "to best peer",
        "messages per s",
        "bytes per reply",
    ];
    let rows = standings.iter().map(|standing| {
        let Standing { entrant, median, range: (least, most) } = standing;
        let alike = || standings.iter().filter(|other| other.entrant.is_like(entrant));
        let floor = alike().find(|other| other.entrant.kind == Kind::Raw);
        let peers = alike().filter(|other| other.entrant.is_peer());
        let best = peers.min_by(|a, b| a.median.cpu.total_cmp(&b.median.cpu));
        let ratio = |to: Option<&Standing<'_>>| {
            to.map_or("-".into(), |to| format!("{:.2}", median.cpu / to.median.cpu))
        };
        [
            entrant.name.into(),
            yes(entrant.takeover),
            entrant.level.to_string(),
            format!("{:.1}", median.cpu),
            format!("{least:.1} to {most:.1}"),
            ratio(floor),
            ratio(best),
            format!("{:.0}", median.per_second),
            format!("{:.0}", median.reply_bytes),
        ]
    });
    table(header, rows)
}

pub(crate) fn memory_table(resident: &[(&Entrant, f64)]) -> String {
    let rows = resident.iter().map(|(entrant, bytes)| {
        [entrant.name.into(), yes(entrant.takeover), entrant.level.to_string(), format!("{bytes:.0}")]
    });
    table(["server", "takeover", "level", "bytes"], rows)
}

fn yes(takeover: bool) -> String {
    if takeover { "yes" } else { "no" }.into()
}

/// A table whose first column is text and whose others are figures.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = format!("| {} |\n|---{}|\n", header.join(" | "), "|---:".repeat(N - 1));
    for row in rows {
        table += &format!("| {} |\n", row.join(" | "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[1.0]), 1.0);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }

    #[test]
    fn ratios_are_to_those_who_do_the_same() {
        let sample = |cpu| vec![Sample { cpu, per_second: 1000.0, reply_bytes: 500.0 }];
        let entrant = |name, kind, takeover| Entrant { name, kind, level: 6, takeover };
        let entrants = [
            entrant("raw", Kind::Raw, false),
            entrant("ours", Kind::Websans, false),
            entrant("peer", Kind::Node, false),
            entrant("peer", Kind::Node, true),
        ];
        let entrants = entrants.each_ref();
        let standings: Vec<Standing<'_>> =
            entrants.iter().zip([10.0, 11.0, 22.0, 5.0].map(sample)).map(Standing::new).collect();
        let table = standings_table(&standings);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(rows[1], "| ours | no | 6 | 11.0 | 11.0 to 11.0 | 1.10 | 0.50 | 1000 | 500 |");
        assert_eq!(rows[3], "| peer | yes | 6 | 5.0 | 5.0 to 5.0 | - | 1.00 | 1000 | 500 |");
    }
}
