//! A call without its I/O, for any driver.

use bytes::Bytes;
use chat_proto::{
    Answer, ApiKey, Attempt, BoxError, Elapsed, Error, Event, Exchange, Head, Output, Request, TransportError,
};

use crate::conversation::PendingTurn;
use crate::key::SentKeys;
use crate::settings::Settings;
use crate::trace::Trace;

/// One call: the exchange and everything around it that is not I/O. It reports what comes to the session and to `tracing`,
/// adds to an error the fault of its last attempt and the origin of the key, and keeps the outcome.
///
/// [`Reply`](crate::Reply) is this with a [`Transport`](crate::Transport). A driver of your own does what
/// [`poll_output`](Self::poll_output) asks for, and hands in the results with the time since the call started:
///
/// ```
/// use chat_client::{Call, Client, Elapsed, Error, Output, Request, TransportError};
/// use chat_client::sessions::CreateInput;
/// # fn never_connects(_: http::Request<bytes::Bytes>) -> std::io::Error { std::io::ErrorKind::NotFound.into() }
///
/// # fn main() -> Result<(), Error> {
/// let settings = chat_client::ClientBuilder::<()>::new("my-driver/1.0").api_key("sk-1").settings()?;
/// let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "What is a chunk?"));
/// let mut call = Call::new(request, None, &settings, 7);
/// let mut now = Elapsed::START; // of a clock that jumps
/// loop {
///     match call.poll_output(now) {
///         Output::Send(attempt, mut request) => match settings.key.key() {
///             Ok(key) => {
///                 key.authorize(&mut request);
///                 let error = never_connects(*request);
///                 call.handle_error(attempt, TransportError::Connect, error, now);
///             }
///             Err(error) => call.refuse(attempt, error),
///         },
///         Output::Wait => {
///             now = call.poll_timeout().expect("a wait has an end");
///             call.handle_timeout(now);
///         }
///         Output::Read => unreachable!("there is no connection"),
///         Output::Event(event) => println!("{event:?}"),
///         Output::Done => break,
///     }
/// }
/// let error = call.take_outcome().unwrap_err();
/// assert_eq!(error.to_string(), "could not connect (after 3 attempts)");
/// # Ok(())
/// # }
/// ```
pub struct Call {
    state: State,
    key_origin: &'static str,
    keys: SentKeys,
    /// The question of a session that this answers.
    question: Option<PendingTurn>,
    /// Why the newest attempt's I/O failed.
    fault: Option<BoxError>,
    trace: Trace,
}

enum State {
    Running(Box<Exchange>),
    /// Over before it began, and not reported yet.
    Refused(Error),
    Done(Result<Answer, Error>),
}

impl Call {
    /// Starts a call. If `request` is an error, the call ends with it at once. `question` is told what comes and how the
    /// call ends. `seed` feeds the jitter of the retries.
    pub fn new(request: Result<Request, Error>, question: Option<PendingTurn>, settings: &Settings, seed: u64) -> Self {
        let state = match request {
            Ok(request) => State::Running(Box::new(Exchange::new(request, &settings.config, seed))),
            Err(error) => State::Refused(error),
        };
        let keys = SentKeys::of(&settings.key);
        Self { state, key_origin: settings.key.origin(), keys, question, fault: None, trace: Trace::new() }
    }

    /// The next event that needs no new input. Call it until it returns `None`, then call
    /// [`poll_output`](Self::poll_output). See [`Exchange::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.exchange_mut()?.poll_event()?;
        self.note(&event);
        Some(event)
    }

    /// What to do next. See [`Exchange::poll_output`]. After [`Output::Done`], [`error`](Self::error) and
    /// [`take_outcome`](Self::take_outcome) say how the call ended.
    pub fn poll_output(&mut self, now: Elapsed) -> Output {
        let exchange = match &mut self.state {
            State::Running(exchange) => exchange,
            State::Refused(error) => {
                self.question = None;
                self.state = State::Done(Err(error.clone()));
                return Output::Done;
            }
            State::Done(_) => return Output::Done,
        };
        let output = exchange.poll_output(now);
        match &output {
            Output::Event(event) => self.note(event),
            Output::Read => {}
            Output::Send(_, request) => {
                self.fault = None;
                self.trace.attempt(exchange.attempts(), request);
            }
            Output::Wait => self.trace.wait(exchange.poll_timeout(), exchange.earlier().last()),
            Output::Done => self.end(),
        }
        output
    }

    /// Why the call failed, once it is done.
    pub fn error(&self) -> Option<&Error> {
        match &self.state {
            State::Done(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing else comes before; `None` if never.
    pub fn poll_timeout(&self) -> Option<Elapsed> {
        self.exchange()?.poll_timeout()
    }

    /// The status and headers, once they came.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Running(exchange) => exchange.head(),
            State::Refused(error) | State::Done(Err(error)) => error.head(),
            State::Done(Ok(answer)) => Some(&answer.head),
        }
    }

    /// The answer so far: text, citations, session. There from the head of a success on.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Running(exchange) => exchange.answer(),
            State::Refused(error) | State::Done(Err(error)) => error.partial(),
            State::Done(Ok(answer)) => Some(answer),
        }
    }

    /// No key was available: ends the call with `error`. The attempt does not count. See [`Exchange::refuse`].
    pub fn refuse(&mut self, attempt: Attempt, error: Error) {
        if let Some(exchange) = self.exchange_mut() {
            exchange.refuse(attempt, error);
        }
    }

    /// The key that this attempt is sent with, which nothing that is told of the call is to have. A
    /// [fixed](crate::KeySource::Fixed) key need not be named.
    pub fn hide(&mut self, key: &ApiKey) {
        self.keys.add(key);
    }

    /// See [`Exchange::handle_head`].
    pub fn handle_head(&mut self, attempt: Attempt, mut head: http::response::Parts, now: Elapsed) {
        let is_open = self.is_open(attempt);
        self.keys.mark(&mut head.headers);
        let (status, version) = (head.status, head.version);
        self.input(now, |exchange| exchange.handle_head(attempt, head, now));
        if is_open {
            self.trace.head(status, version);
        }
    }

    /// See [`Exchange::handle_data`].
    pub fn handle_data(&mut self, attempt: Attempt, chunk: Bytes, now: Elapsed) {
        if Trace::IS_ON && self.is_open(attempt) {
            self.trace.data(chunk.len());
        }
        self.input(now, |exchange| exchange.handle_data(attempt, chunk, now));
    }

    /// See [`Exchange::handle_eof`].
    pub fn handle_eof(&mut self, attempt: Attempt, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_eof(attempt, now));
    }

    /// See [`Exchange::handle_error`]. `fault` becomes the source of the call's error, if this ends it.
    pub fn handle_error(&mut self, attempt: Attempt, class: TransportError, fault: impl Into<BoxError>, now: Elapsed) {
        // A late failure of an attempt that is over explains nothing.
        if self.is_open(attempt) {
            self.fault = Some(fault.into());
        }
        self.input(now, |exchange| exchange.handle_error(attempt, class, now));
    }

    /// See [`Exchange::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_timeout(now));
    }

    /// Ends a call that is under way with [`Cancelled`](chat_proto::ErrorKind::Cancelled) and what had come.
    pub fn cancel(&mut self, now: Elapsed) {
        self.input(now, Exchange::cancel);
    }

    /// The caller dropped the reply. Like [`cancel`](Self::cancel), if a session or a trace has to know. Only then, `now` is
    /// called.
    pub fn abandon(&mut self, now: impl FnOnce() -> Elapsed) {
        if (self.question.is_some() || Trace::IS_ON) && self.exchange().is_some() {
            self.cancel(now());
            self.end();
        }
    }

    /// The outcome of a call that is done or was cancelled. For any other call it is
    /// [`Cancelled`](chat_proto::ErrorKind::Cancelled).
    ///
    /// # Errors
    ///
    /// Why there is no whole answer.
    pub fn take_outcome(&mut self) -> Result<Answer, Error> {
        if self.exchange().is_some() {
            self.end();
        }
        match std::mem::replace(&mut self.state, State::Done(Err(Error::cancelled()))) {
            State::Done(outcome) => outcome,
            State::Refused(error) => Err(error),
            State::Running(_) => unreachable!("it was ended"),
        }
    }

    /// Runs I/O of the newest attempt in its span.
    pub fn within<R>(&self, io: impl FnOnce() -> R) -> R {
        self.trace.within(io)
    }

    /// Once the call is over, no input changes anything.
    fn input(&mut self, now: Elapsed, handle: impl FnOnce(&mut Exchange)) {
        self.trace.at(now);
        if let Some(exchange) = self.exchange_mut() {
            handle(exchange);
        }
    }

    fn note(&mut self, event: &Event) {
        self.trace.event(event);
        if let Some(question) = &self.question {
            question.note(event);
        }
    }

    fn is_open(&self, attempt: Attempt) -> bool {
        self.exchange().is_some_and(|exchange| exchange.is_open(attempt))
    }

    /// The exchange, while the call is under way.
    fn exchange(&self) -> Option<&Exchange> {
        if let State::Running(exchange) = &self.state { Some(exchange) } else { None }
    }

    fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        if let State::Running(exchange) = &mut self.state { Some(exchange) } else { None }
    }

    /// The exchange is done: reports how it ended, an error with the fault of the last attempt as its cause.
    fn end(&mut self) {
        let outcome = self.exchange_mut().and_then(Exchange::take_outcome).unwrap_or_else(|| Err(Error::cancelled()));
        let fault = self.fault.take();
        let explain = |error: Error| match fault {
            Some(fault) => error.with_io_source(fault),
            None => error,
        };
        let outcome = self.keys.redact(outcome.map_err(|error| explain(error).with_key_origin(self.key_origin)));
        self.trace.end(&outcome, &self.keys);
        // A question that was never sent was not asked.
        let was_sent = outcome.as_ref().err().is_none_or(|error| error.attempts() > 0);
        if let Some(question) = self.question.take().filter(|_| was_sent) {
            question.end(outcome.clone());
        }
        self.state = State::Done(outcome);
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Refused(_) | State::Done(Err(_)) => "failed",
            State::Done(Ok(_)) => "complete",
        };
        let mut debug = f.debug_struct("Call");
        debug.field("state", &state);
        // The text is the server's, and anything may stand in it.
        if let Some(answer) = self.answer() {
            debug.field("status", &answer.head.status).field("events", &answer.events);
            debug.field("text_bytes", &answer.text.len());
        }
        debug.finish_non_exhaustive()
    }
}
