//! One answer, from its head to its end.
//!
//! The head decides how the body is read: one JSON object, a stream of events, or a failure whose start is kept. Which of
//! them was asked for does not matter: the contract lets either form answer either request.

use http::StatusCode;

use crate::clocks::Weight;
use crate::content::{self, ContentType};
use crate::dialect::{Dialect, Reader};
use crate::error::UnfinishedEvent;
use crate::event::is_keep_alive;
use crate::sse::{Decoder, Item, Report};
use crate::{Answer, Error, ErrorKind, Event, Head, Limit, Limits, Truncation, UnexpectedResponse};

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
    /// What the citations of `answer` take.
    cited_size: usize,
    /// How many blocks of the stream were no events.
    empty_blocks: u64,
    /// What unknown events have carried since the last content.
    unknown_size: usize,
}

/// How far a body has come, for the content timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The body of a failure.
    Failure,
    /// An answer in one JSON object, and whether a byte of it has come that is not white space.
    Json { has_begun: bool },
    /// How many events and other blocks are finished, and how much has come of the next event. Nothing, if it is a ping.
    Stream { finished: u64, unfinished: usize },
}

#[derive(Debug)]
enum Mode {
    Stream(Box<Stream>),
    Json {
        body: Vec<u8>,
        has_begun: bool,
    },
    /// Nothing more of the body is read. These are the events that it still gives, and the error behind them.
    Ended(Box<Ended>),
    Failure {
        reason: Option<UnexpectedResponse>,
        body: Vec<u8>,
    },
    /// It came to nothing. The error has the head and what came of the answer.
    Failed(Error),
}

#[derive(Debug)]
struct Ended {
    events: std::vec::IntoIter<Event>,
    then: Option<Error>,
}

#[derive(Debug)]
struct Stream {
    decoder: Decoder,
    reader: Reader,
    /// The start of the body, as long as there is no event.
    start: Vec<u8>,
}

impl Receiver {
    /// A receiver of the answer that begins with this head.
    pub fn new(head: Head, limits: &Limits) -> Self {
        Self::of_dialect(Dialect::Sessions, head, limits)
    }

    pub(crate) fn of_dialect(dialect: Dialect, head: Head, limits: &Limits) -> Self {
        let failure = |reason| Mode::Failure { reason, body: Vec::new() };
        let mode = match head.status {
            StatusCode::OK if content::is_encoded(&head) => failure(Some(UnexpectedResponse::ContentEncoding)),
            StatusCode::OK if content::is_transfer_coded(&head) => failure(Some(UnexpectedResponse::TransferCoding)),
            StatusCode::OK => match ContentType::of(&head) {
                Some(ContentType::EventStream) => {
                    let decoder = Decoder::with_limit(limits.event).reporting(Report::BLOCKS);
                    let reader = dialect.reader();
                    Mode::Stream(Box::new(Stream { decoder, reader, start: Vec::new() }))
                }
                Some(ContentType::Json) => Mode::Json { body: Vec::new(), has_begun: false },
                None => failure(Some(UnexpectedResponse::ContentType)),
            },
            status if status.is_client_error() || status.is_server_error() => failure(None),
            _ => failure(Some(UnexpectedResponse::Status)),
        };
        let promised = content::length(&head);
        Self {
            dialect,
            limits: *limits,
            mode,
            answer: Answer::new(head),
            received: 0,
            promised,
            cited_size: 0,
            empty_blocks: 0,
            unknown_size: 0,
        }
    }

    /// The status and headers.
    pub fn head(&self) -> &Head {
        self.error().and_then(Error::head).unwrap_or(&self.answer.head)
    }

    /// Whether the head is that of a success and nothing has failed since, so that events may come.
    pub fn is_success(&self) -> bool {
        matches!(self.mode, Mode::Stream(_) | Mode::Json { .. } | Mode::Ended(_))
    }

    /// Whether the answer comes as a stream of events, until it ends.
    pub fn is_stream(&self) -> bool {
        matches!(self.mode, Mode::Stream(_))
    }

    /// Whether more of the body would change anything: not once an error's body fills what is kept of it.
    pub fn wants_more(&self) -> bool {
        match &self.mode {
            Mode::Stream(_) | Mode::Json { .. } => true,
            Mode::Failure { body, .. } => body.len() < self.limits.error_body,
            Mode::Ended(_) | Mode::Failed(_) => false,
        }
    }

    /// How far the body has come.
    pub(crate) fn progress(&self) -> Progress {
        match &self.mode {
            Mode::Stream(stream) => {
                let unfinished =
                    stream.decoder.unfinished().filter(|event| !event.event_type.is_some_and(is_keep_alive));
                let finished = self.answer.events + self.empty_blocks;
                Progress::Stream { finished, unfinished: unfinished.map_or(0, |event| event.len) }
            }
            Mode::Json { has_begun, .. } => Progress::Json { has_begun: *has_begun },
            Mode::Failure { .. } | Mode::Ended(_) | Mode::Failed(_) => Progress::Failure,
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
        match self.take_fault() {
            Some(error) => Err(self.fail_with(error)),
            None => Ok(self.answer),
        }
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
    /// Text never ends in half of a character: where JSON escapes one half of a surrogate pair, it is held back and joined
    /// with the other half that the next text begins with. If none comes, an event with U+FFFD is the last before the
    /// error or the end. So the text of all events is the answer's, at any moment.
    ///
    /// # Errors
    ///
    /// An `error` event, JSON that does not match, a limit. The answer is over then: further bytes are dropped.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Event, Error>> {
        let whole = *input;
        let event = self.read(input);
        self.received += (whole.len() - input.len()) as u64;
        if self.answer.events == 0 {
            self.keep_start(whole);
        }
        event.map_err(|kind| self.fail(kind)).transpose()
    }

    /// The half of a character that is held back, as U+FFFD: the last event before [`interrupt`](Self::interrupt), if
    /// anybody is to have it. [`next`](Self::next) and [`end`](Self::end) see to it themselves.
    pub fn flush(&mut self) -> Option<Event> {
        self.take_half().ok().flatten()
    }

    /// The body has ended as its framing says. Whatever [`next`](Self::next) still gives then is the last: all events of an
    /// answer in one JSON object, or the half of a character that a stream ended in, with the error behind it if there is
    /// one. To be told again changes nothing.
    ///
    /// # Errors
    ///
    /// A stream that ended inside an event or is none, a body shorter than its `Content-Length`, JSON that does not match, a
    /// limit; the failure itself, if the head was none of a success; and again the error that ended the answer before, if
    /// one did.
    pub fn end(&mut self) -> Result<(), Error> {
        let short = self.promised.is_some_and(|promised| self.received < promised);
        let ended = match &self.mode {
            Mode::Failure { reason, body } => Err(self.failure(*reason, body, !short)),
            Mode::Stream(stream) if stream.decoder.is_incomplete() => {
                Err(ErrorKind::Truncated(Truncation::InsideEvent))
            }
            Mode::Stream(_) | Mode::Json { .. } if short => Err(ErrorKind::Truncated(Truncation::ContentLength)),
            Mode::Stream(stream) if self.answer.events == 0 && stream.decoder.has_only_unknown_fields() => {
                let (reason, body) = (UnexpectedResponse::NoEvents, content::excerpt(&stream.start));
                Err(ErrorKind::UnexpectedResponse { reason, body })
            }
            Mode::Stream(_) => Ok(Vec::new()),
            Mode::Json { body, .. } => self.read_body(body),
            Mode::Ended(ended) if ended.events.len() > 0 => return Ok(()),
            Mode::Ended(_) => {
                return self.take_fault().map_or(Ok(()), |error| Err(self.fail_with(error)));
            }
            Mode::Failed(error) => return Err(error.clone()),
        };
        let (mut events, mut then) = match ended {
            Ok(events) => (events, None),
            Err(kind) => (Vec::new(), Some(self.error_of(kind))),
        };
        events.iter().for_each(|event| self.answer.add(event));
        match self.take_half() {
            Ok(half) => events.extend(half),
            Err(kind) => then = Some(self.error_of(kind)),
        }
        match then {
            Some(error) if events.is_empty() => Err(self.fail_with(error)),
            then => {
                self.mode = Mode::Ended(Box::new(Ended { events: events.into_iter(), then }));
                Ok(())
            }
        }
    }

    /// The body came to no end of its own: `kind` says why. Gives the error to report, which is the failure that was being
    /// read where the head was none of a success, or the error that ended the answer before.
    ///
    /// The half of a character that is held back is dropped, unless [`flush`](Self::flush) was called: no event could tell
    /// of it any more.
    pub fn interrupt(&mut self, kind: ErrorKind) -> Error {
        match &self.mode {
            Mode::Failure { reason, body } => self.fail(self.failure(*reason, body, false)),
            Mode::Failed(error) => error.clone(),
            // Of a call that is cancelled nobody asks why it would have failed.
            _ if kind == ErrorKind::Cancelled => self.fail_with(self.error_of(kind)),
            _ => self.fail(kind),
        }
    }

    #[inline]
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ErrorKind> {
        let Mode::Stream(stream) = &mut self.mode else { return self.read_whole(input) };
        let Stream { decoder, reader, .. } = &mut **stream;
        while let Some(token) = decoder.advance(input) {
            let token = match token {
                Ok(token) => token,
                Err(error) => return self.give_up(over(Limit::Event, error.limit)),
            };
            let Item::Event(raw) = decoder.lend(token) else {
                self.empty_blocks += 1;
                continue;
            };
            let event = match reader.read(raw) {
                Ok(event) => event,
                Err(kind) => return self.give_up(kind),
            };
            let cited_size = match &event {
                Event::RecordsCited(cited) => cited.memory(),
                _ => self.cited_size,
            };
            let text = self.answer.content.len() + event.text().map_or(0, str::len);
            if text.saturating_add(cited_size) > self.limits.answer {
                let limit = self.limits.answer;
                return self.give_up(over(Limit::Answer, limit));
            }
            if let Event::Other(_) = event {
                let size = raw.event_type_bytes().len() + raw.data_bytes().len();
                self.unknown_size = self.unknown_size.saturating_add(size);
                if self.unknown_size > self.limits.unknown_events {
                    let limit = self.limits.unknown_events;
                    return self.give_up(over(Limit::UnknownEvents, limit));
                }
            } else if self.unknown_size > 0 && event.weight() == Weight::Content {
                self.unknown_size = 0;
            }
            self.cited_size = cited_size;
            self.answer.add(&event);
            return Ok(Some(event));
        }
        Ok(None)
    }

    /// What is no stream is read as a whole.
    #[cold]
    fn read_whole(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ErrorKind> {
        match &mut self.mode {
            Mode::Json { body, has_begun } => {
                *has_begun |= !input.iter().all(u8::is_ascii_whitespace);
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
            Mode::Ended(ended) => {
                *input = &[];
                return match (ended.events.next(), &ended.then) {
                    (None, Some(error)) => Err(error.kind().clone()),
                    (event, _) => Ok(event),
                };
            }
            Mode::Failed(_) | Mode::Stream(_) => *input = &[],
        }
        Ok(None)
    }

    /// A body that is not whole may be of any form: it is an API error with what came.
    fn failure(&self, reason: Option<UnexpectedResponse>, body: &[u8], whole: bool) -> ErrorKind {
        match reason {
            Some(reason) => ErrorKind::UnexpectedResponse { reason, body: content::excerpt(body) },
            None if whole => self.dialect.read_failure(self.head(), body),
            None => ErrorKind::Api { body: String::from_utf8_lossy(body).into_owned() },
        }
    }

    /// Reads an answer in one JSON object.
    fn read_body(&self, body: &[u8]) -> Result<Vec<Event>, ErrorKind> {
        const MOST_PER_BYTE: usize = char::REPLACEMENT_CHARACTER.len_utf8();
        let limit = self.limits.answer;
        // Broken UTF-8 grows as it is replaced. Few bodies are so large that it matters.
        if body.len() > limit / MOST_PER_BYTE && content::text_len(body) > limit {
            return Err(over(Limit::Answer, limit));
        }
        let events = self.dialect.read_body(body)?;
        let size = |event: &Event| match event {
            Event::RecordsCited(cited) => cited.memory(),
            event => event.text().map_or(0, str::len),
        };
        let size = events.iter().map(size).fold(0, usize::saturating_add);
        if size > limit { Err(over(Limit::Answer, limit)) } else { Ok(events) }
    }

    /// Half of a character of which the rest does not come, as the event that tells of it.
    #[cold]
    fn take_half(&mut self) -> Result<Option<Event>, ErrorKind> {
        let Mode::Stream(stream) = &mut self.mode else { return Ok(None) };
        let Some(event) = stream.reader.finish() else { return Ok(None) };
        let text = self.answer.content.len() + event.text().map_or(0, str::len);
        if text.saturating_add(self.cited_size) > self.limits.answer {
            return Err(over(Limit::Answer, self.limits.answer));
        }
        self.answer.add(&event);
        Ok(Some(event))
    }

    /// Keeps the start of a stream that has had no event.
    #[cold]
    fn keep_start(&mut self, piece: &[u8]) {
        if let Mode::Stream(stream) = &mut self.mode {
            let room = content::EXCERPT - stream.start.len();
            stream.start.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    /// The answer is over. Half of a character that was held back comes before the error.
    #[cold]
    fn give_up(&mut self, kind: ErrorKind) -> Result<Option<Event>, ErrorKind> {
        let half = self.take_half()?;
        if half.is_none() {
            return Err(kind);
        }
        let then = Some(self.error_of(kind));
        self.mode = Mode::Ended(Box::new(Ended { events: Vec::new().into_iter(), then }));
        Ok(half)
    }

    /// The error that comes behind the last events.
    fn take_fault(&mut self) -> Option<Error> {
        match &mut self.mode {
            Mode::Ended(ended) => ended.then.take(),
            _ => None,
        }
    }

    /// Fails of `kind`, unless there is an error already.
    fn fail(&mut self, kind: ErrorKind) -> Error {
        let error = self.take_fault().unwrap_or_else(|| self.error_of(kind));
        self.fail_with(error)
    }

    /// The error, with what had come of an event that was cut.
    fn error_of(&self, kind: ErrorKind) -> Error {
        let cut = match (&kind, &self.mode) {
            (ErrorKind::Truncated(_), Mode::Stream(stream)) => stream.decoder.unfinished(),
            _ => None,
        };
        let cut = cut.and_then(|event| {
            let data = event.data?;
            let event_type = event.event_type.filter(|event_type| !event_type.is_empty()).unwrap_or(b"message");
            let kept = &data[..data.len().min(self.limits.error_body)];
            Some(UnfinishedEvent {
                data: String::from_utf8_lossy(kept).into_owned(),
                is_error: self.dialect.is_error(event_type, data),
            })
        });
        Error::new(kind).with_attempts(1, None).with_cut(cut)
    }

    /// It comes to nothing: what came goes with the error.
    fn fail_with(&mut self, error: Error) -> Error {
        let answer = std::mem::take(&mut self.answer);
        let error = match self.mode {
            Mode::Failure { .. } => error.with_head(Some(answer.head)),
            _ => error.with_partial(Some(answer)),
        };
        self.mode = Mode::Failed(error.clone());
        error
    }
}

fn over(limit: Limit, bytes: usize) -> ErrorKind {
    ErrorKind::Limit { limit, bytes }
}
