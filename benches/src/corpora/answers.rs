//! Streamed answers in both dialects, with and without escapes.

use super::{Corpus, FOREIGN, Rng, WORDS};

/// Words that JSON writes with an escape.
const ESCAPED: [&str; 4] = ["\\n", "\\n\\n", " \\\"API\\\"", " caf\\u00e9"];

/// Percentage of texts with an escape, if there are any.
const ESCAPES: usize = 12;

/// Texts of two words each, as JSON writes them. The same texts for the same arguments.
fn texts(count: usize, has_escapes: bool) -> impl Iterator<Item = String> {
    let mut rng = Rng(4);
    (0..count).map(move |_| {
        let is_escaped = rng.below(100) < ESCAPES;
        let (one, two) = (rng.unescaped(), rng.unescaped());
        let escaped = ESCAPED[rng.below(ESCAPED.len())];
        format!("{one}{}", if has_escapes && is_escaped { escaped } else { two })
    })
}

impl Rng {
    /// A word without escapes, rarely one that is not ASCII.
    fn unescaped(&mut self) -> &'static str {
        if self.below(64) == 0 {
            return FOREIGN[self.below(4)];
        }
        loop {
            let word = WORDS[self.below(WORDS.len())];
            if !word.contains('\\') {
                return word;
            }
        }
    }
}

/// An answer of a session (v0): events of about 95 bytes with two words each.
pub fn session(name: &'static str, events: usize, has_escapes: bool) -> Corpus {
    let events = texts(events, has_escapes).map(|text| {
        format!(
            "event: message_chunk\ndata: {{\"chat_session_id\":\"cs_01J9ZK4Q8W3M6T\",\"content_chunk\":\"{text}\"}}\n\n"
        )
    });
    Corpus::new(name, events)
}

/// A chat completion (v1) as OpenAI sends it, with the texts of [`session`] with escapes: a chunk with the role, chunks of
/// about 250 bytes with a text each, the finish reason, the usage, `[DONE]`. With `is_obfuscated`, each chunk ends with random
/// letters, so that its size does not show the length of its text.
pub fn completion(name: &'static str, events: usize, is_obfuscated: bool) -> Corpus {
    let mut rng = Rng(5);
    let mut chunk = move |choices: &str, usage: &str| {
        let padding = if is_obfuscated { format!(",\"obfuscation\":\"{}\"", rng.letters()) } else { String::new() };
        format!(
            "data: {{\"id\":\"chatcmpl-BrT3Yp0kGm5VhQ2nXe7LwZs1dRj4u\",\"object\":\"chat.completion.chunk\",\
             \"created\":1751500000,\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_34a54ae93c\",\
             \"choices\":[{choices}]{usage}{padding}}}\n\n"
        )
    };
    let choice = |delta: &str, reason: &str| {
        format!("{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{reason}}}")
    };
    let role = choice("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "null");
    let first = chunk(&role, "");
    let mut chunks: Vec<_> = std::iter::once(first)
        .chain(texts(events, true).map(|text| chunk(&choice(&format!("\"content\":\"{text}\""), "null"), "")))
        .collect();
    chunks.push(chunk(&choice("", "\"stop\""), ""));
    let usage =
        format!(",\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{events},\"total_tokens\":{}}}", events + 9);
    chunks.push(chunk("", &usage));
    chunks.push("data: [DONE]\n\n".to_owned());
    Corpus::new(name, chunks.into_iter())
}

impl Rng {
    /// 1 to 16 random letters.
    fn letters(&mut self) -> String {
        (0..=self.below(16)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_in_about_12_percent_of_the_texts_or_in_none() {
        let escaped = |has_escapes| texts(10_000, has_escapes).filter(|text| text.contains('\\')).count();
        assert_eq!(escaped(false), 0);
        assert!((1100..1300).contains(&escaped(true)), "{}", escaped(true));
    }

    #[test]
    fn chunks_of_completions_have_the_size_that_openai_sends() {
        let mean = |is_obfuscated| completion("", 1000, is_obfuscated).body.len() / 1004;
        assert!((235..=285).contains(&mean(false)), "{}", mean(false));
        assert!((260..=315).contains(&mean(true)), "{}", mean(true));
    }
}
