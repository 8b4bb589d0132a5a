//! The results of a suite.

use std::fmt;
use std::time::Duration;

use chat_mock::faults::format_rows;

use super::row::FinishedRow;

/// The environment variable that lists the slowest rows: its value is their number.
const SLOWEST: &str = "CHAT_CONFORMANCE_SLOWEST";

/// A row that is expected to fail.
#[derive(Clone, Copy, Debug)]
struct Exception {
    row: &'static str,
    reason: &'static str,
    /// Whether the row may also pass.
    is_race: bool,
}

/// The rows that are expected to fail, with the reasons.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceptions(Vec<Exception>);

impl Exceptions {
    pub(crate) fn add(&mut self, row: &'static str, reason: &'static str, is_race: bool) {
        self.0.push(Exception { row, reason, is_race });
    }

    /// Returns whether a row failed unexpectedly.
    pub(crate) fn is_failure(&self, row: &FinishedRow) -> bool {
        row.result.is_err() && self.reason(row).is_none()
    }

    fn reason(&self, row: &FinishedRow) -> Option<&'static str> {
        self.0.iter().find(|exception| exception.row == row.name).map(|exception| exception.reason)
    }
}

/// The results of a suite. It displays as a table.
#[derive(Clone, Debug)]
#[must_use = "a report says what failed"]
pub struct Report {
    table: String,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(
        title: &str,
        exceptions: &Exceptions,
        total: usize,
        rows: &[FinishedRow],
        took: Duration,
    ) -> Self {
        let mut failures = Vec::new();
        // If rows were skipped, an exception may belong to one of them.
        let checked = if rows.len() == total { &exceptions.0[..] } else { &[] };
        for &Exception { row: exception, reason, is_race } in checked {
            let mut excepted = rows.iter().filter(|row| row.name == exception).peekable();
            if excepted.peek().is_none() {
                failures.push(format!("{exception}: excepted ({reason}), but there is no such row"));
            } else if !is_race && excepted.all(|row| row.result.is_ok()) {
                failures.push(format!("{exception}: excepted ({reason}), but it passes"));
            }
        }
        failures.extend(rows.iter().filter(|row| exceptions.is_failure(row)).map(ToString::to_string));
        if rows.len() < total {
            failures.push(format!("skipped after too many failures: {} rows", total - rows.len()));
        }
        let texts = rows.iter().map(|row| match (&row.result, exceptions.reason(row)) {
            (Ok(observed), _) => observed.clone(),
            (Err(error), Some(reason)) => format!("EXCEPTED ({reason}): {error}"),
            (Err(error), None) => format!("FAILED: {error}"),
        });
        let texts: Vec<String> = texts.collect();
        let table = format_rows(rows.iter().zip(&texts).map(|(row, text)| (row.name, row.at, text.as_str())));
        let slowest = slowest(rows);
        let table = format!("{title}: {} rows in {:.1} s\n{table}{slowest}", rows.len(), took.as_secs_f32());
        Self { table, failures }
    }

    /// Returns the rows that failed, each with the error.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn check(&self) {
        println!("{self}");
        assert!(self.failures.is_empty(), "{} failures:\n{}", self.failures.len(), self.failures.join("\n"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

fn slowest(rows: &[FinishedRow]) -> String {
    let number = std::env::var(SLOWEST).ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    let mut rows: Vec<&FinishedRow> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.took));
    rows.iter().take(number).map(|row| format!("{:7.2} s  {}\n", row.took.as_secs_f32(), row.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, result: Result<&str, &str>) -> FinishedRow {
        let result = result.map(str::to_owned).map_err(str::to_owned);
        FinishedRow { name, at: None, result, took: Duration::ZERO }
    }

    fn exceptions(rows: &[&'static str]) -> Exceptions {
        let mut exceptions = Exceptions::default();
        rows.iter().for_each(|row| exceptions.add(row, "a reason", false));
        exceptions
    }

    #[test]
    fn a_race_may_fail_or_pass_but_must_exist() {
        let mut exceptions = Exceptions::default();
        ["fails", "passes", "missing"].iter().for_each(|row| exceptions.add(row, "a reason", true));
        let rows = [row("fails", Err("no")), row("passes", Ok("yes"))];
        let report = Report::new("t", &exceptions, 2, &rows, Duration::ZERO);
        assert_eq!(report.failures(), ["missing: excepted (a reason), but there is no such row"]);
    }

    #[test]
    fn an_exception_has_to_fail() {
        let exceptions = exceptions(&["fails", "passes", "missing"]);
        let rows = [row("fails", Err("no")), row("passes", Ok("yes")), row("other", Err("no"))];
        assert_eq!(
            Report::new("t", &exceptions, 3, &rows, Duration::ZERO).failures(),
            [
                "passes: excepted (a reason), but it passes",
                "missing: excepted (a reason), but there is no such row",
                "other: no"
            ]
        );
    }

    #[test]
    fn an_exception_of_a_skipped_row_is_not_a_failure() {
        let report = Report::new("t", &exceptions(&["later"]), 2, &[row("other", Err("no"))], Duration::ZERO);
        assert_eq!(report.failures(), ["other: no", "skipped after too many failures: 1 rows"]);
    }
}
