//! The message of an error for people, and its short form for logs.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::{Error, ErrorKind, GaveUp, Received, Truncation, UnexpectedResponse, UnfinishedEvent};
use crate::{OneLine, TimeoutKind};

/// What happened and why it was not retried, on one line. The alternate form, `{:#}`, adds the sources: `could not connect: …`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.write_str(&self.with_sources());
        }
        self.fmt_what(f)?;
        self.fmt_end(f)
    }
}

impl Error {
    /// The last error of an earlier attempt that differs from this one.
    fn other_cause(&self) -> Option<&Self> {
        let is_same = |other: &Self| other.kind().name() == self.kind().name() && other.status() == self.status();
        self.earlier().iter().rev().find(|earlier| !is_same(earlier))
    }

    /// The message, followed by the sources. A source that the message already ends with is left out.
    fn with_sources(&self) -> String {
        let mut text = self.to_string();
        let sources = std::iter::successors(std::error::Error::source(self), |error| error.source());
        for source in sources.map(ToString::to_string) {
            if !text.ends_with(&source) {
                text = format!("{text}: {source}");
            }
        }
        text
    }

    /// Why there was no further attempt, and why an earlier attempt failed.
    fn fmt_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gave_up() {
            Some(GaveUp::Attempts) if self.attempts() > 1 => write!(f, " (after {} attempts", self.attempts())?,
            Some(GaveUp::WaitTooLong { wait }) => {
                write!(f, " (not retried: the wait would be {}", Wait(wait))?;
            }
            Some(GaveUp::Deadline) => f.write_str(" (not retried: the call would time out first")?,
            Some(GaveUp::MayHaveBeenRead) => f.write_str(" (not retried: the server may have read the request")?,
            Some(GaveUp::Attempts) | None => return Ok(()),
        }
        if let Some(earlier) = self.other_cause() {
            f.write_str("; an earlier attempt: ")?;
            earlier.fmt_what(f)?;
        }
        f.write_str(")")
    }

    /// What happened.
    fn fmt_what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = Status(self.status());
        match self.kind() {
            ErrorKind::InvalidRequest { field, reason } => write!(f, "{field} {reason}")?,
            ErrorKind::Connect => f.write_str("could not connect")?,
            ErrorKind::Timeout { kind, after, received } => match kind {
                TimeoutKind::Connect => write!(f, "timed out connecting ({after:?})")?,
                TimeoutKind::Head => write!(f, "timed out waiting for the response head ({after:?})")?,
                TimeoutKind::Idle => {
                    write!(f, "timed out: the server sent no bytes for {after:?}{}", in_event(*received))?;
                }
                TimeoutKind::Content => {
                    write!(f, "timed out waiting for content ({after:?}): the server sent {}", sent(*received))?;
                }
                TimeoutKind::Total => write!(f, "the whole call timed out ({after:?})")?,
            },
            ErrorKind::Transport if self.0.bad_head => f.write_str("the response head was rejected")?,
            ErrorKind::Transport => f.write_str("the connection failed before the response")?,
            ErrorKind::Api { body } => {
                write!(
                    f,
                    "the API responded with {status}{}",
                    self.server_message().unwrap_or_else(|| self.quote(body))
                )?;
                if let (Some(401 | 403), Some(origin)) = (status.code(), self.0.key_origin) {
                    write!(f, " (the key came from {origin})")?;
                }
            }
            ErrorKind::Validation { detail, body } => {
                f.write_str("the API rejected the request as invalid")?;
                if detail.is_empty() {
                    write!(f, "{}", Quote::text(body))?;
                } else {
                    // These were read from JSON, so they are text.
                    let all: Vec<String> = detail.iter().map(ToString::to_string).collect();
                    write!(f, ": {}", Start(&all.join("; ")))?;
                }
            }
            ErrorKind::UnexpectedResponse { reason, body } => {
                f.write_str("the response is not from the API: ")?;
                let header = |name| Start(self.head().and_then(|head| head.text(name)).unwrap_or("none"));
                match reason {
                    UnexpectedResponse::Status => {
                        write!(f, "status {status}")?;
                        self.redirect().map_or(Ok(()), |target| write!(f, ", a redirect to {}", Start(&target)))?;
                    }
                    UnexpectedResponse::ContentType => write!(f, "content type {}", header("content-type"))?,
                    UnexpectedResponse::ContentEncoding => {
                        write!(f, "content encoding {}", header("content-encoding"))?;
                    }
                    UnexpectedResponse::NoEvents => f.write_str("an event stream without events")?,
                    UnexpectedResponse::TransferCoding => {
                        write!(f, "a transfer coding other than one `chunked`: {}", header("transfer-encoding"))?;
                    }
                }
                write!(f, "{}", self.quote(body))?;
            }
            ErrorKind::Decode { what, message, body } => {
                write!(f, "the JSON does not match {what}{}", Quote::text(message))?;
                // A complete body may explain what went wrong. An event is part of an answer.
                if matches!(*what, "ChatResult" | "chat.completion" | "list") {
                    write!(f, "{}", Quote::text(body))?;
                }
            }
            ErrorKind::Stream { data } => {
                let message = self.server_message().unwrap_or(Quote::text(data));
                write!(f, "the server ended the stream with an error{message}")?;
            }
            ErrorKind::Truncated(how) => {
                f.write_str(match how {
                    Truncation::InsideEvent => "the answer was cut inside an event",
                    Truncation::ContentLength => "the answer was cut before its content length",
                    Truncation::ConnectionLost => "the answer was cut: the connection failed",
                    Truncation::Unfinished => "the answer ended without a finish reason",
                })?;
                if let Some(UnfinishedEvent { data, is_error: true }) = &self.0.unfinished {
                    write!(f, "; the last event was an error{}", Quote::text(data))?;
                }
            }
            ErrorKind::Limit { limit, bytes } => write!(f, "{limit} is larger than the limit of {bytes} bytes")?,
            ErrorKind::Cancelled => f.write_str("the call was cancelled")?,
        }
        Ok(())
    }
}

fn in_event(received: Received) -> &'static str {
    if received == Received::UnfinishedEvent { ", in the middle of an event" } else { "" }
}

fn sent(received: Received) -> &'static str {
    match received {
        Received::Nothing => "no bytes",
        Received::KeepAlives => "only keep-alives",
        Received::WhiteSpace => "only white space",
        Received::UnfinishedEvent => "an unfinished event",
    }
}

/// A status with its name, if it has one.
struct Status(Option<StatusCode>);

impl Status {
    fn code(&self) -> Option<u16> {
        self.0.map(|status| status.as_u16())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = self.0 else { return f.write_str("without a status") };
        f.write_str(status.as_str())?;
        status.canonical_reason().map_or(Ok(()), |reason| write!(f, " {reason}"))
    }
}

/// A wait. It may be far longer than is useful to print in seconds.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        if self.0 > DAY { f.write_str("more than a day") } else { write!(f, "{:?}", self.0) }
    }
}

/// A colon and text from the server, or nothing if the text is blank.
enum Quote<'a> {
    Text(Cow<'a, str>),
    Binary,
}

impl<'a> Quote<'a> {
    fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }
}

/// Whether a character is not printable. Text has few of them, binary data many.
fn is_odd(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || c.is_control() && !c.is_ascii_whitespace()
}

impl Error {
    /// The message of the server, if its body has one.
    fn server_message(&self) -> Option<Quote<'static>> {
        self.server_error()?.message.map(Quote::text)
    }

    /// Quotes a body. If its content type is binary, it is shown only if every character is printable.
    fn quote<'a>(&self, body: &'a str) -> Quote<'a> {
        const BINARY: [&str; 8] = [
            "image/",
            "audio/",
            "video/",
            "font/",
            "application/octet-stream",
            "application/pdf",
            "application/zip",
            "application/gzip",
        ];
        let content_type = self.head().and_then(|head| head.text("content-type")).unwrap_or_default();
        let is_binary = BINARY
            .iter()
            .any(|name| content_type.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        if is_binary && body.chars().any(is_odd) { Quote::Binary } else { Quote::text(body) }
    }
}

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Text(text) = self else { return f.write_str(": (binary data)") };
        let text = text.trim();
        let (shown, _) = start(text);
        if shown.chars().filter(|c| is_odd(*c)).count() * 4 > shown.chars().count() {
            return Self::Binary.fmt(f);
        }
        if text.is_empty() { Ok(()) } else { write!(f, ": {}", Start(text)) }
    }
}

/// The start of a text, on one line.
struct Start<'a>(&'a str);

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, is_all) = start(self.0);
        write!(f, "{}{}", OneLine(shown), if is_all { "" } else { "…" })
    }
}

/// The start of a text that is shown, and whether that is all of it.
fn start(text: &str) -> (&str, bool) {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

/// A short form that does not fill a log with an answer's text or a page of HTML. [`kind`](Error::kind),
/// [`head`](Error::head) and [`partial`](Error::partial) print everything.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind().name()).field("message", &self.to_string());
        debug.field("attempts", &self.attempts()).field("gave_up", &self.gave_up());
        debug.field("status", &self.status()).field("request_id", &self.request_id());
        if let Some(partial) = self.partial() {
            debug.field("events", &partial.events).field("text_bytes", &partial.text.len());
            debug.field("session_id", &partial.session_id.as_ref()).field("finish_reason", &partial.finish_reason);
        }
        debug.field("earlier", &self.earlier()).field("source", &self.0.source).finish()
    }
}
