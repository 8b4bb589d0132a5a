//! The sessions of the server: their ids, their history, and which session is forgotten first.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use chat_proto::SessionId;

/// The maximum length of the quote of an earlier question, in characters.
const MAX_QUOTE: usize = 80;

/// The maximum number of questions and answers that a session remembers.
const MAX_ENTRIES: usize = 100;

/// The maximum size of a session's history in bytes, which matters for large questions. The last entry is kept even if it
/// is larger.
const MAX_HISTORY: usize = 256 << 10;

/// The sessions that the server remembers.
#[derive(Debug)]
pub(crate) struct Sessions {
    max: usize,
    prefix: String,
    /// A random number, so that two runs of the server have different ids.
    run: u32,
    created: u64,
    /// The number of uses so far, which serves as the clock for "least recently used".
    clock: u64,
    by_id: HashMap<SessionId, Session>,
}

#[derive(Debug, Default)]
struct Session {
    last_used: u64,
    history: History,
}

/// The questions and answers of a session, or of the messages of a chat completion.
///
/// It holds the last 100 of them, or fewer if they are larger than 256 KiB together.
#[derive(Debug, Default)]
pub struct History {
    questions: usize,
    entries: VecDeque<HistoryEntry>,
    bytes: usize,
}

/// A question and its answer, without citations.
#[derive(Debug)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The question.
    pub question: String,
    /// The whole answer, even if the client did not read all of it.
    pub answer: String,
}

impl HistoryEntry {
    fn bytes(&self) -> usize {
        self.question.len() + self.answer.len()
    }
}

impl Sessions {
    pub(crate) fn new(max: usize, prefix: String) -> Self {
        // The system seeds a RandomState, so that the hash of nothing differs from run to run.
        let run = RandomState::new().build_hasher().finish() as u32;
        Self { max: max.max(1), prefix, run, created: 0, clock: 0, by_id: HashMap::new() }
    }

    /// Creates a session. If there are too many, the least recently used one is forgotten.
    pub(crate) fn create(&mut self) -> (SessionId, &mut History) {
        while self.by_id.len() >= self.max {
            // Linear, once per create, over a thousand sessions by default: a second structure is not worth it.
            let oldest = self.by_id.iter().min_by_key(|(_, session)| session.last_used).map(|(id, _)| id.clone());
            let oldest = oldest.expect("max is at least 1, so a full map is not empty");
            self.by_id.remove(&oldest);
        }
        self.created += 1;
        let id = SessionId::from(format!("{}{:08x}-{}", self.prefix, self.run, self.created));
        let now = self.tick();
        let session = self.by_id.entry(id.clone()).or_default();
        session.last_used = now;
        (id, &mut session.history)
    }

    /// Returns the history of a session.
    pub(crate) fn get(&mut self, id: &str) -> Option<&mut History> {
        let now = self.tick();
        let session = self.by_id.get_mut(id)?;
        session.last_used = now;
        Some(&mut session.history)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl History {
    /// Returns the number of questions so far, including those that are no longer remembered.
    pub fn questions(&self) -> usize {
        self.questions
    }

    /// Returns the entries that are remembered, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.entries.iter()
    }

    /// Adds a question and its answer. The server does so after each answer; call it to test a function that answers.
    pub fn record(&mut self, question: impl Into<String>, answer: impl Into<String>) {
        self.questions += 1;
        let entry = HistoryEntry { question: question.into(), answer: answer.into() };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > 1 && (self.entries.len() > MAX_ENTRIES || self.bytes > MAX_HISTORY) {
            self.bytes -= self.entries.pop_front().map_or(0, |entry| entry.bytes());
        }
    }

    /// Returns a sentence that shows that the session is remembered, followed by a space. It has the number of the
    /// question that comes next, and quotes the one before. Empty for the first question.
    pub fn summary(&self) -> String {
        let Some(last) = self.entries.back() else { return String::new() };
        let before = last.question.split_whitespace().collect::<Vec<_>>().join(" ");
        let quote = match before.char_indices().nth(MAX_QUOTE) {
            Some((end, _)) => format!("{}…", &before[..end]),
            None => before,
        };
        format!("This is question {} of this session; before it you asked: “{quote}”. ", self.questions + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_session_is_forgotten_first() {
        let mut sessions = Sessions::new(2, String::new());
        let (first, _) = sessions.create();
        let (second, _) = sessions.create();
        assert!(sessions.get(&first).is_some());
        let (third, _) = sessions.create();
        assert_eq!([&first, &second, &third].map(|id| sessions.get(id).is_some()), [true, false, true]);
    }

    #[test]
    fn a_history_is_bounded_and_still_counted() {
        let mut history = History::default();
        for n in 0..MAX_ENTRIES + 5 {
            history.record(n.to_string(), "an answer");
        }
        assert_eq!(history.questions(), MAX_ENTRIES + 5);
        assert_eq!(history.entries.len(), MAX_ENTRIES);
        assert_eq!(history.entries[0].question, "5");
    }

    #[test]
    fn a_history_is_bounded_in_bytes_too() {
        let mut history = History::default();
        let ask = |history: &mut History, size| {
            history.record("q".repeat(size), "an answer");
            history.entries().map(HistoryEntry::bytes).collect::<Vec<_>>()
        };
        let answer = "an answer".len();
        assert_eq!(ask(&mut history, MAX_HISTORY / 2), [MAX_HISTORY / 2 + answer]);
        assert_eq!(ask(&mut history, 1), [MAX_HISTORY / 2 + answer, 1 + answer]);
        assert_eq!(ask(&mut history, MAX_HISTORY / 2), [1 + answer, MAX_HISTORY / 2 + answer]);
        assert_eq!(ask(&mut history, 2 * MAX_HISTORY), [2 * MAX_HISTORY + answer]);
        assert_eq!(ask(&mut history, 1), [1 + answer]);
        assert_eq!(history.questions(), 5);
    }
}
