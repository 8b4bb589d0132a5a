//! What the service's own tools carry, and answers that are JSON.

use chat_proto::ErrorKind;
use chat_proto::completions::{AnswerConfidence, Model, Tool};
use serde_json::json;

use super::*;

/// An answer with a call of a tool.
fn called(name: &str, arguments: &str) -> Answer {
    let call = json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": name, "arguments": arguments}}]});
    let members = call.to_string();
    streamed(delta(members.trim_start_matches('{').strip_suffix('}').expect("an object")) + DONE).complete().clone()
}

#[test]
fn rule_16_links_become_citations() {
    let all = json!({"links": [
        {"label": "1", "url": "u", "title": "T", "description": "D", "type": "documentation", "breadcrumbs": ["B", 5], "x": 1},
        {"label": 2, "url": "v", "type": "new"},
        {"label": "*", "url": "w", "title": 5},
        {"label": null, "url": "x"},
        {"url": ""},
        {"title": "no URL"},
        5,
    ], "text": "t"});
    let answer = called(Tool::PROVIDE_LINKS, &all.to_string());
    let known: Vec<_> = answer
        .citations()
        .iter()
        .map(|citation| (citation.number, citation.label.as_deref(), citation.record.url.as_deref(), citation.title()))
        .collect();
    assert_eq!(
        known,
        [
            (Some(1), Some("1"), Some("u"), Some("T")),
            (Some(2), Some("2"), Some("v"), None),
            (None, Some("*"), Some("w"), None),
            (None, None, Some("x"), None),
        ]
    );
    assert_eq!(answer.citations()[0].record.breadcrumbs.as_deref(), Some(&["B".to_owned()][..]));
    for arguments in ["", "{", "5", "{}", r#"{"links":null}"#, r#"{"links":[]}"#, r#"{"links":5}"#] {
        assert_eq!(called(Tool::PROVIDE_LINKS, arguments).citations, None, "{arguments}");
    }
    assert_eq!(called("other", &all.to_string()).citations, None);
}

#[test]
fn rule_16_links_of_several_calls_and_annotations_are_joined() {
    let links = |index: usize, url: &str| {
        format!(
            r#"{{"index":{index},"function":{{"name":"provideLinks","arguments":"{{\"links\":[{{\"url\":\"{url}\"}}]}}"}}}}"#
        )
    };
    let note = r#"{"type":"url_citation","url_citation":{"url":"n","title":"N","start_index":1}}"#;
    let body = delta(&format!(r#""annotations":[{note},{{"type":"file"}},{{"type":"url_citation"}},7]"#))
        + &delta(&format!(r#""tool_calls":[{}]"#, links(1, "b")))
        + &delta(&format!(r#""tool_calls":[{}]"#, links(0, "a")))
        + &delta(r#""annotations":{"x":1}"#)
        + &stop();
    let got = streamed(body.clone() + DONE);
    assert_eq!(got.log()[got.events.len() - 1..], ["cited a b n", "completed"]);
    assert!(got.answer.citations().iter().all(|citation| citation.number.is_none()));
    assert_eq!(got.answer.citations()[2].title(), Some("N"));
    let failed = streamed(body + &data(r#"{"error":"x"}"#));
    assert_eq!((failed.kind(), failed.answer.citations().len()), ("stream", 3), "citations come before an error");
}

#[test]
fn the_records_that_the_service_considered() {
    let arguments =
        json!({"recordsConsidered": [{"type": "site", "url": "u", "title": "T", "breadcrumbs": null}, {"x": 1}]});
    let records = called(Tool::PROVIDE_RECORDS_CONSIDERED, &arguments.to_string()).records_considered();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].url.as_deref(), records[0].title.as_deref()), (Some("u"), Some("T")));
    for arguments in ["", "{", "{}", r#"{"recordsConsidered":null}"#] {
        assert_eq!(called(Tool::PROVIDE_RECORDS_CONSIDERED, arguments).records_considered(), [], "{arguments}");
    }
}

#[test]
fn the_assessment_of_the_service() {
    let assessed = |json: &str| called(Tool::PROVIDE_AI_ANNOTATIONS, json).ai_annotations();
    let all = assessed(r#"{"aiAnnotations":{"answerConfidence":"very_confident","explanation":"\ud83d","x":1}}"#);
    let all = all.expect("an assessment");
    assert_eq!(
        (&all.answer_confidence, all.explanation.as_deref()),
        (&AnswerConfidence::VeryConfident, Some("\u{fffd}"))
    );
    assert_eq!(all.extra["x"], 1);
    let other = assessed(r#"{"aiAnnotations":{"answerConfidence":"quite"}}"#).expect("an assessment");
    assert_eq!(other.answer_confidence.as_str(), "quite");
    for json in ["", "{}", r#"{"aiAnnotations":{}}"#, r#"{"aiAnnotations":5}"#] {
        assert_eq!(assessed(json), None, "{json}");
    }
}

#[test]
fn the_documents_of_a_retrieval() {
    let content = json!({"content": [
        {"type": "document", "record_type": "Documentation", "url": "u", "title": "T", "context": "C",
         "source": {"type": "content", "content": [{"type": "text", "text": "A"}, {"type": "image"}, {"type": "text", "text": "B"}]}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
        {"type": "document", "source": {"content": "E"}, "x": 1},
    ]});
    let body = json!({"choices": [{"message": {"content": content.to_string()}, "finish_reason": "stop"}]});
    let documents = object(body.to_string()).complete().documents().expect("documents");
    assert_eq!(documents.iter().map(chat_proto::completions::Document::text).collect::<Vec<_>>(), ["AB", "D", "E"]);
    assert_eq!((documents[0].url.as_deref(), documents[0].record_type.as_deref()), (Some("u"), Some("Documentation")));
    assert_eq!(documents[2].extra["x"], 1);
    let error = streamed(text("no JSON") + DONE).complete().documents().expect_err("no documents");
    assert!(matches!(error.kind(), ErrorKind::Decode { what: "the requested format", .. }), "{error}");
}

#[test]
fn an_answer_is_parsed_as_json() {
    let answer = |body: String| streamed(body + DONE).complete().clone();
    assert_eq!(answer(text(r#"{"a":[1]}"#)).parse::<serde_json::Value>().expect("JSON"), json!({"a": [1]}));
    for (body, words) in [
        (text("{\"a\":") + &finish("\"length\""), "maximum length"),
        (delta(r#""refusal":"I will not.""#), "the model refused: I will not."),
        (text("plain"), "the requested format"),
        (text("5"), "invalid type"),
    ] {
        let error = answer(body.clone()).parse::<Vec<String>>().expect_err("it does not match");
        assert!(error.to_string().contains(words), "{body}: {error}");
        assert_eq!((error.kind().name(), error.status().map(|status| status.as_u16())), ("decode", Some(200)));
        assert!(error.partial().is_some());
    }
}

#[test]
fn the_list_of_models_is_read() {
    let request = Request::models(&endpoint()).expect("a request");
    let call = Call { request, ..Call::create() };
    let list = |body: &str| call.run(&[vec![(0, support::json()), (0, support::data(body)), (0, support::In::Eof)]]);
    for (body, ids) in [
        (r#"{"object":"list","data":[{"id":"a","owned_by":"o"},{"x":1},{"id":"b"}]}"#, &["a", "b"][..]),
        (r#"[{"id":"a"}]"#, &["a"]),
        (r#"{"models":[{"id":"a"}]}"#, &["a"]),
        (r#"{"data":[]}"#, &[]),
    ] {
        let models = Model::list(&list(body).answer().text);
        assert_eq!(models.iter().map(|model| &*model.id).collect::<Vec<_>>(), ids, "{body}");
    }
    for body in ["{}", r#"{"data":5}"#, "5", "x", ""] {
        assert_eq!(list(body).error().kind().name(), "decode", "{body}");
    }
    let stream = call.run(&[vec![(0, support::stream()), (0, support::data(DONE)), (0, support::In::Eof)]]);
    assert_eq!(stream.error().kind().name(), "unexpected_response");
}
