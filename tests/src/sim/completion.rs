//! Chunks of chat completions for scenarios that are written by hand.

use chat_client::{Event, FinishReason, Started, TextDelta, Usage};

use super::body::{BodyItem, Escaped, Then, Writer};

impl Writer {
    /// Adds a chunk of a completion with its id and text.
    pub fn first(self, id: &str, text: &str) -> Self {
        let data = format!(r#"{{"id":"{id}","choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#, Escaped(text));
        let mut started = Started::default();
        started.id = Some(id.to_owned());
        let events = vec![Event::Started(Box::new(started)), Event::Text(TextDelta::new(text))];
        self.event("", &data, BodyItem { events, ..BodyItem::default() })
    }

    /// Adds a chunk of a completion with text.
    pub fn delta(self, text: &str) -> Self {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#, Escaped(text));
        self.event("", &data, BodyItem::of(Event::Text(TextDelta::new(text))))
    }

    /// Adds a chunk of a completion with a finish reason.
    pub fn finish(self, reason: &str) -> Self {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        let mut text = TextDelta::new("");
        text.finish_reason = Some(FinishReason::from(reason));
        self.event("", &data, BodyItem { completes: true, ..BodyItem::of(Event::Text(text)) })
    }

    /// Adds the token usage of a completion.
    pub fn usage(self, tokens: u64) -> Self {
        let usage = format!(r#"{{"total_tokens":{tokens}}}"#);
        let event = Event::Usage(Box::new(Usage::from_json(&usage).expect("an object")));
        self.event("", &format!(r#"{{"choices":[],"usage":{usage}}}"#), BodyItem::of(event))
    }

    /// Adds the end of a completion.
    pub fn done(self) -> Self {
        self.event("", "[DONE]", BodyItem::ending(Then::Done))
    }

    /// Adds an error of a completion.
    pub fn fault(self, message: &str) -> Self {
        let data = format!(r#"{{"error":{{"message":"{}"}}}}"#, Escaped(message));
        self.event("", &data, BodyItem::ending(Then::Error))
    }
}
