//! Tables of faults as text.

use std::fmt::Write as _;
use std::ops::Range;

use super::{FaultCase, FaultOutcome};

/// Formats a table: one line per fault, and one line for consecutive bytes with the same outcome.
pub fn render<'a>(rows: impl IntoIterator<Item = (&'a FaultCase, &'a FaultOutcome)>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|(fault, outcome)| (fault.name, fault.at, outcome.to_string())).collect();
    format_rows(rows.iter().map(|(name, at, text)| (*name, *at, text.as_str())))
}

/// Formats rows of a name, an optional byte, and a text: one line per row, and one line for consecutive bytes with the
/// same text.
pub fn format_rows<'a>(rows: impl IntoIterator<Item = (&'a str, Option<usize>, &'a str)>) -> String {
    let mut merged: Vec<(&str, Option<Range<usize>>, &str)> = Vec::new();
    for (name, at, text) in rows {
        match (merged.last_mut(), at) {
            (Some((last, Some(bytes), same)), Some(at)) if *last == name && bytes.end == at && *same == text => {
                bytes.end += 1;
            }
            _ => merged.push((name, at.map(|at| at..at + 1), text)),
        }
    }
    let names = merged.iter().map(|(name, bytes, _)| match bytes {
        None => (*name).to_owned(),
        Some(bytes) if bytes.len() == 1 => format!("{name}, byte {}", bytes.start),
        Some(bytes) => format!("{name}, bytes {} to {}", bytes.start, bytes.end - 1),
    });
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    names.iter().zip(&merged).fold(String::new(), |mut table, (name, (_, _, text))| {
        let _ = writeln!(table, "{name:width$} | {text}");
        table
    })
}
