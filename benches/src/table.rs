//! Tables with a legend, and the tables of the `sse` bench.

use std::fmt::{self, Write as _};

use crate::runner::Row;
use crate::subjects::{ALL, Subject};

/// Maximum width of all output.
pub const MAX_WIDTH: usize = 100;

/// A table with a title above and a legend below. The first column is aligned left, the others right.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    legend: Vec<(String, String)>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new(title: impl Into<String>, heads: &[&str]) -> Self {
        let heads = heads.iter().map(|&head| head.to_owned()).collect();
        Self { title: title.into(), heads, rows: Vec::new(), legend: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a line to the legend.
    #[must_use]
    pub fn legend(mut self, name: &str, meaning: &str) -> Self {
        self.legend.push((name.to_owned(), meaning.to_owned()));
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.heads.len()).map(|column| width(column).unwrap_or(0)).collect();
        writeln!(f, "{}", self.title)?;
        for line in lines().filter(|line| !line.is_empty()) {
            let mut text = String::new();
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                if column == 0 { write!(text, "{cell:<width$}")? } else { write!(text, "  {cell:>width$}")? }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        let width = self.legend.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, meaning) in &self.legend {
            writeln!(f, "  {name:<width$}  {meaning}")?;
        }
        Ok(())
    }
}

/// Formats a number in at most five characters, with up to so many decimals.
pub fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let texts = (0..=decimals).rev().map(|decimals| format!("{value:.decimals$}"));
    texts.into_iter().find(|text| text.len() <= 5).unwrap_or_else(|| format!("{value:.0e}"))
}

/// Formats a share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{}%", number(share * 100.0, 0))
}

/// Speeds of the decoders in MB/s.
pub fn speeds(rows: &[Row]) -> Table {
    let decoders = || ALL.into_iter().filter(|subject| !subject.is_reference());
    let heads: Vec<_> = std::iter::once("row").chain(decoders().map(Subject::label)).collect();
    let mut table = Table::new("Decoders, MB/s", &heads).legend("row", "corpus / bytes per chunk");
    for subject in decoders() {
        table = table.legend(subject.label(), subject.description());
    }
    table = table
        .legend("<", "too slow for the whole corpus; its first events alone flatter a quadratic decoder")
        .legend("!", "decoded something else than ours");
    for row in rows {
        let measures = row.measures.iter().filter(|measure| !measure.subject.is_reference());
        let cells = measures.map(|measure| {
            let wrong = if measure.wrong.is_some() { "!" } else { "" };
            let mark = if measure.share < 1.0 { "<" } else { "" };
            format!("{wrong}{mark}{}", number(measure.speed / 1e6, 0))
        });
        table.row(std::iter::once(row.label.clone()).chain(cells));
    }
    table
}

/// Ours in relation to the fastest peer and to the references.
pub fn ratios(rows: &[Row]) -> Table {
    let references = || ALL.into_iter().filter(|subject| subject.is_reference());
    let mut heads = vec!["row", "ratio", "peer", "owned", "memchr"];
    let labels: Vec<_> = references().map(|subject| format!("{}/s", subject.label())).collect();
    heads.extend(labels.iter().map(String::as_str));
    heads.extend(["noise", "max"]);
    let mut table = Table::new("Ours in relation to others", &heads)
        .legend("ratio", "speed of ours / speed of the fastest peer")
        .legend("peer", "the fastest peer")
        .legend("owned", "speed of ours with owned Strings, as the peers create / speed of the fastest peer")
        .legend("memchr", "speed of ours / speed of memchr");
    for (label, subject) in labels.iter().zip(references()) {
        table = table.legend(label, &format!("MB/s: {}", subject.description()));
    }
    table = table
        .legend("noise", "spread of the times: half the distance of the quartiles; median of all subjects")
        .legend("max", "the largest spread of a subject");
    for row in rows {
        let best = row.best_peer();
        let ours = row.speed(Subject::Ours);
        let mut spreads: Vec<_> = row.measures.iter().map(|measure| measure.spread).collect();
        spreads.sort_unstable_by(f64::total_cmp);
        let mut cells = vec![
            row.label.clone(),
            number(ours / best.speed, 2),
            best.subject.label().to_owned(),
            number(row.speed(Subject::OursOwned) / best.speed, 2),
            number(ours / row.speed(Subject::Memchr), 2),
        ];
        cells.extend(references().map(|subject| number(row.speed(subject) / 1e6, 0)));
        cells.extend([percent(spreads[spreads.len() / 2]), percent(spreads[spreads.len() - 1])]);
        table.row(cells);
    }
    table
}

/// Lists the subjects whose events differ from ours.
pub fn deviations(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        for measure in &row.measures {
            if let Some(wrong) = &measure.wrong {
                writeln!(out, "! {} {}: {wrong}", row.label, measure.subject.label()).expect("a string takes all");
            }
        }
    }
    if out.is_empty() {
        "All decoders agree on every row: same count, same types, data and ids.\n".to_owned()
    } else {
        out
    }
}

/// A row of the goals' table.
struct Goal {
    what: &'static str,
    corpus: &'static str,
    chunks: std::ops::RangeInclusive<usize>,
    peer: (f64, f64),
    memchr: Option<(f64, f64)>,
}

const GOALS: [Goal; 7] = [
    goal("small events, chunks >= 1400", "small", 1400..=usize::MAX, (2.2, 4.0), Some((0.45, 0.85))),
    goal("small events, 256", "small", 256..=256, (2.0, 2.5), None),
    goal("small events, 16", "small", 16..=16, (1.4, 1.7), None),
    goal("small events, 1", "small", 1..=1, (1.0, 1.2), None),
    goal("mixed CRLF, chunks >= 1400", "mixed", 1400..=usize::MAX, (1.3, 2.0), None),
    goal("big events, 1400 to 64 Ki", "big", 1400..=64 * 1024, (0.8, 1.0), None),
    goal("big events, whole body", "big", usize::MAX..=usize::MAX, (1.0, 2.0), None),
];

const fn goal(
    what: &'static str,
    corpus: &'static str,
    chunks: std::ops::RangeInclusive<usize>,
    peer: (f64, f64),
    memchr: Option<(f64, f64)>,
) -> Goal {
    Goal { what, corpus, chunks, peer, memchr }
}

/// Compares the ratios with their goals. The lowest ratio of the rows counts.
pub fn goals(rows: &[Row]) -> Table {
    let mut table = Table::new("Goals", &["rows", "ratio", "floor", "goal", "", "memchr", "floor", "goal", ""])
        .legend("ratio", "speed of ours / speed of the fastest peer, the lowest of these rows")
        .legend("memchr", "speed of ours / speed of memchr, the lowest of these rows")
        .legend("floor, goal", "what the ratio before them must and should reach; BELOW: the floor is missed");
    for Goal { what, corpus, chunks, peer, memchr } in &GOALS {
        let rows = || rows.iter().filter(|row| row.corpus == *corpus && chunks.contains(&row.chunk));
        let worst = |of: fn(&Row) -> f64| rows().map(|row| row.speed(Subject::Ours) / of(row)).fold(f64::MAX, f64::min);
        if rows().next().is_none() {
            continue;
        }
        let cells = |got: f64, (floor, goal): (f64, f64)| {
            let verdict = if got >= goal {
                "goal"
            } else if got >= floor {
                "floor"
            } else {
                "BELOW"
            };
            [number(got, 2), number(floor, 2), number(goal, 2), verdict.to_owned()]
        };
        let mut line = vec![(*what).to_owned()];
        line.extend(cells(worst(|row| row.best_peer().speed), *peer));
        if let Some(memchr) = memchr {
            line.extend(cells(worst(|row| row.speed(Subject::Memchr)), *memchr));
        }
        table.row(line);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Measure;

    /// A row with the longest values that can occur.
    fn long_row(corpus: &'static str, chunk: usize) -> Row {
        let measure = |subject| Measure {
            subject,
            speed: 123_456_789e6,
            spread: 98_765.4,
            share: 0.5,
            wrong: Some(format!("{} events, not {}", u64::MAX, u64::MAX)),
        };
        let label = if chunk == usize::MAX { format!("{corpus}/whole") } else { format!("{corpus}/{chunk}") };
        Row { label, corpus, chunk, measures: ALL.into_iter().map(measure).collect() }
    }

    #[test]
    fn no_table_is_wider_than_100_columns() {
        let rows: Vec<_> = ["small", "mixed", "big"]
            .into_iter()
            .flat_map(|corpus| [1, 256, 1400, 64 * 1024, usize::MAX].map(|chunk| long_row(corpus, chunk)))
            .collect();
        let tables = [speeds(&rows), ratios(&rows), goals(&rows)].map(|table| table.to_string());
        for text in tables.into_iter().chain([deviations(&rows)]) {
            for line in text.lines() {
                assert!(line.chars().count() <= MAX_WIDTH, "{} columns: {line}", line.chars().count());
            }
        }
    }

    #[test]
    fn numbers_have_at_most_five_characters() {
        for (value, decimals, text) in [
            (0.0, 2, "0.00"),
            (1.234, 2, "1.23"),
            (123.456, 2, "123.5"),
            (12_345.6, 2, "12346"),
            (123_456.0, 0, "1e5"),
            (f64::MAX, 1, "2e308"),
            (f64::NAN, 1, "-"),
        ] {
            assert_eq!(number(value, decimals), text);
        }
    }

    #[test]
    fn every_head_of_a_column_is_in_the_legend() {
        let rows = [long_row("small", 1400)];
        for table in [speeds(&rows), ratios(&rows), goals(&rows)] {
            for head in table.heads[1..].iter().filter(|head| !head.is_empty()) {
                assert!(table.legend.iter().any(|(name, _)| name.split(", ").any(|name| name == head)), "{head}");
            }
        }
    }
}
