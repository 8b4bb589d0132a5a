//! What can go wrong, told apart: whose fault, at which point, what had arrived.

mod print;
mod redact;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::retry;
use crate::{Answer, Head, Limit, RetryAfter, TimeoutKind, ValidationError};

/// The error that caused another.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no whole answer.
///
/// [`kind`](Self::kind) says what happened, for matching. What came of the answer before the fault is in
/// [`partial`](Self::partial). It is one pointer in size, and a clone shares what it holds.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    attempts: u32,
    gave_up: Option<GaveUp>,
    /// Of a `Transport` error: the head came and was rejected.
    bad_head: bool,
    head: Option<Head>,
    partial: Option<Answer>,
    cut: Option<UnfinishedEvent>,
    earlier: Vec<Error>,
    key_origin: Option<&'static str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What came before the `idle` or `content` timeout expired. For the other timeouts it is always [`Nothing`](Self::Nothing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Received {
    /// No bytes.
    Nothing,
    /// Comments, blank lines, pings or events without content.
    KeepAlives,
    /// White space, where an answer in one JSON object should begin.
    WhiteSpace,
    /// Part of an event.
    UnfinishedEvent,
}

/// What had come of an event when the answer broke off.
#[derive(Clone)]
pub(crate) struct UnfinishedEvent {
    /// The start of its data.
    pub(crate) data: String,
    /// Whether it was to end the stream as an error.
    pub(crate) is_error: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused before it was sent: an argument is no good.
    InvalidRequest {
        /// Which argument.
        field: Cow<'static, str>,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// No connection came about: name, refusal, TLS.
    Connect,
    /// A timeout expired. The [crate page](crate#timeouts) says which one ends what.
    Timeout {
        /// Which timeout.
        kind: TimeoutKind,
        /// Its duration.
        after: Duration,
        /// What came in that time, for `idle` and `content`.
        received: Received,
    },
    /// An I/O fault before the head of the answer, or a head that is not valid HTTP.
    Transport,
    /// The API answered with an error: a status of 4xx or 5xx.
    Api {
        /// The body, as far as it came and was kept.
        body: String,
    },
    /// The API found the request invalid: a 422 in its own form.
    Validation {
        /// What is wrong with the request.
        detail: Vec<ValidationError>,
        /// The body, as far as it was kept.
        body: String,
    },
    /// Something answered that is not this API.
    UnexpectedResponse {
        /// What gave it away.
        reason: UnexpectedResponse,
        /// The start of the body.
        body: String,
    },
    /// The JSON is malformed or does not match the schema.
    Decode {
        /// What was being read: `message_chunk`, `records_cited` or `ChatResult`.
        what: &'static str,
        /// What is wrong with it and where.
        message: String,
        /// The start of it.
        body: String,
    },
    /// The server ended its stream with an error: an event named `error`, or one without a name whose JSON object has an
    /// `error` member.
    Stream {
        /// The event's data.
        data: String,
    },
    /// The answer had begun and broke off.
    Truncated(Truncation),
    /// A limit of ours was passed.
    Limit {
        /// Which one.
        limit: Limit,
        /// How many bytes it allows.
        bytes: usize,
    },
    /// The caller cancelled.
    Cancelled,
}

impl ErrorKind {
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

/// What gave away that an answer is not from this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnexpectedResponse {
    /// A status that the API does not use: a success other than 200, a redirect (never followed: it would carry the key
    /// elsewhere).
    Status,
    /// A content type that is neither of the two, or none.
    ContentType,
    /// A content encoding that nobody asked for.
    ContentEncoding,
    /// An event stream that ended without an event, and whose lines are no part of one: JSON, HTML, text.
    NoEvents,
    /// A transfer coding that nobody asked for: anything but one `chunked`.
    TransferCoding,
}

/// How an answer broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Truncation {
    /// The body ended inside an event.
    InsideEvent,
    /// The body ended before its `Content-Length`.
    ContentLength,
    /// The connection was lost, or its framing broken, in the body.
    ConnectionLost,
}

/// Why there was no further attempt, where one was worth making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// As many attempts were made as are allowed.
    Attempts,
    /// A longer wait is due than is left of the allowed one.
    WaitTooLong {
        /// The wait that was wanted.
        wait: Duration,
    },
    /// The next attempt would have begun after the whole call's deadline.
    Deadline,
    /// The server may have read the request, and repeating it then is not [allowed](crate::RetryPolicy::ambiguous).
    MayHaveBeenRead,
}

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing was sent.
    Request,
    /// The connection was under way.
    Connect,
    /// The request was on its way, or a later attempt of it; no head of an answer had come.
    Head,
    /// The head had come, and the body was being read.
    Body,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The caller's: the request, the key, the settings; or the caller's wish.
    Caller,
    /// The way's: connection, time, a cut.
    Network,
    /// The server's.
    Server,
}

impl Error {
    /// How many of the [`earlier`](Self::earlier) attempts' errors are kept: 8. Each may hold the body of an answer that was
    /// an error.
    pub const EARLIER: usize = 8;

    pub(crate) fn new(kind: ErrorKind) -> Self {
        let (attempts, gave_up, head, partial, cut, source) = (0, None, None, None, None, None);
        let (bad_head, earlier, key_origin) = (false, Vec::new(), None);
        let inner = Inner { kind, attempts, gave_up, bad_head, head, partial, cut, earlier, key_origin, source };
        Self(Arc::new(inner))
    }

    /// An argument that is no good, refused before anything is sent.
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

    /// The call was cancelled before there was an exchange.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled)
    }

    /// The driver could not begin to connect: for example, no file descriptor is left.
    pub fn connect() -> Self {
        Self::new(ErrorKind::Connect)
    }

    pub(crate) fn with_attempts(mut self, attempts: u32, gave_up: Option<GaveUp>) -> Self {
        let inner = self.inner();
        (inner.attempts, inner.gave_up) = (attempts, gave_up);
        self
    }

    pub(crate) fn with_bad_head(mut self, bad_head: bool) -> Self {
        self.inner().bad_head = bad_head;
        self
    }

    pub(crate) fn with_earlier(mut self, earlier: Vec<Self>) -> Self {
        self.inner().earlier = earlier;
        self
    }

    pub(crate) fn with_head(mut self, head: Option<Head>) -> Self {
        self.inner().head = head;
        self
    }

    pub(crate) fn with_partial(mut self, partial: Option<Answer>) -> Self {
        self.inner().partial = partial;
        self
    }

    pub(crate) fn with_cut(mut self, cut: Option<UnfinishedEvent>) -> Self {
        if cut.is_some() {
            self.inner().cut = cut;
        }
        self
    }

    /// The same error with what caused it, which only the driver knows.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner().source = Some(source.into().into());
        self
    }

    /// The same error with what the I/O of its last attempt ran into, if it is one of I/O; any other has its cause already.
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

    /// The same error with where the key came from, which only the driver knows. An answer of 401 or 403 names it; it must
    /// not hold the key.
    #[must_use]
    pub fn with_key_origin(mut self, origin: &'static str) -> Self {
        self.inner().key_origin = Some(origin);
        self
    }

    /// To change it: in place, unless a clone shares it.
    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// How many times the request was sent; 0 if it was refused before.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Why there was no further attempt, where the failure was worth one.
    pub fn gave_up(&self) -> Option<GaveUp> {
        self.0.gave_up
    }

    /// What the attempts before had failed of when the call ended, the oldest first: where the last one could not connect,
    /// the one before may have been told to wait. Of many attempts, the last [few](Self::EARLIER) are kept.
    pub fn earlier(&self) -> &[Self] {
        &self.0.earlier
    }

    /// The status and headers of the answer, if its head came.
    pub fn head(&self) -> Option<&Head> {
        self.0.head.as_ref().or_else(|| self.partial().map(|partial| &partial.head))
    }

    /// The status of the answer, if its head came.
    pub fn status(&self) -> Option<StatusCode> {
        self.head().map(|head| head.status)
    }

    /// The server's name for the request, if it gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.head().and_then(Head::request_id)
    }

    /// When the server said to come back, if it did.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        self.head().and_then(|head| RetryAfter::from_headers(&head.headers))
    }

    /// What came of the answer: there if, and only if, the body of a success had begun.
    pub fn partial(&self) -> Option<&Answer> {
        self.0.partial.as_ref()
    }

    /// What came of the answer, to keep. Nothing is copied unless a clone of the error is held.
    pub fn into_partial(self) -> Option<Answer> {
        Arc::unwrap_or_clone(self.0).partial
    }

    /// The text the server sent in place of an answer: the body of an error, the start of an odd one, the data of an
    /// `error` event, the data that came of an event when the answer broke off.
    pub fn body(&self) -> Option<&str> {
        match self.kind() {
            ErrorKind::Truncated(_) => self.0.cut.as_ref().map(|cut| &*cut.data),
            ErrorKind::Api { body }
            | ErrorKind::Validation { body, .. }
            | ErrorKind::UnexpectedResponse { body, .. }
            | ErrorKind::Decode { body, .. }
            | ErrorKind::Stream { data: body } => Some(body),
            _ => None,
        }
    }

    /// Whether the same call, made anew, may succeed: it was worth another attempt, had there been time and attempts left.
    /// At worst it leaves a session nobody uses, unless [`RetryPolicy::ambiguous`](crate::RetryPolicy::ambiguous) allows
    /// more.
    pub fn is_retryable(&self) -> bool {
        matches!(self.gave_up(), Some(GaveUp::Attempts | GaveUp::WaitTooLong { .. } | GaveUp::Deadline))
    }

    /// How far the call had come.
    pub fn phase(&self) -> Phase {
        match self.kind() {
            _ if self.head().is_some() => Phase::Body,
            ErrorKind::Connect | ErrorKind::Timeout { kind: TimeoutKind::Connect, .. } => Phase::Connect,
            _ if self.attempts() == 0 => Phase::Request,
            _ => Phase::Head,
        }
    }

    /// Whether something took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::Timeout { .. })
    }

    /// Whether the server wants fewer requests (429).
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Whose fault it is.
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

    /// What to do about it, in a sentence.
    pub fn advice(&self) -> &'static str {
        match self.kind() {
            // Whatever it failed of: to try again may repeat it.
            _ if self.gave_up() == Some(GaveUp::MayHaveBeenRead) => {
                "The server may have read the request; look before you send it again."
            }
            ErrorKind::InvalidRequest { .. } => "Correct it and call again; nothing was sent.",
            ErrorKind::Connect => "Check the server's address, the network, and the proxy or certificates in between.",
            ErrorKind::Timeout { kind: TimeoutKind::Total, .. } => "Allow the whole call more time.",
            ErrorKind::Timeout { .. } => "Try again, or allow more time if this server is slow.",
            ErrorKind::Transport if self.0.bad_head => {
                "Check that the base URL is the API's, and what stands in between."
            }
            ErrorKind::Transport => "Try again; if it stays, check the network and what stands in between.",
            ErrorKind::Api { .. } => self.status_advice(),
            ErrorKind::Validation { .. } => "Correct what the API names.",
            ErrorKind::UnexpectedResponse { reason: UnexpectedResponse::Status, .. } if self.redirect().is_some() => {
                "Redirects are not followed, as they would carry the key elsewhere. Check the base URL."
            }
            ErrorKind::UnexpectedResponse { .. } => "Check that the base URL is the API's, and what stands in between.",
            ErrorKind::Decode { .. } => "The server speaks another version of the API, or is broken; report it.",
            ErrorKind::Stream { .. } => "The server gave up on this answer; ask again.",
            ErrorKind::Truncated(_) => "The answer is not whole; ask again.",
            ErrorKind::Limit { .. } => "If an answer of this size is expected, raise the limit.",
            ErrorKind::Cancelled => "The call was cancelled; call again if you still want the answer.",
        }
    }

    /// What to do about a status of 4xx or 5xx.
    fn status_advice(&self) -> &'static str {
        const WRONG_SERVER: &str = "Check that the base URL is the API's, and what stands in between.";
        match self.head().and_then(|head| retry::should_retry(&head.headers)) {
            Some(true) => return "Try again later: the server says that it may help.",
            Some(false) if self.status().is_some_and(|status| matches!(status.as_u16(), 408 | 425 | 429)) => {
                return "The server says that trying again will not help.";
            }
            Some(false) if self.status().is_some_and(|status| status.is_server_error()) => {
                return "The server says that trying again will not help; tell the service, with the request id if there is one.";
            }
            _ => {}
        }
        match self.status().map_or(0, |status| status.as_u16()) {
            401 => "Check the API key.",
            403 => "Check the API key and what it may be used for.",
            402 => "Check the plan and the balance of the account.",
            404 | 410 => "Check the session id, and that the base URL is the API's.",
            405 | 406 | 415 | 421 | 426 | 501 | 505 => WRONG_SERVER,
            407 | 511 => "Log in to the proxy or the network in between.",
            408 | 425 => "Try again.",
            409 => "Look at what the server says is in the way, and try again when it is gone.",
            413 | 414 | 431 => "Send less.",
            429 => "Wait before you try again.",
            451 => "Look at what the server says: the law is in the way.",
            400..=499 => "Correct the request; trying again as it is will not help.",
            _ => "Try again later; if it stays, tell the service, with the request id if there is one.",
        }
    }

    /// Where an answer of 3xx leads.
    fn redirect(&self) -> Option<Cow<'_, str>> {
        let head = self.head().filter(|head| matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308))?;
        head.headers.get("location").map(|location| String::from_utf8_lossy(location.as_bytes()))
    }
}

/// The source is what the driver's I/O failed of. Where the call was ended from outside, by its deadline or its caller, it
/// is what the attempt before had failed of, if there was one.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let ended = matches!(self.kind(), ErrorKind::Cancelled | ErrorKind::Timeout { kind: TimeoutKind::Total, .. });
        let before = self.earlier().last().filter(|_| ended).map(|error| error as _);
        self.0.source.as_deref().map(|source| source as _).or(before)
    }
}
