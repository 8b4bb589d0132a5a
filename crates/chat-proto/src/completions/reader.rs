//! Reads answers: chunks of a stream, JSON objects, errors. (contract-v1.md, section 0)

use std::collections::VecDeque;
use std::sync::Arc;

use http::StatusCode;

use super::calls::Calls;
use super::chunk::{Choice, Chunk, Content, ContentItem, Delta, Part, Shape, Str, given_text};
use super::links;
use crate::config::Reading;
use crate::content::{self, ContentType};
use crate::progress::Flow;
use crate::sessions;
use crate::surrogates::{Joiner, replace_lone};
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
        match self.read_chunk(&json, out) {
            Err(_) if is_error => error(),
            Err(rejected) => Err(undecodable("chat.completion.chunk", &json, &rejected)),
            Ok(failed) if failed || is_error => error(),
            Ok(_) if self.calls.held() + self.annotated > self.limit => {
                Err(ErrorKind::Limit { limit: Limit::Answer, bytes: self.limit })
            }
            Ok(_) => Ok(Flow::More),
        }
    }

    /// Reads a chunk. Returns whether it ends the stream as an error.
    fn read_chunk(&mut self, json: &str, out: &mut VecDeque<Event>) -> Result<bool, serde_json::Error> {
        let mut chunk = Chunk::parse(json)?;
        let choice = chunk.take_choice();
        self.read_members(json, &chunk, choice, Form::Chunk, out)
    }

    fn read_members(
        &mut self,
        json: &str,
        chunk: &Chunk<'_>,
        choice: Option<Choice<'_>>,
        form: Form,
        out: &mut VecDeque<Event>,
    ) -> Result<bool, serde_json::Error> {
        if self.raw_chunks {
            out.push_back(Event::Chunk(json.into()));
        }
        self.read_identity(chunk, out);
        let has_failed = match choice {
            Some(choice) => self.read_choice(choice, form, out)?,
            None => false,
        };
        if let Some(usage) = chunk.usage.and_then(|usage| read_usage(usage.get())) {
            out.push_back(Event::Usage(Box::new(usage)));
        }
        Ok(has_failed || chunk.is_error())
    }

    /// The first id and the first model that are not empty count.
    fn read_identity(&mut self, chunk: &Chunk<'_>, out: &mut VecDeque<Event>) {
        if self.has_id && self.has_model {
            return;
        }
        let id = if self.has_id { None } else { given_text(chunk.id) };
        let model = if self.has_model { None } else { given_text(chunk.model) };
        (self.has_id, self.has_model) = (self.has_id || id.is_some(), self.has_model || model.is_some());
        if id.is_some() || model.is_some() {
            out.push_back(Event::Started(Box::new(Started { id, model })));
        }
    }

    /// Returns whether the finish reason is `error`.
    fn read_choice(
        &mut self,
        choice: Choice<'_>,
        form: Form,
        out: &mut VecDeque<Event>,
    ) -> Result<bool, serde_json::Error> {
        let reason = given_text(choice.finish_reason).filter(|reason| reason != "null");
        let has_failed = reason.as_deref() == Some("error");
        self.is_complete |= reason.is_some();
        let delta = if form == Form::Chunk { choice.delta } else { choice.message };
        let delta = delta.unwrap_or_default();
        let mut pieces = Pieces::default();
        self.read_reasoning(&delta, &mut pieces)?;
        if let Some(value) = delta.content {
            self.read_content(Content::parse(value)?, &mut pieces)?;
        }
        if let Some(refusal) = &delta.refusal {
            pieces.refusal += &self.refusal.join(&refusal.0);
        }
        if !pieces.reasoning.is_empty() {
            out.push_back(Event::Reasoning(pieces.reasoning));
        }
        if !pieces.text.is_empty() || reason.is_some() {
            let mut text = TextDelta::new(pieces.text);
            text.finish_reason = reason.as_deref().map(FinishReason::from);
            out.push_back(Event::Text(text));
        }
        if !pieces.refusal.is_empty() {
            out.push_back(Event::Refusal(pieces.refusal));
        }
        for piece in delta.tool_calls.unwrap_or_default() {
            out.push_back(match form {
                Form::Chunk => self.calls.read_piece(&piece)?,
                Form::Object => self.calls.read_whole(&piece)?,
            });
        }
        if let Some(function) = &delta.function_call {
            self.calls.read_function_call(function)?;
        }
        if let Some(annotations) = delta.annotations {
            let cited = Citations::new(links::of_annotations(annotations.get()));
            self.annotated += cited.memory();
            self.annotations.extend_from_slice(&cited);
        }
        Ok(has_failed)
    }

    /// Both names may be used, also for the same text.
    fn read_reasoning(&mut self, delta: &Delta<'_>, pieces: &mut Pieces) -> Result<(), serde_json::Error> {
        let (first, second) = (delta.reasoning_content, delta.reasoning);
        let is_same = first.zip(second).is_some_and(|(first, second)| first.get() == second.get());
        for value in [first, second.filter(|_| !is_same)].into_iter().flatten() {
            match Content::parse(value)? {
                Content::Text(text) => pieces.reasoning += &self.reasoning.join(&text.0),
                Content::Parts(items) => self.read_thoughts(items, pieces),
            }
        }
        Ok(())
    }

    /// Text parts are text, `thinking` parts are reasoning.
    fn read_content(&mut self, content: Content<'_>, pieces: &mut Pieces) -> Result<(), serde_json::Error> {
        let items = match content {
            Content::Text(text) => {
                pieces.text += &self.text.join(&text.0);
                return Ok(());
            }
            Content::Parts(items) => items,
        };
        for item in items {
            let part = match item {
                ContentItem::Text(text) => {
                    pieces.text += &self.text.join(&text.0);
                    continue;
                }
                ContentItem::Part(part) => part,
            };
            if let Some(thinking) = part.thinking {
                self.read_thinking(Content::parse(thinking)?, pieces);
            } else if let Some(refusal) = &part.refusal {
                pieces.refusal += &self.refusal.join(&refusal.0);
            } else if let Part { kind: Some(Str(kind)), text: Some(text), .. } = &part
                && matches!(&**kind, b"text" | b"output_text")
            {
                pieces.text += &self.text.join(&text.0);
            }
        }
        Ok(())
    }

    fn read_thinking(&mut self, thinking: Content<'_>, pieces: &mut Pieces) {
        match thinking {
            Content::Text(text) => pieces.reasoning += &self.reasoning.join(&text.0),
            Content::Parts(items) => self.read_thoughts(items, pieces),
        }
    }

    fn read_thoughts(&mut self, items: Vec<ContentItem<'_>>, pieces: &mut Pieces) {
        for item in items {
            if let ContentItem::Text(text) | ContentItem::Part(Part { text: Some(text), .. }) = item {
                pieces.reasoning += &self.reasoning.join(&text.0);
            }
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
        if !citations.is_empty() {
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
    let mut chunk = Chunk::parse(&json).map_err(|error| undecodable(WHAT, &json, &error))?;
    let has_choices = chunk.choices.is_some();
    if !has_choices && (chunk.is_error() || given_text(chunk.object).as_deref() == Some("error")) {
        return Err(ErrorKind::Api { body: json.into_owned() });
    }
    let Some(choice) = chunk.take_choice() else {
        let message = if has_choices { "there is no choice with index 0" } else { "there are no choices" };
        return Err(ErrorKind::Decode { what: WHAT, message: message.to_owned(), body: content::excerpt(body) });
    };
    let mut reader = Reader::new(config);
    let has_failed = reader
        .read_members(&json, &chunk, Some(choice), Form::Object, out)
        .map_err(|error| undecodable(WHAT, &json, &error))?;
    reader.flush(out);
    if has_failed { Err(ErrorKind::Stream { data: json.into_owned() }) } else { Ok(()) }
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

fn undecodable(what: &'static str, json: &str, error: &serde_json::Error) -> ErrorKind {
    ErrorKind::Decode { what, message: content::shorten(error.to_string()), body: content::excerpt(json.as_bytes()) }
}
