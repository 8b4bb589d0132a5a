//! One answer, from its head to its end.
//!
//! The head decides how the body is read: as one JSON object, as a stream of events, or as an error. Either form of an answer
//! may follow either form of a request, as the contract allows.

use std::collections::VecDeque;

use http::StatusCode;

use crate::config::Reading;
use crate::content::{self, ContentType};
use crate::dialect::Reader;
use crate::error::UnfinishedEvent;
use crate::event::is_keep_alive;
use crate::progress::{EventClass, Flow, Progress};
use crate::request::Dialect;
use crate::sse::{self, Decoder, Item, Report};
use crate::template::{Edges, Match, Template};
use crate::{
    Answer, Config, Error, ErrorKind, Event, Head, Limit, Limits, SessionId, TextDelta, Truncation, UnexpectedResponse,
};

/// Reads one answer. [`new`](Self::new) takes its head, [`next`](Self::next) its body, and [`end`](Self::end) its end.
///
/// Use it alone to read an answer that was saved or that arrived by other means:
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
///     println!("{:?}", event?); // an answer in one JSON object gives its events only here
/// }
/// assert_eq!(receiver.into_answer()?.text, "Hi");
/// # Ok::<(), chat_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    dialect: Dialect,
    config: Reading,
    mode: Mode,
    answer: Answer,
    /// Events that were read and not returned yet: at most those of one stream event or of one JSON body.
    queue: VecDeque<Event>,
    /// Bytes of the body so far.
    received: u64,
    /// The body's `Content-Length`, or 0.
    promised: u64,
    /// Complete events and other blocks of the stream.
    finished: u64,
    /// Bytes of the answer so far, without its citations.
    text_size: usize,
    /// Memory of the answer's citations.
    cited_size: usize,
    /// Bytes of unknown events since the last content.
    unknown_size: usize,
}

#[derive(Debug)]
enum Mode {
    Stream(Box<Stream>),
    Json {
        body: Vec<u8>,
        has_begun: bool,
    },
    /// The body is over. The queue is returned first, then the error.
    Ended(Option<Error>),
    Failure {
        reason: Option<UnexpectedResponse>,
        body: Vec<u8>,
    },
    /// The answer failed. The error has the head and what arrived of the answer.
    Failed(Error),
}

#[derive(Debug)]
struct Stream {
    decoder: Decoder,
    events: Events,
    /// Start of the body, while there is no event.
    start: Vec<u8>,
}

/// Reads the events of a stream.
#[derive(Debug)]
struct Events {
    reader: Reader,
    /// The last event, if the next one may differ in its text only.
    template: Option<Template>,
    /// Whether no event becomes a template, so that there is no fast path.
    has_no_templates: bool,
}

impl Events {
    fn new(reader: Reader) -> Self {
        Self { reader, template: None, has_no_templates: false }
    }

    /// Reads an event into the queue. `edges` are those of the event, if it lies inside its chunk. `session_id` is that of the
    /// answer.
    fn read(
        &mut self,
        event: sse::Event<'_>,
        edges: Option<Edges<'_>>,
        session_id: &Option<SessionId>,
        queue: &mut VecDeque<Event>,
    ) -> Result<Flow, ErrorKind> {
        // An event whose bytes cannot be compared as a whole is decoded, but needs no JSON parser. Any other becomes the
        // template of the next ones.
        if edges.is_none()
            && let Some(found) = self.template.as_ref().and_then(|template| template.match_event(event))
            && let Some(delta) = found.delta(event.data_bytes(), session_id)
        {
            queue.push_back(Event::Text(delta));
            return Ok(Flow::More);
        }
        let flow = self.reader.read(event, queue);
        match &flow {
            Ok(Flow::Repeatable(holes)) if !self.has_no_templates => {
                let has_session_id = matches!(queue.back(), Some(Event::Text(delta)) if delta.session_id.is_some());
                self.template = Template::of(event, edges, holes, has_session_id);
            }
            _ => self.template = None,
        }
        flow
    }
}

impl Receiver {
    /// Creates a receiver for the answer of a session (v0) that begins with this head.
    pub fn new(head: Head, limits: &Limits) -> Self {
        Self::of_dialect(Dialect::Sessions, head, &Config::default().with_limits(*limits).reading())
    }

    /// Creates a receiver for a chat completion (v1) that begins with this head. Timeouts and retries of `config` are not
    /// used.
    pub fn completions(head: Head, config: &Config) -> Self {
        Self::of_dialect(Dialect::Completions, head, &config.reading())
    }

    pub(crate) fn of_dialect(dialect: Dialect, head: Head, config: &Reading) -> Self {
        let limits = &config.limits;
        let failure = |reason| Mode::Failure { reason, body: Vec::new() };
        let mode = match head.status {
            StatusCode::OK if content::is_encoded(&head) => failure(Some(UnexpectedResponse::ContentEncoding)),
            StatusCode::OK if content::is_transfer_coded(&head) => failure(Some(UnexpectedResponse::TransferCoding)),
            StatusCode::OK => match ContentType::of(&head) {
                Some(ContentType::EventStream) => match dialect.reader(config) {
                    Some(reader) => {
                        let decoder = Decoder::with_limit(limits.event).reporting(Report::BLOCKS);
                        Mode::Stream(Box::new(Stream { decoder, events: Events::new(reader), start: Vec::new() }))
                    }
                    None => failure(Some(UnexpectedResponse::ContentType)),
                },
                Some(ContentType::Json) => Mode::Json { body: Vec::new(), has_begun: false },
                None => failure(Some(UnexpectedResponse::ContentType)),
            },
            status if status.is_client_error() || status.is_server_error() => failure(None),
            _ => failure(Some(UnexpectedResponse::Status)),
        };
        let promised = content::length(&head).unwrap_or_default();
        Self {
            dialect,
            config: *config,
            mode,
            answer: Answer::new(head),
            // Most stream events give one event.
            queue: VecDeque::with_capacity(1),
            received: 0,
            promised,
            finished: 0,
            text_size: 0,
            cited_size: 0,
            unknown_size: 0,
        }
    }

    /// Removes the fast path. For tests and fuzz targets that compare it with the slow one.
    #[doc(hidden)]
    #[must_use]
    pub fn without_fast_path(mut self) -> Self {
        if let Mode::Stream(stream) = &mut self.mode {
            stream.events.has_no_templates = true;
        }
        self
    }

    /// The status and headers.
    pub fn head(&self) -> &Head {
        self.error().and_then(Error::head).unwrap_or(&self.answer.head)
    }

    /// Whether the response is a success and has not failed since, so that it may give events.
    pub fn is_success(&self) -> bool {
        matches!(self.mode, Mode::Stream(_) | Mode::Json { .. } | Mode::Ended(_))
    }

    /// Whether the answer is a stream of events that has not ended.
    pub fn is_stream(&self) -> bool {
        matches!(self.mode, Mode::Stream(_))
    }

    /// Whether more of the body is needed. `false` once the answer is over, or once enough of an error's body is kept.
    pub fn wants_more(&self) -> bool {
        match &self.mode {
            Mode::Stream(_) | Mode::Json { .. } => true,
            Mode::Failure { body, .. } => body.len() < self.config.limits.error_body,
            Mode::Ended(_) | Mode::Failed(_) => false,
        }
    }

    /// Whether an event was read that [`next`](Self::next) has not returned.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether the answer is complete, although the body may not have ended.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.mode {
            Mode::Stream(stream) => stream.events.reader.is_complete(),
            Mode::Ended(error) => error.is_none(),
            _ => false,
        }
    }

    /// Whether [`next`](Self::next) has returned a finish reason, and there is no error.
    pub(crate) fn has_finished(&self) -> bool {
        self.is_complete() && self.answer.finish_reason.is_some()
    }

    /// How far the body has arrived.
    pub(crate) fn progress(&self) -> Progress {
        match &self.mode {
            Mode::Stream(stream) => {
                let unfinished =
                    stream.decoder.unfinished().filter(|event| !event.event_type.is_some_and(is_keep_alive));
                let unfinished = unfinished.map_or(0, |event| event.len);
                Progress::Stream { finished: self.finished, unfinished }
            }
            Mode::Json { has_begun, .. } => Progress::Json { has_begun: *has_begun },
            Mode::Failure { .. } | Mode::Ended(_) | Mode::Failed(_) => Progress::Failure,
        }
    }

    /// The answer so far: everything that [`next`](Self::next) has returned.
    pub fn answer(&self) -> &Answer {
        self.error().and_then(Error::partial).unwrap_or(&self.answer)
    }

    /// Ends the body, if [`end`](Self::end) has not been called, and returns the complete answer. Events that
    /// [`next`](Self::next) has not returned are included.
    ///
    /// # Errors
    ///
    /// Those of [`end`](Self::end), or the error that ended the answer before. An incomplete answer is always an error.
    pub fn into_answer(mut self) -> Result<Answer, Error> {
        self.end()?;
        while let Some(event) = self.next(&mut &[][..]) {
            event?;
        }
        Ok(self.take_answer())
    }

    /// Takes the complete answer, for an owner that cannot give the receiver away.
    pub(crate) fn take_answer(&mut self) -> Answer {
        self.answer.sort_tool_calls();
        std::mem::take(&mut self.answer)
    }

    fn error(&self) -> Option<&Error> {
        match &self.mode {
            Mode::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Returns the next event. Removes the bytes that it read from the front of `input`, and returns `None` when `input` is
    /// empty and no event is ready.
    ///
    /// Text never ends inside a character. If JSON escapes one half of a surrogate pair, that half is held back and joined
    /// with the other half at the start of the next text. If the other half does not follow, the last event before the end is
    /// U+FFFD, or before an error other than an exceeded limit. So the texts of all events are always the answer's text.
    ///
    /// # Errors
    ///
    /// An `error` event, JSON that does not match, or an exceeded limit. The answer is then over, and further bytes are
    /// dropped.
    #[inline]
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Event, Error>> {
        match self.next_similar(input) {
            Some(delta) => Some(Ok(Event::Text(delta))),
            None => self.next_any(input),
        }
    }

    /// The next event, if the input starts with a text event like the last one. This is the fast path of
    /// [`next`](Self::next). The [template](crate::template) says what it skips.
    #[inline(always)]
    pub(crate) fn next_similar(&mut self, input: &mut &[u8]) -> Option<TextDelta> {
        let found = self.match_template(input)?;
        let delta = found.delta(input, &self.answer.session_id)?;
        self.answer.text.push_str(&delta.text);
        self.skip(input, &found, delta.text.len());
        Some(delta)
    }

    /// Merges text events at the start of the input into the answer, without returning them, while each is like the last one.
    /// Returns the highest class of them.
    pub(crate) fn merge_similar(&mut self, input: &mut &[u8]) -> Option<EventClass> {
        /// Checking the UTF-8 of many short texts at once costs half of checking each. The bytes are bounded, because they are
        /// checked again in the next call if an event of another form is among them.
        const WINDOW: usize = 2048;
        let mut class = None;
        let mut valid = "";
        while let Some(found) = self.match_template(input) {
            if found.len > valid.len() {
                valid = content::valid_start(&input[..input.len().min(WINDOW)]);
            }
            let before = self.answer.text.len();
            if found.append_to(valid, &mut self.answer.text).is_none() {
                break;
            }
            let added = &self.answer.text[before..];
            class = class.max(Some(EventClass::of_text(added)));
            valid = valid.get(found.len..).unwrap_or_default();
            self.skip(input, &found, added.len());
        }
        class
    }

    /// The event at the start of the input, if it is like the last one and nothing else is due.
    #[inline(always)]
    fn match_template(&self, input: &[u8]) -> Option<Match> {
        let Mode::Stream(stream) = &self.mode else { return None };
        let template = stream.events.template.as_ref()?;
        if !stream.decoder.is_between_events() || !self.queue.is_empty() || self.unknown_size > 0 {
            return None;
        }
        let found = template.match_frame(input)?;
        let size = (self.text_size + found.max_text_len()).saturating_add(self.cited_size);
        (found.len <= self.config.limits.event && size <= self.config.limits.answer).then_some(found)
    }

    /// Removes an event from the input that added `text_len` bytes to the answer's text.
    #[inline(always)]
    fn skip(&mut self, input: &mut &[u8], found: &Match, text_len: usize) {
        *input = &input[found.len..];
        self.received += found.len as u64;
        self.finished += 1;
        self.text_size += text_len;
        self.answer.events += 1;
    }

    /// Returns the next event, without the fast path.
    #[inline(never)]
    pub(crate) fn next_any(&mut self, input: &mut &[u8]) -> Option<Result<Event, Error>> {
        let whole = *input;
        let event = self.read(input);
        self.received += (whole.len() - input.len()) as u64;
        if self.answer.events == 0 {
            self.keep_start(whole);
        }
        event.transpose()
    }

    /// Returns the next event that is still held when the body is about to be interrupted, e.g. half of a character as
    /// U+FFFD. Call it until it returns `None`, then call [`interrupt`](Self::interrupt). [`next`](Self::next) and
    /// [`end`](Self::end) do this themselves.
    pub fn flush(&mut self) -> Option<Event> {
        self.release();
        let event = self.queue.pop_front()?;
        self.deliver(event).ok()
    }

    /// Queues the events that are still held, so that [`next`](Self::next) returns them. Returns whether any event is queued.
    pub(crate) fn release(&mut self) -> bool {
        if let Mode::Stream(stream) = &mut self.mode {
            stream.events.reader.flush(&mut self.queue);
        }
        self.is_queued()
    }

    /// The body has ended as its framing says. Afterwards [`next`](Self::next) returns the last events: all events of an
    /// answer in one JSON object, or the half of a character that a stream ended in. If there is an error, it follows them.
    /// Calling it again changes nothing.
    ///
    /// # Errors
    ///
    /// The stream ended inside an event or is not an event stream, the body is shorter than its `Content-Length`, the JSON
    /// does not match, or a limit was exceeded. The failure itself, if the response is not a success. The error that ended
    /// the answer before, if there is one.
    pub fn end(&mut self) -> Result<(), Error> {
        let short = (self.received < self.promised).then_some(Truncation::ContentLength);
        let ended = match &mut self.mode {
            Mode::Failure { reason, body } => {
                let (reason, body) = (*reason, std::mem::take(body));
                Err(self.failure(reason, &body, short.is_none()))
            }
            Mode::Stream(stream) => {
                let cut = if stream.decoder.is_incomplete() { Some(Truncation::InsideEvent) } else { short };
                let ended = stream.events.reader.end(cut).map_err(ErrorKind::Truncated);
                let has_events = self.answer.events > 0 || !self.queue.is_empty();
                let is_foreign =
                    !has_events && stream.events.reader.is_foreign(stream.decoder.has_only_unknown_fields());
                stream.events.reader.flush(&mut self.queue);
                if is_foreign && cut.is_none() { Err(no_events(&stream.start)) } else { ended }
            }
            Mode::Json { .. } if short.is_some() => Err(ErrorKind::Truncated(Truncation::ContentLength)),
            Mode::Json { body, .. } => {
                let body = std::mem::take(body);
                self.read_body(&body)
            }
            Mode::Ended(_) if !self.queue.is_empty() => return Ok(()),
            Mode::Ended(error) => return error.take().map_or(Ok(()), |error| Err(self.fail_with(error))),
            Mode::Failed(error) => return Err(error.clone()),
        };
        let error = ended.err().map(|kind| self.error_of(kind));
        match error {
            Some(error) if self.queue.is_empty() => Err(self.fail_with(error)),
            error => {
                self.mode = Mode::Ended(error);
                Ok(())
            }
        }
    }

    /// The body did not end as its framing says; `kind` is the reason. Returns the error to report: the failure that was
    /// being read if the response is not a success, the error that ended the answer before, or one of `kind`.
    ///
    /// Events that are still held are dropped: call [`flush`](Self::flush) first.
    pub fn interrupt(&mut self, kind: ErrorKind) -> Error {
        match &mut self.mode {
            Mode::Failure { reason, body } => {
                let (reason, body) = (*reason, std::mem::take(body));
                let kind = self.failure(reason, &body, false);
                self.fail(kind)
            }
            Mode::Failed(error) => error.clone(),
            // A caller that cancels does not want to know why the call would have failed.
            _ if kind == ErrorKind::Cancelled => self.fail_with(self.error_of(kind)),
            _ => self.fail(kind),
        }
    }

    #[inline]
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        loop {
            while let Some(event) = self.queue.pop_front() {
                match self.deliver(event) {
                    Ok(event) => return Ok(Some(event)),
                    Err(kind) => self.give_up(kind),
                }
            }
            let Mode::Stream(stream) = &mut self.mode else { return self.read_whole(input) };
            let (whole, is_whole) = (*input, stream.decoder.is_between_events());
            let Some(token) = stream.decoder.advance(input) else { return Ok(None) };
            self.finished += 1;
            let flow = match token {
                Ok(token) => match stream.decoder.lend(token) {
                    Item::Event(raw) => {
                        let frame = &whole[..whole.len() - input.len()];
                        let edges = token.data().filter(|_| is_whole).and_then(|data| Edges::of(frame, data));
                        stream.events.read(raw, edges, &self.answer.session_id, &mut self.queue)
                    }
                    _ => Ok(Flow::More),
                },
                Err(error) => Err(over(Limit::Event, error.limit)),
            };
            match flow {
                Ok(Flow::More | Flow::Repeatable(_)) => {}
                Ok(Flow::Finished) => {
                    stream.events.reader.flush(&mut self.queue);
                    self.mode = Mode::Ended(None);
                }
                Err(kind) => self.stop(kind),
            }
        }
    }

    /// Merges an event into the answer.
    #[inline(always)]
    fn deliver(&mut self, event: Event) -> Result<Event, ErrorKind> {
        let text_size = self.text_size + event.added(self.answer.tool_calls.len());
        let cited_size = match &event {
            Event::Citations(citations) => citations.memory(),
            _ => self.cited_size,
        };
        if text_size.saturating_add(cited_size) > self.config.limits.answer {
            return Err(over(Limit::Answer, self.config.limits.answer));
        }
        if let Event::Other(other) = &event {
            self.unknown_size = self.unknown_size.saturating_add(other.event_type.len() + other.data.len());
            if self.unknown_size > self.config.limits.unknown_events {
                return Err(over(Limit::UnknownEvents, self.config.limits.unknown_events));
            }
        } else if self.unknown_size > 0 && event.class() == EventClass::Content {
            self.unknown_size = 0;
        }
        (self.text_size, self.cited_size) = (text_size, cited_size);
        self.answer.add(&event);
        Ok(event)
    }

    /// Reads a body that is not a stream.
    #[cold]
    fn read_whole(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        match &mut self.mode {
            Mode::Json { body, has_begun } => {
                *has_begun |= !input.iter().all(u8::is_ascii_whitespace);
                // Only the smaller one, or else the size of the chunks would decide which is exceeded first.
                let limits =
                    [(self.config.limits.json_body, Limit::JsonBody), (self.config.limits.answer, Limit::Answer)];
                let (bytes, limit) = limits.into_iter().min_by_key(|&(bytes, _)| bytes).expect("there are two");
                if input.len() > bytes - body.len() {
                    return Err(self.fail(over(limit, bytes)));
                }
                body.extend_from_slice(std::mem::take(input));
            }
            Mode::Failure { body, .. } => {
                let room = self.config.limits.error_body - body.len();
                body.extend_from_slice(&input[..input.len().min(room)]);
                *input = &[];
            }
            Mode::Ended(error) => {
                *input = &[];
                return error.take().map_or(Ok(None), |error| Err(self.fail_with(error)));
            }
            Mode::Failed(_) | Mode::Stream(_) => *input = &[],
        }
        Ok(None)
    }

    /// The error of a response that is not a success. If the body is incomplete, it is an API error with what arrived.
    fn failure(&self, reason: Option<UnexpectedResponse>, body: &[u8], is_complete: bool) -> ErrorKind {
        match reason {
            Some(reason) => ErrorKind::UnexpectedResponse { reason, body: content::excerpt(body) },
            None if is_complete => self.dialect.read_failure(self.head(), body),
            None => ErrorKind::Api { body: String::from_utf8_lossy(body).into_owned() },
        }
    }

    /// Reads an answer in one JSON object into the queue.
    fn read_body(&mut self, body: &[u8]) -> Result<(), ErrorKind> {
        const MAX_GROWTH: usize = char::REPLACEMENT_CHARACTER.len_utf8();
        let limit = self.config.limits.answer;
        // Replacing invalid UTF-8 makes it longer. Few bodies are so large that it matters.
        if body.len() > limit / MAX_GROWTH && content::text_len(body) > limit {
            return Err(over(Limit::Answer, limit));
        }
        self.dialect.read_body(&self.config, body, &mut self.queue)?;
        let size = |event: &Event| match event {
            Event::Citations(citations) => citations.memory(),
            event => event.added(0),
        };
        if self.queue.iter().map(size).fold(0, usize::saturating_add) > limit {
            self.queue.clear();
            return Err(over(Limit::Answer, limit));
        }
        Ok(())
    }

    /// Keeps the start of a stream that has had no event.
    #[cold]
    fn keep_start(&mut self, piece: &[u8]) {
        if let Mode::Stream(stream) = &mut self.mode {
            let room = content::EXCERPT - stream.start.len();
            stream.start.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    /// The stream failed. The events of the queue, and what the reader holds back, come before the error.
    #[cold]
    fn stop(&mut self, kind: ErrorKind) {
        let error = self.error_of(kind);
        if let Mode::Stream(stream) = &mut self.mode {
            stream.events.reader.flush(&mut self.queue);
        }
        self.mode = Mode::Ended(Some(error));
    }

    /// An event exceeded a limit. It, those after it and what the reader holds back are dropped.
    #[cold]
    fn give_up(&mut self, kind: ErrorKind) {
        self.queue.clear();
        self.mode = Mode::Ended(Some(self.error_of(kind)));
    }

    /// Fails with `kind`, unless there is an error already.
    fn fail(&mut self, kind: ErrorKind) -> Error {
        let earlier = match &mut self.mode {
            Mode::Ended(error) => error.take(),
            _ => None,
        };
        let error = earlier.unwrap_or_else(|| self.error_of(kind));
        self.fail_with(error)
    }

    /// Creates an error, with what arrived of an event that was cut.
    fn error_of(&self, kind: ErrorKind) -> Error {
        let unfinished = match (&kind, &self.mode) {
            (ErrorKind::Truncated(_), Mode::Stream(stream)) => stream.decoder.unfinished(),
            _ => None,
        };
        let unfinished = unfinished.and_then(|event| {
            let data = event.data?;
            let event_type = event.event_type.filter(|event_type| !event_type.is_empty()).unwrap_or(b"message");
            let kept = &data[..data.len().min(self.config.limits.error_body)];
            Some(UnfinishedEvent {
                data: String::from_utf8_lossy(kept).into_owned(),
                is_error: self.dialect.is_error(event_type, data),
            })
        });
        Error::new(kind).with_attempts(1, None).with_unfinished(unfinished)
    }

    /// The answer fails. The error takes what arrived of it.
    fn fail_with(&mut self, error: Error) -> Error {
        self.queue.clear();
        let answer = self.take_answer();
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

fn no_events(start: &[u8]) -> ErrorKind {
    ErrorKind::UnexpectedResponse { reason: UnexpectedResponse::NoEvents, body: content::excerpt(start) }
}
