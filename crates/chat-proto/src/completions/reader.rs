//! Reads answers: chunks of a stream, JSON objects, errors. (contract-v1.md, section 0)

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use http::StatusCode;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::chunk::{Choice, Chunk, Delta, Shape, each, each_part, given_text, inside_quotes, string};
use super::links;
use crate::config::Reading;
use crate::content::{self, ContentType};
use crate::progress::Flow;
use crate::sessions;
use crate::surrogates::{Joiner, replace_lone};
use crate::template::{Holes, position};
use crate::{
    Citation, Citations, ErrorKind, Event, FinishReason, Head, Limit, OtherEvent, Started, TextDelta, Truncation,
    Usage, sse,
};

/// Reads the chunks of one stream, or one object.
#[derive(Debug)]
pub(crate) struct Reader {
    raw_chunks: bool,
    accept_unfinished: bool,
    /// Maximum size of what is held here.
    limit: usize,
    /// An event with data has come.
    has_events: bool,
    /// A finish reason or `[DONE]` has come.
    is_complete: bool,
    /// A choice with index 0 has come.
    has_choice: bool,
    has_id: bool,
    has_model: bool,
    text: Joiner,
    reasoning: Joiner,
    refusal: Joiner,
    calls: Calls,
    annotations: Vec<Citation>,
    /// Memory of `annotations`, in bytes.
    annotated: usize,
}

/// Which form a choice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Chunk,
    Object,
}

impl Reader {
    pub(crate) fn new(config: &Reading) -> Self {
        Self {
            raw_chunks: config.raw_chunks,
            accept_unfinished: config.accept_unfinished,
            limit: config.limits.answer,
            has_events: false,
            is_complete: false,
            has_choice: false,
            has_id: false,
            has_model: false,
            text: Joiner::default(),
            reasoning: Joiner::default(),
            refusal: Joiner::default(),
            calls: Calls::default(),
            annotations: Vec::new(),
            annotated: 0,
        }
    }

    /// Whether the answer is complete, even if more follows.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether any event with data has come.
    pub(crate) fn has_events(&self) -> bool {
        self.has_events
    }

    pub(crate) fn read(&mut self, event: sse::Event<'_>, out: &mut VecDeque<Event>) -> Result<Flow, ErrorKind> {
        let data = event.data_bytes();
        let is_error = event.event_type_bytes() == b"error";
        if data.trim_ascii().is_empty() && !is_error {
            return Ok(Flow::More);
        }
        self.has_events = true;
        if is_done(data) && !is_error {
            self.is_complete = true;
            return Ok(Flow::Finished);
        }
        let json = content::text(data);
        let shape = if event.event_type_bytes() == b"message" { Shape::Chunk } else { Shape::of(&json) };
        let error = || Err(ErrorKind::Stream { data: json.clone().into_owned() });
        match (shape, is_error) {
            (Shape::Chunk, _) => {}
            (Shape::Error, _) | (Shape::Other, true) => return error(),
            (Shape::Other, false) => {
                out.push_back(Event::Other(Box::new(OtherEvent::new(event.event_type(), json, event.id()))));
                return Ok(Flow::More);
            }
        }
        let read = Chunk::parse(&json)
            .map_err(Stop::from)
            .and_then(|chunk| self.read_members(&json, &chunk, Form::Chunk, out));
        match read {
            Ok((has_failed, _)) if has_failed || is_error => error(),
            Ok((_, Some(holes))) if matches!(json, Cow::Borrowed(_)) => Ok(Flow::Repeatable(holes)),
            Ok(_) => Ok(Flow::More),
            Err(Stop::Json(_)) if is_error => error(),
            Err(stop) => Err(self.error_of("chat.completion.chunk", &json, &stop)),
        }
    }

    /// Reads a chunk or an object into `out`, which is empty. Returns whether it ends the answer as an error, and what may
    /// differ in `json` if all that it gives is a text.
    fn read_members(
        &mut self,
        json: &str,
        chunk: &Chunk<'_>,
        form: Form,
        out: &mut VecDeque<Event>,
    ) -> Result<(bool, Option<Holes>), Stop> {
        let mut has_failed = chunk.is_error();
        let (mut choices, mut content) = (0, None);
        let read = chunk.each_choice(|choice| {
            choices += 1;
            content = choice.delta.as_ref().and_then(Delta::only_content);
            has_failed |= self.read_choice(choice, form, out)?;
            Ok(())
        });
        if let Err(Stop::Json(error)) = read {
            return Err(Stop::Json(error));
        }
        if let Some(usage) = chunk.usage.and_then(|usage| read_usage(usage.get())) {
            out.push_back(Event::Usage(Box::new(usage)));
        }
        // These come first, but only if the rest can be read.
        if let Some(started) = self.read_identity(chunk) {
            out.push_front(started);
        }
        if self.raw_chunks {
            out.push_front(Event::Chunk(json.into()));
        }
        read?;
        if self.calls.held() + self.annotated > self.limit {
            return Err(Stop::Full);
        }
        let is_text = matches!(out.front(), Some(Event::Text(delta)) if delta.finish_reason.is_none());
        let is_only = choices == 1 && out.len() == 1;
        let holds_half = [&self.text, &self.reasoning, &self.refusal].into_iter().any(Joiner::is_waiting);
        let content = content.filter(|_| is_text && is_only && !holds_half);
        Ok((has_failed, content.and_then(|content| holes(json, content, chunk.obfuscation))))
    }

    /// The first id and the first model that are not empty count.
    fn read_identity(&mut self, chunk: &Chunk<'_>) -> Option<Event> {
        if self.has_id && self.has_model {
            return None;
        }
        let id = if self.has_id { None } else { given_text(chunk.id) };
        let model = if self.has_model { None } else { given_text(chunk.model) };
        (self.has_id, self.has_model) = (self.has_id || id.is_some(), self.has_model || model.is_some());
        (id.is_some() || model.is_some()).then(|| Event::Started(Box::new(Started { id, model })))
    }

    /// Returns whether the finish reason is `error`.
    fn read_choice(&mut self, choice: Choice<'_>, form: Form, out: &mut VecDeque<Event>) -> Result<bool, Stop> {
        let reason = given_text(choice.finish_reason).filter(|reason| reason != "null");
        let has_failed = reason.as_deref() == Some("error");
        self.is_complete |= reason.is_some();
        self.has_choice = true;
        let delta = if form == Form::Chunk { choice.delta } else { choice.message };
        let delta = delta.unwrap_or_default();
        let mut pieces = Pieces::default();
        self.read_reasoning(&delta, &mut pieces)?;
        if let Some(value) = delta.content {
            self.read_content(value, &mut pieces)?;
        }
        if let Some(refusal) = string(delta.refusal) {
            pieces.refusal += &self.refusal.join(&refusal.0);
        }
        if !pieces.reasoning.is_empty() {
            out.push_back(Event::Reasoning(pieces.reasoning));
        }
        let text = (!pieces.text.is_empty() || reason.is_some()).then(|| {
            let mut text = TextDelta::new(pieces.text);
            text.finish_reason = reason.as_deref().map(FinishReason::from);
            Event::Text(text)
        });
        // A finish reason comes last, because a caller may stop there.
        let (first, last) = if reason.is_some() { (None, text) } else { (text, None) };
        out.extend(first);
        if !pieces.refusal.is_empty() {
            out.push_back(Event::Refusal(pieces.refusal));
        }
        if let Some(calls) = delta.tool_calls {
            self.read_calls(calls, form, out)?;
        }
        if let Some(function) = &delta.function_call {
            self.calls.read_function_call(function)?;
        }
        if let Some(annotations) = delta.annotations {
            links::each_annotation(annotations, |citation| {
                self.annotated += citation.memory();
                // Over the limit they are counted and not kept. The event ends the answer.
                if self.annotated <= self.limit {
                    self.annotations.push(citation);
                }
            })?;
        }
        out.extend(last);
        Ok(has_failed)
    }

    /// Reads the pieces of tool calls. Stops if they are larger than an answer may be.
    fn read_calls(&mut self, calls: &RawValue, form: Form, out: &mut VecDeque<Event>) -> Result<(), Stop> {
        let (mut added, mut has_event) = (0, false);
        each(calls, |piece| {
            let piece = serde_json::from_str(piece.get())?;
            let known = self.calls.len();
            let (delta, adds) = match form {
                Form::Chunk => self.calls.read_piece(&piece)?,
                Form::Object => self.calls.read_whole(&piece)?,
            };
            // A list has at least one event, because each piece is content for the timeout.
            if adds || !has_event {
                has_event = true;
                let event = Event::ToolCall(Box::new(delta));
                added += event.added(known);
                out.push_back(event);
            }
            if added > self.limit { Err(Stop::Full) } else { Ok(()) }
        })
    }

    /// Both names may be used, also for the same text.
    fn read_reasoning(&mut self, delta: &Delta<'_>, pieces: &mut Pieces) -> Result<(), serde_json::Error> {
        let (first, second) = (delta.reasoning_content, delta.reasoning);
        let is_same = first.zip(second).is_some_and(|(one, other)| {
            one.get() == other.get() || given_text(first).is_some_and(|text| given_text(second) == Some(text))
        });
        for value in [first, second.filter(|_| !is_same)].into_iter().flatten() {
            self.read_thoughts(value, pieces)?;
        }
        Ok(())
    }

    /// Text parts are text, `thinking` parts are reasoning.
    fn read_content(&mut self, content: &RawValue, pieces: &mut Pieces) -> Result<(), serde_json::Error> {
        each_part(content, |part| {
            let is_text = part.kind.as_ref().is_none_or(|kind| matches!(&*kind.0, b"text" | b"output_text"));
            if let Some(thinking) = part.thinking {
                self.read_thoughts(thinking, pieces)?;
            } else if let Some(refusal) = string(part.refusal) {
                pieces.refusal += &self.refusal.join(&refusal.0);
            } else if let Some(text) = part.text.filter(|_| is_text) {
                pieces.text += &self.text.join(&text.0);
            }
            Ok(())
        })
    }

    fn read_thoughts(&mut self, thoughts: &RawValue, pieces: &mut Pieces) -> Result<(), serde_json::Error> {
        each_part(thoughts, |part| {
            if let Some(text) = part.text {
                pieces.reasoning += &self.reasoning.join(&text.0);
            }
            Ok(())
        })
    }

    fn error_of(&self, what: &'static str, json: &str, stop: &Stop) -> ErrorKind {
        match stop {
            Stop::Json(error) => ErrorKind::undecodable(what, json, error),
            Stop::Full => ErrorKind::Limit { limit: Limit::Answer, bytes: self.limit },
        }
    }

    /// No more chunks follow. Adds what is held back: halves of characters, the deprecated function call, citations.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Event>) {
        out.extend(self.reasoning.finish().map(|half| Event::Reasoning(half.into())));
        out.extend(self.text.finish().map(|half| Event::Text(TextDelta::new(half))));
        out.extend(self.refusal.finish().map(|half| Event::Refusal(half.into())));
        self.calls.flush(out);
        let mut citations: Vec<Citation> =
            self.calls.take_links().iter().flat_map(|arguments| links::of_arguments(arguments)).collect();
        citations.append(&mut self.annotations);
        if !citations.is_empty() && self.annotated <= self.limit {
            out.push_back(Event::Citations(Arc::new(Citations::new(citations))));
        }
    }

    /// The body has ended. A finish reason makes the answer complete, however the body was cut.
    pub(crate) fn end(&self, cut: Option<Truncation>) -> Result<(), Truncation> {
        match cut {
            _ if self.is_complete => Ok(()),
            None if self.accept_unfinished => Ok(()),
            cut => Err(cut.unwrap_or(Truncation::Unfinished)),
        }
    }
}

/// What may differ in a chunk whose only meaning is its content.
fn holes(json: &str, content: &str, obfuscation: Option<&RawValue>) -> Option<Holes> {
    let position = |part: &str| position(part.as_bytes(), json.as_bytes());
    let text = position(content)?;
    let padding = obfuscation.and_then(inside_quotes).and_then(position);
    let padding = padding.filter(|padding| padding.start > text.end);
    Some(Holes { text, may_be_empty: false, padding })
}

/// Why an event is not read to its end.
enum Stop {
    /// The JSON does not match.
    Json(serde_json::Error),
    /// It is larger than an answer may be.
    Full,
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// What a choice adds to the texts of the answer.
#[derive(Default)]
struct Pieces {
    text: String,
    reasoning: String,
    refusal: String,
}

/// Reads a usage object. A lone half of a surrogate pair is read as U+FFFD.
fn read_usage(json: &str) -> Option<Usage> {
    Usage::from_json(json).or_else(|| Usage::from_json(&replace_lone(json)?))
}

/// Whether the data ends the stream.
pub(crate) fn is_done(data: &[u8]) -> bool {
    data.trim_ascii().starts_with(b"[DONE]")
}

/// Whether an event ends the stream as an error.
pub(crate) fn is_error(event_type: &[u8], data: &[u8]) -> bool {
    event_type == b"error" || Chunk::parse(&content::text(data)).is_ok_and(|chunk| chunk.is_error())
}

/// Reads an answer in one object into the events that a stream would have.
pub(crate) fn read_body(config: &Reading, body: &[u8], out: &mut VecDeque<Event>) -> Result<(), ErrorKind> {
    const WHAT: &str = "chat.completion";
    let json = content::text(content::strip_bom(body));
    let mut reader = Reader::new(config);
    let chunk = Chunk::parse(&json).map_err(|error| ErrorKind::undecodable(WHAT, &json, &error))?;
    let is_error = chunk.is_error() || given_text(chunk.object).as_deref() == Some("error");
    if chunk.choices.is_none() {
        return Err(if is_error {
            ErrorKind::Api { body: json.into_owned() }
        } else {
            ErrorKind::Decode { what: WHAT, message: "there are no choices".to_owned(), body: content::excerpt(body) }
        });
    }
    let read = reader.read_members(&json, &chunk, Form::Object, out);
    let (has_failed, _) = read.map_err(|stop| reader.error_of(WHAT, &json, &stop))?;
    reader.flush(out);
    if has_failed || is_error {
        Err(ErrorKind::Stream { data: json.into_owned() })
    } else if reader.has_choice {
        Ok(())
    } else {
        out.clear();
        let message = "there is no choice with index 0".to_owned();
        Err(ErrorKind::Decode { what: WHAT, message, body: content::excerpt(body) })
    }
}

/// Reads the body of an error response. FastAPI's list of errors is a validation error.
pub(crate) fn read_failure(head: &Head, body: &[u8]) -> ErrorKind {
    let is_json = ContentType::of(head) == Some(ContentType::Json);
    if head.status == StatusCode::UNPROCESSABLE_ENTITY && is_json {
        let kind = sessions::reader::read_failure(head, body);
        if matches!(&kind, ErrorKind::Validation { detail, .. } if !detail.is_empty()) {
            return kind;
        }
    }
    ErrorKind::Api { body: String::from_utf8_lossy(body).into_owned() }
}
