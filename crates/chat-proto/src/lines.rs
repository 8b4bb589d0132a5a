//! Events and outcomes as JSON lines: one JSON object per line, the same as those of `chat ask --json` and `chat decode`.
//!
//! Use it to embed the core in a program that another language reads.
//!
//! ```
//! use chat_proto::lines::{EventLine, OutcomeLine, write_line};
//! use chat_proto::{Answer, Error, Event, TextDelta};
//!
//! let mut out = Vec::new();
//! if let Some(line) = EventLine::new(&Event::Text(TextDelta::new("Hi"))) {
//!     write_line(&mut out, &line)?;
//! }
//! let outcome: Result<Answer, Error> = Err(Error::cancelled());
//! write_line(&mut out, &OutcomeLine::new(&outcome))?;
//!
//! let out = String::from_utf8(out)?;
//! let (event, outcome) = out.split_once('\n').expect("two lines");
//! assert_eq!(event, r#"{"event":"message_chunk","data":{"content_chunk":"Hi"}}"#);
//! assert!(outcome.starts_with(r#"{"outcome":"error","kind":"cancelled","message":"the call was cancelled","#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::value::RawValue;

use crate::{
    Answer, Citation, Error, ErrorKind, Event, FinishReason, RetryAfter, SessionId, ToolCall, Usage, ValidationError,
};

/// Writes one JSON object on a line. The line has no character that a reader of lines may take for a line break.
///
/// # Errors
///
/// Those of `out`, and those of the object's `Serialize`.
pub fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    line.serialize(&mut Serializer::with_formatter(&mut *out, OneLine))?;
    out.write_all(b"\n")
}

/// Compact JSON on one line. It escapes U+0085, U+2028 and U+2029, which JSON allows and many readers take for a line break.
struct OneLine;

impl OneLine {
    fn write<W: ?Sized + Write>(writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, found) in fragment.match_indices(['\u{85}', '\u{2028}', '\u{2029}']) {
            writer.write_all(&fragment.as_bytes()[written..at])?;
            for c in found.chars() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            written = at + found.len();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        Self::write(writer, fragment)
    }

    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Between the strings of raw JSON, a line break is white space.
        for (n, part) in fragment.split(['\n', '\r']).enumerate() {
            if n > 0 {
                writer.write_all(b" ")?;
            }
            Self::write(writer, part)?;
        }
        Ok(())
    }
}

/// The line of an event.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct EventLine<'a>(Line<'a>);

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    MessageChunk { data: Chunk<'a> },
    RecordsCited { data: Cited<'a> },
    ToolCall { index: usize, id: Option<&'a str>, name: Option<&'a str>, arguments: &'a str },
    Reasoning { text: &'a str },
    Refusal { text: &'a str },
    Usage { data: &'a RawValue },
    Other { r#type: &'a str, data: &'a str, id: &'a str },
}

#[derive(Debug, Serialize)]
struct Chunk<'a> {
    content_chunk: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_session_id: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a FinishReason>,
}

#[derive(Debug, Serialize)]
struct Cited<'a> {
    citations: &'a [Citation],
}

impl<'a> EventLine<'a> {
    /// Creates the line of an event. `None` for a kind of event that has no line.
    pub fn new(event: &'a Event) -> Option<Self> {
        Some(Self(match event {
            Event::Started(_) | Event::Chunk(_) => return None,
            Event::Text(delta) => Line::MessageChunk {
                data: Chunk {
                    content_chunk: &delta.text,
                    chat_session_id: delta.session_id.as_ref(),
                    finish_reason: delta.finish_reason.as_ref(),
                },
            },
            Event::Citations(citations) => Line::RecordsCited { data: Cited { citations } },
            Event::ToolCall(delta) => Line::ToolCall {
                index: delta.index,
                id: delta.id.as_deref(),
                name: delta.name.as_deref(),
                arguments: &delta.arguments,
            },
            Event::Reasoning(text) => Line::Reasoning { text },
            Event::Refusal(text) => Line::Refusal { text },
            Event::Usage(usage) => Line::Usage { data: usage.raw() },
            Event::Other(other) => Line::Other { r#type: &other.event_type, data: &other.data, id: &other.id },
        }))
    }
}

/// The line of a call's outcome: the last line.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct OutcomeLine<'a>(Outcome<'a>);

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome<'a> {
    Completed(AnswerLine<'a>),
    Error(Box<ErrorLine<'a>>),
}

#[derive(Debug, Serialize)]
struct AnswerLine<'a> {
    chat_session_id: Option<&'a SessionId>,
    content: &'a str,
    citations: Option<&'a [Citation]>,
    finish_reason: Option<&'a FinishReason>,
    #[serde(flatten)]
    more: Option<CompletionLine<'a>>,
}

/// The fields that only chat completions have.
#[derive(Debug, Serialize)]
struct CompletionLine<'a> {
    reasoning: Option<&'a str>,
    refusal: Option<&'a str>,
    tool_calls: Vec<ToolCallLine<'a>>,
    usage: Option<&'a RawValue>,
    model: Option<&'a str>,
    id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ToolCallLine<'a> {
    id: Option<&'a str>,
    name: &'a str,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct ErrorLine<'a> {
    kind: &'static str,
    message: String,
    status: Option<u16>,
    retry_after: Option<RetryAfterLine>,
    location: Option<Cow<'a, str>>,
    detail: Option<&'a [ValidationError]>,
    body: Option<&'a str>,
    timeout: Option<&'static str>,
    attempts: u32,
    partial: Option<AnswerLine<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum RetryAfterLine {
    Seconds(serde_json::Number),
    DateUnix(i64),
}

impl<'a> OutcomeLine<'a> {
    /// Creates the line of a session's outcome (v0). The message of an error includes its sources.
    pub fn new(outcome: &'a Result<Answer, Error>) -> Self {
        Self::of(outcome, AnswerLine::new)
    }

    /// Creates the line of a chat completion's outcome (v1). Its answers have six more fields.
    pub fn completion(outcome: &'a Result<Answer, Error>) -> Self {
        Self::of(outcome, AnswerLine::completion)
    }

    fn of(outcome: &'a Result<Answer, Error>, line: fn(&'a Answer) -> AnswerLine<'a>) -> Self {
        Self(match outcome {
            Ok(answer) => Outcome::Completed(line(answer)),
            Err(error) => Outcome::Error(Box::new(ErrorLine::new(error, error.partial().map(line)))),
        })
    }

    /// Replaces the message of an error. Does nothing for an answer.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        if let Outcome::Error(error) = &mut self.0 {
            error.message = message.into();
        }
        self
    }
}

impl<'a> AnswerLine<'a> {
    fn new(answer: &'a Answer) -> Self {
        Self {
            chat_session_id: answer.session_id.as_ref(),
            content: &answer.text,
            citations: answer.citations.as_deref().map(|citations| &citations[..]),
            finish_reason: answer.finish_reason.as_ref(),
            more: None,
        }
    }

    fn completion(answer: &'a Answer) -> Self {
        let more = CompletionLine {
            reasoning: answer.reasoning.as_deref(),
            refusal: answer.refusal.as_deref(),
            tool_calls: answer.tool_calls.iter().map(ToolCallLine::new).collect(),
            usage: answer.usage.as_deref().map(Usage::raw),
            model: answer.model(),
            id: answer.id(),
        };
        Self { more: Some(more), ..Self::new(answer) }
    }
}

impl<'a> ToolCallLine<'a> {
    fn new(call: &'a ToolCall) -> Self {
        Self { id: call.id.as_deref(), name: &call.name, arguments: &call.arguments }
    }
}

impl<'a> ErrorLine<'a> {
    fn new(error: &'a Error, partial: Option<AnswerLine<'a>>) -> Self {
        Self {
            kind: error.kind().name(),
            message: format!("{error:#}"),
            status: error.status().map(|status| status.as_u16()),
            retry_after: error.retry_after().and_then(RetryAfterLine::new),
            location: error
                .head()
                .and_then(|head| head.headers.get("location"))
                .map(|location| String::from_utf8_lossy(location.as_bytes())),
            detail: match error.kind() {
                ErrorKind::Validation { detail, .. } => Some(detail),
                _ => None,
            },
            body: error.body(),
            timeout: match error.kind() {
                ErrorKind::Timeout { kind, .. } => Some(kind.as_str()),
                _ => None,
            },
            attempts: error.attempts(),
            partial,
        }
    }
}

impl RetryAfterLine {
    fn new(retry_after: RetryAfter) -> Option<Self> {
        match retry_after {
            RetryAfter::Delay(delay) if delay.subsec_nanos() == 0 => Some(Self::Seconds(delay.as_secs().into())),
            RetryAfter::Delay(delay) => serde_json::Number::from_f64(delay.as_secs_f64()).map(Self::Seconds),
            RetryAfter::At(time) => match time.duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_secs()).ok(),
                Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|secs| -secs),
            }
            .map(Self::DateUnix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Citations, Head, OtherEvent, TextDelta, ToolCallDelta};

    fn written(line: &impl Serialize) -> String {
        let mut out = Vec::new();
        write_line(&mut out, line).expect("memory takes all");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn characters_that_may_be_taken_for_line_breaks_are_escaped() {
        let line = written(&"a\u{85}b\u{2028}\u{2029}c\u{2027}\n\u{7f}");
        assert_eq!(line, "\"a\\u0085b\\u2028\\u2029c\u{2027}\\n\u{7f}\"\n");
        let usage = Usage::from_json("{\r\n \"\u{2028}\":1}").expect("an object");
        assert_eq!(written(&usage.raw()), "{   \"\\u2028\":1}\n");
    }

    #[test]
    fn each_event_has_its_line() {
        let call = ToolCallDelta { id: Some("c-1".into()), ..ToolCallDelta::new(1, "{") };
        let chunk =
            TextDelta { finish_reason: Some("stop".into()), session_id: Some("s-1".into()), ..TextDelta::new("Hi") };
        let usage = Usage::from_json("{\"total_tokens\": 1.0}").expect("an object");
        for (event, line) in [
            (
                Event::Text(chunk),
                r#"{"event":"message_chunk","data":{"content_chunk":"Hi","chat_session_id":"s-1","finish_reason":"stop"}}"#,
            ),
            (
                Event::Citations(Citations::from(vec![Citation::default()]).into()),
                r#"{"event":"records_cited","data":{"citations":[{"record":{}}]}}"#,
            ),
            (Event::ToolCall(call.into()), r#"{"event":"tool_call","index":1,"id":"c-1","name":null,"arguments":"{"}"#),
            (Event::Reasoning("so".into()), r#"{"event":"reasoning","text":"so"}"#),
            (Event::Refusal("no".into()), r#"{"event":"refusal","text":"no"}"#),
            (Event::Usage(usage.into()), r#"{"event":"usage","data":{"total_tokens": 1.0}}"#),
            (
                Event::Other(OtherEvent::new("x", "1", "7").into()),
                r#"{"event":"other","type":"x","data":"1","id":"7"}"#,
            ),
        ] {
            assert_eq!(written(&EventLine::new(&event)).trim_end(), line);
        }
    }

    #[test]
    fn an_outcome_has_what_the_answer_has() {
        let mut answer = Answer::new(Head::default());
        let empty =
            r#"{"outcome":"completed","chat_session_id":null,"content":"","citations":null,"finish_reason":null}"#;
        assert_eq!(written(&OutcomeLine::new(&Ok(answer.clone()))).trim_end(), empty);
        answer.add(&Event::ToolCall(ToolCallDelta { name: Some("f".into()), ..ToolCallDelta::new(0, "1") }.into()));
        answer.add(&Event::Usage(Usage::from_json("{}").expect("an object").into()));
        answer.add(&Event::Reasoning("so".into()));
        assert_eq!(written(&OutcomeLine::new(&Ok(answer.clone()))).trim_end(), empty);
        let more = r#","reasoning":"so","refusal":null,"tool_calls":[{"id":null,"name":"f","arguments":"1"}],"usage":{},"model":null,"id":null}"#;
        assert!(written(&OutcomeLine::completion(&Ok(answer.clone()))).trim_end().ends_with(more));
        let error = Err(Error::cancelled().with_partial(Some(answer)));
        let line = written(&OutcomeLine::completion(&error).with_message("stopped"));
        let start = r#"{"outcome":"error","kind":"cancelled","message":"stopped","status":200,"retry_after":null,"location":null,"#;
        assert!(line.starts_with(start) && line.trim_end().ends_with(&format!("{more}}}")), "{line}");
    }
}
