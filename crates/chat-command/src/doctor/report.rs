//! The checks of `chat doctor` as lines.

use std::io::{self, Write as _};
use std::time::Duration;

use chat_client::OneLine;
use chat_client::driver::ApiKey;
use serde::Serialize;

use crate::print::json_line;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// A check, as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    check: &'static str,
    result: Verdict,
    /// What was found.
    detail: String,
    /// What to do.
    advice: Option<String>,
    milliseconds: Option<f64>,
    /// The exit status of a check that failed.
    #[serde(skip)]
    status: u8,
}

impl Check {
    pub(crate) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, result: Verdict::Ok, detail: detail.into(), advice: None, milliseconds: None, status: 0 }
    }

    pub(crate) fn warning(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { result: Verdict::Warning, advice: Some(advice.into()), ..Self::ok(check, detail) }
    }

    pub(crate) fn failed(
        check: &'static str,
        status: u8,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { result: Verdict::Failed, status, ..Self::warning(check, detail, advice) }
    }

    pub(crate) fn skipped(check: &'static str, detail: impl Into<String>) -> Self {
        Self { result: Verdict::Skipped, ..Self::ok(check, detail) }
    }

    /// Adds how long it took.
    pub(crate) fn took(self, time: Duration) -> Self {
        Self { milliseconds: Some((time.as_secs_f64() * 1e5).round() / 100.0), ..self }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.result == Verdict::Failed
    }

    /// The check as a line: the result, the check, what was found, and what to do.
    fn line(&self) -> String {
        let result = match self.result {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let time = self.milliseconds.map(|time| format!(" ({time:.1} ms)")).unwrap_or_default();
        let advice = self.advice.as_ref().map(|advice| format!(". {advice}")).unwrap_or_default();
        format!("{result:<8} {:<11} {}{time}{advice}", self.check.replace('_', " "), self.detail)
    }
}

/// Prints the checks as they are made.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    /// The key, which is never printed.
    key: Option<ApiKey>,
    /// The exit status of the first check that failed.
    status: u8,
}

impl Report {
    pub(crate) fn new(json: bool, key: Option<ApiKey>) -> Self {
        Self { json, key, status: 0 }
    }

    /// Prints a check. Returns whether it has not failed.
    pub(crate) fn add(&mut self, mut check: Check) -> io::Result<bool> {
        if let Some(key) = &self.key {
            check.detail = key.redact(&check.detail).into_owned();
        }
        let mut out = io::stdout();
        if self.json {
            json_line(&mut out, &check)?;
        } else {
            // The text may quote the server.
            writeln!(out, "{}", OneLine(&check.line()))?;
            out.flush()?;
        }
        if check.has_failed() && self.status == 0 {
            self.status = check.status;
        }
        Ok(!check.has_failed())
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}
