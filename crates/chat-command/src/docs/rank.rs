//! Ranks texts by a question. The crate `bm25` ranks; this module splits text into words.

use bm25::{Embedder, EmbedderBuilder, Scorer, Tokenizer};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation as _;

/// Words without meaning for a question. The list is short, because longer lists drop words such as "use", "open" and
/// "first", which manuals are about.
const STOP_WORDS: &[&str] = &[
    "a",
    "about",
    "again",
    "all",
    "also",
    "am",
    "an",
    "and",
    "any",
    "are",
    "aren",
    "as",
    "at",
    "be",
    "been",
    "but",
    "by",
    "can",
    "could",
    "did",
    "didn",
    "do",
    "does",
    "doesn",
    "doing",
    "don",
    "else",
    "explain",
    "for",
    "from",
    "give",
    "go",
    "had",
    "has",
    "have",
    "hello",
    "hey",
    "hi",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "isn",
    "it",
    "its",
    "just",
    "know",
    "let",
    "ll",
    "many",
    "may",
    "me",
    "more",
    "much",
    "my",
    "no",
    "not",
    "now",
    "of",
    "ok",
    "okay",
    "on",
    "one",
    "or",
    "our",
    "out",
    "please",
    "re",
    "say",
    "shall",
    "should",
    "show",
    "so",
    "some",
    "something",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "too",
    "up",
    "us",
    "ve",
    "very",
    "was",
    "we",
    "well",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "will",
    "with",
    "would",
    "yes",
    "you",
    "your",
];

/// The maximum length of a question, in characters. The rest is ignored, because the work grows with the length of the
/// question times that of the texts.
const MAX_QUESTION: usize = 2000;

/// Texts that can be ranked by a question. Each is identified by its index.
pub(crate) struct Ranking {
    embedder: Embedder<u32, Words>,
    scorer: Scorer<usize>,
}

impl Ranking {
    pub(crate) fn new(texts: &[impl AsRef<str>]) -> Self {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let embedder = EmbedderBuilder::with_tokenizer_and_fit_to_corpus(Words, &texts).build();
        let mut scorer = Scorer::new();
        for (index, text) in texts.iter().enumerate() {
            scorer.upsert(&index, embedder.embed(text));
        }
        Self { embedder, scorer }
    }

    /// Returns the indexes and scores of the texts that share a word with the question, the best first.
    pub(crate) fn best(&self, question: &str) -> Vec<(usize, f32)> {
        let question = question.char_indices().nth(MAX_QUESTION).map_or(question, |(end, _)| &question[..end]);
        let mut best: Vec<_> = self
            .scorer
            .matches(&self.embedder.embed(question))
            .into_iter()
            .map(|scored| (scored.id, scored.score))
            .collect();
        // The scorer returns ties in the order of a hash map. Sort them, so that the same question gets the same answer.
        best.sort_by(|(a, a_score), (b, b_score)| b_score.total_cmp(a_score).then(a.cmp(b)));
        best
    }
}

impl std::fmt::Debug for Ranking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranking").finish_non_exhaustive()
    }
}

/// Returns whether a question has a word that is not a stop word.
pub(crate) fn has_words(question: &str) -> bool {
    !Words.tokenize(question).is_empty()
}

/// Splits text into the stems of its words.
struct Words;

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let stemmer = Stemmer::create(Algorithm::English);
        // Without this, "I/O" would be two letters.
        let text = text.to_lowercase().replace("i/o", "io");
        text.unicode_words()
            // `records_cited` becomes two words, and "what's" becomes "what".
            .flat_map(|word| word.split('_'))
            .filter_map(|word| word.split(['\'', '’']).next())
            .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word))
            .map(|word| stemmer.stem(word).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stems() {
        assert_eq!(Words.tokenize("What's a `records_cited`? Retries!"), ["record", "cite", "retri"]);
        assert_eq!(Words.tokenize("Sans-IO is without I/O"), ["san", "io", "without", "io"]);
        assert!(has_words("retry"));
        for nothing in ["", "hi", "And then?", "Tell me more, please.", "…"] {
            assert!(!has_words(nothing), "{nothing}");
        }
    }

    #[test]
    fn a_long_question_is_cut() {
        let ranking = Ranking::new(&["a cat", "a dog"]);
        let question = format!("Cats? {} Dogs?", "ö ".repeat(MAX_QUESTION));
        assert_eq!(ranking.best(&question).len(), 1);
    }

    #[test]
    fn the_best_comes_first_and_ties_keep_their_order() {
        let ranking = Ranking::new(&["a cat", "a dog", "a dog", "cats, cats and cats"]);
        let places = |question| ranking.best(question).into_iter().map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!(places("dogs"), [1, 2]);
        assert_eq!(places("Where is the cat?"), [3, 0]);
        assert_eq!(places("a horse"), [0; 0]);
    }
}
