//! The oracle's part for chat completions: what a client must make of a stream of chunks, or of one object.

use std::mem::size_of;

use chat_client::driver::Config;
use chat_client::{Event, Limit, Limits, ToolCall, Truncation, UnexpectedResponse};

use super::body::{BodyItem, Held, Then};
use super::oracle::{Ending, Expectation, answer_size, is_short, is_too_large};
use super::scenario::{End, Response};
use super::timeouts::EventClass;
use crate::naive;

/// Predicts the result of the first `received` bytes of a stream, and of its end if `end` is set.
pub(super) fn of_stream<'a>(
    response: &'a Response,
    config: &Config,
    received: usize,
    end: Option<End>,
) -> Expectation<'a> {
    let limits = &config.limits;
    let mut told = Told::new(limits);
    let mut held = None;
    let (mut has_data, mut is_complete) = (false, false);
    for item in &response.body.items {
        if is_too_large(item, limits, received) {
            return told.end(held, Ending::Limit(Limit::Event));
        }
        if item.complete_at > received {
            break;
        }
        has_data |= !item.data.trim().is_empty() || item.then == Then::Error;
        held = Some(&*item.held);
        let ending = match item.then {
            // What is held in addition to the answer has the same limit.
            _ if item.held.bytes > limits.answer => Some(Ending::Limit(Limit::Answer)),
            Then::More => None,
            Then::Done => Some(Ending::Complete),
            Then::Error => Some(Ending::Stream),
            Then::Garbage | Then::Failure => Some(Ending::Decode),
        };
        let fits = item.events.iter().try_for_each(|event| told.add(event));
        match (fits, ending) {
            (Ok(()), None) => is_complete |= item.completes,
            (Ok(()), Some(ending)) => return told.end_of(held, ending, item),
            // Nothing follows what does not fit.
            (Err(limit), _) => return told.events.and_then(Ending::Limit(limit)),
        }
    }
    let body = &response.body.bytes[..received];
    let ending = match end {
        None | Some(End::Silence) => return told.events,
        _ if is_complete => Ending::Complete,
        Some(End::Reset) => Ending::Truncated(Truncation::ConnectionLost),
        Some(End::Clean) if naive::decode(body).incomplete => Ending::Truncated(Truncation::InsideEvent),
        Some(End::Clean) if is_short(response, received) => Ending::Truncated(Truncation::ContentLength),
        Some(End::Clean) if !has_data => Ending::UnexpectedResponse(UnexpectedResponse::NoEvents),
        Some(End::Clean) if config.accept_unfinished => Ending::Complete,
        Some(End::Clean) => Ending::Truncated(Truncation::Unfinished),
    };
    told.end(held, ending)
}

/// Predicts the result of a complete object.
pub(super) fn of_object<'a>(item: &'a BodyItem, limits: &Limits) -> Expectation<'a> {
    let mut told = Told::new(limits);
    let fits = item.events.iter().try_for_each(|event| told.add(event));
    match (item.then, fits) {
        // An object that is too large has no events.
        (Then::More | Then::Done, Err(limit)) => Expectation::end(Ending::Limit(limit)),
        (Then::More | Then::Done, Ok(())) => told.events.and_then(Ending::Complete),
        (_, Err(limit)) => told.events.and_then(Ending::Limit(limit)),
        (Then::Error, Ok(())) => told.events.and_item(Ending::Stream, &item.data),
        (Then::Garbage, Ok(())) => told.events.and_item(Ending::Decode, &item.data),
        (Then::Failure, Ok(())) => told.events.and_item(Ending::Api, &item.data),
    }
}

/// The events so far, and what the limits count of them.
struct Told<'a> {
    limits: Limits,
    events: Expectation<'a>,
    text: usize,
    cited: usize,
    unknown: usize,
    calls: usize,
}

impl<'a> Told<'a> {
    fn new(limits: &Limits) -> Self {
        Self { limits: *limits, events: Expectation::default(), text: 0, cited: 0, unknown: 0, calls: 0 }
    }

    /// Adds an event, unless it exceeds a limit.
    fn add(&mut self, event: &'a Event) -> Result<(), Limit> {
        let strings = |strings: [&Option<String>; 2]| strings.into_iter().flatten().map(String::len).sum::<usize>();
        let (mut text, mut cited, mut calls) = (self.text, self.cited, self.calls);
        match event {
            Event::Citations(_) => cited = answer_size(event),
            Event::Reasoning(piece) | Event::Refusal(piece) => text += piece.len(),
            Event::Started(started) => text += strings([&started.id, &started.model]),
            Event::ToolCall(piece) => {
                calls = calls.max(piece.index + 1);
                text += (calls - self.calls) * size_of::<ToolCall>();
                text += strings([&piece.id, &piece.name]) + piece.arguments.len();
            }
            event => text += answer_size(event),
        }
        if text + cited > self.limits.answer {
            return Err(Limit::Answer);
        }
        if let Event::Other(other) = event {
            self.unknown += other.event_type.len() + other.data.len();
            if self.unknown > self.limits.unknown_events {
                return Err(Limit::UnknownEvents);
            }
        } else if EventClass::of(event) == EventClass::Content {
            self.unknown = 0;
        }
        (self.text, self.cited, self.calls) = (text, cited, calls);
        self.events.events.push(event);
        Ok(())
    }

    /// The answer ends. What was held back comes first, and may exceed a limit.
    fn end(mut self, held: Option<&'a Held>, ending: Ending) -> Expectation<'a> {
        let fits = held.iter().flat_map(|held| &held.events).try_for_each(|event| self.add(event));
        self.events.and_then(fits.err().map_or(ending, Ending::Limit))
    }

    /// An item ends the answer.
    fn end_of(self, held: Option<&'a Held>, ending: Ending, item: &'a BodyItem) -> Expectation<'a> {
        let expected = self.end(held, ending);
        let is_about_data = matches!(expected.ending, Some(Ending::Stream | Ending::Decode));
        if is_about_data { expected.and_item(ending, &item.data) } else { expected }
    }
}
