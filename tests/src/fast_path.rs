//! Check that the fast path of the receiver changes nothing.

use bytes::Bytes;
use chat_proto::completions::CompletionInput;
use chat_proto::sessions::CreateInput;
use chat_proto::{Answer, Attempt, Config, Elapsed, Endpoint, Error, Event, Exchange, Head, Limits, Output};
use chat_proto::{Receiver, Request};
use http::header::{HeaderMap, HeaderValue};

use crate::check::cut_every;
use crate::receiver::feed;

/// Stands for a byte that is not valid UTF-8.
const INVALID: &str = "\u{2}";

/// Texts between their quotes.
const TEXTS: [&str; 18] = [
    "and ",
    "",
    "é💚",
    "a text that is longer than sixteen bytes",
    r"line\n",
    r#"\"quoted\""#,
    r"\\",
    r"\u00e9\/\t",
    r"\ud83d\ude00",
    r"half \ud83d",
    r"\ude00 half",
    r"\x",
    "\u{1}",
    "[1]",
    r"sixteen bytes ..\n",
    "\u{7f}\u{80}",
    INVALID,
    "some text \u{2}",
];

/// Types, line ends and other lines of an event. `D` is the data, `T` the type of the dialect.
const FRAMES: [&str; 11] = [
    "event: T\ndata: D\n\n",
    "event: T\r\ndata: D\r\n\r\n",
    "event:T\ndata:D\n\n",
    "data: D\nevent: T\n\n",
    "id: 7\nevent: T\ndata: D\n\n",
    ": comment\nevent: T\ndata: D\n\n",
    "event: T\ndata: D\r\r",
    "\nevent: T\ndata: D\n\n",
    "event: other\nevent: T\ndata: D\n\n",
    "event: T\ndata: D\nretry: 5\n\n",
    "event: T\ndata\n\nevent: T\ndata: D\n\n",
];

/// Data of v0. `"t"` is the text, `$` a number.
const SESSIONS: [&str; 8] = [
    r#"{"chat_session_id":"s-1","content_chunk":"t"}"#,
    r#"{"chat_session_id":"s-2","content_chunk":"t"}"#,
    r#"{"content_chunk":"t"}"#,
    r#"{"content_chunk":"t","chat_session_id":null,"finish_reason":null}"#,
    r#"{"content_chunk":"t","finish_reason":"stop"}"#,
    r#"{"x":"t","content_chunk":"t","y":"$"}"#,
    r#"{"content_chunk":"t","content_chunk":"again"}"#,
    r#" {"content_chunk" : "t"} "#,
];

/// Data of v1.
const COMPLETIONS: [&str; 18] = [
    r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"t"},"finish_reason":null}]}"#,
    r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"t"}}],"obfuscation":"$"}"#,
    r#"{"obfuscation":"$","choices":[{"delta":{"content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":"t"}}],"obfuscation":"\n"}"#,
    r#"{"choices":[{"delta":{"content":"t"}}],"obfuscation":5,"created":$}"#,
    r#"{"choices":[{"index":1,"delta":{"content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":"t"}},{"delta":{"content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":"a","content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"reasoning":"t","reasoning_content":"t","content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"reasoning":"","refusal":"","tool_calls":[],"content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":"t","function_call":{"name":"f","arguments":"$"}}}]}"#,
    r#"{"choices":[{"delta":{"content":"t","annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}}]}"#,
    r#"{"choices":[{"delta":{"reasoning":"\ud83d","content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"refusal":"\ud83d","content":"t"}}]}"#,
    r#"{"choices":[{"delta":{"content":["t"]}}],"usage":{"total_tokens":$}}"#,
    r#"{"choices":[{"delta":{"content":"t"},"finish_reason":"stop"}]}"#,
    r#"{"choices":[{"delta":{"content":"t"}}],"error":"t"}"#,
];

/// What may be between two events.
const BETWEEN: [&str; 8] = [
    ": ping\n\n",
    "event: ping\ndata: {}\n\n",
    "event: records_cited\ndata: {\"citations\":[]}\n\n",
    "event: \ndata: text\n\n",
    "id: 8\n\n",
    "data: [DONE]\n\n",
    "event: error\ndata: boom\n\n",
    "data: {\n\n",
];

/// Receives a stream with and without the fast path. The first byte selects the API and the limits. Each further three bytes
/// are an event: its data, its text, and its frame or what is before it.
///
/// # Panics
///
/// If the events, the answer or the error differ, or if merged text differs from the text of the events.
pub fn check_fast_path(bytes: &[u8]) {
    let [settings, events @ ..] = bytes else { return };
    let is_v1 = settings & 1 != 0;
    let mut config = Config::default();
    if settings & 2 != 0 {
        let mut limits = Limits::default();
        // A longer text exceeds it.
        limits.event = if is_v1 { 120 } else { 90 };
        limits.answer = 64;
        limits.unknown_events = 32;
        config = config.with_limits(limits);
    }
    config.raw_chunks = settings & 4 != 0;
    check_body(is_v1, &config, &body(is_v1, &events[..events.len().min(3 * 40)]));
}

/// Compares both paths on a body, in chunks of many sizes.
fn check_body(is_v1: bool, config: &Config, body: &[u8]) {
    let wanted = receive(is_v1, config, &[body], false);
    for size in [usize::MAX, 1, 5, 64, 97, 150, 256] {
        let chunks = cut_every(body, size);
        assert_eq!(receive(is_v1, config, &chunks, true), wanted, "in chunks of {size}");
        let (answer, error) = merge(is_v1, config, &chunks);
        assert_eq!((&answer, &error), (&wanted.answer, &wanted.error), "merged, in chunks of {size}");
    }
}

/// A body of these events.
fn body(is_v1: bool, events: &[u8]) -> Vec<u8> {
    let data = forms(is_v1);
    let pick = |list: &[&'static str], byte: u8| list[usize::from(byte) % list.len()];
    let mut body = String::new();
    let mut before = [0; 3];
    for (n, event) in events.chunks_exact(3).enumerate() {
        // Most events are like the one before, so that the fast path is used.
        if event[0] >= 192 {
            (before[0], before[2]) = (event[0], event[2]);
        }
        if event[0] >= 240 {
            body += pick(&BETWEEN, event[2]);
        }
        body += &fill(is_v1, pick(&FRAMES, before[2]), pick(data, before[0]), pick(&TEXTS, event[1]), n);
    }
    bytes(&body)
}

/// The body with its invalid bytes.
fn bytes(body: &str) -> Vec<u8> {
    let invalid = INVALID.as_bytes()[0];
    body.bytes().map(|byte| if byte == invalid { 0xff } else { byte }).collect()
}

fn forms(is_v1: bool) -> &'static [&'static str] {
    if is_v1 { &COMPLETIONS } else { &SESSIONS }
}

/// An event.
fn fill(is_v1: bool, frame: &str, data: &str, text: &str, number: usize) -> String {
    let data = data.replace('$', &number.to_string()).replace("\"t\"", &format!("\"{text}\""));
    frame.replace('T', if is_v1 { "message" } else { "message_chunk" }).replace('D', &data)
}

fn head() -> Head {
    let content_type = (http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Head::new(http::StatusCode::OK, HeaderMap::from_iter([content_type]))
}

/// What a stream gives.
#[derive(Debug, PartialEq)]
struct Received {
    events: Vec<Event>,
    answer: Option<Answer>,
    error: Option<String>,
}

fn receive(is_v1: bool, config: &Config, chunks: &[&[u8]], with_fast_path: bool) -> Received {
    let mut receiver =
        if is_v1 { Receiver::completions(head(), config) } else { Receiver::new(head(), &config.limits) };
    if !with_fast_path {
        receiver = receiver.without_fast_path();
    }
    let mut events = Vec::new();
    let outcome = feed(&mut receiver, chunks, &mut events).and_then(|()| receiver.into_answer());
    let (answer, error) = split(outcome);
    Received { events, answer, error }
}

/// Merges the text instead of returning its events.
fn merge(is_v1: bool, config: &Config, chunks: &[&[u8]]) -> (Option<Answer>, Option<String>) {
    let endpoint = Endpoint::new("https://api.example").expect("a URL");
    let request = if is_v1 {
        Request::complete(&endpoint, &CompletionInput::new("m", ["q"]))
    } else {
        Request::create(&endpoint, &CreateInput::new("i", "q"))
    };
    let mut exchange = Exchange::new(request.expect("a request"), config, 1);
    let attempt = Attempt::new(1);
    let mut chunks = chunks.iter();
    let mut has_head = false;
    loop {
        exchange.merge_text();
        match exchange.poll_output(Elapsed::START) {
            Output::Read if !has_head => {
                has_head = true;
                let mut response = http::Response::new(());
                *response.headers_mut() = head().headers;
                exchange.handle_head(attempt, response.into_parts().0, Elapsed::START);
            }
            Output::Read => match chunks.next() {
                Some(chunk) => exchange.handle_data(attempt, Bytes::copy_from_slice(chunk), Elapsed::START),
                None => exchange.handle_eof(attempt, Elapsed::START),
            },
            Output::Done => return split(exchange.into_outcome().expect("it is done")),
            Output::Send(..) | Output::Event(_) | Output::Wait => {}
        }
    }
}

/// The answer, complete or partial, and the error as text.
fn split(outcome: Result<Answer, Error>) -> (Option<Answer>, Option<String>) {
    match outcome {
        Ok(answer) => (Some(answer), None),
        Err(error) => {
            let text = format!("{:?}", error.kind());
            (error.into_partial(), Some(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All forms follow one another, and the body is cut at every byte.
    #[test]
    fn every_form_at_every_cut() {
        for is_v1 in [false, true] {
            for (form, data) in forms(is_v1).iter().enumerate() {
                let (first, frame) = (forms(is_v1)[0], FRAMES[form % FRAMES.len()]);
                let texts = ["and ", "é💚", r#"a\n\"b\u00e9"#, "", INVALID, "c", r"x\ud83d", r"\ude00y", "last"];
                let events = texts.iter().map(|text| fill(is_v1, frame, first, text, 1));
                let others = ["", "and ", "é💚", "b"].iter().map(|text| fill(is_v1, frame, data, text, text.len()));
                let body: String = events.clone().chain(others).chain(events.take(3)).collect();
                let config = Config::default();
                check_cuts(is_v1, &config, &body);
            }
        }
    }

    /// Cuts the body at every byte.
    fn check_cuts(is_v1: bool, config: &Config, body: &str) {
        let bytes = bytes(body);
        let wanted = receive(is_v1, config, &[&bytes], false);
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(receive(is_v1, config, &[one, other], true), wanted, "cut at {cut} of {body:?}");
            let (answer, error) = merge(is_v1, config, &[one, other]);
            assert_eq!((&answer, &error), (&wanted.answer, &wanted.error), "merged, cut at {cut} of {body:?}");
        }
        check_body(is_v1, config, &bytes);
    }

    /// The UTF-8 of merged texts is checked in windows.
    #[test]
    fn windows_end_inside_characters() {
        for padding in 0..4 {
            let event = |text: &str| fill(false, FRAMES[0], SESSIONS[0], text, 1);
            let mut body = event(&"x".repeat(padding));
            body += &event("é💚漢字").repeat(100);
            body += &event(INVALID);
            body += &event("💚").repeat(100);
            check_body(false, &Config::default(), &bytes(&body));
        }
    }

    #[test]
    fn large_events_are_read_too() {
        let event = |text: &str| fill(false, FRAMES[0], SESSIONS[0], text, 1);
        for len in [900, 1000, 1100, 70_000] {
            let body = [event("a"), event(&"x".repeat(len)), event("b"), event(&"é".repeat(len)), event("c")].concat();
            let forms =
                [SESSIONS[3], SESSIONS[5]].map(|data| fill(false, FRAMES[1], data, &"y".repeat(len), 1).repeat(2));
            check_body(false, &Config::default(), (body + &forms.concat()).as_bytes());
        }
    }

    #[test]
    fn an_event_without_a_type_is_not_like_one_with_a_type() {
        let data = SESSIONS[0];
        let body = format!("event: message_chunk\ndata: {data}\n\ndata: {data}\n\n").repeat(2);
        check_cuts(false, &Config::default(), &body);
    }

    #[test]
    fn each_id_counts() {
        let event = |text| fill(false, "id: 7\nevent: T\ndata: D\n\n", SESSIONS[0], text, 1);
        let body = [&event("a"), &event("b"), "id: 8\n\n", &event("c"), "event: other\ndata: x\n\n"].concat();
        check_cuts(false, &Config::default(), &body);
    }

    #[test]
    fn a_text_ends_a_run_of_unknown_events() {
        let other = "event: other\ndata: abcdefghijkl\n\n";
        let event = |text| fill(false, FRAMES[0], SESSIONS[0], text, 1);
        let body = [other, &event(""), &event("a"), other, &event(""), &event("b"), other].concat();
        let mut limits = Limits::default();
        limits.unknown_events = 32;
        check_cuts(false, &Config::default().with_limits(limits), &body);
    }
}
