//! The bodies, made here, the same on every machine.

use std::fmt::Write as _;

/// A body and what is said of it.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The first half of a row's label.
    pub name: &'static str,
    /// Leaked: subjects that want `'static` bytes pay nothing for them.
    pub body: &'static [u8],
    /// Offsets at which an event ends, so that a slow subject can be given fewer.
    ends: Vec<usize>,
}

impl Corpus {
    fn new(name: &'static str, events: impl Iterator<Item = String>) -> Self {
        let mut body = String::new();
        let mut ends = Vec::new();
        for event in events {
            body += &event;
            ends.push(body.len());
        }
        Self { name, body: body.leak().as_bytes(), ends }
    }

    /// The first events, whole, in at most `len` bytes; at least one.
    pub fn prefix(&self, len: usize) -> &'static [u8] {
        let fitting = self.ends.partition_point(|&end| end <= len);
        &self.body[..self.ends[fitting.saturating_sub(1)]]
    }
}

/// The three corpora: at full size, or with few events each, so that even a quadratic peer without optimisation is done
/// in seconds.
pub fn all(quick: bool) -> [Corpus; 3] {
    if quick { [small(100), mixed(50), big(2, 4 * 1024)] } else { [small(200_000), mixed(40_000), big(48, 64 * 1024)] }
}

/// A cheap generator that never changes (Numerical Recipes' constants).
struct Chance(u32);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % bound
    }
}

const WORDS: [&str; 16] = [
    " the", " widget", " you", " can", " con", "figure", " search", ",", " for", " (see", " [1]", " docs", "\\n\\n",
    "s", " API", " key",
];

const FOREIGN: [&str; 4] = [" f\u{fc}r", " \u{201c}API\u{201d}", " \u{691c}\u{7d22}", " \u{1f49a}"];

impl Chance {
    /// Some English, and rarely something that is not ASCII.
    fn word(&mut self) -> &'static str {
        if self.below(64) == 0 { FOREIGN[self.below(4)] } else { WORDS[self.below(16)] }
    }
}

/// An answer as it is streamed: a word or two an event, all alike, about 95 bytes each.
pub fn small(events: usize) -> Corpus {
    let mut chance = Chance(1);
    let events = (0..events).map(move |_| {
        let (one, two) = (chance.word(), chance.word());
        format!(
            "event: message_chunk\ndata: {{\"chat_session_id\":\"cs_01J9ZK4Q8W3M6T\",\"content_chunk\":\"{one}{two}\"}}\n\n"
        )
    });
    Corpus::new("small", events)
}

/// Everything the format has: CRLF, comments, ids, data on several lines, types that change.
pub fn mixed(events: usize) -> Corpus {
    let mut chance = Chance(2);
    let events = (0..events).map(move |n| {
        let mut event = String::new();
        if chance.below(4) == 0 {
            event += ": keep-alive\r\n\r\n";
        }
        if chance.below(3) == 0 {
            write!(event, "id: {n}\r\n").expect("a string takes all");
        }
        if chance.below(50) == 0 {
            event += "retry: 3000\r\n";
        }
        match chance.below(8) {
            0 => {}
            1 => event += "event: status\r\n",
            _ => event += "event: message_chunk\r\n",
        }
        event += "data: {\r\n";
        for line in 0..=chance.below(4) {
            let (one, two) = (chance.word(), chance.word());
            write!(event, "data:   \"line_{line}\": \"{one}{two}{one}\",\r\n").expect("a string takes all");
        }
        event += "data:   \"end\": true\r\ndata: }\r\n\r\n";
        event
    });
    Corpus::new("mixed", events)
}

/// Citations: one `records_cited` an event, of sizes from the smallest to 16 times that. All ASCII, where peers check
/// UTF-8 fastest.
pub fn big(events: usize, smallest: usize) -> Corpus {
    let mut chance = Chance(3);
    let events = (0..events).map(move |n| {
        let size = smallest << (n % 5);
        let mut event = String::from("event: records_cited\ndata: {\"citations\":[");
        let mut number = 0;
        while event.len() < size {
            if number > 0 {
                event.push(',');
            }
            number += 1;
            let url = chance.below(100_000);
            write!(event, r#"{{"number":{number},"record":{{"type":"documentation","url":"https://docs.example.com/{url}","title":""#)
                .expect("a string takes all");
            for _ in 0..chance.below(60) {
                event += WORDS[chance.below(16)];
            }
            event += r#""}}"#;
        }
        event += "]}\n\n";
        event
    });
    Corpus::new("big", events)
}
