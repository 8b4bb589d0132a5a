//! One request, one answer: the route, the checks, and the two forms of an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::SessionId;
use chat_proto::sessions::{AssistantMessage, ChatResult};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::Library;
use crate::answer::answer;
use crate::body::{self, Body, Unread};
use crate::events::{events, to_json};
use crate::key::Key;
use crate::refusal::Refusal;
use crate::sessions::{Session, Sessions};
use crate::validate::{self, Asked};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the connections share.
#[derive(Debug)]
pub(crate) struct Service {
    api_key: Option<Key>,
    library: Library,
    sessions: Mutex<Sessions>,
    chunk_delay: Duration,
    requests: AtomicU64,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Continue(String),
}

impl Operation {
    /// Everything between the fixed parts is the id, slashes too: one official SDK leaves them as they are.
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v0/chat_sessions/")?;
        if rest == "chat_results" {
            return Some(Self::Create);
        }
        let id = rest.strip_suffix("/chat_results")?;
        Some(Self::Continue(percent_decode_str(id).decode_utf8_lossy().into_owned()))
    }
}

impl Service {
    pub(crate) fn new(api_key: Option<Key>, library: Library, sessions: Sessions, chunk_delay: Duration) -> Self {
        Self { api_key, library, sessions: Mutex::new(sessions), chunk_delay, requests: AtomicU64::new(0) }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    /// Answers any request. From when it is here whole until its answer is sent, there is one more of `under_way`.
    pub(crate) async fn respond(&self, request: Request<Incoming>, under_way: &Weak<()>) -> Response<Body> {
        let number = self.requests.fetch_add(1, Ordering::AcqRel) + 1;
        let (head, body) = request.into_parts();
        // Also where the head alone decides: a connection whose request was read to its end can be used again.
        let body = body::read(body).await;
        let token = under_way.upgrade();
        let answered = self.route(head.uri.path(), &head.method, &head.headers, body);
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        let id = HeaderValue::try_from(format!("req-{number:08x}")).expect("hexadecimal digits are a header value");
        response.headers_mut().insert(REQUEST_ID, id);
        response.map(|body| body.hold(token))
    }

    fn route(
        &self,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
        body: Result<Bytes, Unread>,
    ) -> Result<Response<Body>, Refusal> {
        let operation = Operation::of(path).ok_or(Refusal::Path)?;
        if method != Method::POST {
            return Err(Refusal::Method);
        }
        self.authorize(headers)?;
        let body = body.map_err(Refusal::Body)?;
        match operation {
            Operation::Create => Ok(self.create(validate::create(&body).map_err(Refusal::Invalid)?)),
            Operation::Continue(id) => self.go_on(&id, validate::continued(&body).map_err(Refusal::Invalid)?),
        }
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let key = bearer(headers).ok_or(Refusal::NoKey)?;
        match &self.api_key {
            Some(right) if !right.is(key) => Err(Refusal::WrongKey),
            _ => Ok(()),
        }
    }

    fn create(&self, asked: Asked) -> Response<Body> {
        let (id, message) = {
            let mut sessions = self.sessions();
            let (id, session) = sessions.create();
            (id, self.answer(session, asked.question))
        };
        self.deliver(id, message, asked.stream)
    }

    fn go_on(&self, id: &str, asked: Asked) -> Result<Response<Body>, Refusal> {
        let message = {
            let mut sessions = self.sessions();
            let session = sessions.get(id).ok_or(Refusal::Session)?;
            self.answer(session, asked.question)
        };
        Ok(self.deliver(SessionId::from(id), message, asked.stream))
    }

    /// Answers under the lock of the sessions, so that of two questions at once the second sees the first.
    fn answer(&self, session: &mut Session, question: String) -> AssistantMessage {
        let message = answer(&self.library, session, &question);
        session.record(question, message.content.clone());
        message
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an answer into the form that the request's `stream` asks for. The `Accept` header has no say: the official
    /// SDKs ask for JSON there when they stream.
    fn deliver(&self, id: SessionId, message: AssistantMessage, stream: bool) -> Response<Body> {
        if !stream {
            return json(StatusCode::OK, &ChatResult::new(id, message));
        }
        let mut response = Response::new(Body::events(events(&id, &message), self.chunk_delay));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// The key of `Authorization: Bearer KEY`, if there is one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !key.is_empty()).then_some(key)
}

/// A whole answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::whole(to_json(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_the_id() {
        let continues = |id: &str| Some(Operation::Continue(id.to_owned()));
        assert_eq!(Operation::of("/v0/chat_sessions/chat_results"), Some(Operation::Create));
        assert_eq!(Operation::of("/v0/chat_sessions/s-1/chat_results"), continues("s-1"));
        assert_eq!(Operation::of("/v0/chat_sessions/a/b/chat_results"), continues("a/b"));
        assert_eq!(Operation::of("/v0/chat_sessions/a%2Fb%20c/chat_results"), continues("a/b c"));
        assert_eq!(Operation::of("/v0/chat_sessions/chat_results/chat_results"), continues("chat_results"));
        assert_eq!(Operation::of("/v0/chat_sessions/s-1"), None);
        assert_eq!(Operation::of("/v1/chat_sessions/chat_results"), None);
        assert_eq!(Operation::of("/"), None);
    }

    #[test]
    fn a_bearer_is_not_empty() {
        let key = |authorization: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, authorization.parse().expect("a header value"));
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(key("Bearer k"), Some(b"k".to_vec()));
        assert_eq!(key("BEARER  k "), Some(b"k".to_vec()));
        for none in ["", "Bearer", "Bearer ", "Bearer  ", "Bearerk", "Basic k"] {
            assert_eq!(key(none), None, "{none}");
        }
    }
}
