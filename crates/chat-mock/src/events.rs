//! An answer as a stream of events.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::sessions::{AssistantMessage, MessageChunk};
use chat_proto::{FinishReason, SessionId};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde::Serialize;

use crate::body::Body;
use crate::json::to_json;

/// Returns a response that streams these events, with a pause between them.
pub(crate) fn response(events: VecDeque<Bytes>, delay: Duration) -> Response<Body> {
    let mut response = Response::new(Body::events(events, delay));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Returns the words of a text, each with the white space after it.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// Returns the text word by word, with the citations before the last word.
pub(crate) fn events(id: &SessionId, message: &AssistantMessage) -> VecDeque<Bytes> {
    let mut words: Vec<&str> = words(&message.content).collect();
    let chunk = |word: &str, finish_reason| {
        let mut chunk = MessageChunk::new(word);
        chunk.chat_session_id = Some(id.clone());
        chunk.finish_reason = finish_reason;
        event("message_chunk", &chunk)
    };
    // An empty text still has a last chunk.
    let last = words.pop().unwrap_or_default();
    let mut events: VecDeque<Bytes> = words.into_iter().map(|word| chunk(word, None)).collect();
    events.extend(message.records_cited.as_ref().map(|records| event("records_cited", records)));
    events.push_back(chunk(last, Some(FinishReason::Stop)));
    events
}

/// Returns the events of a text without citations.
pub(crate) fn events_of_text(chat_session_id: &str, text: &str) -> VecDeque<Bytes> {
    events(&SessionId::from(chat_session_id), &AssistantMessage::new(text, None))
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    // JSON escapes line ends, so the data is one line.
    format!("event: {name}\ndata: {}\n\n", to_json(data)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_join_to_the_text_and_the_last_one_ends_it() {
        let message =
            AssistantMessage::new("one  two\nthree", Some(chat_proto::sessions::RecordsCited::new(Vec::new())));
        let events: Vec<_> = events(&SessionId::from("s"), &message)
            .iter()
            .map(|event| std::str::from_utf8(event).expect("events are text").to_owned())
            .collect();
        let chunk = |text: &str, end: &str| {
            format!("event: message_chunk\ndata: {{\"content_chunk\":{text},\"chat_session_id\":\"s\"{end}}}\n\n")
        };
        assert_eq!(
            events,
            [
                chunk("\"one \"", ""),
                chunk("\" \"", ""),
                chunk("\"two\\n\"", ""),
                "event: records_cited\ndata: {\"citations\":[]}\n\n".to_owned(),
                chunk("\"three\"", ",\"finish_reason\":\"stop\""),
            ]
        );
    }

    #[test]
    fn an_empty_text_is_one_event() {
        let events = events_of_text("s", "");
        let data = "{\"content_chunk\":\"\",\"chat_session_id\":\"s\",\"finish_reason\":\"stop\"}";
        assert_eq!(events, [format!("event: message_chunk\ndata: {data}\n\n")]);
    }
}
