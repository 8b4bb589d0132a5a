//! The answer that the server gives unless it is told how to answer.

use chat_proto::sessions::{AssistantMessage, RecordsCited};
use chat_proto::{Citation, Record, RecordType};

use crate::History;

const TEXT: &str = "This is a canned answer from the mock server. [1] It is the same for every question. [2]";

/// Returns the same text and citations for every question. A follow-up question is announced by the session's summary.
pub(crate) fn answer(history: &History) -> AssistantMessage {
    let citations = vec![
        citation(1, "Canned answers", "This is a canned answer from the mock server."),
        citation(2, "Questions", "It is the same for every question."),
    ];
    AssistantMessage::new(format!("{}{TEXT}", history.summary()), Some(RecordsCited::new(citations)))
}

fn citation(number: i64, title: &str, description: &str) -> Citation {
    let mut record = Record::new(RecordType::Documentation);
    record.url = Some(format!("https://docs.example/mock#{number}"));
    record.title = Some(title.to_owned());
    record.description = Some(description.to_owned());
    record.breadcrumbs = Some(vec!["Mock server".to_owned(), title.to_owned()]);
    Citation::new(number, record)
}
