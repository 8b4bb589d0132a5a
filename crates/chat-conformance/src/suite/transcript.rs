//! What a call handed out and how it ended, in the form that the rows compare.
//!
//! A client in this process has events and a result, one in another process has JSON lines. Both become a [`Transcript`].

use std::fmt;

use chat_client::{Answer, Error, ErrorKind, Event, Head};
use chat_mock::faults::FaultOutcome;
use serde::Deserialize;

/// The events and the result of a call.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The text of the events.
    pub(crate) text: String,
    /// The number of events.
    pub(crate) events: usize,
    /// The result. `None` if the call was dropped.
    pub(crate) result: Option<CallResult>,
}

pub(crate) type CallResult = Result<ReceivedAnswer, ReceivedError>;

impl Transcript {
    /// Creates the transcript of a call that was read to its end.
    pub fn new(events: &[Event], result: Result<Answer, Error>) -> Self {
        let result = result.map(|answer| ReceivedAnswer::new(&answer)).map_err(|error| ReceivedError::new(&error));
        Self { result: Some(result), ..Self::dropped(events) }
    }

    /// Creates the transcript of a call that was dropped after these events.
    pub fn dropped(events: &[Event]) -> Self {
        Self { text: events.iter().filter_map(Event::text).collect(), events: events.len(), result: None }
    }

    /// Returns the result of a call that was not to be dropped.
    pub(crate) fn finished(self) -> Result<CallResult, String> {
        self.result.ok_or_else(|| "the call was dropped".to_owned())
    }
}

/// An answer, complete or partial. In another process, its fields are those of the JSON line.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ReceivedAnswer {
    #[serde(rename = "content")]
    pub(crate) text: String,
    #[serde(rename = "chat_session_id")]
    pub(crate) session_id: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) finish_reason: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ReceivedCall>,
    usage: Option<ReceivedUsage>,
    #[serde(default, rename = "citations", deserialize_with = "length")]
    pub(crate) citations: usize,
    /// The number of events that were merged into the answer.
    #[serde(skip)]
    pub(crate) events: u64,
    /// The head. `None` for a client in another process, because JSON lines do not have it.
    #[serde(skip)]
    pub(crate) head: Option<Head>,
}

#[derive(Clone, Debug, Deserialize)]
struct ReceivedCall {
    name: String,
    arguments: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ReceivedUsage {
    total_tokens: Option<u64>,
}

/// Deserializes the length of an array that may be null.
fn length<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let array = Option::<Vec<serde::de::IgnoredAny>>::deserialize(deserializer)?;
    Ok(array.map_or(0, |array| array.len()))
}

impl ReceivedAnswer {
    fn new(answer: &Answer) -> Self {
        let call =
            |call: &chat_client::ToolCall| ReceivedCall { name: call.name.clone(), arguments: call.arguments.clone() };
        Self {
            text: answer.text.clone(),
            session_id: answer.session_id.as_deref().map(str::to_owned),
            id: answer.id().map(str::to_owned),
            model: answer.model().map(str::to_owned),
            finish_reason: answer.finish_reason.as_ref().map(|reason| reason.as_str().to_owned()),
            tool_calls: answer.tool_calls.iter().map(call).collect(),
            usage: answer.usage.as_ref().map(|usage| ReceivedUsage { total_tokens: usage.total_tokens }),
            citations: answer.citations().len(),
            events: answer.events,
            head: Some(answer.head.clone()),
        }
    }
}

/// An error. In another process, its fields are those of the JSON line.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ReceivedError {
    pub(crate) kind: String,
    /// The message, with the causes.
    pub(crate) message: String,
    /// The name of the timeout that fired.
    pub(crate) timeout: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) body: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) partial: Option<ReceivedAnswer>,
}

impl ReceivedError {
    fn new(error: &Error) -> Self {
        let timeout = match error.kind() {
            ErrorKind::Timeout { kind, .. } => Some(kind.as_str().to_owned()),
            _ => None,
        };
        Self {
            kind: error.kind().name().to_owned(),
            message: format!("{error:#}"),
            timeout,
            status: error.status().map(|status| status.as_u16()),
            body: error.body().map(str::to_owned),
            attempts: error.attempts(),
            partial: error.partial().map(ReceivedAnswer::new),
        }
    }
}

impl fmt::Display for ReceivedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReceivedError {}

/// Returns the answer of a result: the whole one, or the part that was received before an error.
pub(crate) fn received(result: &CallResult) -> Option<&ReceivedAnswer> {
    result.as_ref().map_or_else(|error| error.partial.as_ref(), Some)
}

pub(crate) fn received_mut(result: &mut CallResult) -> Option<&mut ReceivedAnswer> {
    result.as_mut().map_or_else(|error| error.partial.as_mut(), Some)
}

/// Returns the outcome of a call, with the number of requests that its server received.
pub(crate) fn outcome(result: &CallResult, requests: usize) -> FaultOutcome {
    let mut outcome = FaultOutcome::completed();
    let answer = received(result);
    match result {
        // Every complete answer has status 200. JSON lines do not repeat it.
        Ok(answer) => outcome.status = answer.head.as_ref().map_or(outcome.status, |head| Some(head.status.as_u16())),
        Err(error) => {
            outcome.kind.clone_from(&error.kind);
            outcome.timeout.clone_from(&error.timeout);
            outcome.status = error.status;
        }
    }
    let call = |call: &ReceivedCall| format!("{}({})", call.name, call.arguments);
    outcome.text = answer.map(|answer| answer.text.clone());
    outcome.tool_calls = answer.map_or_else(Vec::new, |answer| answer.tool_calls.iter().map(call).collect());
    outcome.tokens = answer.and_then(|answer| answer.usage.as_ref()?.total_tokens);
    outcome.events = answer.map_or(0, |answer| answer.events);
    outcome.finish_reason = answer.and_then(|answer| answer.finish_reason.clone());
    outcome.requests = requests;
    outcome
}
