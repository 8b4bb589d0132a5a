//! One answer, from its head to its end.
//!
//! The head decides how the body is read: one JSON object, a stream of events, or a failure whose start is kept. Which of
//! them was asked for does not matter: the contract lets either form answer either request.

use http::StatusCode;

use crate::content::{self, ContentType};
use crate::dialect::{Dialect, Reader};
use crate::sse::{Decoder, Item};
use crate::{Answer, Error, ErrorKind, Event, Head, Limit, Limits, Truncation, Unexpected};

/// Reads one answer: its head when made, its body by [`next`](Self::next), its end by [`end`](Self::end).
///
/// Usable alone, for an answer that was saved or came by a way of one's own:
///
/// ```
/// use chat_proto::{Head, Limits, Receiver};
/// use http::{HeaderMap, HeaderValue, StatusCode};
///
/// let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
/// let mut receiver = Receiver::new(Head::new(StatusCode::OK, headers), &Limits::default());
///
/// let mut input = &b"event: message_chunk\ndata: {\"content_chunk\":\"Hi\",\"finish_reason\":\"stop\"}\n\n"[..];
/// while let Some(event) = receiver.next(&mut input) {
///     println!("{:?}", event?);
/// }
/// receiver.end()?;
/// while let Some(event) = receiver.next(&mut input) {
///     println!("{:?}", event?); // an answer in one JSON object comes only here
/// }
/// assert_eq!(receiver.into_answer()?.content, "Hi");
/// # Ok::<(), chat_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    dialect: Dialect,
    limits: Limits,
    mode: Mode,
    answer: Answer,
    /// Bytes of the body so far, and as many as its head promised.
    received: u64,
    promised: Option<u64>,
    /// What the citations of `answer` took in the stream.
    cited_size: usize,
}

#[derive(Debug)]
enum Mode {
    Stream(Box<(Decoder, Reader)>),
    Json(Vec<u8>),
    /// The body has ended; these are the events that it still gives.
    Ended(std::vec::IntoIter<Event>),
    Failure {
        reason: Option<Unexpected>,
        body: Vec<u8>,
    },
    /// It came to nothing. The error has the head and what came of the answer.
    Failed(Error),
}

impl Receiver {
    /// A receiver of the answer that begins with this head.
    pub fn new(head: Head, limits: &Limits) -> Self {
        Self::of_dialect(Dialect::V0, head, limits)
    }

    pub(crate) fn of_dialect(dialect: Dialect, head: Head, limits: &Limits) -> Self {
        let failure = |reason| Mode::Failure { reason, body: Vec::new() };
        let mode = match head.status {
            StatusCode::OK if content::is_encoded(&head) => failure(Some(Unexpected::ContentEncoding)),
            StatusCode::OK if content::is_transfer_coded(&head) => failure(Some(Unexpected::TransferCoding)),
            StatusCode::OK => match ContentType::of(&head) {
                Some(ContentType::EventStream) => {
                    Mode::Stream(Box::new((Decoder::with_limit(limits.event), dialect.reader())))
                }
                Some(ContentType::Json) => Mode::Json(Vec::new()),
                None => failure(Some(Unexpected::ContentType)),
            },
            status if status.is_client_error() || status.is_server_error() => failure(None),
            _ => failure(Some(Unexpected::Status)),
        };
        let promised = content::length(&head);
        Self { dialect, limits: *limits, mode, answer: Answer::new(head), received: 0, promised, cited_size: 0 }
    }

    /// The status and headers.
    pub fn head(&self) -> &Head {
        self.error().and_then(Error::head).unwrap_or(&self.answer.head)
    }

    /// Whether the head is that of a success and nothing has failed since, so that events may come.
    pub fn is_success(&self) -> bool {
        matches!(self.mode, Mode::Stream(_) | Mode::Json(_) | Mode::Ended(_))
    }

    /// Whether the answer comes as a stream of events, until it ends.
    pub fn is_stream(&self) -> bool {
        matches!(self.mode, Mode::Stream(_))
    }

    /// Whether more of the body would change anything: not once an error's body fills what is kept of it.
    pub fn wants_more(&self) -> bool {
        match &self.mode {
            Mode::Stream(_) | Mode::Json(_) => true,
            Mode::Failure { body, .. } => body.len() < self.limits.error_body,
            Mode::Ended(_) | Mode::Failed(_) => false,
        }
    }

    /// The answer so far.
    pub fn answer(&self) -> &Answer {
        self.error().and_then(Error::partial).unwrap_or(&self.answer)
    }

    /// The whole answer, with the events of [`next`](Self::next) that were not taken. The body ends with this, if it has not
    /// by [`end`](Self::end), so that what is not whole is never taken for an answer.
    ///
    /// # Errors
    ///
    /// Those of [`end`](Self::end), or the one that ended the answer before.
    pub fn into_answer(mut self) -> Result<Answer, Error> {
        self.end()?;
        Ok(self.answer)
    }

    /// The answer, once it is whole, for an owner who can't give the receiver away.
    pub(crate) fn take_answer(&mut self) -> Answer {
        std::mem::take(&mut self.answer)
    }

    fn error(&self) -> Option<&Error> {
        match &self.mode {
            Mode::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Takes bytes of the body off the front of `input` until there is an event; `None` when they are used up.
    ///
    /// # Errors
    ///
    /// An `error` event, JSON that does not fit, a limit. The answer is over then: further bytes are dropped.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Event, Error>> {
        let before = input.len();
        let event = self.read(input);
        self.received += (before - input.len()) as u64;
        event.map_err(|kind| self.fail(kind)).transpose()
    }

    /// The body has ended as its framing says. Whatever [`next`](Self::next) still gives then is the last: all events of an
    /// answer in one JSON object. To be told again changes nothing.
    ///
    /// # Errors
    ///
    /// A stream that ended inside an event, a body shorter than its `Content-Length`, JSON that does not fit; the failure
    /// itself, if the head was none of a success; and again the error that ended the answer before, if one did.
    pub fn end(&mut self) -> Result<(), Error> {
        let short = self.promised.is_some_and(|promised| self.received < promised);
        let ended = match &self.mode {
            Mode::Failure { reason, body } => Err(self.failure(*reason, body, !short)),
            Mode::Stream(stream) if stream.0.is_incomplete() => Err(ErrorKind::Truncated(Truncation::InsideEvent)),
            Mode::Stream(_) | Mode::Json(_) if short => Err(ErrorKind::Truncated(Truncation::ContentLength)),
            Mode::Stream(_) => Ok(Vec::new()),
            Mode::Json(body) => self.dialect.read_body(body),
            Mode::Ended(_) => return Ok(()),
            Mode::Failed(error) => return Err(error.clone()),
        };
        let events = ended.map_err(|kind| self.fail(kind))?;
        events.iter().for_each(|event| self.answer.add(event));
        self.mode = Mode::Ended(events.into_iter());
        Ok(())
    }

    /// The body came to no end of its own: `kind` says why. Gives the error to report, which is the failure that was being
    /// read where the head was none of a success, or the error that ended the answer before.
    pub fn interrupt(&mut self, kind: ErrorKind) -> Error {
        match &self.mode {
            Mode::Failure { reason, body } => self.fail(self.failure(*reason, body, false)),
            Mode::Failed(error) => error.clone(),
            _ => self.fail(kind),
        }
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ErrorKind> {
        match &mut self.mode {
            Mode::Stream(stream) => {
                let (decoder, reader) = &mut **stream;
                while let Some(token) = decoder.advance(input) {
                    let token = token.map_err(|error| over(Limit::Event, error.limit))?;
                    let Item::Event(raw) = decoder.lend(token) else { continue };
                    let event = reader.read(raw)?;
                    let cited_size = match event {
                        Event::RecordsCited(_) => raw.data_bytes().len(),
                        _ => self.cited_size,
                    };
                    let text = self.answer.content.len() + event.text().map_or(0, str::len);
                    if text.saturating_add(cited_size) > self.limits.answer {
                        return Err(over(Limit::Answer, self.limits.answer));
                    }
                    self.cited_size = cited_size;
                    self.answer.add(&event);
                    return Ok(Some(event));
                }
            }
            Mode::Json(body) => {
                // The smaller one alone, or it would depend on the cutting which is passed first.
                let limits = [(self.limits.json_body, Limit::JsonBody), (self.limits.answer, Limit::Answer)];
                let (bytes, limit) = limits.into_iter().min_by_key(|&(bytes, _)| bytes).expect("there are two");
                if input.len() > bytes - body.len() {
                    return Err(over(limit, bytes));
                }
                body.extend_from_slice(std::mem::take(input));
            }
            Mode::Failure { body, .. } => {
                let room = self.limits.error_body - body.len();
                body.extend_from_slice(&input[..input.len().min(room)]);
                *input = &[];
            }
            Mode::Ended(events) => {
                *input = &[];
                return Ok(events.next());
            }
            Mode::Failed(_) => *input = &[],
        }
        Ok(None)
    }

    /// A body that is not whole may be of any form: it is an API error with what came.
    fn failure(&self, reason: Option<Unexpected>, body: &[u8], whole: bool) -> ErrorKind {
        match reason {
            Some(reason) => ErrorKind::UnexpectedResponse { reason, body: content::excerpt(body) },
            None if whole => self.dialect.read_failure(self.head(), body),
            None => ErrorKind::Api { body: String::from_utf8_lossy(body).into_owned() },
        }
    }

    /// It comes to nothing: what came goes with the error.
    fn fail(&mut self, kind: ErrorKind) -> Error {
        let answer = std::mem::take(&mut self.answer);
        let failed =
            matches!(kind, ErrorKind::Api { .. } | ErrorKind::Validation { .. } | ErrorKind::UnexpectedResponse { .. });
        let error = Error::new(kind).with_attempts(1, None);
        let error = if failed { error.with_head(Some(answer.head)) } else { error.with_partial(Some(answer)) };
        self.mode = Mode::Failed(error.clone());
        error
    }
}

fn over(limit: Limit, bytes: usize) -> ErrorKind {
    ErrorKind::Limit { limit, bytes }
}
