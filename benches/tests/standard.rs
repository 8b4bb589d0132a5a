//! Counts the cases of the standard that each decoder fails, and checks that the page of chat-sse has these numbers.

use std::fmt::Write as _;
use std::panic::{catch_unwind, set_hook, take_hook};

use base64::{Engine, prelude::BASE64_STANDARD};
use chat_bench::subjects::{self, Sink, Subject};
use serde_json::Value;

const README: &str = include_str!("../../crates/chat-sse/README.md");
const LOCK: &str = include_str!("../../Cargo.lock");

/// Sizes of chunks. The first one is the whole body.
const CHUNKS: [usize; 8] = [usize::MAX, 1, 2, 3, 5, 7, 16, 256];

/// Type, data and last event ID.
type Event = [Vec<u8>; 3];

#[derive(Default)]
struct Events(Vec<Event>);

impl Sink for Events {
    fn event(&mut self, event_type: &[u8], data: &[u8], id: &[u8]) {
        self.0.push([event_type, data, id].map(<[u8]>::to_vec));
    }
}

struct Case {
    name: String,
    /// Leaked, because some decoders need `'static` bytes.
    body: &'static [u8],
    events: Vec<Event>,
}

impl Case {
    /// Whether a decoder returns other events than the standard's for chunks of a size, or panics. A decoder that stops with
    /// an error has returned the events before it.
    fn fails(&self, subject: Subject, chunk: usize) -> bool {
        let decode = || {
            let mut events = Events::default();
            subjects::decode(subject, self.body.chunks(chunk), &mut events);
            events.0
        };
        catch_unwind(decode).map_or(true, |events| events != self.events)
    }
}

fn cases() -> Vec<Case> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let event = |event: &Value| ["event", "data", "id"].map(|key| text(&event[key]).into_bytes());
    let lines = include_str!("../../tests/corpus/sse_cases.jsonl").lines();
    let cases = lines.map(|line| {
        let case: Value = serde_json::from_str(line).expect("a case is an object");
        Case {
            name: text(&case["name"]),
            body: BASE64_STANDARD.decode(text(&case["input_b64"])).expect("base64").leak(),
            events: case["events"].as_array().expect("events").iter().map(event).collect(),
        }
    });
    cases.collect()
}

/// The version of a crate in the lock file.
fn version(name: &str) -> &'static str {
    let (_, rest) =
        LOCK.split_once(&format!("name = \"{name}\"\nversion = \"")).expect("the crate is in the lock file");
    rest.split('"').next().expect("a version")
}

#[test]
fn the_page_of_chat_sse_says_how_many_cases_each_decoder_fails() {
    let cases = cases();
    // The panics of a decoder are counted, not printed. Backtraces would take minutes.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut table = String::new();
    let decoders = subjects::ALL.into_iter().filter(|subject| subject.is_peer() || *subject == Subject::OursOwned);
    for subject in decoders {
        let name = if subject.is_peer() { subject.description() } else { "chat-sse" };
        let whole: Vec<_> = cases.iter().filter(|case| case.fails(subject, CHUNKS[0])).collect();
        let any = cases.iter().filter(|case| CHUNKS.iter().any(|chunk| case.fails(subject, *chunk))).count();
        println!("{name}: {:?}", whole.iter().map(|case| &*case.name).collect::<Vec<_>>());
        writeln!(table, "| `{name}` {} | {} | {any} |", version(name), whole.len()).expect("a string takes all");
    }
    set_hook(hook);
    assert!(table.starts_with(&format!("| `chat-sse` {} | 0 | 0 |", version("chat-sse"))), "a case fails:\n{table}");
    let count = format!("{} cases", cases.len());
    assert!(
        README.contains(&table) && README.contains(&count),
        "crates/chat-sse/README.md must have {count}:\n{table}"
    );
}
