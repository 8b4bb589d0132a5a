//! One logical call under a virtual clock: its answers, its faults, its clocks, its retries, its end.

mod answers;
mod any_order;
mod clocks;
mod consumer;
mod end;
mod faults;
mod halves;
mod held;
mod limits;
mod retries;
mod said;
#[path = "../support/mod.rs"]
mod support;

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

/// A stream that has begun, then this.
fn streamed(then: &[(u64, In)]) -> Attempt {
    let begun = [(0, stream()), (10, data(chunk("He"))), (10, data(event("records_cited", CITED)))];
    [&begun[..], then].concat()
}

/// Polls all events out, up to the next output of another kind. It takes no time.
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
    exchange.outcome().expect("it is done")
}
