//! What the demo page calls: a conversation with a server. `just web` builds it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker, ready};

use serde_json::{Value, json};
use transport_web::completions::Tool;
use transport_web::{Answer, Chat, Client, Error, Event, Reply, Session};
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

/// A conversation in one of the dialects. It keeps its history.
#[wasm_bindgen]
pub struct Conversation(Dialect);

enum Dialect {
    Completions(Box<Chat>),
    Sessions(Session),
}

#[wasm_bindgen]
impl Conversation {
    /// Starts a chat (v1), and asks for sources if `links` is set.
    pub fn completions(server: &str, key: &str, model: &str, links: bool) -> Result<Self, JsError> {
        let chat = client(server, key)?.chat(model);
        let chat = if links { chat.with_tools([Tool::provide_links()]) } else { chat };
        Ok(Self(Dialect::Completions(Box::new(chat))))
    }

    /// Starts a session (v0).
    pub fn sessions(server: &str, key: &str, integration: &str) -> Result<Self, JsError> {
        Ok(Self(Dialect::Sessions(client(server, key)?.session(integration))))
    }

    /// Asks a question.
    pub fn ask(&mut self, question: &str) -> Question {
        let reply = match &mut self.0 {
            Dialect::Completions(chat) => chat.ask(question),
            Dialect::Sessions(session) => session.ask(question),
        };
        Question { reply: RefCell::new(Some(reply)), answer: RefCell::default(), waker: Cell::default() }
    }
}

fn client(server: &str, key: &str) -> Result<Client, JsError> {
    let builder = Client::builder().base_url(server);
    let builder = if key.is_empty() { builder.no_api_key() } else { builder.api_key(key) };
    builder.build().map_err(|error| to_js(&error))
}

/// A question and its answer so far.
#[wasm_bindgen]
pub struct Question {
    /// `None` once it has ended.
    reply: RefCell<Option<Reply>>,
    answer: RefCell<Answer>,
    waker: Cell<Option<Waker>>,
}

#[wasm_bindgen]
impl Question {
    /// Waits for the next event. Returns `false` at the end, also after `stop`.
    pub async fn next(&self) -> Result<bool, JsError> {
        match poll_fn(|cx| self.poll_next(cx)).await {
            Some(Ok(_)) => Ok(true),
            None => Ok(false),
            Some(Err(error)) => Err(to_js(&error)),
        }
    }

    /// Ends the answer and closes its connection.
    pub fn stop(&self) {
        if let Some(reply) = self.reply.take() {
            self.end(reply.cancel());
        }
    }

    /// The answer so far, as JSON: `parts`, which are text or references to sources, and `sources`.
    pub fn answer(&self) -> String {
        let reply = self.reply.borrow();
        match reply.as_ref() {
            Some(reply) => reply.answer().map_or_else(|| "{}".to_owned(), to_json),
            None => to_json(&self.answer.borrow()),
        }
    }

    fn poll_next(&self, cx: &mut std::task::Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        self.waker.set(Some(cx.waker().clone()));
        let mut reply = self.reply.borrow_mut();
        let Some(open) = &mut *reply else { return Poll::Ready(None) };
        let event = ready!(pin!(open.next()).poll(cx));
        match &event {
            Some(Ok(_)) => {}
            Some(Err(error)) => *self.answer.borrow_mut() = error.partial().cloned().unwrap_or_default(),
            None => *self.answer.borrow_mut() = open.answer().cloned().unwrap_or_default(),
        }
        if !matches!(event, Some(Ok(_))) {
            *reply = None;
        }
        Poll::Ready(event)
    }

    fn end(&self, outcome: Result<Answer, Error>) {
        *self.answer.borrow_mut() = outcome.map_or_else(Error::into_partial, Some).unwrap_or_default();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What happened, and what to do.
fn to_js(error: &Error) -> JsError {
    JsError::new(&format!("{error:#}\n{}", error.advice()))
}

fn to_json(answer: &Answer) -> String {
    let mut parts = Vec::new();
    let mut end = 0;
    for reference in answer.references() {
        parts.push(json!({ "text": answer.text[end..reference.range.start] }));
        parts.push(json!({ "number": reference.number, "url": reference.citation.url() }));
        end = reference.range.end;
    }
    parts.push(json!({ "text": answer.text[end..] }));
    let sources = answer.citations().iter();
    let sources: Vec<Value> = sources
        .map(|source| json!({ "number": source.number, "title": source.title(), "url": source.url() }))
        .collect();
    json!({ "parts": parts, "refusal": answer.refusal, "sources": sources }).to_string()
}
