//! Generates the bodies. They are the same on every machine.

pub mod answers;

use std::fmt::Write as _;

/// A generated body.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The first half of a row's label.
    pub name: &'static str,
    /// The body. It is leaked, so that subjects that need `'static` bytes do not copy it.
    pub body: &'static [u8],
    /// Offsets of the ends of the events. A slow subject gets only the first events.
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

    /// Number of events of the stream.
    pub fn events(&self) -> usize {
        self.ends.len()
    }

    /// The body in chunks of so many events.
    pub fn chunks_of_events(&self, events: usize) -> impl Iterator<Item = &'static [u8]> {
        let body = self.body;
        let mut start = 0;
        self.ends.chunks(events).filter_map(<[usize]>::last).map(move |&end| {
            let chunk = &body[start..end];
            start = end;
            chunk
        })
    }

    /// The first complete events in at most `len` bytes, but at least one.
    pub fn prefix(&self, len: usize) -> &'static [u8] {
        let fitting = self.ends.partition_point(|&end| end <= len);
        &self.body[..self.ends[fitting.saturating_sub(1)]]
    }
}

/// The three corpora. With `quick`, each has few events, so that even a quadratic peer without optimization takes seconds.
pub fn all(quick: bool) -> [Corpus; 3] {
    if quick { [small(100), mixed(50), big(2, 4 * 1024)] } else { [small(200_000), mixed(40_000), big(48, 64 * 1024)] }
}

/// A linear congruential generator with the constants of Numerical Recipes.
struct Rng(u32);

impl Rng {
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

impl Rng {
    /// An English word, or rarely one that is not ASCII.
    fn word(&mut self) -> &'static str {
        if self.below(64) == 0 { FOREIGN[self.below(4)] } else { WORDS[self.below(16)] }
    }
}

/// A streamed answer: events of about 95 bytes with two words each.
pub fn small(events: usize) -> Corpus {
    let mut rng = Rng(1);
    let events = (0..events).map(move |_| {
        let (one, two) = (rng.word(), rng.word());
        format!(
            "event: message_chunk\ndata: {{\"chat_session_id\":\"cs_01J9ZK4Q8W3M6T\",\"content_chunk\":\"{one}{two}\"}}\n\n"
        )
    });
    Corpus::new("small", events)
}

/// All features of the format: CRLF, comments, ids, data on several lines, various types.
pub fn mixed(events: usize) -> Corpus {
    let mut rng = Rng(2);
    let events = (0..events).map(move |n| {
        let mut event = String::new();
        if rng.below(4) == 0 {
            event += ": keep-alive\r\n\r\n";
        }
        if rng.below(3) == 0 {
            write!(event, "id: {n}\r\n").expect("writing to a string does not fail");
        }
        if rng.below(50) == 0 {
            event += "retry: 3000\r\n";
        }
        match rng.below(8) {
            0 => {}
            1 => event += "event: status\r\n",
            _ => event += "event: message_chunk\r\n",
        }
        event += "data: {\r\n";
        for line in 0..=rng.below(4) {
            let (one, two) = (rng.word(), rng.word());
            write!(event, "data:   \"line_{line}\": \"{one}{two}{one}\",\r\n")
                .expect("writing to a string does not fail");
        }
        event += "data:   \"end\": true\r\ndata: }\r\n\r\n";
        event
    });
    Corpus::new("mixed", events)
}

/// Events of type `records_cited`, from the smallest size to 16 times that. All ASCII, for which the peers' UTF-8 checks are
/// fastest.
pub fn big(events: usize, smallest: usize) -> Corpus {
    let mut rng = Rng(3);
    let events = (0..events).map(move |n| {
        let size = smallest << (n % 5);
        let mut event = String::from("event: records_cited\ndata: {\"citations\":[");
        let mut number = 0;
        while event.len() < size {
            if number > 0 {
                event.push(',');
            }
            number += 1;
            let url = rng.below(100_000);
            write!(event, r#"{{"number":{number},"record":{{"type":"documentation","url":"https://docs.example.com/{url}","title":""#)
                .expect("writing to a string does not fail");
            for _ in 0..rng.below(60) {
                event += WORDS[rng.below(16)];
            }
            event += r#""}}"#;
        }
        event += "]}\n\n";
        event
    });
    Corpus::new("big", events)
}
