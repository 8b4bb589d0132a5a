//! The answers of `chat serve` and `chat demo`: sentences from Markdown documents, with citations.

mod answer;
mod library;
mod markdown;
mod rank;
#[cfg(test)]
mod tests;

pub(crate) use library::Library;

use chat_client::sessions::AssistantMessage;
use chat_mock::History;

/// Returns a function that answers questions from these documents.
pub(crate) fn responder(library: Library) -> impl Fn(&History, &str) -> AssistantMessage + Send + Sync + 'static {
    move |history, question| answer::answer(&library, history, question)
}
