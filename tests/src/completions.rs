//! Check of a receiver of chat completions with any head and any body.

use chat_proto::{Answer, Config, Error, Event, Head, Limits, Receiver, ToolCall, Truncation};

use crate::check::cut_every;
use crate::receiver::feed;
use crate::receiver::head_and_body;

/// Receives a chat completion: the first three bytes select its head, the fourth one the settings, the others are its body.
///
/// # Panics
///
/// If two chunk sizes give different results, if an answer is not the sum of its events, or if a setting changes more than
/// it should.
pub fn check_completions(bytes: &[u8]) {
    let Some((head, [settings, body @ ..])) = head_and_body(bytes) else { return };
    let mut small = Limits::default();
    small.event = 384;
    small.json_body = 512;
    small.error_body = 16;
    small.answer = if settings & 4 == 0 { 32 } else { 448 };
    small.unknown_events = 32;
    for limits in [Limits::default(), small] {
        let mut config = Config::default().with_limits(limits);
        config.accept_unfinished = settings & 1 != 0;
        config.raw_chunks = settings & 2 != 0;
        let whole = receive(&head, &[body], &config);
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(receive(&head, &cut_every(body, size), &config), whole, "in chunks of {size}");
        }
        check_settings(&head, body, &config, &whole);
    }
}

/// Checks that raw chunks are additional events, and that only an unfinished stream may be accepted.
fn check_settings(head: &Head, body: &[u8], config: &Config, output: &Output) {
    let raw = receive(head, &[body], &config.clone().with_raw_chunks(!config.raw_chunks));
    let without_raw = |output: &Output| -> Vec<Event> {
        output.events.iter().filter(|event| !matches!(event, Event::Chunk(_))).cloned().collect()
    };
    assert_eq!(without_raw(&raw), without_raw(output), "raw chunks change other events");
    let plain = if config.raw_chunks { &raw } else { output };
    assert_eq!(without_raw(plain), plain.events, "there are raw chunks that were not asked for");
    let name = |output: &Output| output.error.as_ref().map(|error| error.kind().name());
    assert_eq!(name(&raw), name(output));

    let other = receive(head, &[body], &config.clone().with_accept_unfinished(!config.accept_unfinished));
    assert_eq!(other.events, output.events);
    let (strict, lenient) = if config.accept_unfinished { (&other, output) } else { (output, &other) };
    let is_unfinished =
        |error: &Error| matches!(error.kind(), chat_proto::ErrorKind::Truncated(Truncation::Unfinished));
    match &strict.error {
        Some(error) if is_unfinished(error) => assert!(lenient.error.is_none(), "an unfinished answer is not accepted"),
        _ => assert_eq!(strict, lenient),
    }
}

/// What a receiver returns.
#[derive(Debug)]
struct Output {
    events: Vec<Event>,
    answer: Option<Answer>,
    error: Option<Error>,
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        let kind = |output: &Self| output.error.as_ref().map(|error| (error.kind().clone(), error.to_string()));
        self.events == other.events && self.answer == other.answer && kind(self) == kind(other)
    }
}

fn receive(head: &Head, chunks: &[&[u8]], config: &Config) -> Output {
    let mut receiver = Receiver::completions(head.clone(), config);
    let is_success = receiver.is_success();
    let mut events = Vec::new();
    let (error, answer) = match feed(&mut receiver, chunks, &mut events) {
        Ok(()) => (None, Some(receiver.into_answer().expect("it is complete"))),
        Err(error) => (Some(error.clone()), error.into_partial()),
    };
    assert_eq!(answer.is_some(), is_success, "there is a partial answer if and only if the response is a success");
    if let Some(answer) = &answer {
        check_sum(&events, answer);
        let texts = [Some(&answer.text), answer.reasoning.as_ref(), answer.refusal.as_ref()];
        let calls = answer.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        let size = texts.into_iter().flatten().map(String::len).sum::<usize>() + calls;
        assert!(size <= config.limits.answer, "the answer has {size} bytes");
        assert_eq!(&answer.head, head);
    }
    Output { events, answer, error }
}

/// Adds the events up and compares the result with the answer.
fn check_sum(events: &[Event], answer: &Answer) {
    let (mut text, mut reasoning, mut refusal) = (String::new(), String::new(), String::new());
    let (mut finish_reason, mut citations, mut usage) = (None, None, None);
    let (mut id, mut model) = (None, None);
    let mut calls: Vec<ToolCall> = Vec::new();
    for event in events {
        match event {
            Event::Text(delta) => {
                assert!(!delta.text.is_empty() || delta.finish_reason.is_some(), "a text event without content");
                text += &delta.text;
                finish_reason = delta.finish_reason.clone().or(finish_reason);
            }
            Event::Reasoning(piece) => reasoning += piece,
            Event::Refusal(piece) => refusal += piece,
            Event::Citations(list) => citations = Some(list.clone()),
            Event::Usage(last) => usage = Some(last.clone()),
            Event::Started(started) => {
                id = id.or(started.id.clone());
                model = model.or(started.model.clone());
            }
            Event::ToolCall(delta) => {
                assert!(delta.index <= calls.len(), "the number of a call was skipped");
                if delta.index == calls.len() {
                    calls.push(ToolCall::default());
                }
                let call = &mut calls[delta.index];
                call.server_index = call.server_index.or(delta.server_index);
                call.is_custom |= delta.is_custom;
                if let Some(id) = &delta.id {
                    assert_eq!(call.id.replace(id.clone()), None, "an id came twice");
                }
                if let Some(name) = &delta.name {
                    assert_eq!(std::mem::replace(&mut call.name, name.clone()), "", "a name came twice");
                }
                call.arguments += &delta.arguments;
            }
            _ => {}
        }
    }
    calls.sort_by_key(|call| call.server_index.unwrap_or(i64::MAX));
    assert_eq!((&answer.text, &answer.finish_reason), (&text, &finish_reason));
    assert_eq!(answer.reasoning.as_deref().unwrap_or_default(), reasoning);
    assert_eq!(answer.refusal.as_deref().unwrap_or_default(), refusal);
    assert_eq!((&answer.citations, &answer.usage, &answer.tool_calls), (&citations, &usage, &calls));
    assert_eq!((answer.id(), answer.model()), (id.as_deref(), model.as_deref()));
    assert_eq!((answer.events, &answer.session_id), (events.len() as u64, &None));
}
