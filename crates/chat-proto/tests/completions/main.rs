//! Chat completions: requests, and the answers of all kinds of servers. `row_…` tests a row of contract-v1.md, section 8, and
//! `rule_…` a rule of section 0.

mod calls;
mod end;
mod errors;
mod limits;
mod objects;
mod requests;
mod retries;
mod service;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod surrogates;

use chat_proto::completions::CompletionInput;
use chat_proto::{Answer, Config, Endpoint, Error, Event, Head, Receiver, Request};
use http::{HeaderMap, HeaderName, HeaderValue};
use support::Call;

const STREAM: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

fn head(status: u16, headers: &[(&'static str, &str)]) -> Head {
    let pair = |&(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"))
    };
    Head::new(status.try_into().expect("a status"), headers.iter().map(pair).collect::<HeaderMap>())
}

/// The result of a body.
#[derive(Debug)]
struct Got {
    events: Vec<Event>,
    /// The answer, or what had arrived of it.
    answer: Answer,
    error: Option<Error>,
}

impl Got {
    /// The events and the end, one line each.
    fn log(&self) -> Vec<String> {
        let end = self.error.as_ref().map_or("completed", |error| error.kind().name());
        self.events.iter().map(line).chain([end.to_owned()]).collect()
    }

    /// The name of the error's kind.
    #[track_caller]
    fn kind(&self) -> &'static str {
        self.error().kind().name()
    }

    #[track_caller]
    fn error(&self) -> &Error {
        self.error.as_ref().unwrap_or_else(|| panic!("no error: {:?}", self.log()))
    }

    #[track_caller]
    fn complete(&self) -> &Answer {
        assert!(self.error.is_none(), "{:?}", self.error);
        &self.answer
    }

    /// The tool calls, as `id name arguments`.
    fn calls(&self) -> Vec<String> {
        let call = |call: &chat_proto::ToolCall| {
            format!("{} {} {}", call.id.as_deref().unwrap_or("-"), call.name, call.arguments)
        };
        self.answer.tool_calls.iter().map(call).collect()
    }
}

/// An event in a short form.
fn line(event: &Event) -> String {
    match event {
        Event::Text(delta) => {
            let reason = delta.finish_reason.as_ref().map(|reason| format!(" {}", reason.as_str()));
            format!("text {:?}{}", delta.text, reason.unwrap_or_default())
        }
        Event::Reasoning(text) => format!("reasoning {text:?}"),
        Event::Refusal(text) => format!("refusal {text:?}"),
        Event::ToolCall(call) => {
            let given = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!("call {} {} {} {}", call.index, given(&call.id), given(&call.name), call.arguments)
        }
        Event::Citations(list) => {
            let urls = list.iter().map(|citation| citation.url().unwrap_or("-"));
            format!("cited {}", urls.collect::<Vec<_>>().join(" "))
        }
        Event::Usage(usage) => format!("usage {}", usage.json()),
        Event::Started(started) => {
            let given = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!("started {} {}", given(&started.id), given(&started.model))
        }
        Event::Chunk(json) => format!("chunk {json}"),
        Event::Other(other) => format!("other {} {} {}", other.event_type, other.data, other.id),
        other => panic!("an unknown event: {other:?}"),
    }
}

/// Receives a body whole, byte by byte and in chunks of 5. The results must be the same.
#[track_caller]
fn receive(head: &Head, body: impl AsRef<[u8]>, config: &Config) -> Got {
    let body = body.as_ref();
    let whole = receive_cut(head, body, usize::MAX, config);
    for size in [1, 5] {
        let cut = receive_cut(head, body, size, config);
        assert_eq!(cut.events, whole.events, "in chunks of {size}");
        assert_eq!(cut.answer, whole.answer, "in chunks of {size}");
        let shown = |got: &Got| got.error.as_ref().map(|error| (error.kind().clone(), format!("{error:#}")));
        assert_eq!(shown(&cut), shown(&whole), "in chunks of {size}");
    }
    whole
}

fn receive_cut(head: &Head, body: &[u8], size: usize, config: &Config) -> Got {
    let mut receiver = Receiver::completions(head.clone(), config);
    let mut events = Vec::new();
    let mut run = || {
        for chunk in body.chunks(size).chain([&[][..]]) {
            let mut input = chunk;
            while let Some(event) = receiver.next(&mut input) {
                events.push(event?);
            }
        }
        receiver.end()?;
        while let Some(event) = receiver.next(&mut &[][..]) {
            events.push(event?);
        }
        Ok(())
    };
    match run() {
        Ok(()) => Got { events, answer: receiver.into_answer().expect("it is complete"), error: None },
        Err(error) => Got { events, answer: Error::partial(&error).cloned().unwrap_or_default(), error: Some(error) },
    }
}

/// Receives a stream.
#[track_caller]
fn streamed(body: impl AsRef<[u8]>) -> Got {
    receive(&head(200, &[STREAM]), body, &Config::default())
}

/// Receives an answer in one object.
#[track_caller]
fn object(body: impl AsRef<[u8]>) -> Got {
    receive(&head(200, &[JSON]), body, &Config::default())
}

/// A stream event without a name.
fn data(json: &str) -> String {
    format!("data: {json}\n\n")
}

const DONE: &str = "data: [DONE]\n\n";

/// A chunk with a delta of the choice 0.
fn delta(members: &str) -> String {
    data(&format!(r#"{{"choices":[{{"index":0,"delta":{{{members}}},"finish_reason":null}}]}}"#))
}

/// A chunk with text.
fn text(text: &str) -> String {
    delta(&format!(r#""content":{}"#, serde_json::json!(text)))
}

/// A chunk with a finish reason, as JSON.
fn finish(reason: &str) -> String {
    data(&format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":{reason}}}]}}"#))
}

fn stop() -> String {
    finish("\"stop\"")
}

fn endpoint() -> Endpoint {
    Endpoint::new("https://api.example").expect("a URL")
}

/// A chat completion without retries, unless the settings change.
fn call() -> Call {
    let request = Request::complete(&endpoint(), &CompletionInput::new("m", ["Hi"])).expect("a request");
    Call { request, ..Call::create() }
}
