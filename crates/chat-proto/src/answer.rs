//! An answer, merged from its events.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::{
    Citation, Citations, Error, ErrorKind, Event, FinishReason, Head, SessionId, Started, ToolCall, ToolCallDelta,
    Usage,
};

/// An answer, merged from the events so far. It is the same for every dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The text: all pieces, concatenated.
    pub text: String,
    /// The last list of citations, if there was one.
    pub citations: Option<Arc<Citations>>,
    /// The tool calls. At the end, they are sorted by the server's index.
    pub tool_calls: Vec<ToolCall>,
    /// The model's reasoning, if the server sends it.
    pub reasoning: Option<String>,
    /// The refusal, if the model refused to answer.
    pub refusal: Option<String>,
    /// The last token usage, if the server sends it.
    pub usage: Option<Box<Usage>>,
    /// Why the server ended its answer: the last reason.
    ///
    /// If it is `None`, the stream ended in order, but nothing says that the answer is complete. If the body ends with the
    /// connection, a cut between two events cannot be detected. A v0 answer in one JSON object never has a reason.
    pub finish_reason: Option<FinishReason>,
    /// The session that the answer belongs to: the last id. `None` if the server keeps no sessions.
    pub session_id: Option<SessionId>,
    started: Option<Box<Started>>,
    /// The number of events.
    pub events: u64,
    /// The status and headers of the response.
    pub head: Head,
}

impl Answer {
    /// An answer of which only the head has arrived.
    pub(crate) fn new(head: Head) -> Self {
        Self { head, ..Self::default() }
    }

    /// The citations. Empty if there are none.
    pub fn citations(&self) -> &[Citation] {
        self.citations.as_deref().map_or(&[], |citations| citations)
    }

    /// The citation that the text refers to as `[number]`.
    pub fn citation(&self, number: i64) -> Option<&Citation> {
        self.citations().iter().find(|citation| citation.number == Some(number))
    }

    /// The id of the answer, if the server gives one.
    pub fn id(&self) -> Option<&str> {
        self.started.as_ref()?.id.as_deref()
    }

    /// The model that answered, if the server names it.
    pub fn model(&self) -> Option<&str> {
        self.started.as_ref()?.model.as_deref()
    }

    /// Reads the text as JSON, for a request with a [response format](crate::completions::ResponseFormat).
    ///
    /// ```
    /// use chat_proto::Answer;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct City {
    ///     name: String,
    /// }
    ///
    /// let mut answer = Answer::default();
    /// answer.text = r#"{"name":"Basel"}"#.to_owned();
    /// assert_eq!(answer.parse::<City>()?.name, "Basel");
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the text is not JSON or does not match `T`, with the answer as its
    /// [`partial`](crate::Error::partial). The message says so if the model refused, or if the answer was cut by its maximum
    /// length.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| {
            let message = match (&self.refusal, &self.finish_reason) {
                (Some(refusal), _) if self.text.is_empty() => format!("the model refused: {refusal}"),
                (_, Some(FinishReason::Length)) => format!("the answer reached its maximum length: {error}"),
                _ => error.to_string(),
            };
            Error::new(ErrorKind::undecodable("the requested format", &self.text, &message))
                .with_attempts(1, None)
                .with_partial(Some(self.clone()))
        })
    }

    /// No more events follow. Sorts the tool calls.
    pub(crate) fn sort_tool_calls(&mut self) {
        self.tool_calls.sort_by_key(|call| ToolCallDelta::order(call.server_index));
    }

    /// Merges an event.
    #[inline(always)]
    pub(crate) fn add(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::Text(delta) => {
                self.text.push_str(&delta.text);
                if let Some(id) = &delta.session_id
                    && self.session_id.as_ref() != Some(id)
                {
                    self.session_id = Some(id.clone());
                }
                if delta.finish_reason.is_some() {
                    self.finish_reason.clone_from(&delta.finish_reason);
                }
            }
            Event::Citations(citations) => self.citations = Some(Arc::clone(citations)),
            event => self.add_rare(event),
        }
    }

    #[cold]
    fn add_rare(&mut self, event: &Event) {
        match event {
            Event::ToolCall(delta) => self.add_tool_call(delta),
            Event::Reasoning(text) => self.reasoning.get_or_insert_default().push_str(text),
            Event::Refusal(text) => self.refusal.get_or_insert_default().push_str(text),
            Event::Usage(usage) => self.usage = Some(usage.clone()),
            Event::Started(started) => {
                let so_far = self.started.get_or_insert_default();
                so_far.id = so_far.id.take().or_else(|| started.id.clone());
                so_far.model = so_far.model.take().or_else(|| started.model.clone());
            }
            Event::Text(_) | Event::Citations(_) | Event::Chunk(_) | Event::Other(_) => {}
        }
    }

    /// Merges a piece of a tool call. A call that is not there yet is added at the end.
    fn add_tool_call(&mut self, delta: &ToolCallDelta) {
        let index = delta.index.min(self.tool_calls.len());
        if index == self.tool_calls.len() {
            self.tool_calls.push(ToolCall::default());
        }
        let call = &mut self.tool_calls[index];
        call.server_index = call.server_index.or(delta.server_index);
        call.is_custom |= delta.is_custom;
        if delta.id.is_some() {
            call.id.clone_from(&delta.id);
        }
        if let Some(name) = &delta.name {
            call.name.clone_from(name);
        }
        call.arguments.push_str(&delta.arguments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextDelta;

    #[test]
    fn events_of_every_kind_are_merged() {
        let first =
            ToolCallDelta { id: Some("c-1".into()), name: Some("search".into()), ..ToolCallDelta::new(0, "{\"q\"") };
        let second = ToolCallDelta { name: Some("open".into()), ..ToolCallDelta::new(1, "{}") };
        let usage = |json| Event::Usage(Box::new(Usage::from_json(json).expect("an object")));
        let mut answer = Answer::default();
        for event in [
            Event::Reasoning("Let me ".into()),
            Event::Reasoning("see.".into()),
            Event::ToolCall(Box::new(first)),
            Event::ToolCall(Box::new(second)),
            Event::ToolCall(Box::new(ToolCallDelta::new(0, ":1}"))),
            Event::Refusal("No.".into()),
            usage("{\"total_tokens\":1}"),
            usage("{\"total_tokens\":2}"),
            Event::Text(TextDelta::new("Hi")),
        ] {
            answer.add(&event);
        }
        let calls: Vec<_> =
            answer.tool_calls.iter().map(|call| (call.id.as_deref(), &*call.name, &*call.arguments)).collect();
        assert_eq!(calls, [(Some("c-1"), "search", "{\"q\":1}"), (None, "open", "{}")]);
        assert_eq!((answer.reasoning.as_deref(), answer.refusal.as_deref()), (Some("Let me see."), Some("No.")));
        assert_eq!(answer.usage.as_ref().and_then(|usage| usage.total_tokens), Some(2), "the last one");
        assert_eq!((&*answer.text, answer.events), ("Hi", 9));
    }
}
