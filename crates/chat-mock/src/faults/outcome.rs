//! The outcome of a call, as a row compares it.

use std::fmt;

use chat_proto::{Answer, Error, ErrorKind};

/// The outcome of a call, reduced to what a row compares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultOutcome {
    /// `completed`, or the name of the error kind.
    pub kind: String,
    /// The timeout that fired.
    pub timeout: Option<String>,
    /// The status, if a head arrived.
    pub status: Option<u16>,
    /// The text received so far. `None` if the body of a success had not begun.
    pub text: Option<String>,
    /// The tool calls, each as `name(arguments)`.
    pub tool_calls: Vec<String>,
    /// The total number of tokens, if the server tells it.
    pub tokens: Option<u64>,
    /// The number of events.
    pub events: u64,
    /// The finish reason.
    pub finish_reason: Option<String>,
    /// The number of requests that the server received.
    pub requests: usize,
}

impl FaultOutcome {
    /// Returns the outcome of a call, with the number of requests that its server received.
    pub fn of(result: &Result<Answer, Error>, requests: usize) -> Self {
        let (kind, timeout, status, answer) = match result {
            Ok(answer) => ("completed", None, Some(answer.head.status), Some(answer)),
            Err(error) => {
                let timeout = match error.kind() {
                    ErrorKind::Timeout { kind, .. } => Some(kind.as_str()),
                    _ => None,
                };
                (error.kind().name(), timeout, error.status(), error.partial())
            }
        };
        Self {
            kind: kind.to_owned(),
            timeout: timeout.map(str::to_owned),
            status: status.map(|status| status.as_u16()),
            text: answer.map(|answer| answer.text.clone()),
            tool_calls: answer.map_or_else(Vec::new, calls),
            tokens: answer.and_then(|answer| answer.usage.as_ref()?.total_tokens),
            events: answer.map_or(0, |answer| answer.events),
            finish_reason: answer
                .and_then(|answer| answer.finish_reason.as_ref())
                .map(|reason| reason.as_str().to_owned()),
            requests,
        }
    }

    /// Returns an error of this kind and status after one request, without text.
    pub fn failed(kind: &'static str, status: u16) -> Self {
        Self {
            kind: kind.to_owned(),
            timeout: None,
            status: Some(status),
            text: None,
            tool_calls: Vec::new(),
            tokens: None,
            events: 0,
            finish_reason: None,
            requests: 1,
        }
    }

    /// Returns a transport error before the head.
    pub fn lost() -> Self {
        Self { status: None, ..Self::failed("transport", 0) }
    }

    /// Returns a result with the first `events` of [`FIRST`](super::FIRST) and [`LAST`](super::LAST).
    ///
    /// # Panics
    ///
    /// If there are more than two events.
    pub fn partial(kind: &'static str, events: u64) -> Self {
        let text = ["", "Yes, ", "Yes, no."][events as usize];
        let finish_reason = (events == 2).then(|| "stop".to_owned());
        Self { text: Some(text.to_owned()), events, finish_reason, ..Self::failed(kind, 200) }
    }

    /// Returns a success with [`FIRST`](super::FIRST) and [`LAST`](super::LAST).
    pub fn completed() -> Self {
        Self::partial("completed", 2)
    }

    /// Returns a success with [`RESULT`](super::RESULT): one event and no finish reason.
    pub fn result() -> Self {
        Self { events: 1, finish_reason: None, ..Self::completed() }
    }

    /// Returns a timeout of this kind after this many events, or before the head if `None`.
    pub fn timed_out(timeout: &'static str, events: Option<u64>) -> Self {
        let outcome = match events {
            Some(events) => Self::partial("timeout", events),
            None => Self { status: None, ..Self::failed("timeout", 0) },
        };
        Self { timeout: Some(timeout.to_owned()), ..outcome }
    }

    pub(super) fn after(self, requests: usize) -> Self {
        Self { requests, ..self }
    }
}

fn calls(answer: &Answer) -> Vec<String> {
    answer.tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments)).collect()
}

/// The fields that are present, on one line: `timeout (idle), status 200, 1 event "Yes, ", 1 request`.
impl fmt::Display for FaultOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.timeout.as_ref().map_or(Ok(()), |timeout| write!(f, " ({timeout})"))?;
        self.status.map_or(Ok(()), |status| write!(f, ", status {status}"))?;
        if let Some(text) = &self.text {
            let s = if self.events == 1 { "" } else { "s" };
            write!(f, ", {} event{s} ", self.events)?;
            if text.len() < 40 { write!(f, "{text:?}")? } else { write!(f, "of {} bytes", text.len())? }
        }
        self.tool_calls.iter().try_for_each(|call| write!(f, ", call {call}"))?;
        self.tokens.map_or(Ok(()), |tokens| write!(f, ", {tokens} tokens"))?;
        if self.kind == "completed" || self.finish_reason.is_some() {
            write!(f, ", reason {}", self.finish_reason.as_deref().unwrap_or("none"))?;
        }
        let s = if self.requests == 1 { "" } else { "s" };
        write!(f, ", {} request{s}", self.requests)
    }
}
