//! A call without I/O, for any driver.

use bytes::Bytes;
use chat_proto::{
    Answer, ApiKey, Attempt, BoxError, Elapsed, Error, Event, Exchange, Head, Output, Request, TransportError,
};

use crate::key::KeySource;
use crate::sent_keys::SentKeys;
use crate::settings::Settings;
use crate::trace::Trace;
use crate::turn::PendingTurn;

/// A call without I/O: the exchange with its session, its traces and its errors. It updates the session, emits traces, and
/// adds the last I/O error and the origin of the key to the call's error.
///
/// A [`Reply`](crate::Reply) is a call on a [`Transport`](crate::Transport). Your own driver does what
/// [`poll_output`](Self::poll_output) returns, and passes the results with the time since the call started:
///
/// ```
/// use chat_client::driver::{Call, Elapsed, Output, Request, TransportError};
/// use chat_client::Error;
/// use chat_client::sessions::CreateInput;
/// # fn never_connects(_: http::Request<bytes::Bytes>) -> std::io::Error { std::io::ErrorKind::NotFound.into() }
///
/// # fn main() -> Result<(), Error> {
/// let settings = chat_client::ClientBuilder::<()>::new("my-driver/1.0").api_key("sk-1").settings()?;
/// let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "What is a chunk?"));
/// let mut call = Call::new(request, None, &settings, 7);
/// let mut now = Elapsed::START; // on a simulated clock
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
///             now = call.poll_timeout().expect("a wait has a deadline");
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
    /// Where the key came from, if one is sent.
    key_origin: Option<&'static str>,
    keys: SentKeys,
    /// The turn of a session that this call answers.
    turn: Option<PendingTurn>,
    /// I/O error of the current attempt.
    io_error: Option<BoxError>,
    trace: Trace,
}

enum State {
    Running(Box<Exchange>),
    /// The request is invalid. The error was not returned yet.
    Invalid(Error),
    Done(Result<Box<Answer>, Error>),
}

impl Call {
    /// Starts a call. If `request` is an error, the call ends with it at once. `turn` records the session id and the
    /// outcome. `seed` is the seed of the backoff's jitter.
    pub fn new(request: Result<Request, Error>, turn: Option<PendingTurn>, settings: &Settings, seed: u64) -> Self {
        let trace = Trace::new(request.as_ref().ok().and_then(Request::model));
        let state = match request {
            Ok(request) => State::Running(Box::new(Exchange::new(request, &settings.config, seed))),
            Err(error) => State::Invalid(error),
        };
        let keys = SentKeys::new(&settings.key);
        let key_origin = Some(settings.key.origin()).filter(|_| !matches!(settings.key, KeySource::None));
        Self { state, key_origin, keys, turn, io_error: None, trace }
    }

    /// Returns the next event that needs no new input. Call it until it returns `None`, then call
    /// [`poll_output`](Self::poll_output). See [`Exchange::poll_event`].
    #[inline(always)]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.exchange_mut()?.poll_event()?;
        self.record(&event);
        Some(event)
    }

    /// Merges text that needs no new input into the answer, without returning its events. Traces record each event, so with
    /// the feature `tracing` it does nothing. See [`Exchange::merge_text`].
    pub fn merge_text(&mut self) {
        if !Trace::IS_ON
            && let Some(exchange) = self.exchange_mut()
        {
            exchange.merge_text();
        }
    }

    /// Returns what to do next. See [`Exchange::poll_output`]. After [`Output::Done`], [`error`](Self::error) and
    /// [`take_outcome`](Self::take_outcome) return how the call ended.
    pub fn poll_output(&mut self, now: Elapsed) -> Output {
        let exchange = match &mut self.state {
            State::Running(exchange) => exchange,
            State::Invalid(error) => {
                self.turn = None;
                self.state = State::Done(Err(error.clone()));
                return Output::Done;
            }
            State::Done(_) => return Output::Done,
        };
        let output = exchange.poll_output(now);
        match &output {
            Output::Event(event) => self.record(event),
            Output::Read => {}
            Output::Send(_, request) => {
                self.io_error = None;
                self.trace.attempt(exchange.attempts(), request);
            }
            Output::Wait => self.trace.wait(exchange.poll_timeout(), exchange.earlier().last()),
            Output::Done => self.end(),
        }
        output
    }

    /// Returns the error of a call that failed.
    pub fn error(&self) -> Option<&Error> {
        match &self.state {
            State::Done(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), unless there is other input before. `None` means never.
    pub fn poll_timeout(&self) -> Option<Elapsed> {
        self.exchange()?.poll_timeout()
    }

    /// Returns the status and headers, once they are received.
    pub fn head(&self) -> Option<&Head> {
        match &self.state {
            State::Running(exchange) => exchange.head(),
            State::Invalid(error) | State::Done(Err(error)) => error.head(),
            State::Done(Ok(answer)) => Some(&answer.head),
        }
    }

    /// Returns the answer so far. It exists once the head of a successful response is received.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            State::Running(exchange) => exchange.answer(),
            State::Invalid(error) | State::Done(Err(error)) => error.partial(),
            State::Done(Ok(answer)) => Some(&**answer),
        }
    }

    /// Ends the call because no key is available. The attempt does not count. See [`Exchange::refuse`].
    pub fn refuse(&mut self, attempt: Attempt, error: Error) {
        if let Some(exchange) = self.exchange_mut() {
            exchange.refuse(attempt, error);
        }
    }

    /// Redacts a key from errors and traces. Call it with the key of each attempt. It is not needed for a
    /// [fixed](crate::KeySource::Fixed) key.
    pub fn redact_key(&mut self, key: &ApiKey) {
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

    /// See [`Exchange::handle_error`]. If it ends the call, `error` is the source of the call's error.
    pub fn handle_error(&mut self, attempt: Attempt, class: TransportError, error: impl Into<BoxError>, now: Elapsed) {
        // An attempt that has ended may still fail. Ignore such an error.
        if self.is_open(attempt) {
            self.io_error = Some(error.into());
        }
        self.input(now, |exchange| exchange.handle_error(attempt, class, now));
    }

    /// See [`Exchange::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_timeout(now));
    }

    /// Ends a call in progress with [`Cancelled`](chat_proto::ErrorKind::Cancelled) and the partial answer.
    pub fn cancel(&mut self, now: Elapsed) {
        self.input(now, Exchange::cancel);
    }

    /// Ends a call whose reply was dropped. If a session or a trace records the call, it is like [`cancel`](Self::cancel).
    /// Otherwise it does nothing and does not call `now`.
    pub fn abandon(&mut self, now: impl FnOnce() -> Elapsed) {
        if (self.turn.is_some() || Trace::IS_ON) && self.exchange().is_some() {
            self.cancel(now());
            self.end();
        }
    }

    /// Takes the outcome of a call that has ended. A call in progress ends with
    /// [`Cancelled`](chat_proto::ErrorKind::Cancelled).
    ///
    /// # Errors
    ///
    /// The error that ended the call.
    pub fn take_outcome(&mut self) -> Result<Answer, Error> {
        if self.exchange().is_some() {
            self.end();
        }
        match std::mem::replace(&mut self.state, State::Done(Err(Error::cancelled()))) {
            State::Done(outcome) => outcome.map(|answer| *answer),
            State::Invalid(error) => Err(error),
            State::Running(_) => unreachable!("the call was ended above"),
        }
    }

    /// Runs `io` in the span of the current attempt.
    pub fn in_span<R>(&self, io: impl FnOnce() -> R) -> R {
        self.trace.in_span(io)
    }

    /// Handles an input. Input after the end of the call has no effect.
    fn input(&mut self, now: Elapsed, handle: impl FnOnce(&mut Exchange)) {
        self.trace.set_now(now);
        if let Some(exchange) = self.exchange_mut() {
            handle(exchange);
        }
    }

    #[inline(always)]
    fn record(&mut self, event: &Event) {
        self.trace.event(event);
        if let Some(turn) = &mut self.turn {
            turn.handle_event(event);
        }
    }

    fn is_open(&self, attempt: Attempt) -> bool {
        self.exchange().is_some_and(|exchange| exchange.is_open(attempt))
    }

    /// Returns the exchange of a call in progress.
    fn exchange(&self) -> Option<&Exchange> {
        if let State::Running(exchange) = &self.state { Some(exchange) } else { None }
    }

    fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        if let State::Running(exchange) = &mut self.state { Some(exchange) } else { None }
    }

    /// Ends the call with the outcome of the exchange. The I/O error of the last attempt is the source of an error.
    fn end(&mut self) {
        let outcome = self.exchange_mut().and_then(Exchange::take_outcome).unwrap_or_else(|| Err(Error::cancelled()));
        let io_error = self.io_error.take();
        let add_source = |error: Error| match io_error {
            Some(source) => error.with_io_source(source),
            None => error,
        };
        let add_origin = |error: Error| match self.key_origin {
            Some(origin) => error.with_key_origin(origin),
            None => error,
        };
        let outcome = self.keys.redact(outcome.map_err(|error| add_origin(add_source(error))));
        self.trace.end(&outcome, &self.keys);
        // A question that was never sent is not part of the history.
        let was_sent = outcome.as_ref().err().is_none_or(|error| error.attempts() > 0);
        if let Some(turn) = self.turn.take().filter(|_| was_sent) {
            turn.finish(outcome.clone());
        }
        self.state = State::Done(outcome.map(Box::new));
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Invalid(_) | State::Done(Err(_)) => "failed",
            State::Done(Ok(_)) => "complete",
        };
        let mut debug = f.debug_struct("Call");
        debug.field("state", &state);
        // Omits the text: it comes from the server and may contain secrets.
        if let Some(answer) = self.answer() {
            debug.field("status", &answer.head.status).field("events", &answer.events);
            debug.field("text_bytes", &answer.text.len());
        }
        debug.finish_non_exhaustive()
    }
}
