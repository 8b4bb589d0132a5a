//! Answers a question with sentences of the documents that match it, each with its citation.

use chat_client::sessions::{AssistantMessage, RecordsCited};
use chat_client::{Citation, Record, RecordType};

use chat_mock::History;

use super::library::{Library, Section};
use super::rank::{self, Ranking};

/// The maximum number of sections of an answer.
const MAX_SECTIONS: usize = 3;

/// The maximum number of sentences from a section.
const MAX_SENTENCES: usize = 2;

/// The minimum score of a section that is cited, as a part of the best score.
const MIN_SCORE: f32 = 0.5;

/// The sentences that an answer takes from a section. Never empty.
struct Excerpt<'a> {
    section: &'a Section,
    sentences: Vec<&'a str>,
}

/// Answers a question in a session.
///
/// A question without meaningful words ("And then?") repeats the last question that had some, and gets sentences that were
/// not used yet.
pub(crate) fn answer(library: &Library, history: &History, question: &str) -> AssistantMessage {
    let mut text = history.summary();
    let repeated = if rank::has_words(question) { None } else { last_with_words(history) };
    let excerpts = match repeated {
        None => excerpts(library, question, MIN_SCORE, |_| true),
        Some(earlier) => excerpts(library, earlier, 0.0, |sentence| !was_used(history, sentence)),
    };
    if excerpts.is_empty() {
        let nothing = if repeated.is_some() { "Nothing more" } else { "Nothing" };
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

fn last_with_words(history: &History) -> Option<&str> {
    history.entries().rev().map(|entry| entry.question.as_str()).find(|question| rank::has_words(question))
}

fn was_used(history: &History, sentence: &str) -> bool {
    history.entries().any(|entry| entry.answer.contains(sentence))
}

/// Returns the best sections for a question, with their best sentences. `min_score` is the part of the best score that the
/// others must reach.
fn excerpts<'a>(
    library: &'a Library,
    question: &str,
    min_score: f32,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Excerpt<'a>> {
    let ranked = library.ranking().best(question);
    let least = ranked.first().map_or(0.0, |(_, best)| best * min_score);
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
    // Keep the order of the document.
    places.sort_unstable();
    let mut sentences: Vec<&str> = places.into_iter().map(|place| candidates[place]).collect();
    if sentences.is_empty() {
        // Only the heading shares a word with the question, so that the whole section is about it.
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
