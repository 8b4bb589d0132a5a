//! An answer: sentences of the documents that fit the question, word for word, each with its citation.

use chat_proto::sessions::{AssistantMessage, RecordsCited};
use chat_proto::{Citation, Record, RecordType};

use crate::rank::{self, Ranking};
use crate::sessions::Session;
use crate::{Library, Section};

/// How many sections an answer draws on.
const MAX_SECTIONS: usize = 3;

/// How many sentences an answer takes from a section.
const MAX_SENTENCES: usize = 2;

/// A section whose score is below this part of the best one's is not worth a citation.
const WORTH_CITING: f32 = 0.5;

/// How much of an earlier question is quoted, in characters.
const MAX_QUOTE: usize = 80;

/// What an answer takes from a section; never without a sentence.
struct Excerpt<'a> {
    section: &'a Section,
    sentences: Vec<&'a str>,
}

/// Answers a question, knowing what its session has seen before.
///
/// A question that has no word of its own ("And then?") is taken to mean the last one that had, and is answered with
/// what was not said yet.
pub(crate) fn answer(library: &Library, session: &Session, question: &str) -> AssistantMessage {
    let mut text = opening(session);
    let meant = if rank::has_words(question) { None } else { last_with_words(session) };
    let excerpts = match meant {
        None => excerpts(library, question, WORTH_CITING, |_| true),
        Some(earlier) => excerpts(library, earlier, 0.0, |sentence| !was_said(session, sentence)),
    };
    if excerpts.is_empty() {
        let nothing = if meant.is_some() { "Nothing more" } else { "Nothing" };
        let first = library.first();
        text += &format!("{nothing} in these documents fits that question; they begin with “{}”. [1]", first.title);
        return AssistantMessage::new(text, Some(RecordsCited::new(vec![cite(1, first, &first.sentences[0])])));
    }
    let mut citations = Vec::with_capacity(excerpts.len());
    for (number, excerpt) in (1..).zip(&excerpts) {
        for sentence in &excerpt.sentences {
            text += &format!("{sentence} [{number}] ");
        }
        citations.push(cite(number, excerpt.section, excerpt.sentences[0]));
    }
    text.truncate(text.trim_end().len());
    AssistantMessage::new(text, Some(RecordsCited::new(citations)))
}

/// The sentence that shows that the session has a memory.
fn opening(session: &Session) -> String {
    let Some(last) = session.turns().back() else { return String::new() };
    let before = last.question.split_whitespace().collect::<Vec<_>>().join(" ");
    let quote = match before.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &before[..end]),
        None => before,
    };
    format!("This is question {} of this session; before it you asked: “{quote}”. ", session.asked() + 1)
}

fn last_with_words(session: &Session) -> Option<&str> {
    session.turns().iter().rev().map(|turn| turn.question.as_str()).find(|question| rank::has_words(question))
}

fn was_said(session: &Session, sentence: &str) -> bool {
    session.turns().iter().any(|turn| turn.answer.contains(sentence))
}

/// The best sections for a question, with their best sentences. `worth` is the part of the best section's score that
/// the others must reach.
fn excerpts<'a>(library: &'a Library, question: &str, worth: f32, wanted: impl Fn(&str) -> bool) -> Vec<Excerpt<'a>> {
    let ranked = library.ranking().best(question);
    let least = ranked.first().map_or(0.0, |(_, best)| best * worth);
    ranked
        .into_iter()
        .take_while(|(_, score)| *score >= least)
        .filter_map(|(place, _)| excerpt(&library.sections()[place], question, &wanted))
        .take(MAX_SECTIONS)
        .collect()
}

fn excerpt<'a>(section: &'a Section, question: &str, wanted: &impl Fn(&str) -> bool) -> Option<Excerpt<'a>> {
    let candidates: Vec<&str> = section.sentences.iter().map(String::as_str).filter(|s| wanted(s)).collect();
    let ranked = Ranking::new(&candidates).best(question);
    let mut places: Vec<usize> = ranked.into_iter().map(|(place, _)| place).take(MAX_SENTENCES).collect();
    // They are read in the order they were written in.
    places.sort_unstable();
    let mut sentences: Vec<&str> = places.into_iter().map(|place| candidates[place]).collect();
    if sentences.is_empty() {
        // Only the heading shares a word with the question: then the section as a whole is about it.
        sentences.extend(candidates.first());
    }
    (!sentences.is_empty()).then_some(Excerpt { section, sentences })
}

fn cite(number: i64, section: &Section, sentence: &str) -> Citation {
    let mut record = Record::new(RecordType::Documentation);
    record.url = Some(section.url.clone());
    record.title = Some(section.title.clone());
    record.description = Some(sentence.to_owned());
    record.breadcrumbs = Some(section.breadcrumbs.clone());
    Citation::new(number, record)
}
