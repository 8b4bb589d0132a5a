//! The machine-readable lines of `ask --json` and `decode`: one JSON object each.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use chat_client::{
    Answer, Citation, Error, ErrorKind, Event, FinishReason, MessageChunk, RecordsCited, RetryAfter, SessionId,
    ValidationError,
};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Writes one JSON object on a line of its own.
pub(crate) fn write(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    line.serialize(&mut Serializer::with_formatter(&mut *out, OneLine))?;
    out.write_all(b"\n")
}

/// Compact JSON that is one line for everybody: JSON lets U+0085, U+2028 and U+2029 stand as they are, yet many readers
/// of lines break there.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
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

/// One event.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum EventLine<'a> {
    MessageChunk { event: &'static str, data: &'a MessageChunk },
    RecordsCited { event: &'static str, data: &'a RecordsCited },
    Other { event: &'static str, r#type: &'a str, data: &'a str, id: &'a str },
}

impl<'a> EventLine<'a> {
    /// The line of an event; none for a kind that this program does not know.
    pub(crate) fn new(event: &'a Event) -> Option<Self> {
        match event {
            Event::MessageChunk(data) => Some(Self::MessageChunk { event: "message_chunk", data }),
            Event::RecordsCited(data) => Some(Self::RecordsCited { event: "records_cited", data }),
            Event::Other(other) => {
                let (r#type, data, id) = (&other.event_type, &other.data, &other.id);
                Some(Self::Other { event: "other", r#type, data, id })
            }
            _ => None,
        }
    }
}

/// How it ended.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum OutcomeLine<'a> {
    Completed {
        outcome: &'static str,
        #[serde(flatten)]
        answer: AnswerPart<'a>,
    },
    Error(Box<ErrorLine<'a>>),
}

#[derive(Serialize)]
pub(crate) struct AnswerPart<'a> {
    chat_session_id: Option<&'a SessionId>,
    content: &'a str,
    citations: Option<&'a [Citation]>,
    finish_reason: Option<&'a FinishReason>,
}

#[derive(Serialize)]
pub(crate) struct ErrorLine<'a> {
    outcome: &'static str,
    kind: &'static str,
    message: String,
    status: Option<u16>,
    retry_after: Option<RetryAfterPart>,
    location: Option<Cow<'a, str>>,
    detail: Option<&'a [ValidationError]>,
    body: Option<&'a str>,
    timeout: Option<&'static str>,
    attempts: u32,
    partial: Option<AnswerPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum RetryAfterPart {
    Seconds(serde_json::Number),
    DateUnix(i64),
}

impl<'a> OutcomeLine<'a> {
    pub(crate) fn new(outcome: &'a Result<Answer, Error>, names: &Names) -> Self {
        match outcome {
            Ok(answer) => Self::Completed { outcome: "completed", answer: AnswerPart::new(answer) },
            Err(error) => Self::Error(Box::new(ErrorLine::new(error, names))),
        }
    }
}

impl<'a> AnswerPart<'a> {
    fn new(answer: &'a Answer) -> Self {
        Self {
            chat_session_id: answer.chat_session_id.as_ref(),
            content: &answer.content,
            citations: answer.records_cited.as_ref().map(|cited| &cited.citations[..]),
            finish_reason: answer.finish_reason.as_ref(),
        }
    }
}

impl<'a> ErrorLine<'a> {
    fn new(error: &'a Error, names: &Names) -> Self {
        Self {
            outcome: "error",
            kind: error.kind().name(),
            message: sentence(error, names),
            status: error.status().map(|status| status.as_u16()),
            retry_after: error.retry_after().and_then(RetryAfterPart::new),
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
                ErrorKind::Timeout { kind: clock, .. } => Some(clock.as_str()),
                _ => None,
            },
            attempts: error.attempts(),
            partial: error.partial().map(AnswerPart::new),
        }
    }
}

impl RetryAfterPart {
    fn new(retry_after: RetryAfter) -> Option<Self> {
        match retry_after {
            RetryAfter::Delay(delay) if delay.subsec_nanos() == 0 => Some(Self::Seconds(delay.as_secs().into())),
            RetryAfter::Delay(delay) => serde_json::Number::from_f64(delay.as_secs_f64()).map(Self::Seconds),
            RetryAfter::At(time) => match time.duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_secs()).ok(),
                Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|secs| -secs),
            }
            .map(Self::DateUnix),
            _ => None,
        }
    }
}

/// An error with what caused it, on one line.
pub(crate) fn sentence(error: &Error, names: &Names) -> String {
    let text = format!("{error:#}");
    match error.kind() {
        ErrorKind::InvalidRequest { field, .. } => text.replacen(&**field, names.of(field), 1),
        _ => text,
    }
}

/// What the user of the command knows the settings of the library by: the flag or the variable that the value came from.
pub(crate) struct Names {
    pub(crate) api_key: &'static str,
    pub(crate) base_url: &'static str,
    pub(crate) integration_id: &'static str,
}

impl Default for Names {
    fn default() -> Self {
        Self { api_key: "--api-key", base_url: "--server", integration_id: "--integration" }
    }
}

impl Names {
    fn of<'a>(&self, field: &'a str) -> &'a str {
        match field {
            "api_key" => self.api_key,
            "base_url" => self.base_url,
            "integration_id" => self.integration_id,
            "chat_session_id" => "--session",
            "message" | "chat_session.messages" => "the question",
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_take_for_a_line_break_is_escaped() {
        let mut out = Vec::new();
        write(&mut out, &"a\u{85}b\u{2028}\u{2029}c\u{2027}\n\u{7f}").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\u0085b\\u2028\\u2029c\u{2027}\\n\u{7f}\"\n");
    }
}
