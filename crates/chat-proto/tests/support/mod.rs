//! A virtual driver: runs an exchange against a script of the network and records a transcript with times.

// Each test file uses only a part of this module.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::sessions::{ContinueInput, CreateInput};
use chat_proto::{Answer, Config, Elapsed, Endpoint, Error, Event, Exchange, Output, Request, TransportError};

/// Input of an exchange from the network, or a cancel.
#[derive(Clone, Debug)]
pub(crate) enum In {
    Head(u16, Vec<(&'static str, String)>),
    Data(Bytes),
    Eof,
    Fail(TransportError),
    Cancel,
}

/// Script of one attempt: each input with its delay in milliseconds after the previous input or after the request.
pub(crate) type Attempt = Vec<(u64, In)>;

pub(crate) fn head(status: u16, headers: &[(&'static str, &str)]) -> In {
    In::Head(status, headers.iter().map(|&(name, value)| (name, value.to_owned())).collect())
}

pub(crate) fn stream() -> In {
    head(200, &[("content-type", "text/event-stream")])
}

pub(crate) fn json() -> In {
    head(200, &[("content-type", "application/json")])
}

pub(crate) fn data(text: impl AsRef<[u8]>) -> In {
    In::Data(Bytes::copy_from_slice(text.as_ref()))
}

/// An event of a stream.
pub(crate) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// A chunk of text with the session id `s`.
pub(crate) fn chunk(text: &str) -> String {
    event("message_chunk", &format!(r#"{{"content_chunk":{text:?},"chat_session_id":"s"}}"#))
}

/// The last chunk of an answer.
pub(crate) fn last(text: &str) -> String {
    event("message_chunk", &format!(r#"{{"content_chunk":{text:?},"finish_reason":"stop"}}"#))
}

pub(crate) const CITED: &str = r#"{"citations":[{"number":1,"record":{"type":"site","url":"u"}}]}"#;

pub(crate) const RESULT: &str = r#"{"chat_session_id":"s","message":{"role":"assistant","content":"Hi"}}"#;

/// An attempt that is answered by a complete stream.
pub(crate) fn answered(text: &str) -> Attempt {
    vec![(0, stream()), (0, data(last(text))), (0, In::Eof)]
}

/// An attempt that is answered by an error without a body.
pub(crate) fn failed(status: u16, headers: &[(&'static str, &str)]) -> Attempt {
    vec![(0, head(status, headers)), (0, In::Eof)]
}

/// Request, settings and seed of a call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) config: Config,
    pub(crate) seed: u64,
}

impl Call {
    pub(crate) fn create() -> Self {
        let mut input = CreateInput::new("int", "Hi");
        input.stream = true;
        let endpoint = Endpoint::new("https://api.example").expect("a URL");
        let request = Request::create(&endpoint, &input).expect("a request");
        Self { request, config: Config::default(), seed: 7 }
    }

    pub(crate) fn continue_session() -> Self {
        let endpoint = Endpoint::new("https://api.example").expect("a URL");
        let request = Request::continue_session(&endpoint, "s", &ContinueInput::new("int", "Hi")).expect("a request");
        Self { request, ..Self::create() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn exchange(&self) -> Exchange {
        Exchange::new(self.request.clone(), &self.config, self.seed)
    }

    /// Runs the call to its end.
    #[track_caller]
    pub(crate) fn run(&self, attempts: &[Attempt]) -> Transcript {
        let mut exchange = self.exchange();
        let mut transcript = Transcript::default();
        let mut attempts = attempts.iter();
        let mut script: VecDeque<(Elapsed, In)> = VecDeque::new();
        let mut now = Elapsed::START;
        for _ in 0..100_000 {
            let output = exchange.poll_output(now);
            transcript.record(now, &output, &exchange);
            match output {
                Output::Event(event) => {
                    transcript.events.push(event);
                    continue;
                }
                Output::Send(..) => {
                    transcript.sends.push(now);
                    script = on_the_clock(attempts.next().map_or(&[], Vec::as_slice), now);
                    continue;
                }
                Output::Done => {
                    transcript.end = now;
                    transcript.outcome = exchange.into_outcome();
                    return transcript;
                }
                // A closed attempt has no further input, but the caller may still cancel.
                Output::Wait => script.retain(|(_, input)| matches!(input, In::Cancel)),
                Output::Read => {}
            }
            // Input takes precedence over a timeout.
            let deadline = exchange.poll_timeout();
            match next_by(&mut script, deadline) {
                Some((at, input)) => {
                    now = now.max(at);
                    apply(&mut exchange, input, now);
                }
                None => {
                    now = now.max(deadline.unwrap_or_else(|| panic!("the call hangs: {:#?}", transcript.lines)));
                    exchange.handle_timeout(now);
                }
            }
        }
        panic!("the call does not end: {:#?}", transcript.lines);
    }
}

/// Returns the current attempt.
pub(crate) fn newest(exchange: &Exchange) -> chat_proto::Attempt {
    chat_proto::Attempt::new(exchange.attempts())
}

fn next_by(script: &mut VecDeque<(Elapsed, In)>, deadline: Option<Elapsed>) -> Option<(Elapsed, In)> {
    let (at, _) = script.front()?;
    if deadline.is_none_or(|deadline| *at <= deadline) { script.pop_front() } else { None }
}

fn on_the_clock(attempt: &[(u64, In)], start: Elapsed) -> VecDeque<(Elapsed, In)> {
    let mut at = start;
    let later = attempt.iter().map(|(delay, input)| {
        at = at + Duration::from_millis(*delay);
        (at, input.clone())
    });
    later.collect()
}

/// Passes an input of the current attempt to the exchange.
pub(crate) fn apply(exchange: &mut Exchange, input: In, now: Elapsed) {
    apply_to(exchange, newest(exchange), input, now);
}

pub(crate) fn apply_to(exchange: &mut Exchange, attempt: chat_proto::Attempt, input: In, now: Elapsed) {
    match input {
        In::Head(status, headers) => {
            let response = headers.iter().fold(http::Response::builder().status(status), |response, (name, value)| {
                response.header(*name, value)
            });
            exchange.handle_head(attempt, response.body(()).expect("a head").into_parts().0, now);
        }
        In::Data(bytes) => exchange.handle_data(attempt, bytes, now),
        In::Eof => exchange.handle_eof(attempt, now),
        In::Fail(error) => exchange.handle_error(attempt, error, now),
        In::Cancel => exchange.cancel(),
    }
}

/// Record of a call.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// One line per step, with its time in milliseconds.
    pub(crate) lines: Vec<String>,
    pub(crate) sends: Vec<Elapsed>,
    pub(crate) events: Vec<Event>,
    pub(crate) end: Elapsed,
    outcome: Option<Result<Answer, Error>>,
}

impl Transcript {
    fn record(&mut self, now: Elapsed, output: &Output, exchange: &Exchange) {
        let step = match output {
            Output::Read => return,
            Output::Send(..) => "send".to_owned(),
            Output::Wait => "wait".to_owned(),
            Output::Event(Event::Text(chunk)) => format!("chunk {}", chunk.text),
            Output::Event(Event::Citations(cited)) => format!("cited {}", cited.len()),
            Output::Event(Event::Other(other)) => format!("{} {} {}", other.event_type, other.data, other.id),
            Output::Event(other) => format!("{other:?}"),
            Output::Done => match exchange.outcome() {
                Some(Ok(_)) => "completed".to_owned(),
                Some(Err(error)) => error.kind().name().to_owned(),
                None => "done without an outcome".to_owned(),
            },
        };
        self.lines.push(format!("{} {step}", now.since_start().as_millis()));
    }

    #[track_caller]
    pub(crate) fn answer(&self) -> &Answer {
        match &self.outcome {
            Some(Ok(answer)) => answer,
            other => panic!("{other:#?}"),
        }
    }

    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
    }

    #[track_caller]
    pub(crate) fn error(&self) -> &Error {
        match &self.outcome {
            Some(Err(error)) => error,
            other => panic!("{other:#?}"),
        }
    }

    /// Returns the text of the delivered events.
    pub(crate) fn text(&self) -> String {
        self.events.iter().filter_map(Event::text).collect()
    }

    /// Returns the time between consecutive attempts.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.sends.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect()
    }
}
