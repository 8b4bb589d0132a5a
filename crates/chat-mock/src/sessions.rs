//! The sessions in memory: their ids, their history, and which of them is forgotten first.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use chat_proto::SessionId;

/// How many turns a session remembers. Bounded, because nothing else ends a session that is continued for ever.
const MAX_TURNS: usize = 100;

/// How many bytes they may hold. Questions are a few hundred bytes; this is for those who send a megabyte each time. The
/// last turn is kept whatever its size.
const MAX_HISTORY: usize = 256 << 10;

/// The sessions that are remembered.
#[derive(Debug)]
pub(crate) struct Sessions {
    max: usize,
    prefix: String,
    /// Tells the ids of one run of the server from those of the next.
    run: u32,
    created: u64,
    /// Counts uses, which is all the time that "the longest ago" needs.
    clock: u64,
    by_id: HashMap<SessionId, Session>,
}

/// What was said in a session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    used: u64,
    asked: usize,
    turns: VecDeque<Turn>,
    /// Of all turns.
    bytes: usize,
}

/// The texts of a question and of its answer. Citations are not kept: a client may send a megabyte of them each time.
#[derive(Debug)]
pub(crate) struct Turn {
    /// What was asked.
    pub(crate) question: String,
    /// What was answered: whole, whether or not the client stayed to read it.
    pub(crate) answer: String,
}

impl Turn {
    fn bytes(&self) -> usize {
        self.question.len() + self.answer.len()
    }
}

impl Sessions {
    pub(crate) fn new(max: usize, prefix: String) -> Self {
        // A RandomState is seeded by the system, so a hash of nothing differs from run to run.
        let run = RandomState::new().build_hasher().finish() as u32;
        Self { max: max.max(1), prefix, run, created: 0, clock: 0, by_id: HashMap::new() }
    }

    /// Makes a session under a new id, and forgets another if there are too many.
    pub(crate) fn create(&mut self) -> (SessionId, &mut Session) {
        while self.by_id.len() >= self.max {
            // A walk over all of them, once a create: a thousand by default, and no second structure to keep in step.
            let oldest = self.by_id.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            let oldest = oldest.expect("max is at least 1, so a full map is not empty");
            self.by_id.remove(&oldest);
        }
        self.created += 1;
        let id = SessionId::from(format!("{}{:08x}-{}", self.prefix, self.run, self.created));
        let used = self.tick();
        let session = self.by_id.entry(id.clone()).or_default();
        session.used = used;
        (id, session)
    }

    /// The session of an id.
    pub(crate) fn get(&mut self, id: &str) -> Option<&mut Session> {
        let used = self.tick();
        let session = self.by_id.get_mut(id)?;
        session.used = used;
        Some(session)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

impl Session {
    /// How many questions were asked before, the ones that are no longer remembered included.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// The turns that are remembered, oldest first.
    pub(crate) fn turns(&self) -> &VecDeque<Turn> {
        &self.turns
    }

    /// Remembers a question and its answer.
    pub(crate) fn record(&mut self, question: String, answer: String) {
        self.asked += 1;
        let turn = Turn { question, answer };
        self.bytes += turn.bytes();
        self.turns.push_back(turn);
        while self.turns.len() > 1 && (self.turns.len() > MAX_TURNS || self.bytes > MAX_HISTORY) {
            self.bytes -= self.turns.pop_front().map_or(0, |turn| turn.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_is_forgotten_first() {
        let mut sessions = Sessions::new(2, String::new());
        let (first, _) = sessions.create();
        let (second, _) = sessions.create();
        assert!(sessions.get(&first).is_some());
        let (third, _) = sessions.create();
        assert_eq!([&first, &second, &third].map(|id| sessions.get(id).is_some()), [true, false, true]);
    }

    #[test]
    fn a_history_is_bounded_and_still_counted() {
        let mut session = Session::default();
        for n in 0..MAX_TURNS + 5 {
            session.record(n.to_string(), "an answer".to_owned());
        }
        assert_eq!(session.asked(), MAX_TURNS + 5);
        assert_eq!(session.turns().len(), MAX_TURNS);
        assert_eq!(session.turns()[0].question, "5");
    }

    #[test]
    fn a_history_is_bounded_in_bytes_too() {
        let mut session = Session::default();
        let ask = |session: &mut Session, size| {
            session.record("q".repeat(size), "an answer".to_owned());
            session.turns().iter().map(Turn::bytes).collect::<Vec<_>>()
        };
        let answer = "an answer".len();
        assert_eq!(ask(&mut session, MAX_HISTORY / 2), [MAX_HISTORY / 2 + answer]);
        assert_eq!(ask(&mut session, 1), [MAX_HISTORY / 2 + answer, 1 + answer]);
        assert_eq!(ask(&mut session, MAX_HISTORY / 2), [1 + answer, MAX_HISTORY / 2 + answer]);
        assert_eq!(ask(&mut session, 2 * MAX_HISTORY), [2 * MAX_HISTORY + answer]);
        assert_eq!(ask(&mut session, 1), [1 + answer]);
        assert_eq!(session.asked(), 5);
    }
}
