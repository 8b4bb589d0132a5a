//! Sessions, replies, keys and threads, against the mock server and scripted responses.

mod support;

use std::future::poll_fn;
use std::sync::Barrier;
use std::task::Poll;
use std::thread;

use chat_blocking::completions::{CompletionInput, QA_EXPERT, Tool, ToolChoice};
use chat_blocking::sessions::{AssistantMessage, CreateInput};
use chat_blocking::{Canceller, Client, ErrorKind, Event, Reply, Session, ToolResult};
use chat_mock::faults::{FIRST, LAST, RESULT};
use chat_mock::{ScriptServer, ScriptedReply as Script, Server, Step};
use support::{once, question, runtime, stream, until};

#[test]
fn a_session_creates_and_continues() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().api_key("k").bind()).unwrap();
    let client = Client::builder().base_url(server.url()).api_key("k").integration_id("i").build().unwrap();
    let mut session = client.default_session().unwrap();

    let mut reply = session.ask("What is a transport?");
    assert!(reply.head().is_none() && reply.answer().is_none());
    let mut text = String::new();
    for event in &mut reply {
        text += event.unwrap().text().unwrap_or_default();
    }
    assert_eq!(reply.answer().unwrap().text, text);
    assert_eq!(reply.head().unwrap().status, 200);
    assert!(reply.next().is_none());
    let first = reply.finish().unwrap();
    assert!(!text.is_empty() && first.finish_reason.is_some());
    assert_eq!(session.id(), first.session_id);

    // By the text that has arrived.
    let mut reply = client.session("i").ask("What is a transport?");
    assert!(reply.try_next().is_none(), "nothing is sent yet");
    let mut grown = String::new();
    while let Some(more) = reply.next_text() {
        grown += more.unwrap();
    }
    assert_eq!(grown, text);
    assert!(reply.next_text().is_none() && reply.try_next().is_none());
    assert_eq!(reply.finish().unwrap().text, text);

    // As one JSON object, read with `text`.
    let mut session = client.session("i").with_id(session.id().unwrap()).with_streaming(false);
    let mut pieces = session.ask("And a driver?").text();
    let piece = pieces.next().unwrap().unwrap();
    assert!(pieces.next().is_none());
    let second = pieces.into_reply().finish().unwrap();
    assert_eq!(second.text, piece);
    assert_eq!(second.session_id, first.session_id);
    assert_eq!(session.history().len(), 1);
    runtime.block_on(server.shutdown());
}

#[test]
fn a_chat_sends_its_history_and_a_completion_does_not() {
    let runtime = runtime();
    let server = Server::builder().api_key("k").respond_with(|history, question| {
        let before: Vec<_> = history.entries().map(|entry| format!("{}={}", entry.question, entry.answer)).collect();
        AssistantMessage::new(format!("{question}{before:?}"), None)
    });
    let server = runtime.block_on(server.bind()).unwrap();
    let client = once(&server.url());
    let models = client.list_models().unwrap();
    assert!(models.iter().any(|model| model.id == QA_EXPERT), "{models:?}");

    let mut chat = client.chat(QA_EXPERT).with_system("Be brief.");
    let mut text = String::new();
    let mut reply = chat.ask("1?");
    for event in &mut reply {
        text += event.unwrap().text().unwrap_or_default();
    }
    assert_eq!((reply.finish().unwrap().text, &*text), (text.clone(), "1?[]"));
    let mut chat = client.import_chat(&chat.export()).unwrap().with_streaming(false);
    assert_eq!(chat.ask("2?").finish().unwrap().text, r#"2?["1?=1?[]"]"#);
    assert_eq!((chat.turns().len(), chat.open_calls().len()), (2, 0));
    chat.keep_last(0);
    assert_eq!(chat.ask("3?").finish().unwrap().text, "3?[]");

    // A function call, and its result.
    let tool = Tool::function("weather", "The weather", Default::default());
    let mut chat =
        client.chat(QA_EXPERT).with_tools([tool]).with_settings(|all| all.with_tool_choice(ToolChoice::Required));
    let answer = chat.ask("4?").finish().unwrap();
    assert_eq!((answer.tool_calls.len(), answer.text.as_str()), (1, ""));
    let answer = chat.answer_tools([ToolResult::new(&answer.tool_calls[0], "rain")]).finish().unwrap();
    assert_eq!(answer.text, "4?[]");

    let answer = client.complete(&CompletionInput::new(QA_EXPERT, ["5?"])).finish().unwrap();
    assert_eq!((answer.text.as_str(), answer.model()), ("5?[]", Some(QA_EXPERT)));
    runtime.block_on(server.shutdown());
}

#[test]
fn a_second_question_is_rejected_while_one_is_in_progress() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server =
        ScriptServer::start(vec![stream().chunk(FIRST).then(Step::Stall), Script::sse([FIRST, LAST].concat())]);
    let server = server.unwrap();
    let mut session = once(&server.url()).session("i");
    let mut first = session.ask("one");
    assert!(first.next().unwrap().is_ok());
    let error = session.ask("two").next().unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "session"), "{error}");
    assert_eq!(server.requests().len(), 1);
    drop(first);
    assert_eq!(session.ask("three").finish().unwrap().text, "Yes, no.");
    assert_eq!(server.requests()[1].path, "/v0/chat_sessions/s-1/chat_results");
    let kinds: Vec<&str> = session
        .history()
        .iter()
        .map(|turn| turn.outcome.as_ref().map_or_else(|error| error.kind().name(), |_| "completed"))
        .collect();
    assert_eq!(kinds, ["cancelled", "completed"]);
}

#[test]
fn a_session_with_an_unusable_id_does_not_continue() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for id in ["", ".", ".."] {
        let result = FIRST.replace("\"s-1\"", &format!("\"{id}\""));
        assert_ne!(result, FIRST);
        let server = ScriptServer::start(vec![Script::sse([result.as_str(), LAST].concat())]).unwrap();
        let mut session = once(&server.url()).session("i");
        assert_eq!(session.unusable_id(), None);
        session.ask("one").finish().unwrap();
        assert_eq!((session.id(), session.unusable_id().as_deref()), (None, Some(id)));
        let error = session.ask("two").finish().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "session"), "{error}");
        assert_eq!(session.with_id("s-2").unusable_id(), None);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_client_with_changed_settings_shares_connections() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT)]).unwrap();
    let client = once(&server.url());
    client.create(&question()).finish().unwrap();
    let traced = client.with(|settings| settings.header("x-trace", "7f")).unwrap();
    traced.create(&question()).finish().unwrap();
    client.session("i").ask_by(&traced, "What is a chunk?").finish().unwrap();
    let requests = server.requests();
    let traces: Vec<bool> = requests.iter().map(|request| request.headers.contains_key("x-trace")).collect();
    assert_eq!(traces, [false, true, true]);
    assert!(requests[0].headers["user-agent"].to_str().unwrap().starts_with("chat-blocking/"));
    assert_eq!(server.accepted_connections(), 1);
}

#[test]
fn an_error_is_the_last_item_and_the_result_of_finish() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::sse(FIRST).then(Step::Close), Script::json(404, &[], "{}")]).unwrap();
    let client = once(&server.url());
    let mut reply = client.create(&question());
    assert!(reply.next().unwrap().is_ok());
    while reply.next().is_some_and(|item| item.is_ok()) {}
    assert!(reply.next().is_none());
    assert_eq!((reply.answer().unwrap().text.as_str(), reply.head().unwrap().status.as_u16()), ("Yes, ", 200));

    let mut reply = client.create(&question());
    let error = reply.next().unwrap().unwrap_err();
    assert!(reply.next().is_none() && reply.answer().is_none());
    assert_eq!(reply.head().unwrap().status, 404);
    assert_eq!(reply.finish().unwrap_err().kind(), error.kind());
}

#[test]
fn a_cancelled_reply_has_the_partial_answer() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![stream().chunk(FIRST).then(Step::Stall)]).unwrap();
    let mut reply = once(&server.url()).create(&question());
    assert!(matches!(reply.next(), Some(Ok(Event::Text(_)))));
    let error = reply.cancel().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    assert_eq!(error.partial().unwrap().text, "Yes, ");
    until("the close", || server.open_connections() == 0);
}

#[test]
fn a_key_callback_is_called_for_every_attempt_and_may_be_async() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let busy = Script::json(503, &[("retry-after", "0")], "{}");
    let server = ScriptServer::start(vec![]).unwrap();
    let settings = || Client::builder().base_url(server.url());
    let count = std::sync::atomic::AtomicU32::new(1);
    let key = move || Ok(format!("k{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let key = std::sync::Arc::new(key);
    let waited_for = {
        let key = std::sync::Arc::clone(&key);
        // Another thread makes it ready.
        move || {
            let key = std::sync::Arc::clone(&key);
            let mut teller = None;
            poll_fn(move |cx| match teller.take() {
                None => {
                    let waker = cx.waker().clone();
                    teller = Some(thread::spawn(move || waker.wake()));
                    Poll::Pending
                }
                Some(told) => {
                    told.join().unwrap();
                    Poll::Ready(key())
                }
            })
        }
    };
    for client in [settings().api_key_fn(move || key()), settings().api_key_async(waited_for)] {
        server.replay(vec![busy.clone(), Script::json(200, &[], RESULT)]);
        let answer = client.build().unwrap().create(&question()).finish().unwrap();
        assert_eq!(answer.text, "Yes, no.");
        let requests = server.requests();
        let keys: Vec<_> = requests.iter().map(|request| request.headers["authorization"].to_str().unwrap()).collect();
        assert!(matches!(keys[..], ["Bearer k1", "Bearer k2"] | ["Bearer k3", "Bearer k4"]), "{keys:?}");
    }
}

#[test]
fn two_hundred_threads_ask_one_client_at_once() {
    const THREADS: usize = 200;
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().bind()).unwrap();
    let client = once(&server.url());
    let all_there = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                all_there.wait();
                let mut reply = client.create(&question());
                let text: String =
                    reply.by_ref().map(|event| event.unwrap().text().unwrap_or_default().to_owned()).collect();
                let answer = reply.finish().unwrap();
                assert!(answer.finish_reason.is_some() && !text.is_empty());
                assert_eq!(answer.text, text);
            });
        }
    });
    assert_eq!(server.requests(), THREADS as u64);
}

#[test]
fn the_types_are_send_and_print_no_key() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Reply>();
    is_send::<Session>();
    is_send::<Client>();
    is_sync::<Client>();
    is_send::<Canceller>();
    is_sync::<Canceller>();
    let client = Client::builder().api_key("sesame").build().unwrap();
    let printed = format!("{client:?} {:?} {:?}", client.session("i"), client.create(&CreateInput::new("i", "m")));
    assert!(!printed.contains("sesame"), "{printed}");
}
