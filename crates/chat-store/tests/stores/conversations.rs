//! Conversations of both dialects that continue.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use chat_client::ToolResult;
use chat_client::completions::{CompletionInput, Message};
use chat_mock::memory::{MemoryTransport, Script};
use chat_store::{
    AnyStore, AppendError, AskError, ConversationId, Dialect, Head, Loaded, Position, Store, StoreError,
    StoredConversation, StoredTurn, Summary,
};
use serde_json::{Value, json};

use crate::support::{Place, client};

/// The messages of the last request, as `role: text`.
fn last_messages(transport: &MemoryTransport) -> Vec<String> {
    let body: Value = serde_json::from_slice(transport.requests().last().expect("a request").body()).unwrap();
    let text = |message: &Value| {
        format!("{}: {}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap_or("-"))
    };
    body["messages"].as_array().unwrap().iter().map(text).collect()
}

/// The questions and answers of turns.
fn texts(turns: &[StoredTurn]) -> Vec<(String, String)> {
    turns.iter().map(|turn| (turn.question(), turn.answer())).collect()
}

fn owned(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    texts.iter().map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned())).collect()
}

/// An answer that calls functions with these ids.
fn calls(ids: &[&str]) -> Script {
    let call = |id: &&str| json!({"id": id, "type": "function", "function": {"name": "sum", "arguments": "{\"q\":1}"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>()});
    Script::json(200, json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).to_string())
}

/// A piece of a chat completion.
fn piece(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// Checks that a future can move to another thread.
fn movable<F: Future + Send>(future: F) -> F {
    future
}

pub(crate) fn a_chat_continues(place: &Place) {
    let (first, _) = client([Script::completion("One."), Script::completion("Two 🦀.")]);
    let mut conversation = place.open().start(first.chat("model-1").with_system("Be brief."));
    let id = conversation.id();
    assert!(
        matches!(place.run(place.open().conversation(&first, id)), Err(StoreError::NotFound(found)) if found == id)
    );
    for (question, answer) in [("  First\nquestion? ", "One."), ("2 שלום?", "Two 🦀.")] {
        assert_eq!(place.run(movable(conversation.ask(question).finish())).unwrap().text, answer);
    }
    conversation = conversation.with_chat(|chat| chat.with_system("Be kind."));
    let expected = owned(&[("  First\nquestion? ", "One."), ("2 שלום?", "Two 🦀.")]);
    assert_eq!(texts(conversation.turns()), expected);
    drop(conversation);

    let (second, transport) = client([Script::completion("Three.")]);
    let mut conversation = place.run(movable(place.open().conversation(&second, id))).unwrap();
    assert_eq!(texts(conversation.turns()), expected);
    place.run(conversation.ask_message(Message::user("3?")).unwrap().finish()).unwrap();
    let sent = [
        "system: Be brief.",
        "user:   First\nquestion? ",
        "assistant: One.",
        "user: 2 שלום?",
        "assistant: Two 🦀.",
        "user: 3?",
    ];
    assert_eq!(last_messages(&transport), sent);
    assert_eq!(conversation.turns().len(), 3);
    let listed = &place.run(place.open().list(None, 9)).unwrap()[0];
    assert_eq!((listed.id, listed.len, &*listed.about.title), (id, 3, "First question?"));
    assert!(matches!(&listed.about.dialect, Dialect::Chat { model, .. } if model == "model-1"));

    let shorter = place.run(StoredConversation::resume(place.open(), &second, id, 1)).unwrap();
    assert_eq!(texts(shorter.turns()), owned(&[("3?", "Three.")]));
    let debug = format!("{shorter:?} {:?}", shorter.turns());
    assert!(!debug.contains("Three."), "{debug}");
}

pub(crate) fn changed_settings_are_stored_with_the_next_turn(place: &Place) {
    let (first, _) = client(["One.", "Two."].map(Script::completion));
    let mut conversation = place.open().start(first.chat("model-1").with_system("Be brief."));
    assert_eq!((conversation.title(), conversation.len(), conversation.is_empty()), ("", 0, true));
    place.run(conversation.ask("1?").finish()).unwrap();
    assert_eq!((conversation.title(), conversation.len(), conversation.is_empty()), ("1?", 1, false));
    let stored = || place.run(place.open().list(None, 1)).unwrap().remove(0).about;
    let before = conversation.about();
    assert_eq!(stored(), before);

    let model = |mut input: CompletionInput| {
        input.model = "model-2".to_owned();
        input
    };
    let mut conversation = conversation.with_chat(|chat| chat.with_system("Be kind.").with_settings(model));
    assert_eq!(stored(), before, "not yet");
    place.run(conversation.ask("2?").finish()).unwrap();
    assert_eq!((stored(), conversation.title(), conversation.len()), (conversation.about(), "1?", 2));

    let (second, transport) = client([Script::completion("Three.")]);
    let mut conversation = place.run(place.open().conversation(&second, conversation.id())).unwrap();
    assert_eq!((conversation.about(), conversation.len()), (stored(), 2));
    place.run(conversation.ask("3?").finish()).unwrap();
    assert_eq!(last_messages(&transport)[0], "system: Be kind.");
    let body: Value = serde_json::from_slice(transport.requests()[0].body()).unwrap();
    assert_eq!(body["model"], "model-2");
}

pub(crate) fn calls_of_tools_are_answered_after_a_resume(place: &Place) {
    let (first, _) = client([calls(&["a", "b"])]);
    let mut conversation = place.open().start(first.chat("model-1"));
    let id = conversation.id();
    place.run(conversation.ask("1?").finish()).unwrap();

    let (second, transport) = client([Script::completion("Done."), Script::completion("Yes.")]);
    let mut conversation = place.run(place.open().conversation(&second, id)).unwrap();
    let open = conversation.open_calls();
    assert_eq!(open.iter().map(|call| call.id.as_deref()).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    let missing = conversation.answer_tools([ToolResult::new(&open[0], "A")]).unwrap();
    assert!(matches!(place.run(missing.finish()), Err(AskError::Call(_))));
    let results = open.iter().map(|call| ToolResult::new(call, "12 °C"));
    let answer = place.run(conversation.answer_tools(results).unwrap().finish()).unwrap();
    assert_eq!((&*answer.text, conversation.open_calls().len()), ("Done.", 0));

    let mut conversation = place.run(place.open().conversation(&second, id)).unwrap();
    place.run(conversation.ask("2?").finish()).unwrap();
    let sent = ["user: 1?", "assistant: -", "tool: 12 °C", "tool: 12 °C", "assistant: Done.", "user: 2?"];
    assert_eq!(last_messages(&transport), sent);
    assert!(conversation.turns()[1].is_continuation());
}

pub(crate) fn a_resume_goes_back_to_the_question(place: &Place) {
    let scripts =
        [Script::completion("Zero."), calls(&["a"]), calls(&["b"]), calls(&["c"]), Script::completion("Done.")];
    let (client, _) = client(scripts);
    let mut conversation = place.open().start(client.chat("model-1"));
    let id = conversation.id();
    place.run(conversation.ask("0?").finish()).unwrap();
    place.run(conversation.ask("1?").finish()).unwrap();
    for call in ["a", "b", "c"] {
        place.run(conversation.answer_tools([ToolResult::with_id(call, "R")]).unwrap().finish()).unwrap();
    }
    for (last, loaded) in [(0, 0), (1, 4), (2, 4), (3, 5), (4, 4), (5, 5)] {
        let conversation = place.run(StoredConversation::resume(place.open(), &client, id, last)).unwrap();
        assert_eq!(conversation.turns().len(), loaded, "the last {last}");
    }
}

pub(crate) fn a_session_continues(place: &Place) {
    let cited = [
        "event: records_cited\ndata: {\"citations\":[{\"number\":1,\"record\":{\"url\":\"https://h.example\",\"title\":\"T\"}}]}\n\n",
        "event: message_chunk\ndata: {\"content_chunk\":\"One [1].\",\"chat_session_id\":\"s-1\",\"finish_reason\":\"stop\"}\n\n",
    ];
    let (first, _) = client([Script::events(cited)]);
    let mut conversation = place.open().start(first.session("docs").with_guidance("Be brief."));
    let id = conversation.id();
    place.run(conversation.ask("1?").finish()).unwrap();
    assert!(conversation.ask_message(Message::user("2?")).is_err());
    assert!(conversation.answer_tools([]).is_err());

    let (second, transport) = client([Script::answer("s-1", "Two.")]);
    let mut conversation = place.run(place.open().conversation(&second, id)).unwrap();
    assert_eq!(texts(conversation.turns()), owned(&[("1?", "One [1].")]));
    let chat_store::Content::Session(turn) = &conversation.turns()[0].content else { panic!("a session") };
    assert_eq!(turn.citations[0].record.url.as_deref(), Some("https://h.example"));
    assert_eq!(place.run(conversation.ask("2?").finish()).unwrap().text, "Two.");
    assert!(transport.requests()[0].uri().path().contains("/s-1/"), "{}", transport.requests()[0].uri());
    let body: Value = serde_json::from_slice(transport.requests()[0].body()).unwrap();
    assert_eq!(body["integration_id"], "docs");
    let about = place.run(place.open().load(id, 0)).unwrap().unwrap().about;
    let dialect = Dialect::Session { integration_id: "docs".to_owned(), session_id: Some("s-1".into()) };
    assert_eq!((&*about.title, about.dialect), ("1?", dialect));
}

pub(crate) fn a_session_with_an_unusable_id_does_not_continue(place: &Place) {
    for session_id in ["", ".", ".."] {
        let (client, transport) = client([Script::answer(session_id, "One."), Script::answer("s-2", "Two.")]);
        let mut conversation = place.open().start(client.session("docs"));
        place.run(conversation.ask("1?").finish()).unwrap();
        let resumed = place.run(place.open().conversation(&client, conversation.id())).unwrap();
        for mut conversation in [conversation, resumed] {
            let error = place.run(conversation.ask("2?").finish()).unwrap_err();
            assert!(matches!(error, AskError::Call(_)), "{error}");
            assert_eq!(transport.requests().len(), 1, "no new session: {session_id:?}");
            assert_eq!(texts(conversation.turns()), owned(&[("1?", "One.")]));
        }
    }
}

pub(crate) fn a_cancelled_answer_is_stored(place: &Place) {
    let v0 = "event: message_chunk\ndata: {\"content_chunk\":\"Half\",\"chat_session_id\":\"s-1\"}\n\n";
    let stream = |part: &str| Script::events([part.to_owned()]).stall();
    let scripts =
        [stream(&piece("Half")), stream(": wait\n\n"), stream(v0), stream(": wait\n\n"), Script::json(401, "{}")];
    let (client, _) = client(scripts);
    let mut chat = place.open().start(client.chat("model-1"));
    let mut session = place.open().start(client.session("docs"));
    for (is_chat, question, text, stored) in [
        (true, "1?", true, 1),
        (true, "2?", false, 1),
        (false, "1?", true, 1),
        (false, "2?", false, 2),
        (false, "3?", false, 2),
    ] {
        let conversation = if is_chat { &mut chat } else { &mut session };
        let mut reply = conversation.ask(question);
        if text {
            assert_eq!(place.run(reply.next_text()).unwrap().unwrap(), "Half");
        } else {
            // The head arrives.
            let mut next = pin!(reply.next_text());
            let _: Poll<_> = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        let error = place.run(reply.cancel()).unwrap_err();
        assert!(matches!(&error, AskError::Call(_)), "{error}");
        let id = conversation.id();
        let turns = place.run(place.open().load(id, 9)).unwrap().unwrap().turns;
        assert_eq!(turns.len(), stored, "{question}");
        assert!(turns.iter().all(StoredTurn::is_partial));
        assert_eq!(turns[0].answer(), "Half");
    }
}

pub(crate) fn a_conflict_returns_the_answer(place: &Place) {
    let (first, _) = client([Script::completion("One.")]);
    let mut conversation = place.open().start(first.chat("model-1"));
    let id = conversation.id();
    place.run(conversation.ask("1?").finish()).unwrap();

    let (second, _) = client([Script::completion("Theirs.")]);
    let (third, transport) = client(["Mine.", "Also mine.", "Again."].map(Script::completion));
    let mut theirs = place.run(place.open().conversation(&second, id)).unwrap();
    let mut mine = place.run(place.open().conversation(&third, id)).unwrap();
    place.run(theirs.ask("Theirs?").finish()).unwrap();
    for (question, answer) in [("Mine?", "Mine."), ("Also mine?", "Also mine.")] {
        match place.run(mine.ask(question).finish()) {
            Err(AskError::NotSaved(not_saved)) => {
                assert_eq!(not_saved.outcome.as_ref().unwrap().text, answer);
                let AppendError::Conflict(other) = &not_saved.error else { panic!("{not_saved:?}") };
                assert_eq!(*other, theirs.turns()[1]);
            }
            result => panic!("{result:?}"),
        }
    }
    assert_eq!(texts(&place.run(place.open().load(id, 9)).unwrap().unwrap().turns), texts(theirs.turns()));

    let lost = place.run(mine.reload()).unwrap();
    assert_eq!(texts(&lost), owned(&[("Mine?", "Mine."), ("Also mine?", "Also mine.")]));
    place.run(mine.ask("Again?").finish()).unwrap();
    let sent = ["user: 1?", "assistant: One.", "user: Theirs?", "assistant: Theirs.", "user: Again?"];
    assert_eq!(last_messages(&transport), sent);
    assert_eq!(place.run(place.open().load(id, 9)).unwrap().unwrap().turns, mine.turns());
}

pub(crate) fn sessions_that_began_at_once_become_one(place: &Place) {
    let (first, _) = client([Script::answer("s-1", "Theirs.")]);
    let (second, transport) = client([Script::answer("s-2", "Mine."), Script::answer("s-1", "Again.")]);
    let mut theirs = place.open().start(first.session("docs"));
    place.run(theirs.ask("Theirs?").finish()).unwrap();
    // A session that began with the same id, in another process.
    let store = Redirect { store: place.open(), id: theirs.id() };
    let mut mine = Arc::new(store).start(second.session("docs"));
    assert!(matches!(place.run(mine.ask("Mine?").finish()), Err(AskError::NotSaved(_))));
    assert_eq!(texts(&place.run(mine.reload()).unwrap()), owned(&[("Mine?", "Mine.")]));
    place.run(mine.ask("Again?").finish()).unwrap();
    assert!(transport.requests()[1].uri().path().contains("/s-1/"), "the session of the store");
    assert_eq!(texts(mine.turns()), owned(&[("Theirs?", "Theirs."), ("Again?", "Again.")]));
}

/// A store in which all conversations are one.
struct Redirect {
    store: AnyStore,
    id: ConversationId,
}

impl Store for Redirect {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        self.store.append(&Head::new(self.id, conversation.about.clone()), expected_len, turn).await
    }

    async fn load(&self, _: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        self.store.load(self.id, last).await
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        self.store.list(after, limit).await
    }

    async fn delete(&self, _: ConversationId) -> Result<bool, StoreError> {
        self.store.delete(self.id).await
    }
}

/// A store that fails at first. Every other time, it appends the turn, and the acknowledgement is lost.
struct Failing {
    store: AnyStore,
    failures: AtomicUsize,
}

impl Store for Failing {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.unwrap_or(0).is_multiple_of(2) {
            self.store.append(conversation, expected_len, turn).await?;
        }
        left.map_or(Ok(()), |_| Err(StoreError::unavailable("down").into()))
    }

    async fn load(&self, id: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        self.store.load(id, last).await
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        self.store.list(after, limit).await
    }

    async fn delete(&self, id: ConversationId) -> Result<bool, StoreError> {
        self.store.delete(id).await
    }
}

pub(crate) fn turns_wait_until_the_store_is_back(place: &Place) {
    let (client, transport) = client(["One.", "Two.", "Three."].map(Script::completion));
    let store = Arc::new(Failing { store: place.open(), failures: AtomicUsize::new(2) });
    let mut conversation = store.start(client.chat("model-1"));
    for (question, waiting) in [("1?", 1), ("2?", 2)] {
        let error = place.run(conversation.ask(question).finish()).unwrap_err();
        assert!(error.to_string().starts_with("could not save the turn: the store is not available: down"), "{error}");
        assert!(error.answer().is_some());
        assert_eq!((conversation.unsaved().len(), conversation.turns().len()), (waiting, 0));
    }
    place.run(conversation.ask("3?").finish()).unwrap();
    assert_eq!(last_messages(&transport).len(), 5, "the chat goes on");
    assert_eq!((conversation.unsaved().len(), conversation.turns().len()), (0, 3));
    let loaded = place.run(place.open().load(conversation.id(), 9)).unwrap().unwrap();
    assert_eq!((loaded.turns.as_slice(), &*loaded.about.title), (conversation.turns(), "1?"));
}

pub(crate) fn a_reload_returns_no_stored_turn(place: &Place) {
    let (client, _) = client(["Zero.", "One.", "Two.", "Three.", "Four."].map(Script::completion));
    let mut theirs = place.open().start(client.chat("model-1"));
    place.run(theirs.ask("0?").finish()).unwrap();
    let id = theirs.id();
    // The first append succeeds without an acknowledgement, and the second fails.
    let store = Arc::new(Failing { store: place.open(), failures: AtomicUsize::new(2) });
    // It loads fewer turns than the other process appends.
    let mut mine = place.run(StoredConversation::resume(store, &client, id, 1)).unwrap();
    for question in ["1?", "2?"] {
        assert!(matches!(place.run(mine.ask(question).finish()), Err(AskError::NotSaved(_))));
    }
    assert_eq!(texts(mine.unsaved()), owned(&[("1?", "One."), ("2?", "Two.")]));
    place.run(theirs.reload()).unwrap();
    for question in ["3?", "4?"] {
        place.run(theirs.ask(question).finish()).unwrap();
    }

    let lost = place.run(mine.reload()).unwrap();
    assert_eq!(texts(&lost), owned(&[("2?", "Two.")]));
    assert_eq!((mine.unsaved().len(), mine.len()), (0, 4));
    // What the documentation of `Store` allows.
    place.run(place.open().append(&Head::new(id, mine.about()), mine.len(), &lost[0])).unwrap();
    let stored = place.run(place.open().load(id, 9)).unwrap().unwrap().turns;
    let expected = [("0?", "Zero."), ("1?", "One."), ("3?", "Three."), ("4?", "Four."), ("2?", "Two.")];
    assert_eq!(texts(&stored), owned(&expected));
}

pub(crate) fn a_dropped_reply_is_saved_later(place: &Place) {
    let scripts =
        [Script::events([piece("Half")]).stall(), Script::completion("Two."), Script::events([piece("Half")]).stall()];
    let (client, _) = client(scripts);
    let mut conversation = place.open().start(client.chat("model-1"));
    let half = |conversation: &mut StoredConversation<AnyStore, MemoryTransport>, question: &str| {
        let mut reply = conversation.ask(question);
        assert_eq!(place.run(reply.next_text()).unwrap().unwrap(), "Half");
    };
    half(&mut conversation, "1?");
    place.run(conversation.ask("2?").finish()).unwrap();
    assert_eq!(texts(conversation.turns()), owned(&[("1?", "Half"), ("2?", "Two.")]));
    half(&mut conversation, "3?");
    // Turns that are removed from the chat are stored all the same.
    let mut conversation = conversation.with_chat(|mut chat| {
        chat.drop_last();
        chat
    });
    place.run(conversation.save()).unwrap();
    place.run(conversation.save()).unwrap();
    let loaded = place.run(place.open().load(conversation.id(), 9)).unwrap().unwrap();
    assert_eq!(texts(&loaded.turns), owned(&[("1?", "Half"), ("2?", "Two."), ("3?", "Half")]));
}

pub(crate) fn a_deleted_conversation_is_not_continued(place: &Place) {
    let (client, _) = client(["One.", "Two."].map(Script::completion));
    let mut conversation = place.open().start(client.chat("model-1"));
    place.run(conversation.ask("1?").finish()).unwrap();
    place.run(place.open().delete(conversation.id())).unwrap();
    let error = place.run(conversation.ask("2?").finish()).unwrap_err();
    assert!(matches!(&error, AskError::NotSaved(error) if matches!(error.error, AppendError::Shorter(0))), "{error}");
    assert!(matches!(place.run(conversation.reload()), Err(StoreError::NotFound(_))));
    assert_eq!(texts(conversation.unsaved()), owned(&[("2?", "Two.")]));
    assert_eq!(error.answer().unwrap().text, "Two.");
}
