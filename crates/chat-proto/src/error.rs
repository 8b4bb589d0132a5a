//! Errors: what happened, whose fault it is, and what had arrived.

mod print;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::content;
use crate::retry_after::should_retry;
use crate::{Answer, Head, Limit, RetryAfter, TimeoutKind, ValidationError};

/// A boxed error, e.g. the cause of another one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no complete answer.
///
/// Match on [`kind`](Self::kind) to handle it. [`partial`](Self::partial) has what arrived of the answer, and
/// [`advice`](Self::advice) says what to do. An `Error` is one pointer in size, and clones share their content.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) kind: ErrorKind,
    attempts: u32,
    gave_up: Option<GaveUp>,
    /// For a `Transport` error: the response head was received and rejected.
    bad_head: bool,
    pub(crate) head: Option<Head>,
    pub(crate) partial: Option<Answer>,
    pub(crate) unfinished: Option<UnfinishedEvent>,
    pub(crate) earlier: Vec<Error>,
    key_origin: Option<&'static str>,
    pub(crate) source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What arrived before the `idle` or `content` timeout expired. Always [`Nothing`](Self::Nothing) for the other timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Received {
    /// No bytes.
    Nothing,
    /// Comments, blank lines, pings or events without content.
    KeepAlives,
    /// White space before an answer in one JSON object.
    WhiteSpace,
    /// Part of an event.
    UnfinishedEvent,
}

/// What had arrived of an event when the answer was cut.
#[derive(Clone)]
pub(crate) struct UnfinishedEvent {
    /// The start of its data.
    pub(crate) data: String,
    /// Whether the event would have ended the stream as an error.
    pub(crate) is_error: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is not valid. Nothing was sent.
    InvalidRequest {
        /// The argument.
        field: Cow<'static, str>,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// The connection was not established: name resolution, TCP or TLS failed.
    Connect,
    /// A timeout expired. See the table on the [crate page](crate#timeouts).
    Timeout {
        /// The timeout.
        kind: TimeoutKind,
        /// Its duration.
        after: Duration,
        /// What arrived in that time, for `idle` and `content`.
        received: Received,
    },
    /// The connection failed before the response head, or the head is not valid HTTP.
    Transport,
    /// The API responded with a status of 4xx or 5xx.
    Api {
        /// The body, as far as it was received and kept.
        body: String,
    },
    /// The API rejected the request as invalid: a 422 with details.
    Validation {
        /// What is wrong with the request.
        detail: Vec<ValidationError>,
        /// The body, as far as it was kept.
        body: String,
    },
    /// The response is not from this API.
    UnexpectedResponse {
        /// What is unexpected.
        reason: UnexpectedResponse,
        /// The start of the body.
        body: String,
    },
    /// The JSON is malformed or does not match the schema.
    Decode {
        /// The schema: `message_chunk`, `records_cited` or `ChatResult`, `chat.completion.chunk`, `chat.completion` or `list`,
        /// `the requested format` for [`Answer::parse`], or `the arguments of the tool` for
        /// [`ToolCall::parse`](crate::ToolCall::parse).
        what: &'static str,
        /// What is wrong, and where.
        message: String,
        /// The start of the JSON.
        body: String,
    },
    /// The server ended its stream with an error: an event named `error`, or one without a name whose JSON object has an
    /// `error` member. In a chat completion, the name does not matter, and the finish reason `error` is one too.
    Stream {
        /// The event's data.
        data: String,
    },
    /// The answer was cut after it had begun.
    Truncated(Truncation),
    /// One of the [`Limits`](crate::Limits) was exceeded.
    Limit {
        /// The limit.
        limit: Limit,
        /// Its value, in bytes.
        bytes: usize,
    },
    /// The call was cancelled.
    Cancelled,
}

impl ErrorKind {
    /// JSON that is malformed or does not match the schema `what`.
    pub(crate) fn undecodable(what: &'static str, json: &str, error: &impl ToString) -> Self {
        let (message, body) = (content::shorten(error.to_string()), content::excerpt(json.as_bytes()));
        Self::Decode { what, message, body }
    }

    /// The kind's name for programs and logs: `invalid_request`, `connect`, `timeout`, `transport`, `api`, `validation`,
    /// `unexpected_response`, `decode`, `stream`, `truncated`, `limit` or `cancelled`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::Connect => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Transport => "transport",
            Self::Api { .. } => "api",
            Self::Validation { .. } => "validation",
            Self::UnexpectedResponse { .. } => "unexpected_response",
            Self::Decode { .. } => "decode",
            Self::Stream { .. } => "stream",
            Self::Truncated(_) => "truncated",
            Self::Limit { .. } => "limit",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is unexpected about a response that is not from this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnexpectedResponse {
    /// A status that the API does not use: a success other than 200, or a redirect. Redirects are never followed, because
    /// they would send the key to another server.
    Status,
    /// The content type is missing, or is neither JSON nor an event stream.
    ContentType,
    /// A content encoding. The request allows none.
    ContentEncoding,
    /// An event stream without an event, whose lines are JSON, HTML or other text.
    NoEvents,
    /// A transfer coding other than a single `chunked`. The request allows no other.
    TransferCoding,
}

/// How an answer was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Truncation {
    /// The body ended inside an event.
    InsideEvent,
    /// The body ended before its `Content-Length`.
    ContentLength,
    /// The connection was lost in the body, or its framing was invalid.
    ConnectionLost,
    /// The stream of a chat completion ended without a finish reason. See
    /// [`Config::accept_unfinished`](crate::Config::accept_unfinished).
    Unfinished,
}

/// Why there was no further attempt, if another one might have succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// The maximum number of attempts was made.
    Attempts,
    /// The next wait would exceed [`RetryPolicy::max_total_wait`](crate::RetryPolicy::max_total_wait).
    WaitTooLong {
        /// The next wait.
        wait: Duration,
    },
    /// The next attempt would begin after the deadline of the whole call.
    Deadline,
    /// The server may have read the request, and [`RetryPolicy::ambiguous`](crate::RetryPolicy::ambiguous) is off.
    MayHaveBeenRead,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing was sent.
    Request,
    /// A connection was being established.
    Connect,
    /// The request was being sent, or a later attempt was due. No response head had arrived.
    Head,
    /// The response head had arrived, and the body was being read.
    Body,
}

/// Who is responsible for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The caller: the request, the key or the settings are wrong, or the caller cancelled.
    Caller,
    /// The network: the connection failed, timed out or was cut.
    Network,
    /// The server.
    Server,
}

/// Advice if the response is probably not from the API.
const WRONG_SERVER: &str = "Check that the base URL is that of the API, and check any proxy.";

impl Error {
    /// Maximum number of [`earlier`](Self::earlier) errors that are kept: 8. Each may hold the body of an error response.
    pub const EARLIER: usize = 8;

    pub(crate) fn new(kind: ErrorKind) -> Self {
        let (attempts, gave_up, head, partial, unfinished, source) = (0, None, None, None, None, None);
        let (bad_head, earlier, key_origin) = (false, Vec::new(), None);
        let inner = Inner { kind, attempts, gave_up, bad_head, head, partial, unfinished, earlier, key_origin, source };
        Self(Arc::new(inner))
    }

    /// An argument is not valid, and nothing was sent.
    ///
    /// ```
    /// use chat_proto::Error;
    ///
    /// let error = Error::invalid_request("base_url", "has no host");
    /// assert_eq!(error.to_string(), "base_url has no host");
    /// ```
    pub fn invalid_request(field: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidRequest { field: field.into(), reason: reason.into() })
    }

    /// The call was cancelled before an exchange existed.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled)
    }

    /// The driver could not start to connect, e.g. because no file descriptor is left.
    pub fn connect() -> Self {
        Self::new(ErrorKind::Connect)
    }

    pub(crate) fn with_attempts(mut self, attempts: u32, gave_up: Option<GaveUp>) -> Self {
        let inner = self.inner_mut();
        (inner.attempts, inner.gave_up) = (attempts, gave_up);
        self
    }

    pub(crate) fn with_bad_head(mut self, bad_head: bool) -> Self {
        self.inner_mut().bad_head = bad_head;
        self
    }

    pub(crate) fn with_earlier(mut self, earlier: Vec<Self>) -> Self {
        self.inner_mut().earlier = earlier;
        self
    }

    pub(crate) fn with_head(mut self, head: Option<Head>) -> Self {
        self.inner_mut().head = head;
        self
    }

    pub(crate) fn with_partial(mut self, partial: Option<Answer>) -> Self {
        self.inner_mut().partial = partial;
        self
    }

    pub(crate) fn with_unfinished(mut self, unfinished: Option<UnfinishedEvent>) -> Self {
        if unfinished.is_some() {
            self.inner_mut().unfinished = unfinished;
        }
        self
    }

    /// Sets the cause, which only the driver knows.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner_mut().source = Some(source.into().into());
        self
    }

    /// Sets the I/O error of the last attempt as the cause, if this is an error of I/O. Any other error is returned unchanged.
    #[must_use]
    pub fn with_io_source(self, fault: impl Into<BoxError>) -> Self {
        match self.kind() {
            ErrorKind::Connect
            | ErrorKind::Transport
            | ErrorKind::Timeout { kind: TimeoutKind::Connect, .. }
            | ErrorKind::Truncated(Truncation::ConnectionLost) => self.with_source(fault),
            _ => self,
        }
    }

    /// Sets where the key came from, which only the driver knows, for the message of a 401 or 403. It must not contain the
    /// key.
    #[must_use]
    pub fn with_key_origin(mut self, origin: &'static str) -> Self {
        self.inner_mut().key_origin = Some(origin);
        self
    }

    /// For changes: in place, unless a clone shares the content.
    pub(crate) fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Number of attempts. 0 if nothing was sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Why there was no further attempt, if another one might have succeeded.
    pub fn gave_up(&self) -> Option<GaveUp> {
        self.0.gave_up
    }

    /// The errors of the earlier attempts, oldest first: for example, a 503 before the last attempt failed to connect. Only
    /// the last [few](Self::EARLIER) are kept.
    pub fn earlier(&self) -> &[Self] {
        &self.0.earlier
    }

    /// The status and headers of the response, if its head arrived.
    pub fn head(&self) -> Option<&Head> {
        self.0.head.as_ref().or_else(|| self.partial().map(|partial| &partial.head))
    }

    /// The status of the response, if its head arrived.
    pub fn status(&self) -> Option<StatusCode> {
        self.head().map(|head| head.status)
    }

    /// The server's id for the request, if it sent one.
    pub fn request_id(&self) -> Option<&str> {
        self.head().and_then(Head::request_id)
    }

    /// When the server says to retry, if it does.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        self.head().and_then(|head| RetryAfter::from_headers(&head.headers))
    }

    /// What arrived of the answer. `Some` if and only if the head of a success had arrived.
    pub fn partial(&self) -> Option<&Answer> {
        self.0.partial.as_ref()
    }

    /// What arrived of the answer, by value. It is copied only if the error has clones.
    pub fn into_partial(self) -> Option<Answer> {
        Arc::unwrap_or_clone(self.0).partial
    }

    /// The text that the server sent instead of an answer: the body of an error, the start of an unexpected response, the
    /// data of an `error` event, or the data of an event that was cut.
    pub fn body(&self) -> Option<&str> {
        match self.kind() {
            ErrorKind::Truncated(_) => self.0.unfinished.as_ref().map(|event| &*event.data),
            ErrorKind::Api { body }
            | ErrorKind::Validation { body, .. }
            | ErrorKind::UnexpectedResponse { body, .. }
            | ErrorKind::Decode { body, .. }
            | ErrorKind::Stream { data: body } => Some(body),
            _ => None,
        }
    }

    /// Whether the same call may succeed later: it would have been retried, but time or attempts ran out. At worst a repeated
    /// call leaves an unused session, unless [`RetryPolicy::ambiguous`](crate::RetryPolicy::ambiguous) is on.
    pub fn is_retryable(&self) -> bool {
        matches!(self.gave_up(), Some(GaveUp::Attempts | GaveUp::WaitTooLong { .. } | GaveUp::Deadline))
    }

    /// How far the call got.
    pub fn phase(&self) -> Phase {
        match self.kind() {
            _ if self.head().is_some() => Phase::Body,
            ErrorKind::Connect | ErrorKind::Timeout { kind: TimeoutKind::Connect, .. } => Phase::Connect,
            _ if self.attempts() == 0 => Phase::Request,
            _ => Phase::Head,
        }
    }

    /// Whether a timeout expired.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::Timeout { .. })
    }

    /// Whether the server limits the rate of requests (429).
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Who is responsible.
    pub fn fault(&self) -> Fault {
        match self.kind() {
            ErrorKind::InvalidRequest { .. } | ErrorKind::Validation { .. } | ErrorKind::Cancelled => Fault::Caller,
            ErrorKind::Connect | ErrorKind::Timeout { .. } | ErrorKind::Transport | ErrorKind::Truncated(_) => {
                Fault::Network
            }
            ErrorKind::Api { .. } => match self.status() {
                Some(StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS) => {
                    Fault::Server
                }
                Some(status) if status.is_client_error() => Fault::Caller,
                _ => Fault::Server,
            },
            ErrorKind::UnexpectedResponse { .. }
            | ErrorKind::Decode { .. }
            | ErrorKind::Stream { .. }
            | ErrorKind::Limit { .. } => Fault::Server,
        }
    }

    /// What to do, in one sentence.
    pub fn advice(&self) -> &'static str {
        match self.kind() {
            // Regardless of the kind: a retry may repeat the request.
            _ if self.gave_up() == Some(GaveUp::MayHaveBeenRead) => {
                "The server may have read the request. Check before you send it again."
            }
            ErrorKind::InvalidRequest { .. } => "Correct the argument and call again. Nothing was sent.",
            ErrorKind::Connect => "Check the base URL, the network, the proxy and the certificates.",
            ErrorKind::Timeout { kind: TimeoutKind::Total, .. } => "Increase the timeout of the whole call.",
            ErrorKind::Timeout { .. } => "Try again, or increase the timeout if this server is slow.",
            ErrorKind::Transport if self.0.bad_head => WRONG_SERVER,
            ErrorKind::Transport => "Try again. If the error persists, check the network and any proxy.",
            ErrorKind::Api { .. } => self.status_advice(),
            ErrorKind::Validation { .. } => "Correct the fields that the API names.",
            ErrorKind::UnexpectedResponse { reason: UnexpectedResponse::Status, .. } if self.redirect().is_some() => {
                "Check the base URL. Redirects are not followed, because they would send the key to another server."
            }
            ErrorKind::UnexpectedResponse { .. } => WRONG_SERVER,
            ErrorKind::Decode { .. } => {
                "The server may use another version of the API. Report the error to the service."
            }
            ErrorKind::Stream { .. } => "Ask again. The server ended this answer with an error.",
            ErrorKind::Truncated(_) => "Ask again. The answer is incomplete.",
            ErrorKind::Limit { .. } => "Increase the limit if you expect an answer of this size.",
            ErrorKind::Cancelled => "Call again if you still want the answer.",
        }
    }

    /// What to do after a status of 4xx or 5xx.
    fn status_advice(&self) -> &'static str {
        if self.server_error().is_some_and(|error| error.is_insufficient_quota()) {
            return "Check the plan and the balance of your account. Waiting does not help.";
        }
        match self.head().and_then(|head| should_retry(&head.headers)) {
            Some(true) => return "Try again later. The server says that a retry may succeed.",
            Some(false) if self.status().is_some_and(|status| matches!(status.as_u16(), 408 | 425 | 429)) => {
                return "Do not retry: the server says that it will not help.";
            }
            Some(false) if self.status().is_some_and(|status| status.is_server_error()) => {
                return "Report the error to the service, with the request id if there is one. The server says that a retry will not help.";
            }
            _ => {}
        }
        match self.status().map_or(0, |status| status.as_u16()) {
            401 => "Check the API key.",
            403 => "Check the API key and its permissions. A key of a Web integration works only in a browser.",
            402 => "Check the plan and the balance of your account.",
            404 | 410 => "Check the base URL, and the session id or the name of the model.",
            405 | 406 | 415 | 421 | 426 | 501 | 505 => WRONG_SERVER,
            407 | 511 => "Log in to the proxy or the network.",
            408 | 425 => "Try again.",
            409 => "Resolve the conflict that the server names, then try again.",
            413 | 414 | 431 => "Send a smaller request.",
            429 => "Wait before you try again.",
            451 => "The content is not available for legal reasons. See the server's message.",
            400..=499 => "Correct the request. The same request will fail again.",
            _ => {
                "Try again later. If the error persists, report it to the service, with the request id if there is one."
            }
        }
    }

    /// The target of a redirect.
    fn redirect(&self) -> Option<Cow<'_, str>> {
        let head = self.head().filter(|head| matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308))?;
        head.headers.get("location").map(|location| String::from_utf8_lossy(location.as_bytes()))
    }
}

/// The source is the driver's I/O error. If the call ended from outside, by its deadline or its caller, the source is the
/// error of the last attempt, if there is one.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let ended = matches!(self.kind(), ErrorKind::Cancelled | ErrorKind::Timeout { kind: TimeoutKind::Total, .. });
        let before = self.earlier().last().filter(|_| ended).map(|error| error as _);
        self.0.source.as_deref().map(|source| source as _).or(before)
    }
}
