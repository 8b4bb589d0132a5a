//! Sessions, on a transport without sockets.

mod support;

use std::sync::Arc;

use chat_client::{Client, ClientBuilder, Error, ErrorKind, Session};
use chat_mock::memory::{MemoryTransport, Script};
use serde_json::Value;
use support::{answer, chunk, run};

fn builder() -> ClientBuilder<MemoryTransport> {
    Client::builder().api_key("sk-1").base_url("https://h.example")
}

fn session(transport: &MemoryTransport) -> Session<MemoryTransport> {
    builder().build_on(transport.clone()).unwrap().session("docs")
}

fn sent(transport: &MemoryTransport) -> Vec<(String, Value)> {
    let requests = transport.requests();
    requests.iter().map(|sent| (sent.uri().path().to_owned(), serde_json::from_slice(sent.body()).unwrap())).collect()
}

#[test]
fn the_first_question_creates_and_the_next_continue() {
    let transport = MemoryTransport::new([answer("Yes."), answer("No.")]);
    let client = builder().chat_mode("turbo").build_on(transport.clone()).unwrap();
    let mut session = client.session("docs").with_guidance("briefly").with_context("page 1").with_tags(["a", "b"]);
    assert_eq!(session.id(), None);
    run(session.ask("Is it?").finish()).unwrap();
    assert_eq!(session.id().unwrap(), "s/1");
    run(session.ask("Sure?").finish()).unwrap();

    let sent = sent(&transport);
    assert_eq!(sent[0].0, "/v0/chat_sessions/chat_results");
    assert_eq!(
        sent[0].1,
        serde_json::json!({
            "integration_id": "docs",
            "chat_session": {
                "messages": [{"role": "user", "content": "Is it?"}],
                "guidance": "briefly", "context": "page 1", "tags": ["a", "b"],
            },
            "chat_mode": "turbo",
            "stream": true,
        })
    );
    assert_eq!(sent[1].0, "/v0/chat_sessions/s%2F1/chat_results");
    let message = serde_json::json!({"role": "user", "content": "Sure?"});
    assert_eq!(sent[1].1, serde_json::json!({"integration_id": "docs", "message": message, "stream": true}));

    let turns: Vec<_> =
        session.history().iter().map(|turn| (turn.question.clone(), turn.outcome.clone().unwrap().text)).collect();
    assert_eq!(turns, [("Is it?".into(), "Yes.".into()), ("Sure?".into(), "No.".into())]);
    session.clear_history();
    assert!(session.history().is_empty());
}

#[test]
fn readers_of_the_history_share_one_list_that_later_turns_do_not_change() {
    let transport = MemoryTransport::new([answer("Yes."), answer("No.")]);
    let mut session = session(&transport);
    run(session.ask("One?").finish()).unwrap();
    let before = session.history();
    assert!(Arc::ptr_eq(&before, &session.history()), "reading does not copy");
    run(session.ask("Two?").finish()).unwrap();
    let after = session.history();
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(Arc::ptr_eq(&before[0], &after[0]), "a copy of the list shares its turns");
    session.clear_history();
    assert_eq!((before.len(), after.len(), session.history().len()), (1, 2, 0));
}

#[test]
fn a_saved_session_continues_by_its_id() {
    let transport = MemoryTransport::new([answer("Here.")]);
    let mut session = session(&transport).with_id("s 2").with_streaming(false);
    run(session.ask("Where?").finish()).unwrap();
    let sent = sent(&transport);
    assert_eq!(
        (sent[0].0.as_str(), &sent[0].1["stream"]),
        ("/v0/chat_sessions/s%202/chat_results", &Value::Bool(false))
    );
    assert_eq!(session.id().unwrap(), "s/1", "the id from the server replaces the saved one");
}

#[test]
fn a_second_question_is_rejected_until_the_first_one_ends() {
    let transport = MemoryTransport::new([answer("Yes."), answer("No.")]);
    let mut session = session(&transport);
    let mut first = session.ask("One?");
    assert!(run(first.next()).unwrap().is_ok());
    let refused = run(session.ask("Two?").finish()).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::InvalidRequest { field, .. } if field == "session"), "{refused}");
    assert_eq!(transport.requests().len(), 1);
    run(first.finish()).unwrap();
    run(session.ask("Two?").finish()).unwrap();
    assert_eq!(session.history().len(), 2, "the rejected question is not in the history");
}

#[test]
fn the_partial_answer_of_a_dropped_reply_is_in_the_history() {
    let transport = MemoryTransport::new([answer("Yes."), Script::events([chunk("No", "")]).cut()]);
    let mut session = session(&transport);
    drop(session.ask("never sent"));
    let mut reply = session.ask("One?");
    run(reply.next()).unwrap().unwrap();
    drop(reply);
    assert_eq!(transport.open(), 0, "its connection is closed");
    run(session.ask("Two?").finish()).unwrap_err();

    let history = session.history();
    let told: Vec<_> = history
        .iter()
        .map(|turn| {
            let kind = turn.outcome.as_ref().unwrap_err().kind().name();
            (turn.question.as_str(), kind, turn.answer().unwrap().text.as_str())
        })
        .collect();
    assert_eq!(told, [("One?", "cancelled", "Yes."), ("Two?", "truncated", "No")]);
}

#[test]
fn one_question_may_have_other_settings() {
    let transport = MemoryTransport::new([answer("Yes."), answer("No.")]);
    let client = builder().header("x-team", "docs").build_on(transport.clone()).unwrap();
    let traced = client.with(|all| all.header("x-trace", "7f").user_agent_suffix("my-app/1")).unwrap();
    let mut session = client.session("docs");
    run(session.ask_by(&traced, "One?").finish()).unwrap();
    run(session.ask("Two?").finish()).unwrap();
    let requests = transport.requests();
    let header =
        |at: usize, name: &str| requests[at].headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header(0, "x-trace").as_deref(), Some("7f"));
    assert_eq!((header(1, "x-trace"), header(1, "x-team").as_deref()), (None, Some("docs")));
    assert!(header(0, "user-agent").unwrap().ends_with(" my-app/1"), "{:?}", header(0, "user-agent"));
}

#[test]
fn a_default_session_needs_an_integration() {
    let transport = MemoryTransport::new([answer("Yes.")]);
    let client = builder().build_on(transport.clone()).unwrap();
    let error = client.default_session().unwrap_err();
    assert_eq!(error.to_string(), "integration_id is not set; set it, or call `env()` to read INKEEP_INTEGRATION_ID");
    let client = builder().integration_id("docs").streaming(false).build_on(transport.clone()).unwrap();
    run(client.default_session().unwrap().ask("Is it?").finish()).unwrap();
    let (_, body) = &sent(&transport)[0];
    assert_eq!((&body["integration_id"], &body["stream"]), (&"docs".into(), &Value::Bool(false)));
}

#[test]
fn the_last_base_url_counts() {
    let transport = MemoryTransport::new([answer("Yes.")]);
    let client =
        builder().base_url("nonsense").base_url("https://last.example/x/").build_on(transport.clone()).unwrap();
    run(client.session("docs").ask("Is it?").finish()).unwrap();
    assert_eq!(transport.requests()[0].uri(), "https://last.example/x/v0/chat_sessions/chat_results");
    let refused: Error = builder().base_url("nonsense").build_on(transport).unwrap_err();
    assert!(refused.to_string().starts_with("base_url "), "{refused}");
}

#[test]
fn a_session_with_an_unusable_id_does_not_continue() {
    let named = |id: &str| {
        let data = serde_json::json!({"content_chunk": "Yes.", "chat_session_id": id, "finish_reason": "stop"});
        Script::events([format!("event: message_chunk\ndata: {data}\n\n")])
    };
    for id in ["", ".", ".."] {
        let transport = MemoryTransport::new([named(id), answer("No.")]);
        let mut one = session(&transport);
        assert_eq!(run(one.ask("Is it?").finish()).unwrap().text, "Yes.");
        assert_eq!((one.id(), one.unusable_id().as_deref()), (None, Some(id)));
        let refused = run(one.ask("Sure?").finish()).unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with("session can't continue") && text.contains(&format!("{id:?}")), "{text}");
        assert_eq!((transport.requests().len(), one.history().len()), (1, 1));
        // The session continues with an id that the caller sets.
        let mut known = one.with_id("s 7");
        assert_eq!((known.integration_id(), known.id().as_deref()), ("docs", Some("s 7")));
        run(known.ask("Sure?").finish()).unwrap();
        assert_eq!(sent(&transport)[1].0, "/v0/chat_sessions/s%207/chat_results");
        known.set_id("s8");
        run(known.ask("Still?").finish()).unwrap_err(); // no script is left
        assert_eq!(sent(&transport)[2].0, "/v0/chat_sessions/s8/chat_results");
    }
    // A usable id is not replaced.
    let transport = MemoryTransport::new([answer("Yes."), named(""), answer("No.")]);
    let mut session = session(&transport);
    for question in ["One?", "Two?", "Three?"] {
        run(session.ask(question).finish()).unwrap();
    }
    assert_eq!((session.id().as_deref(), session.unusable_id()), (Some("s/1"), None));
}
