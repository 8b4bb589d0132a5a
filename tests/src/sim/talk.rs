//! What the server of a chat completion says, piece by piece: the JSON of each piece, and what a client must read from it.
//!
//! A piece is made from what it means, so that the expected events do not depend on a decoder.

use std::sync::Arc;

use chat_client::{Citation, Citations, Event, TextDelta, ToolCallDelta};

use super::body::{Escaped, Held};
use super::oracle::citation_size;
use super::rng::Rng;

/// Name of the tool whose arguments are citations.
const PROVIDE_LINKS: &str = "provideLinks";

/// One text of an answer. Its pieces may split a character.
#[derive(Clone, Debug, Default)]
pub(super) struct Voice {
    /// Whether the first half of a character was said and the other half was not.
    half: bool,
}

impl Voice {
    /// Says a text, sometimes with halves of a character around it. Returns its JSON and what a client reads.
    pub(super) fn say(&mut self, rng: &mut Rng, text: &str) -> (String, String) {
        let joins = rng.percent(if self.half { 60 } else { 2 });
        let splits = rng.percent(6);
        if text.is_empty() && !joins && !splits {
            return (r#""""#.to_owned(), String::new());
        }
        let before = match (std::mem::replace(&mut self.half, splits), joins) {
            (true, true) => "\u{1f642}",
            (false, false) => "",
            _ => "\u{fffd}",
        };
        let (low, high) = (if joins { r"\ude42" } else { "" }, if splits { r"\ud83d" } else { "" });
        (format!(r#""{low}{}{high}""#, Escaped(text)), format!("{before}{text}"))
    }

    /// Says a text that is not empty, without halves. Returns what a client reads.
    pub(super) fn say_plainly(&mut self, text: &str) -> String {
        let before = if std::mem::take(&mut self.half) { "\u{fffd}" } else { "" };
        format!("{before}{text}")
    }

    /// Returns what a client reads when nothing follows.
    fn rest(&self) -> Option<&'static str> {
        self.half.then_some("\u{fffd}")
    }
}

/// How a server tells which call a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStyle {
    /// By an index.
    Index,
    /// By an id on each piece, without an index.
    Id,
    /// Not at all: a piece belongs to the last call.
    Last,
    /// By an id. All calls have the index 0, and a piece without an id belongs to the newest call.
    SameIndex,
}

/// A tool call that the server makes.
#[derive(Clone, Debug)]
struct Call {
    index: Option<i64>,
    id: String,
    name: &'static str,
    is_custom: bool,
    has_id: bool,
    has_name: bool,
    voice: Voice,
    /// Length of the arguments so far.
    length: usize,
    /// The rest of the arguments, in pieces, if they are links.
    links: Vec<&'static str>,
}

/// The deprecated call. It counts only if there are no others.
#[derive(Clone, Debug, Default)]
struct FunctionCall {
    arguments: String,
    voice: Voice,
}

/// What the server has said so far.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) text: Voice,
    pub(super) reasoning: Voice,
    pub(super) refusal: Voice,
    style: CallStyle,
    calls: Vec<Call>,
    /// The call that had the last piece.
    last: usize,
    function_call: Option<FunctionCall>,
    annotations: usize,
}

const NAMES: [&str; 4] = ["search", "open", PROVIDE_LINKS, "find"];

/// The arguments of a call of `provideLinks`, in pieces. The second link has no URL, so it gives no citation.
const LINKS: [&str; 4] =
    [r#"{"links":[{"url":"u1","#, r#""label":"1"},"#, r#"{"title":"t"},{"url":"u2","label":2}"#, "]}"];

/// The citations in [`LINKS`].
fn links() -> impl Iterator<Item = Citation> {
    (1..=2).map(|number| {
        let mut citation = Citation::default();
        citation.number = Some(number);
        citation.label = Some(number.to_string());
        citation.record.url = Some(format!("u{number}"));
        citation
    })
}

impl Talk {
    pub(super) fn new(style: CallStyle) -> Self {
        Self {
            text: Voice::default(),
            reasoning: Voice::default(),
            refusal: Voice::default(),
            style,
            calls: Vec::new(),
            last: 0,
            function_call: None,
            annotations: 0,
        }
    }

    /// Says a piece of a call: a new one or one that has begun. Returns its JSON and its event.
    pub(super) fn call_piece(&mut self, rng: &mut Rng, text: &str) -> (String, Event) {
        let is_new = self.calls.is_empty() || self.calls.len() < 4 && rng.percent(30);
        let number = match self.style {
            _ if is_new => self.start(rng),
            CallStyle::Last => self.last,
            _ => rng.below(self.calls.len()),
        };
        // A piece with the same index and without an id belongs to the call of the piece before.
        let is_other = is_new || number != self.last;
        self.last = number;
        let call = &mut self.calls[number];
        // Whether the piece must say to which call it belongs.
        let needs_id = match self.style {
            CallStyle::Index | CallStyle::Last => false,
            CallStyle::Id => true,
            CallStyle::SameIndex => is_other,
        };
        let may_say_id = match call.has_id {
            true => rng.percent(20),
            false => self.style == CallStyle::Last || rng.percent(80),
        };
        let says_id = !call.id.is_empty() && (needs_id || may_say_id);
        let says_name = if call.has_name { rng.percent(20) } else { self.style == CallStyle::Last || rng.percent(80) };
        let mut delta = ToolCallDelta::new(number, "");
        delta.server_index = call.index;
        delta.id = (says_id && !call.has_id).then(|| call.id.clone());
        delta.name = (says_name && !call.has_name).then(|| call.name.to_owned());
        (call.has_id, call.has_name) = (call.has_id || says_id, call.has_name || says_name);
        let mut members = Vec::new();
        match call.index {
            Some(index) => members.push(format!(r#""index":{index}"#)),
            None if rng.percent(30) => members.push(r#""index":null"#.to_owned()),
            None => {}
        }
        if says_id {
            members.push(format!(r#""id":"{}""#, call.id));
        } else if rng.percent(10) {
            members.push(rng.pick(&[r#""id":"""#, r#""id":null"#]).to_owned());
        }
        let (arguments, told) = call.say(rng, text);
        delta.arguments = told;
        call.length += delta.arguments.len();
        let mut function = Vec::new();
        if says_name {
            function.push(format!(r#""name":"{}""#, call.name));
        } else if rng.percent(10) {
            function.push(rng.pick(&[r#""name":"""#, r#""name":null"#]).to_owned());
        }
        let (kind, content) = if call.is_custom { ("custom", "input") } else { ("function", "arguments") };
        function.extend(arguments.map(|arguments| format!(r#""{content}":{arguments}"#)));
        if !function.is_empty() || rng.percent(50) {
            delta.is_custom = call.is_custom;
            members.push(format!(r#""{kind}":{{{}}}"#, function.join(",")));
        }
        (format!("{{{}}}", members.join(",")), Event::ToolCall(Box::new(delta)))
    }

    fn start(&mut self, rng: &mut Rng) -> usize {
        let number = self.calls.len();
        let index = match self.style {
            CallStyle::Index => Some([2, 0, 1, 7][number]),
            CallStyle::SameIndex => Some(0),
            CallStyle::Id | CallStyle::Last => None,
        };
        // Without an index, an id or a name starts a new call.
        let has_id = matches!(self.style, CallStyle::Id | CallStyle::SameIndex) || rng.percent(80);
        let other = self.calls.get(self.last).map(|call| call.name);
        let name = loop {
            let name = rng.pick(&NAMES);
            if Some(name) != other || has_id {
                break name;
            }
        };
        let is_links = name == PROVIDE_LINKS;
        self.calls.push(Call {
            index,
            id: if has_id { format!("c{number}") } else { String::new() },
            name,
            is_custom: !is_links && rng.percent(10),
            has_id: false,
            has_name: false,
            voice: Voice::default(),
            length: 0,
            links: if is_links { LINKS.to_vec() } else { Vec::new() },
        });
        number
    }

    /// Says a piece of the deprecated call. Returns its JSON.
    pub(super) fn function_call_piece(&mut self, rng: &mut Rng, text: &str) -> String {
        let (arguments, told) = match &mut self.function_call {
            // It is ignored after other calls.
            _ if !self.calls.is_empty() => Voice::default().say(rng, text),
            call => call.get_or_insert_default().voice.say(rng, text),
        };
        if let Some(call) = self.function_call.as_mut().filter(|_| self.calls.is_empty()) {
            call.arguments += &told;
        }
        format!(r#"{{"name":"old","arguments":{arguments}}}"#)
    }

    /// Returns the number of calls so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Says an annotation. Returns its JSON.
    pub(super) fn annotation(&mut self) -> String {
        self.annotations += 1;
        let number = self.annotations;
        format!(r#"{{"type":"url_citation","url_citation":{{"url":"a{number}","title":"t","start_index":0}}}}"#)
    }

    /// Returns what a client holds back if nothing follows.
    pub(super) fn held(&self) -> Arc<Held> {
        let mut events = Vec::new();
        events.extend(self.reasoning.rest().map(|half| Event::Reasoning(half.to_owned())));
        events.extend(self.text.rest().map(|half| Event::Text(TextDelta::new(half))));
        events.extend(self.refusal.rest().map(|half| Event::Refusal(half.to_owned())));
        let mut bytes = 0;
        if let Some(call) = self.function_call.as_ref().filter(|_| self.calls.is_empty()) {
            bytes += "old".len() + call.arguments.len();
            let rest = call.voice.rest().unwrap_or_default();
            let mut delta = ToolCallDelta::new(0, format!("{}{rest}", call.arguments));
            delta.name = Some("old".to_owned());
            events.push(Event::ToolCall(Box::new(delta)));
        }
        for (number, call) in self.calls.iter().enumerate() {
            if let Some(half) = call.voice.rest() {
                let mut delta = ToolCallDelta::new(number, half);
                delta.server_index = call.index;
                events.push(Event::ToolCall(Box::new(delta)));
            }
            // Arguments are kept while they may be links.
            if !call.has_name || call.name == PROVIDE_LINKS {
                bytes += call.length;
            }
        }
        let mut linking: Vec<_> = self.calls.iter().filter(|call| call.has_links()).collect();
        linking.sort_by_key(|call| (call.index.is_none(), call.index));
        let annotated = (1..=self.annotations).map(|number| {
            let mut citation = Citation::default();
            citation.record.url = Some(format!("a{number}"));
            citation.record.title = Some("t".to_owned());
            citation
        });
        let annotated: Vec<Citation> = annotated.collect();
        bytes += annotated.iter().map(citation_size).sum::<usize>();
        let mut cited: Vec<_> = linking.into_iter().flat_map(|_| links()).collect();
        cited.extend(annotated);
        if !cited.is_empty() {
            events.push(Event::Citations(Arc::new(Citations::new(cited))));
        }
        Arc::new(Held { events, bytes })
    }

    /// Says all calls of an answer in one object. Returns their JSON and their events.
    pub(super) fn whole_calls(&mut self, rng: &mut Rng, count: usize) -> Vec<(String, Event)> {
        let mut pieces = Vec::new();
        for number in 0..count {
            let name = rng.pick(&NAMES);
            let id = format!("c{number}");
            let mut delta =
                ToolCallDelta::new(number, if name == PROVIDE_LINKS { LINKS.concat() } else { "{}".to_owned() });
            (delta.id, delta.name) = (Some(id.clone()), Some(name.to_owned()));
            let arguments = Escaped(&delta.arguments);
            let json = format!(r#"{{"id":"{id}","function":{{"name":"{name}","arguments":"{arguments}"}}}}"#);
            pieces.push((json, Event::ToolCall(Box::new(delta))));
            self.calls.push(Call {
                index: None,
                id,
                name,
                is_custom: false,
                has_id: true,
                has_name: true,
                voice: Voice::default(),
                length: 0,
                links: Vec::new(),
            });
        }
        pieces
    }
}

impl Call {
    /// Says a piece of the arguments, or none. Returns its JSON and what a client reads.
    fn say(&mut self, rng: &mut Rng, text: &str) -> (Option<String>, String) {
        if rng.percent(10) {
            return (None, String::new());
        }
        if self.name == PROVIDE_LINKS {
            let count = usize::min(rng.below(4), self.links.len());
            let piece: String = self.links.drain(..count).collect();
            return (Some(format!(r#""{}""#, Escaped(&piece))), piece);
        }
        if rng.percent(5) && !self.voice.half {
            let object = r#"{"q": 1}"#;
            return (Some(object.to_owned()), object.to_owned());
        }
        let (json, told) = self.voice.say(rng, text);
        (Some(json), told)
    }

    /// Whether its arguments are links, and complete.
    fn has_links(&self) -> bool {
        self.name == PROVIDE_LINKS && self.has_name && self.links.is_empty()
    }
}
