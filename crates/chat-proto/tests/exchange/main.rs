//! Tests of an exchange under a virtual clock: answers, faults, timeouts, retries and the end.

mod answers;
mod any_order;
mod consumer;
mod end;
mod faults;
mod limits;
mod memory;
mod merge;
mod retries;
mod stream_content;
#[path = "../support/mod.rs"]
mod support;
mod surrogates;
mod timeouts;

use std::time::Duration;

use bytes::Bytes;
use chat_proto::{
    Answer, Config, Elapsed, Error, ErrorKind, Event, Exchange, Fault, FinishReason, GaveUp, Limit, Output, Received,
    RetryAfter, TimeoutKind, Timeouts, TransportError, Truncation, UnexpectedResponse,
};
use support::{
    Attempt, CITED, Call, In, RESULT, answered, apply, chunk, data, event, failed, head, json, last, newest, stream,
};

fn ms(millis: u64) -> Elapsed {
    Elapsed::from_millis(millis)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A stream with text and a citation, followed by `then`.
fn streamed(then: &[(u64, In)]) -> Attempt {
    let start = [(0, stream()), (10, data(chunk("He"))), (10, data(event("records_cited", CITED)))];
    [&start[..], then].concat()
}

/// Polls all events until the next output of another kind. No time passes.
fn drain(exchange: &mut Exchange) -> (Vec<Event>, Output) {
    let mut events = Vec::new();
    loop {
        match exchange.poll_output(ms(0)) {
            Output::Event(event) => events.push(event),
            output => return (events, output),
        }
    }
}

fn outcome(exchange: &Exchange) -> &Result<Answer, Error> {
    exchange.outcome().expect("the exchange has ended")
}
