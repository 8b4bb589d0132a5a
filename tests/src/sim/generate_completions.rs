//! The generator's part for chat completions: streams of chunks, objects and failures.

use std::ops::Range;
use std::time::Duration;

use chat_client::{Event, FinishReason, OtherEvent, Started, TextDelta, Usage};

use super::body::{Body, BodyItem, Then, Writer};
use super::generate::Generator;
use super::scenario::{End, Response};
use super::talk::{CallStyle, Talk};

const STATUSES: [u16; 20] =
    [200, 200, 204, 307, 400, 401, 402, 403, 404, 408, 409, 422, 425, 429, 429, 500, 502, 503, 504, 529];

/// Data that is not a chunk.
const GARBAGE: [&str; 11] = [
    r#"{"choices":[{"delta":{"content":1}}]}"#,
    "x",
    "[]",
    "1",
    r#""text""#,
    r#"{"choices":[{"del"#,
    r#"{"choices":1}"#,
    r#"{"choices":[{"delta":1}]}"#,
    r#"{"choices":[{"delta":{"tool_calls":1}}]}"#,
    r#"{"choices":[]}{"choices":[]}"#,
    "error: boom",
];

/// Events that end the answer as an error: their types and data.
const ERRORS: [(&str, &str); 11] = [
    ("", r#"{"error":{"message":"no","code":500}}"#),
    ("", r#"{"error":"no"}"#),
    ("", r#"{"error":{}}"#),
    ("", r#"{"error":[],"choices":[]}"#),
    ("", r#"{"error":true}"#),
    ("failure", r#"{"error":"no"}"#),
    ("error", r#"{"message":"no"}"#),
    ("error", "no"),
    ("error", ""),
    ("error", "[DONE]"),
    ("error", "{}"),
];

/// How chunks name the answer and its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    None,
    Empty,
    Same,
    /// A new id in each chunk, and the model in a later one.
    New,
}

/// A stream of chunks under construction.
struct Chunks {
    talk: Talk,
    naming: Naming,
    raw: bool,
    count: usize,
    has_id: bool,
    has_model: bool,
}

/// A choice under construction: the members of its delta or message, and its events.
#[derive(Default)]
struct Choice {
    members: Vec<String>,
    events: Vec<Event>,
    reason: Option<&'static str>,
}

impl Generator {
    /// Adapts the settings that were drawn.
    pub(super) fn configure_completions(&mut self) {
        self.config.raw_chunks = self.rng.percent(10);
        self.config.accept_unfinished = self.rng.percent(15);
        // Only one kind of chunk is larger than that.
        if self.config.limits.event < 1000 {
            self.config.limits.event += 1000;
        }
        if self.config.limits.answer < 1000 && self.rng.percent(60) {
            self.config.limits.answer *= 4;
        }
    }

    /// Draws a success.
    pub(super) fn completion(&mut self) -> Response {
        if self.rng.percent(12) {
            let body = self.completion_flood();
            return self.deliver_flood(body);
        }
        let mut response = if self.rng.percent(80) {
            let (body, uncut) = self.chunks();
            let content_type = self.rng.pick(&["text/event-stream", "text/event-stream; charset=utf-8"]);
            self.deliver(Response::new(200, content_type, body), uncut.as_ref())
        } else {
            let body = self.object();
            let body =
                if self.rng.percent(30) { body.behind(self.rng.pick(&[" ", "\n\t ", "\n\n\n\n"])) } else { body };
            self.deliver(Response::new(200, "application/json", body), None)
        };
        // Some servers leave the connection open.
        if response.end == End::Clean && response.is_stream() && self.rng.percent(15) {
            response.end = End::Silence;
        }
        response
    }

    /// Repeats one event or line.
    fn completion_flood(&mut self) -> Body {
        let mut writer = Writer::new(self.rng.pick(&["\n", "\r\n"]));
        let mut chunks = self.new_chunks();
        chunks.naming = Naming::None;
        let kind = self.rng.below(9);
        let plain = |chunks: &Chunks, data: &str| BodyItem { events: chunks.raw_event(data), ..BodyItem::default() };
        for _ in 0..self.rng.between(20, 120) {
            writer = match kind {
                0 => writer.comment(" x"),
                1 => self.other(writer, &chunks, "ping", r#"{"ts":1}"#),
                2 => writer.blank().mark(),
                3 => writer.line("id: 7").blank().mark(),
                4 => writer.line("unknown: x"),
                5 => self.other(writer, &chunks, "news", "x"),
                6 => writer.event("", "", BodyItem::default()),
                7 => {
                    let data = r#"{"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null}"#;
                    writer.event("", data, plain(&chunks, data))
                }
                _ => {
                    let data = r#"{"choices":[],"usage":{"total_tokens":1}}"#;
                    let mut item = plain(&chunks, data);
                    item.events.extend(usage(r#"{"total_tokens":1}"#));
                    writer.event("", data, item)
                }
            };
        }
        if self.rng.percent(50) {
            writer = self.chunk(writer, &mut chunks, Some("stop"));
        }
        if self.rng.percent(50) {
            writer = writer.event("", "[DONE]", BodyItem { held: chunks.talk.held(), ..BodyItem::ending(Then::Done) });
        }
        writer.body()
    }

    fn new_chunks(&mut self) -> Chunks {
        let styles = [CallStyle::Index, CallStyle::Index, CallStyle::Id, CallStyle::Last, CallStyle::SameIndex];
        Chunks {
            talk: Talk::new(self.rng.pick(&styles)),
            naming: self.rng.pick(&[Naming::None, Naming::Empty, Naming::Same, Naming::Same, Naming::New]),
            raw: self.config.raw_chunks,
            count: 0,
            has_id: false,
            has_model: false,
        }
    }

    /// Returns a stream, and a range of it that must not be cut, as for sessions.
    fn chunks(&mut self) -> (Body, Option<Range<usize>>) {
        let mut writer = Writer::new(self.rng.pick(&["\n", "\n", "\n", "\r\n", "\r"]));
        let mut chunks = self.new_chunks();
        let mut uncut = None;
        if self.rng.percent(5) {
            writer = writer.bom();
        }
        for _ in 0..self.rng.below(9) {
            writer = match self.rng.between(0, 99) {
                0..=64 => self.chunk(writer, &mut chunks, None),
                65..=74 => writer.comment(self.rng.pick(&["", " ping", " OPENROUTER PROCESSING", " data: x"])),
                75..=80 => {
                    let names = ["new", "status", "ping", "Keep-Alive", "chat.completion.chunk"];
                    let data = ["{}", "", " ", "x", r#"{"a":1}"#, r#"{"error":null}"#, r#"{"choices":null}"#, "[]"];
                    let (name, data) = (self.rng.pick(&names), self.rng.pick(&data));
                    self.other(writer, &chunks, name, data)
                }
                81..=84 => writer.line(self.rng.pick(&["id: 7", "retry: 10", "unknown: x", "unknown"])),
                85..=87 => {
                    let data = self.rng.pick(&["{}", r#"{"choices":null}"#, r#"{"id":"","error":0}"#, "", "  "]);
                    let events = if data.trim().is_empty() { Vec::new() } else { chunks.raw_event(data) };
                    writer.event("", data, BodyItem { events, held: chunks.talk.held(), ..BodyItem::default() })
                }
                88..=89 => self.error(writer, &mut chunks),
                90..=92 => {
                    let data = self.rng.pick(&GARBAGE);
                    let item = BodyItem { held: chunks.talk.held(), ..BodyItem::ending(Then::Garbage) };
                    writer.event("", data, item)
                }
                93..=94 if uncut.is_none() => {
                    let text = "x".repeat(1600);
                    let data = format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
                    let data_start = writer.written() + "data: ".len();
                    let limit = self.config.limits.event;
                    if limit < data.len() {
                        uncut = Some(data_start + limit - 30..data_start + limit + 30);
                    }
                    chunks.large(writer, &data, &text)
                }
                _ => writer,
            };
        }
        if self.rng.percent(75) {
            let reasons = ["stop", "stop", "length", "tool_calls", "eos"];
            let reason = self.rng.pick(&reasons);
            writer = self.chunk(writer, &mut chunks, Some(reason));
            if self.rng.percent(30) {
                writer = self.chunk(writer, &mut chunks, None);
            }
            if self.rng.percent(4) {
                writer = self.error(writer, &mut chunks);
            }
        }
        if self.rng.percent(70) {
            let (name, data) = self.rng.pick(&[("", "[DONE]"), ("", "[DONE]"), ("", " [DONE] "), ("end", "[DONE]")]);
            let item = BodyItem { held: chunks.talk.held(), ..BodyItem::ending(Then::Done) };
            writer = writer.event(name, data, item);
            if self.rng.percent(30) {
                // What follows does not count.
                writer = self.chunk(writer, &mut chunks, Some("length"));
                writer = self.error(writer, &mut chunks);
            }
        }
        (writer.body(), uncut)
    }

    /// Writes an event that is not a chunk.
    fn other(&mut self, writer: Writer, chunks: &Chunks, name: &str, data: &str) -> Writer {
        let event = Event::Other(Box::new(OtherEvent::new(name, data, writer.last_id())));
        let events = if data.trim().is_empty() { Vec::new() } else { vec![event] };
        writer.event(name, data, BodyItem { events, held: chunks.talk.held(), ..BodyItem::default() })
    }

    /// Writes an event that ends the answer as an error.
    fn error(&mut self, writer: Writer, chunks: &mut Chunks) -> Writer {
        let (name, data) = self.rng.pick(&ERRORS);
        if self.rng.percent(70) {
            let is_chunk = name.is_empty() || name == "error" && data.starts_with('{') && data.contains("choices");
            let events = if is_chunk { chunks.raw_event(data) } else { Vec::new() };
            let item = BodyItem { events, held: chunks.talk.held(), ..BodyItem::ending(Then::Error) };
            return writer.event(name, data, item);
        }
        // Text in the same chunk comes first.
        let mut choice = self.choice(chunks);
        let how = self.rng.below(3);
        if how == 0 {
            choice.reason = Some("error");
        }
        let extra = if how == 1 { r#""error":{"message":"no"}"# } else { "" };
        let (data, item) = self.write_chunk(chunks, choice, extra, true);
        writer.event(if how == 2 { "error" } else { "" }, &data, BodyItem { then: Then::Error, ..item })
    }

    /// Writes a chunk.
    fn chunk(&mut self, writer: Writer, chunks: &mut Chunks, reason: Option<&'static str>) -> Writer {
        let mut choice = self.choice(chunks);
        choice.reason = reason;
        let extra = self.rng.pick(&["", "", "", r#""error":null"#, r#""error":"""#, r#""error":false"#]);
        let is_read = reason.is_some() || !choice.events.is_empty() || self.rng.percent(80);
        let (data, item) = self.write_chunk(chunks, choice, extra, is_read);
        let name = if data.contains(r#""choices":["#) {
            self.rng.pick(&["", "", "", "", "", "", "", "message", "ping", "c"])
        } else {
            ""
        };
        writer.event(name, &data, item)
    }

    /// Draws what a chunk says.
    fn choice(&mut self, chunks: &mut Chunks) -> Choice {
        let mut choice = Choice::default();
        let (mut reasoning, mut text, mut refusal) = (String::new(), String::new(), String::new());
        let mut calls = Vec::new();
        let talk = &mut chunks.talk;
        let members = &mut choice.members;
        if self.rng.percent(20) {
            members
                .push(self.rng.pick(&[r#""role":"assistant""#, r#""role":null"#, r#""tool_calls":null"#]).to_owned());
        }
        for _ in 0..self.rng.pick(&[0, 1, 1, 1, 1, 2, 2]) {
            let words = self.text();
            match self.rng.between(0, 99) {
                0..=44 if text.is_empty() && !members.iter().any(|member| member.starts_with(r#""content"#)) => {
                    let (json, told) = talk.text.say(&mut self.rng, &words);
                    text = told;
                    members.push(match self.rng.below(8) {
                        0 => format!(r#""content":[{{"type":"text","text":{json}}}]"#),
                        1 => format!(r#""content":[{json}]"#),
                        _ => format!(r#""content":{json}"#),
                    });
                }
                45..=62 if !members.iter().any(|member| member.contains(r#""reasoning"#)) => {
                    let (json, told) = talk.reasoning.say(&mut self.rng, &words);
                    reasoning = told;
                    members.push(match self.rng.below(4) {
                        0 => format!(r#""reasoning":{json}"#),
                        1 => format!(r#""reasoning":{json},"reasoning_content":{json}"#),
                        2 => format!(r#""reasoning":[{{"type":"text","text":{json}}}]"#),
                        _ => format!(r#""reasoning_content":{json}"#),
                    });
                }
                63..=70 if !members.iter().any(|member| member.contains(r#""refusal"#)) => {
                    let (json, told) = talk.refusal.say(&mut self.rng, &words);
                    refusal = told;
                    members.push(format!(r#""refusal":{json}"#));
                }
                71..=92 if calls.is_empty() && !members.iter().any(|member| member.contains("function_call")) => {
                    calls = (0..=self.rng.below(2))
                        .map(|_| {
                            let known = talk.calls();
                            let (json, event) = talk.call_piece(&mut self.rng, &words);
                            (json, event, talk.calls() > known)
                        })
                        .collect();
                }
                93..=95 if calls.is_empty() && !members.iter().any(|member| member.contains("function_call")) => {
                    let json = talk.function_call_piece(&mut self.rng, &words);
                    members.push(format!(r#""function_call":{json}"#));
                }
                96..=98 if !members.iter().any(|member| member.contains("annotations")) => {
                    members.push(format!(r#""annotations":[{}]"#, talk.annotation()));
                }
                _ => {}
            }
        }
        if !reasoning.is_empty() {
            choice.events.push(Event::Reasoning(reasoning));
        }
        if !text.is_empty() {
            choice.events.push(Event::Text(TextDelta::new(text)));
        }
        if !refusal.is_empty() {
            choice.events.push(Event::Refusal(refusal));
        }
        if !calls.is_empty() {
            let json: Vec<_> = calls.iter().map(|(json, _, _)| json.as_str()).collect();
            choice.members.retain(|member| !member.contains("tool_calls"));
            choice.members.push(format!(r#""tool_calls":[{}]"#, json.join(",")));
            // Of the pieces that add nothing, only the first is an event, and only if it comes first.
            for (at, (_, event, is_new)) in calls.into_iter().enumerate() {
                if at == 0 || is_new || adds(&event) {
                    choice.events.push(event);
                }
            }
        }
        choice
    }

    /// Writes the JSON of a chunk. Without a choice, it has only what is beside the choices.
    fn write_chunk(
        &mut self,
        chunks: &mut Chunks,
        choice: Choice,
        extra: &str,
        has_choice: bool,
    ) -> (String, BodyItem) {
        let (mut members, started) = chunks.name();
        let completes = choice.reason.is_some();
        let has_choice = has_choice || !choice.members.is_empty();
        if has_choice {
            let reason = match choice.reason {
                Some(reason) => format!(r#","finish_reason":"{reason}""#),
                None => self
                    .rng
                    .pick(&["", r#","finish_reason":null"#, r#","finish_reason":"""#, r#","finish_reason":"null""#])
                    .to_owned(),
            };
            let index = self.rng.pick(&["", r#""index":0,"#, r#""index":0,"#, r#""index":null,"#]);
            let delta = choice.members.join(",");
            let read = format!(r#"{{{index}"delta":{{{delta}}}{reason}}}"#);
            let ignored = r#"{"index":1,"delta":{"content":"other"},"finish_reason":"stop"}"#;
            members.push(match self.rng.below(12) {
                0 => format!(r#""choices":[{ignored},{read}]"#),
                1 => format!(r#""choices":[{read},{ignored}]"#),
                _ => format!(r#""choices":[{read}]"#),
            });
        } else {
            members.extend(Some(self.rng.pick(&[r#""choices":[]"#, r#""choices":null"#, r#""x":[1]"#]).to_owned()));
        }
        let used = if self.rng.percent(if has_choice { 10 } else { 60 }) {
            self.rng.pick(&[r#"{"prompt_tokens":1,"total_tokens":3}"#, "{}", "null", r#"{"cost":0.5}"#])
        } else {
            ""
        };
        if !used.is_empty() {
            members.push(format!(r#""usage":{used}"#));
        }
        if !extra.is_empty() {
            members.push(extra.to_owned());
        }
        let turn = self.rng.below(members.len());
        members.rotate_left(turn);
        let data = format!("{{{}}}", members.join(self.rng.pick(&[",", ",", ", ", ",\n"])));
        assert!(data.len() < 1000, "a chunk is too large: {data}");
        let mut events = chunks.raw_event(&data);
        events.extend(started);
        events.extend(with_reason(choice));
        events.extend(usage(used));
        (data, BodyItem { events, completes, held: chunks.talk.held(), ..BodyItem::default() })
    }

    /// Draws an answer in one object.
    fn object(&mut self) -> Body {
        let failures = [
            r#"{"error":{"message":"no"}}"#,
            r#"{"object":"error","message":"no","code":404}"#,
            r#"{"error":"no","choices":null}"#,
        ];
        let garbage = [
            r#"{"choices":[]}"#,
            r#"{"id":"a"}"#,
            "[]",
            "",
            "{",
            r#"{"choices":[{"message":1}]}"#,
            r#"{"choices":[{"index":1}]}"#,
        ];
        match self.rng.between(0, 99) {
            0..=5 => return Body::object(self.rng.pick(&failures), BodyItem::ending(Then::Failure)),
            6..=11 => return Body::object(self.rng.pick(&garbage), BodyItem::ending(Then::Garbage)),
            _ => {}
        }
        let mut chunks = self.new_chunks();
        let mut choice = Choice::default();
        let reasoning = self.text();
        if self.rng.percent(20) && !reasoning.is_empty() {
            choice.members.push(format!(r#""reasoning":"{}""#, super::body::Escaped(&reasoning)));
            choice.events.push(Event::Reasoning(reasoning));
        }
        let words = self.text();
        let (json, told) = chunks.talk.text.say(&mut self.rng, &words);
        choice.members.push(format!(r#""content":{json}"#));
        if !told.is_empty() {
            choice.events.push(Event::Text(TextDelta::new(told)));
        }
        if self.rng.percent(30) {
            let count = 1 + self.rng.below(3);
            let (json, events): (Vec<_>, Vec<_>) = chunks.talk.whole_calls(&mut self.rng, count).into_iter().unzip();
            choice.members.push(format!(r#""tool_calls":[{}]"#, json.join(",")));
            choice.events.extend(events);
        }
        if self.rng.percent(10) {
            choice.members.push(format!(r#""annotations":[{}]"#, chunks.talk.annotation()));
        }
        choice.reason = self.rng.pick(&[None, Some("stop"), Some("stop"), Some("length"), Some("error")]);
        let error = if self.rng.percent(6) { r#","error":{"message":"no"}"# } else { "" };
        let fails = !error.is_empty() || choice.reason == Some("error");
        let (mut members, started) = chunks.name();
        let reason = choice.reason.map_or("null".to_owned(), |reason| format!(r#""{reason}""#));
        members.push(format!(
            r#""choices":[{{"index":0,"message":{{{}}},"finish_reason":{reason}}}]"#,
            choice.members.join(",")
        ));
        let used = self.rng.pick(&["null", r#"{"total_tokens":3}"#]);
        let json = format!(r#"{{{},"usage":{used}{error}}}"#, members.join(","));
        let mut events = chunks.raw_event(&json);
        events.extend(started);
        events.extend(with_reason(choice));
        events.extend(usage(used));
        events.extend(chunks.talk.held().events.iter().cloned());
        let then = if fails { Then::Error } else { Then::More };
        Body::object(&json, BodyItem { events, then, ..BodyItem::default() })
    }

    /// Draws a failure.
    pub(super) fn completion_failure(&mut self) -> Response {
        let status = self.rng.pick(&STATUSES);
        let validation = r#"{"detail":[{"loc":["body","model"],"msg":"no","type":"missing"}]}"#;
        let quotas = [
            r#"{"error":{"message":"no","type":"x","code":"insufficient_quota"}}"#,
            r#"{"error":{"message":"no","type":"insufficient_quota"}}"#,
            r#"[{"error":{"code":"insufficient_quota"}}]"#,
            r#"data: {"error":{"code":"insufficient_quota"}}"#,
        ];
        let plain = [
            r#"{"error":{"message":"no","type":"server_error","code":500}}"#,
            r#"{"error":"no"}"#,
            r#"{"detail":"no"}"#,
            r#"{"object":"error","message":"no"}"#,
            "<h1>Bad gateway</h1>",
            "Internal Server Error",
            "",
        ];
        let is_failure = status >= 400;
        let (text, content_type) = match self.rng.between(0, 99) {
            0..=19 if is_failure => (self.rng.pick(&quotas), "application/json"),
            20..=89 if status == 422 => (validation, "application/json"),
            // A success with a wrong content type.
            _ if status == 200 => {
                (self.rng.pick(&plain), self.rng.pick(&["text/html", "text/plain", "application/jsonl", ""]))
            }
            _ => (self.rng.pick(&plain), self.rng.pick(&["application/json", "text/plain", "text/event-stream"])),
        };
        let mut response = Response::new(status, content_type, Body::text(text));
        response.validation = text == validation && status == 422;
        response.quota_at = quotas.contains(&text).then_some(text.len());
        if self.rng.percent(15) {
            let says = self.rng.percent(50);
            response.should_retry = Some(says);
            response.headers.push(("x-should-retry", says.to_string()));
        }
        if self.rng.percent(10) {
            response.headers.push(("retry-after", self.rng.pick(&["0.25", "0.250"]).to_owned()));
            response.retry_after = Some(Duration::from_millis(250));
        } else {
            self.retry_after(&mut response);
        }
        self.deliver(response, None)
    }
}

impl Chunks {
    /// Returns the members with the id and the model, and the event if one of them is new.
    fn name(&mut self) -> (Vec<String>, Option<Event>) {
        self.count += 1;
        let (id, model) = match self.naming {
            Naming::None => (None, None),
            Naming::Empty => (Some(String::new()), Some(if self.count > 2 { "m" } else { "" })),
            Naming::Same => (Some("a".to_owned()), Some("m")),
            Naming::New => (Some(format!("a{}", self.count)), (self.count > 1).then_some("m")),
        };
        let mut members = vec![r#""object":"chat.completion.chunk","created":1.0"#.to_owned()];
        members.extend(id.as_ref().map(|id| format!(r#""id":"{id}""#)));
        members.extend(model.map(|model| format!(r#""model":"{model}""#)));
        let mut started = Started::default();
        started.id = id.filter(|id| !id.is_empty() && !self.has_id);
        started.model = model.filter(|model| !model.is_empty() && !self.has_model).map(str::to_owned);
        (self.has_id, self.has_model) =
            (self.has_id || started.id.is_some(), self.has_model || started.model.is_some());
        let is_new = started.id.is_some() || started.model.is_some();
        (members, is_new.then(|| Event::Started(Box::new(started))))
    }

    fn raw_event(&self, data: &str) -> Vec<Event> {
        self.raw.then(|| Event::Chunk(data.into())).into_iter().collect()
    }

    /// Writes a large chunk of text.
    fn large(&mut self, writer: Writer, data: &str, text: &str) -> Writer {
        let mut events = self.raw_event(data);
        let told = self.talk.text.say_plainly(text);
        events.push(Event::Text(TextDelta::new(told)));
        writer.event("", data, BodyItem { events, held: self.talk.held(), ..BodyItem::default() })
    }
}

/// Returns whether a piece of a call has an id, a name or arguments.
fn adds(event: &Event) -> bool {
    let Event::ToolCall(piece) = event else { return true };
    piece.id.is_some() || piece.name.is_some() || !piece.arguments.is_empty()
}

/// Returns the events of a choice. A finish reason is on the text, which comes last then.
fn with_reason(choice: Choice) -> Vec<Event> {
    let mut events = choice.events;
    let Some(reason) = choice.reason.map(FinishReason::from) else { return events };
    let text = events.iter().position(|event| matches!(event, Event::Text(_))).map(|at| events.remove(at));
    let mut text = match text {
        Some(Event::Text(text)) => text,
        _ => TextDelta::new(""),
    };
    text.finish_reason = Some(reason);
    events.push(Event::Text(text));
    events
}

/// Returns the event of token usage. Only an object is one.
fn usage(json: &str) -> Option<Event> {
    Usage::from_json(json).map(|usage| Event::Usage(Box::new(usage)))
}
