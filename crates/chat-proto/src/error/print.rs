//! What an error says: one line for people, a short form for logs.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::{Error, ErrorKind, GaveUp, Received, Truncation, UnexpectedResponse, UnfinishedEvent};
use crate::{OneLine, TimeoutKind};

/// What happened and what was made of it, in a line. The alternate form, `{:#}`, adds the sources: `could not connect: …`.
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
    /// The newest failure of an attempt before that was not like this one, which would hide it.
    fn other_cause(&self) -> Option<&Self> {
        let alike = |other: &Self| other.kind().name() == self.kind().name() && other.status() == self.status();
        self.earlier().iter().rev().find(|earlier| !alike(earlier))
    }

    /// The line with those of the sources behind it, but for what stands at its end already: some errors repeat their cause.
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

    /// What was made of it: why there was no further attempt, and what an attempt before had failed of.
    fn fmt_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gave_up() {
            Some(GaveUp::Attempts) if self.attempts() > 1 => write!(f, " (after {} attempts", self.attempts())?,
            Some(GaveUp::WaitTooLong { wait }) => {
                write!(f, " (not tried again: that would take a wait of {}", Wait(wait))?;
            }
            Some(GaveUp::Deadline) => f.write_str(" (not tried again: the call's time is up before")?,
            Some(GaveUp::MayHaveBeenRead) => f.write_str(" (not tried again: the server may have read the request")?,
            Some(GaveUp::Attempts) | None => return Ok(()),
        }
        if let Some(earlier) = self.other_cause() {
            f.write_str("; an attempt before: ")?;
            earlier.fmt_what(f)?;
        }
        f.write_str(")")
    }

    /// What happened, without what was made of it.
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
            ErrorKind::Transport => f.write_str("the connection failed before the answer began")?,
            ErrorKind::Api { body } => {
                write!(f, "the API answered {status}{}", self.quote(body))?;
                if let (Some(401 | 403), Some(origin)) = (status.code(), self.0.key_origin) {
                    write!(f, " (the key came from {origin})")?;
                }
            }
            ErrorKind::Validation { detail, body } => {
                f.write_str("the API found the request invalid")?;
                if detail.is_empty() {
                    write!(f, "{}", Quote(body))?;
                } else {
                    // These were read from JSON: they are text, whatever characters they have.
                    let all: Vec<String> = detail.iter().map(ToString::to_string).collect();
                    write!(f, ": {}", Start(&all.join("; ")))?;
                }
            }
            ErrorKind::UnexpectedResponse { reason, body } => {
                f.write_str("something answered that is not the API: ")?;
                let header = |name| Start(self.head().and_then(|head| head.text(name)).unwrap_or("none"));
                match reason {
                    UnexpectedResponse::Status => {
                        write!(f, "status {status}")?;
                        self.redirect().map_or(Ok(()), |target| write!(f, ", a redirect to {}", Start(&target)))?;
                    }
                    UnexpectedResponse::ContentType => write!(f, "content type {}", header("content-type"))?,
                    UnexpectedResponse::ContentEncoding => {
                        write!(f, "content encoding {}", header("content-encoding"))?
                    }
                    UnexpectedResponse::NoEvents => f.write_str("an event stream without an event")?,
                    UnexpectedResponse::TransferCoding => {
                        write!(f, "a transfer coding other than one `chunked`: {}", header("transfer-encoding"))?;
                    }
                }
                write!(f, "{}", self.quote(body))?;
            }
            ErrorKind::Decode { what, message, body } => {
                write!(f, "the JSON does not match {what}{}", Quote(message))?;
                // A whole body may be the server's way to say what went wrong. An event is a part of an answer.
                if *what == "ChatResult" {
                    write!(f, "{}", Quote(body))?;
                }
            }
            ErrorKind::Stream { data } => write!(f, "the server ended the stream with an error{}", Quote(data))?,
            ErrorKind::Truncated(how) => {
                f.write_str(match how {
                    Truncation::InsideEvent => "the answer broke off inside an event",
                    Truncation::ContentLength => "the answer broke off before its content length",
                    Truncation::ConnectionLost => "the answer broke off: the connection failed",
                })?;
                if let Some(UnfinishedEvent { data, is_error: true }) = &self.0.cut {
                    write!(f, "; it was to end with an error{}", Quote(data))?;
                }
            }
            ErrorKind::Limit { limit, bytes } => write!(f, "{limit} is larger than the limit of {bytes} bytes")?,
            ErrorKind::Cancelled => f.write_str("cancelled")?,
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

/// A status with its name, where it has one.
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

/// A wait, which a server may ask to be longer than anybody would count in seconds.
struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        if self.0 > DAY { f.write_str("more than a day") } else { write!(f, "{:?}", self.0) }
    }
}

/// What the server sent, behind a colon if it is anything.
struct Quote<'a>(&'a str);

/// Whether a character can't be printed. Text has few of them; compressed or packed data read as text is full of them.
fn is_odd(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || c.is_control() && !c.is_ascii_whitespace()
}

impl Error {
    /// A body, behind a colon. One whose content type is not that of text must have nothing odd to be shown.
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
        Quote(if is_binary && body.chars().any(is_odd) { BINARY_BODY } else { body })
    }
}

/// Stands for a body that is not text.
const BINARY_BODY: &str = "\0";

impl fmt::Display for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim();
        if text.is_empty() {
            return Ok(());
        }
        let (shown, _) = start(text);
        let is_binary = shown.chars().filter(|c| is_odd(*c)).count() * 4 > shown.chars().count();
        if is_binary { f.write_str(": (binary data)") } else { write!(f, ": {}", Start(text)) }
    }
}

/// The start of what the server sent, on one line.
struct Start<'a>(&'a str);

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, is_all) = start(self.0);
        write!(f, "{}{}", OneLine(shown), if is_all { "" } else { "…" })
    }
}

/// As much of a text as is shown, and whether that is all.
fn start(text: &str) -> (&str, bool) {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

/// The facts in short: a log must not fill with an answer's text or a page of HTML. [`kind`](Error::kind),
/// [`head`](Error::head) and [`partial`](Error::partial) print in full.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind().name()).field("message", &self.to_string());
        debug.field("attempts", &self.attempts()).field("gave_up", &self.gave_up());
        debug.field("status", &self.status()).field("request_id", &self.request_id());
        if let Some(partial) = self.partial() {
            let session = partial.chat_session_id.as_ref();
            debug.field("events", &partial.events).field("text_bytes", &partial.content.len());
            debug.field("chat_session_id", &session).field("finish_reason", &partial.finish_reason);
        }
        debug.field("earlier", &self.earlier()).field("source", &self.0.source).finish()
    }
}
