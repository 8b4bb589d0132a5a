//! Handles a request: routing to one of the two APIs, and the operations of `/v0`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::SessionId;
use chat_proto::sessions::{AssistantMessage, ChatResult};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use crate::api_key::{self, ApiKey};
use crate::body::{self, Body, BodyError};
use crate::completions;
use crate::cors::Cors;
use crate::events::{self, events};
use crate::json;
use crate::rejection::Rejection;
use crate::sessions::{History, Sessions};
use crate::validate::{self, ChatRequest};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A function that answers a question in a session with this history.
pub(crate) type Respond = Box<dyn Fn(&History, &str) -> AssistantMessage + Send + Sync>;

/// The state that all connections share.
pub(crate) struct Service {
    api_key: Option<ApiKey>,
    respond: Respond,
    sessions: Mutex<Sessions>,
    chunk_delay: Duration,
    cors: Option<Cors>,
    #[cfg(feature = "files")]
    files: Option<crate::files::Files>,
    requests: AtomicU64,
}

/// The operation of `/v0` that a path names.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Continue(String),
}

impl Operation {
    /// Everything between the fixed parts is the id, including slashes, because one official SDK does not encode them.
    fn from_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v0/chat_sessions/")?;
        if rest == "chat_results" {
            return Some(Self::Create);
        }
        let id = rest.strip_suffix("/chat_results")?;
        Some(Self::Continue(percent_decode_str(id).decode_utf8_lossy().into_owned()))
    }
}

impl Service {
    pub(crate) fn new(api_key: Option<ApiKey>, respond: Respond, sessions: Sessions, chunk_delay: Duration) -> Self {
        Self {
            api_key,
            respond,
            sessions: Mutex::new(sessions),
            chunk_delay,
            cors: None,
            #[cfg(feature = "files")]
            files: None,
            requests: AtomicU64::new(0),
        }
    }

    pub(crate) fn with_cors(self, cors: Option<Cors>) -> Self {
        Self { cors, ..self }
    }

    #[cfg(feature = "files")]
    pub(crate) fn with_files(self, files: Option<crate::files::Files>) -> Self {
        Self { files, ..self }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    /// Answers a request. A clone of `in_progress` is held from when the request is complete until its answer is sent.
    pub(crate) async fn respond(&self, request: Request<Incoming>, in_progress: &Weak<()>) -> Response<Body> {
        let number = self.requests.fetch_add(1, Ordering::AcqRel) + 1;
        let (head, body) = request.into_parts();
        // The body is read even if the head alone decides, so that the connection can be reused.
        let body = body::read(body).await;
        let token = in_progress.upgrade();
        let mut response = match self.cors.as_ref().and_then(|cors| cors.preflight(&head)) {
            Some(response) => response,
            None => self.answer_to(number, &head, body).await,
        };
        if let Some(cors) = &self.cors {
            cors.allow(response.headers_mut());
        }
        let id = HeaderValue::try_from(format!("req-{number:08x}")).expect("hexadecimal digits are a header value");
        response.headers_mut().insert(REQUEST_ID, id);
        response.map(|body| body.hold(token))
    }

    /// Answers a request to one of the APIs, or for a file.
    async fn answer_to(&self, number: u64, head: &Parts, body: Result<Bytes, BodyError>) -> Response<Body> {
        let path = head.uri.path();
        if completions::is_path(path) {
            return completions::finish(self.completions(number, head, body));
        }
        #[cfg(feature = "files")]
        if let Some(files) = self.files.as_ref().filter(|_| !path.starts_with("/v0/")) {
            return files.respond(head).await;
        }
        self.chat_sessions(head, body).unwrap_or_else(Rejection::into_response)
    }

    /// Answers a request to `/v1`.
    fn completions(
        &self,
        number: u64,
        head: &Parts,
        body: Result<Bytes, BodyError>,
    ) -> Result<Response<Body>, completions::Error> {
        let endpoint = completions::Endpoint::of(head.uri.path(), &head.method)?;
        api_key::check(self.api_key.as_ref(), &head.headers)?;
        match endpoint {
            completions::Endpoint::Models => Ok(completions::models()),
            completions::Endpoint::Chat => completions::chat(number, &body?, self.chunk_delay, |history, question| {
                // The lock of the sessions, because the function answers one question at a time.
                let _sessions = self.sessions();
                (self.respond)(history, question)
            }),
        }
    }

    /// Answers a request to `/v0`, or to no API.
    fn chat_sessions(&self, head: &Parts, body: Result<Bytes, BodyError>) -> Result<Response<Body>, Rejection> {
        let operation = Operation::from_path(head.uri.path()).ok_or(Rejection::UnknownPath)?;
        if head.method != Method::POST {
            return Err(Rejection::WrongMethod);
        }
        api_key::check(self.api_key.as_ref(), &head.headers).map_err(Rejection::Key)?;
        let body = body.map_err(Rejection::Body)?;
        match operation {
            Operation::Create => Ok(self.create(validate::create(&body).map_err(Rejection::Invalid)?)),
            Operation::Continue(id) => {
                self.continue_session(&id, validate::continued(&body).map_err(Rejection::Invalid)?)
            }
        }
    }

    fn create(&self, request: ChatRequest) -> Response<Body> {
        let (id, message) = {
            let mut sessions = self.sessions();
            let (id, history) = sessions.create();
            (id, self.answer(history, request.question))
        };
        self.response(id, message, request.stream)
    }

    fn continue_session(&self, id: &str, request: ChatRequest) -> Result<Response<Body>, Rejection> {
        let message = {
            let mut sessions = self.sessions();
            let history = sessions.get(id).ok_or(Rejection::UnknownSession)?;
            self.answer(history, request.question)
        };
        Ok(self.response(SessionId::from(id), message, request.stream))
    }

    /// Answers while the sessions are locked, so that of two concurrent questions the second sees the first.
    fn answer(&self, history: &mut History, question: String) -> AssistantMessage {
        let message = (self.respond)(history, &question);
        history.record(question, message.content.clone());
        message
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an answer as a stream or as JSON. The request's `stream` field decides. The `Accept` header is ignored,
    /// because the official SDKs ask for JSON there even if they stream.
    fn response(&self, id: SessionId, message: AssistantMessage, stream: bool) -> Response<Body> {
        if !stream {
            return json::response(StatusCode::OK, &ChatResult::new(id, message));
        }
        events::response(events(&id, &message), self.chunk_delay)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("api_key", &self.api_key)
            .field("sessions", &self.sessions)
            .field("chunk_delay", &self.chunk_delay)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_id_is_everything_between_the_fixed_parts() {
        let continues = |id: &str| Some(Operation::Continue(id.to_owned()));
        assert_eq!(Operation::from_path("/v0/chat_sessions/chat_results"), Some(Operation::Create));
        assert_eq!(Operation::from_path("/v0/chat_sessions/s-1/chat_results"), continues("s-1"));
        assert_eq!(Operation::from_path("/v0/chat_sessions/a/b/chat_results"), continues("a/b"));
        assert_eq!(Operation::from_path("/v0/chat_sessions/a%2Fb%20c/chat_results"), continues("a/b c"));
        assert_eq!(Operation::from_path("/v0/chat_sessions/chat_results/chat_results"), continues("chat_results"));
        assert_eq!(Operation::from_path("/v0/chat_sessions/s-1"), None);
        assert_eq!(Operation::from_path("/v1/chat_sessions/chat_results"), None);
        assert_eq!(Operation::from_path("/"), None);
    }
}
