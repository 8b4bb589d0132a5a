//! The wire types: JSON that is read, rejected and written.

use std::fmt::Debug;

use chat_proto::sessions::{
    AssistantMessage, ChatMode, ChatResult, ChatSessionInput, ContinueInput, CreateInput, HttpValidationError, Message,
    MessageChunk, RecordsCited,
};
use chat_proto::{Citation, FinishReason, Location, Record, RecordType, ValidationError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused<T: DeserializeOwned + Debug>(text: &str) {
    if let Ok(value) = serde_json::from_str::<T>(text) {
        panic!("{text:.200} was read as {value:?}");
    }
}

/// Checks that a value serializes to this text and is read from it.
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(&read::<T>(text), value, "{text}");
}

/// Returns a JSON value with one field changed.
fn with(mut value: Value, pointer: &str, new: Value) -> String {
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = new;
    value.to_string()
}

fn full_record() -> Record {
    let mut record = Record::new(RecordType::Documentation);
    record.url = Some("https://d.example/a".into());
    record.title = Some("A".into());
    record.description = Some("about a".into());
    record.breadcrumbs = Some(vec!["Docs".into(), "A".into()]);
    record
}

fn full_cited() -> RecordsCited {
    let mut citation = Citation::new(1, full_record());
    citation.hit_url = Some("https://d.example/a#x".into());
    RecordsCited::new(vec![citation])
}

const CITED: &str = r#"{"citations":[{"number":1,"record":{"type":"documentation","url":"https://d.example/a","title":"A","description":"about a","breadcrumbs":["Docs","A"]},"hit_url":"https://d.example/a#x"}]}"#;

fn result() -> Value {
    json!({"chat_session_id": "s", "message": {"role": "assistant", "content": "Hi", "records_cited": {"citations": [
        {"number": 1, "record": {"type": "site", "breadcrumbs": ["x"]}, "hit_url": "u"}
    ]}}})
}

#[test]
fn every_type_round_trips_with_all_fields() {
    let mut create = CreateInput::new("int", "Hi").with_chat_mode("turbo").with_stream(true);
    let session = create.chat_session.with_guidance("be brief").with_context("page /a");
    create.chat_session = session.with_tags(["a", "b"]);
    assert_eq!(create.chat_mode, Some(ChatMode::Turbo));
    same(
        &create,
        r#"{"integration_id":"int","chat_session":{"messages":[{"role":"user","content":"Hi"}],"guidance":"be brief","context":"page /a","tags":["a","b"]},"chat_mode":"turbo","stream":true}"#,
    );
    let assistant = Message::Assistant { content: "So".into(), records_cited: Some(full_cited()) };
    same(&assistant, &format!(r#"{{"role":"assistant","content":"So","records_cited":{CITED}}}"#));
    assert_eq!((assistant.content(), Message::user("Hi").content()), ("So", "Hi"));
    let next = ContinueInput::new("int", "And?").with_stream(true);
    same(&next, r#"{"integration_id":"int","message":{"role":"user","content":"And?"},"stream":true}"#);
    same(
        &ChatResult::new("s-1", AssistantMessage::new("Hi", Some(full_cited()))),
        &format!(
            r#"{{"chat_session_id":"s-1","message":{{"role":"assistant","content":"Hi","records_cited":{CITED}}}}}"#
        ),
    );
    same(&full_cited(), CITED);
    let mut chunk = MessageChunk::new("é\n\"");
    chunk.chat_session_id = Some("s".into());
    chunk.finish_reason = Some(FinishReason::ContentFilter);
    same(&chunk, r#"{"content_chunk":"é\n\"","chat_session_id":"s","finish_reason":"content_filter"}"#);
    let loc = vec![Location::Field("body".into()), Location::Index(-1)];
    same(
        &HttpValidationError::new(vec![ValidationError::new(loc, "field required", "value_error.missing")]),
        r#"{"detail":[{"loc":["body",-1],"msg":"field required","type":"value_error.missing"}]}"#,
    );
}

#[test]
fn unset_fields_are_omitted_and_stream_is_always_written() {
    same(
        &CreateInput::new("i", "m"),
        r#"{"integration_id":"i","chat_session":{"messages":[{"role":"user","content":"m"}]},"stream":false}"#,
    );
    same(
        &ContinueInput::new("i", "m"),
        r#"{"integration_id":"i","message":{"role":"user","content":"m"},"stream":false}"#,
    );
    same(&ChatSessionInput::new(Message::user("m")), r#"{"messages":[{"role":"user","content":"m"}]}"#);
    same(&Message::Assistant { content: String::new(), records_cited: None }, r#"{"role":"assistant","content":""}"#);
    same(&AssistantMessage::new("", None), r#"{"role":"assistant","content":""}"#);
    same(&MessageChunk::new(""), r#"{"content_chunk":""}"#);
    same(&Citation::default(), r#"{"record":{}}"#);
    same(&Record::default(), "{}");
    same(&RecordsCited::default(), r#"{"citations":[]}"#);
    same(&HttpValidationError::default(), "{}");
    same(&HttpValidationError::new(vec![]), r#"{"detail":[]}"#);
}

#[test]
fn absent_and_null_are_the_same() {
    fn alike<T: DeserializeOwned + PartialEq + Debug>(absent: &str, null: &str) {
        assert_eq!(read::<T>(absent), read::<T>(null), "{null}");
    }
    alike::<Record>("{}", r#"{"type":null,"url":null,"title":null,"description":null,"breadcrumbs":null}"#);
    alike::<Citation>(r#"{"record":{}}"#, r#"{"record":{},"number":null,"hit_url":null}"#);
    alike::<MessageChunk>(
        r#"{"content_chunk":"x"}"#,
        r#"{"content_chunk":"x","chat_session_id":null,"finish_reason":null}"#,
    );
    let message = r#"{"role":"assistant","content":"x"}"#;
    let with_null = r#"{"role":"assistant","content":"x","records_cited":null}"#;
    alike::<AssistantMessage>(message, with_null);
    alike::<Message>(message, with_null);
    alike::<HttpValidationError>("{}", r#"{"detail":null}"#);
    alike::<ChatSessionInput>(r#"{"messages":[]}"#, r#"{"messages":[],"guidance":null,"context":null,"tags":null}"#);
    alike::<CreateInput>(
        r#"{"integration_id":"i","chat_session":{"messages":[]}}"#,
        r#"{"integration_id":"i","chat_session":{"messages":[]},"chat_mode":null,"stream":null}"#,
    );
    alike::<ContinueInput>(
        r#"{"integration_id":"i","message":{"role":"user","content":""}}"#,
        r#"{"integration_id":"i","message":{"role":"user","content":""},"stream":null}"#,
    );
}

#[test]
fn required_fields_must_not_be_absent_or_null() {
    for (pointer, parent, key) in [
        ("/chat_session_id", "", "chat_session_id"),
        ("/message", "", "message"),
        ("/message/role", "/message", "role"),
        ("/message/content", "/message", "content"),
        ("/message/records_cited/citations", "/message/records_cited", "citations"),
        ("/message/records_cited/citations/0/record", "/message/records_cited/citations/0", "record"),
    ] {
        refused::<ChatResult>(&with(result(), pointer, Value::Null));
        let mut without = result();
        without.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(key).unwrap();
        refused::<ChatResult>(&without.to_string());
    }
    for text in [r#"{}"#, r#"{"content_chunk":null}"#, r#"{"content_chunk":1}"#, "null", r#""x""#] {
        refused::<MessageChunk>(text);
    }
    for text in [
        r#"{"detail":[{"msg":"m","type":"t"}]}"#,
        r#"{"detail":[{"loc":[],"type":"t"}]}"#,
        r#"{"detail":[{"loc":[],"msg":"m"}]}"#,
        r#"{"detail":[{"loc":null,"msg":"m","type":"t"}]}"#,
        r#"{"detail":[{"loc":[null],"msg":"m","type":"t"}]}"#,
        r#"{"detail":[{"loc":[true],"msg":"m","type":"t"}]}"#,
        r#"{"detail":[null]}"#,
        r#"{"detail":"Not found"}"#,
        r#"{"detail":{}}"#,
    ] {
        refused::<HttpValidationError>(text);
    }
    for text in [r#"{"breadcrumbs":[null]}"#, r#"{"breadcrumbs":"a"}"#, r#"{"url":1}"#, r#"{"type":1}"#] {
        refused::<Record>(text);
    }
}

#[test]
fn unknown_fields_are_ignored_at_every_level() {
    let plain: ChatResult = read(&result().to_string());
    for level in [
        "",
        "/message",
        "/message/records_cited",
        "/message/records_cited/citations/0",
        "/message/records_cited/citations/0/record",
    ] {
        for unknown in [json!(1e300), json!(u64::MAX), json!({"a": [null, {}]}), json!("x"), Value::Null] {
            let mut more = result();
            more.pointer_mut(level).and_then(Value::as_object_mut).unwrap().insert("new".into(), unknown);
            assert_eq!(read::<ChatResult>(&more.to_string()), plain, "{more}");
        }
    }
    assert_eq!(read::<MessageChunk>(r#"{"x":{},"content_chunk":"a","y":[1]}"#), MessageChunk::new("a"));
    assert_eq!(read::<Message>(r#"{"name":1,"content":"a","role":"user"}"#), Message::user("a"));
    // In a user's message, the field of an assistant's message is unknown.
    assert_eq!(read::<Message>(r#"{"role":"user","content":"a","records_cited":7}"#), Message::user("a"));
    let entry: ValidationError = read(r#"{"loc":["a"],"msg":"m","type":"t","input":{},"ctx":[1],"url":null}"#);
    assert_eq!(entry, ValidationError::new(vec![Location::Field("a".into())], "m", "t"));
}

#[test]
fn unknown_strings_of_an_enumeration_are_kept() {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(known: &[(&str, T)], is_other: fn(&T) -> bool) {
        for (text, value) in known {
            same(value, &format!("{text:?}"));
            assert!(!is_other(value));
        }
        for text in ["", "new-kind", "Stop", "TURBO", " stop", "documentation ", "é\u{1F600}"] {
            let value: T = read(&format!("{text:?}"));
            assert!(is_other(&value), "{text:?} was read as {value:?}");
            same(&value, &format!("{text:?}"));
        }
        // The same string with escapes.
        assert_eq!(&read::<T>(&format!(r#""\u{:04x}{}""#, known[0].0.as_bytes()[0], &known[0].0[1..])), &known[0].1);
        for text in ["1", "null", "true", "[]", r#"["stop"]"#, "{}", r#"{"stop":null}"#, r#"{"turbo":null}"#] {
            refused::<T>(text);
        }
    }
    check(&[("turbo", ChatMode::Turbo), ("auto", ChatMode::Auto)], |mode| matches!(mode, ChatMode::Other(_)));
    check(
        &[
            ("stop", FinishReason::Stop),
            ("length", FinishReason::Length),
            ("content_filter", FinishReason::ContentFilter),
        ],
        |reason| matches!(reason, FinishReason::Other(_)),
    );
    check(
        &[
            ("documentation", RecordType::Documentation),
            ("site", RecordType::Site),
            ("discourse_post", RecordType::DiscoursePost),
            ("github_issue", RecordType::GithubIssue),
            ("github_discussion", RecordType::GithubDiscussion),
            ("stackoverflow_question", RecordType::StackoverflowQuestion),
            ("discord_forum_post", RecordType::DiscordForumPost),
            ("discord_message", RecordType::DiscordMessage),
            ("custom_question_answer", RecordType::CustomQuestionAnswer),
        ],
        |kind| matches!(kind, RecordType::Other(_)),
    );
}

/// Reads a number in each integer field of the API.
fn integers(number: &str) -> [Option<i64>; 3] {
    let citation = format!(r#"{{"record":{{}},"number":{number}}}"#);
    let in_message = format!(r#"{{"role":"assistant","content":"","records_cited":{{"citations":[{citation}]}}}}"#);
    let location = format!(r#"{{"loc":[{number}],"msg":"","type":""}}"#);
    let of_message = |message| match message {
        Message::Assistant { records_cited, .. } => records_cited?.citations[0].number,
        _ => None,
    };
    [
        serde_json::from_str::<Citation>(&citation).ok().and_then(|citation| citation.number),
        serde_json::from_str::<Message>(&in_message).ok().and_then(of_message),
        serde_json::from_str::<ValidationError>(&location).ok().and_then(|error| match error.loc[0] {
            Location::Index(index) => Some(index),
            _ => None,
        }),
    ]
}

#[test]
fn a_whole_number_is_an_integer_in_any_notation() {
    for (text, number) in [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("1", 1),
        ("1.0", 1),
        ("1.000", 1),
        ("-3.0", -3),
        ("1e2", 100),
        ("1E+2", 100),
        ("100e-2", 1),
        ("9007199254740991.0", 9_007_199_254_740_991),
        ("-9007199254740991.0", -9_007_199_254_740_991),
        ("9007199254740993", 9_007_199_254_740_993),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(integers(text), [Some(number); 3], "{text}");
    }
}

#[test]
fn numbers_that_do_not_fit_in_64_bits_are_rejected() {
    for text in [
        "1.5",
        "-0.5",
        "1e-1",
        "1e400",
        "-1e400",
        "1e19",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "9007199254740993.0",
        "-9007199254740993.0",
        "9223372036854775807.0",
        r#""1""#,
        "true",
        "[1]",
        "{}",
        "01",
        "NaN",
    ] {
        let read = integers(text);
        // A location may also be a string, which differs from a number.
        assert_eq!(read, [None; 3], "{text}");
    }
}

#[test]
fn an_array_is_not_accepted_as_an_object() {
    for (pointer, array) in [
        ("", json!(["s", {"role": "assistant", "content": "Hi"}])),
        ("/message", json!(["assistant", "Hi", null])),
        ("/message/records_cited", json!([[]])),
        ("/message/records_cited/citations/0", json!([1, {}, null])),
        ("/message/records_cited/citations/0/record", json!(["site", null, null, null, null])),
    ] {
        refused::<ChatResult>(&with(result(), pointer, array));
        refused::<ChatResult>(&with(result(), pointer, json!([])));
    }
    for text in [r#"["user","Hi"]"#, r#"["assistant","Hi",null]"#, "[]"] {
        refused::<Message>(text);
    }
    refused::<MessageChunk>(r#"["Hi",null,null]"#);
    // `Deserialize::deserialize` must not accept an array either.
    let array = json!(["Hi", null, null]);
    assert!(MessageChunk::deserialize(&array).is_err() && Record::deserialize(json!([])).is_err());
    let error = RecordsCited::deserialize(&array).unwrap_err().to_string();
    assert!(error.contains("expected RecordsCited"), "{error}");
    let error = serde_json::from_str::<MessageChunk>(r#"{"content_chunk":1}"#).unwrap_err().to_string();
    assert!(error.contains("expected a string"), "{error}");
    let error = Citation::deserialize(json!({"number": 1.5})).unwrap_err().to_string();
    assert!(error.contains("expected an integer of 64 bits"), "{error}");
    refused::<RecordsCited>("[[]]");
    refused::<HttpValidationError>("[[]]");
    refused::<HttpValidationError>(r#"{"detail":[[["a"],"m","t"]]}"#);
    refused::<CreateInput>(r#"["i",{"messages":[]},null,true]"#);
    refused::<CreateInput>(r#"{"integration_id":"i","chat_session":[[]]}"#);
    refused::<CreateInput>(r#"{"integration_id":"i","chat_session":{"messages":[["user","m"]]}}"#);
    refused::<ContinueInput>(r#"["i",{"role":"user","content":""},true]"#);
    refused::<ContinueInput>(r#"{"integration_id":"i","message":["user",""]}"#);
}

#[test]
fn a_repeated_key_is_an_error_or_the_last_value_is_used() {
    fn check<T: DeserializeOwned + Serialize>(twice: &str, last: &str) {
        if let Ok(value) = serde_json::from_str::<T>(twice) {
            assert_eq!(serde_json::to_string(&value).unwrap(), last, "{twice}");
        }
    }
    check::<MessageChunk>(r#"{"content_chunk":"1","content_chunk":"2"}"#, r#"{"content_chunk":"2"}"#);
    check::<Record>(r#"{"type":"site","type":"other"}"#, r#"{"type":"other"}"#);
    check::<Record>(r#"{"url":"1","url":null}"#, "{}");
    check::<Citation>(r#"{"record":{},"number":1,"number":2}"#, r#"{"number":2,"record":{}}"#);
    check::<RecordsCited>(r#"{"citations":[{"record":{}}],"citations":[]}"#, r#"{"citations":[]}"#);
    check::<ChatResult>(
        r#"{"chat_session_id":"1","chat_session_id":"2","message":{"role":"assistant","content":""}}"#,
        r#"{"chat_session_id":"2","message":{"role":"assistant","content":""}}"#,
    );
    check::<Message>(r#"{"role":"user","role":"assistant","content":""}"#, r#"{"role":"assistant","content":""}"#);
    check::<Message>(r#"{"role":"user","content":"1","content":"2"}"#, r#"{"role":"user","content":"2"}"#);
    check::<Message>(r#"{"content":"1","content":"2","role":"user"}"#, r#"{"role":"user","content":"2"}"#);
    check::<HttpValidationError>(r#"{"detail":[],"detail":null}"#, "{}");
}

#[test]
fn a_message_has_one_of_two_roles_and_an_answer_has_the_assistants() {
    for role in [
        r#""system""#,
        r#""User""#,
        r#""ASSISTANT""#,
        r#""""#,
        "null",
        "1",
        r#"["user"]"#,
        r#"{"user":null}"#,
        r#"{"assistant":null}"#,
    ] {
        refused::<Message>(&format!(r#"{{"role":{role},"content":""}}"#));
        refused::<AssistantMessage>(&format!(r#"{{"role":{role},"content":""}}"#));
    }
    refused::<Message>(r#"{"content":""}"#);
    refused::<AssistantMessage>(r#"{"role":"user","content":""}"#);
    refused::<AssistantMessage>(r#"{"content":""}"#);
    // The order of keys is irrelevant.
    assert_eq!(read::<AssistantMessage>(r#"{"content":"a","role":"assistant"}"#), AssistantMessage::new("a", None));
    assert_eq!(read::<AssistantMessage>(r#"{"role":"a\u0073sistant","content":"a"}"#).content, "a");
}

#[test]
fn deeply_nested_json_does_not_overflow_the_stack() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = open.repeat(200_000);
        let whole = format!("{deep}0{}", close.repeat(200_000));
        for nested in [&deep, &whole] {
            let _ = serde_json::from_str::<MessageChunk>(&format!(r#"{{"content_chunk":"","x":{nested}}}"#));
            let _ = serde_json::from_str::<Message>(&format!(r#"{{"x":{nested},"role":"user","content":""}}"#));
            let _ = serde_json::from_str::<Message>(&format!(r#"{{"role":"user","content":"","x":{nested}}}"#));
            refused::<MessageChunk>(&format!(r#"{{"content_chunk":{nested}}}"#));
            refused::<Citation>(&format!(r#"{{"record":{{"title":{nested}}}}}"#));
            refused::<ValidationError>(&format!(r#"{{"loc":[{nested}],"msg":"","type":""}}"#));
            refused::<ChatResult>(nested);
        }
    }
}

#[test]
fn a_validation_error_prints_its_location_and_message() {
    let loc = vec![Location::Field("body".into()), Location::Field("messages".into()), Location::Index(0)];
    assert_eq!(ValidationError::new(loc, "field required", "missing").to_string(), "body.messages.0: field required");
}
