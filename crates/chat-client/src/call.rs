//! A call as every driver has it, whatever does its I/O.

use bytes::Bytes;
use chat_proto::{Answer, ApiKey, Elapsed, Error, Event, Exchange, Head, Output, Request, Source, TransportError};

use crate::conversation::Question;
use crate::key::SentKeys;
use crate::settings::Settings;
use crate::trace::Trace;

/// One call: the exchange, with all around it that is not I/O. It tells the session what comes, tells `tracing` how it goes,
/// gives an error the fault of its last attempt and the key's origin, and keeps the outcome.
///
/// [`Reply`](crate::Reply) is this with a [`Transport`](crate::Transport); a driver of one's own does what
/// [`poll`](Self::poll) asks for, and hands in what comes of it with the time since the call began:
///
/// ```
/// use chat_client::{Call, Client, CreateInput, Error, Request, Step, Elapsed, TransportError};
/// # fn never_connects(_: http::Request<bytes::Bytes>) -> std::io::Error { std::io::ErrorKind::NotFound.into() }
///
/// # fn main() -> Result<(), Error> {
/// let settings = chat_client::ClientBuilder::<()>::new("my-driver/1.0").api_key("sk-1").settings()?;
/// let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "What is a chunk?"));
/// let mut call = Call::new(request, None, &settings, 7);
/// let mut now = Elapsed::START; // of a clock that jumps
/// let error = loop {
///     match call.poll() {
///         Step::Send(mut request) => match settings.key.key() {
///             Ok(key) => {
///                 key.authorize(&mut request);
///                 let error = never_connects(*request);
///                 call.handle_error(TransportError::Connect, error, now);
///             }
///             Err(error) => call.refuse(error),
///         },
///         Step::Wait => {
///             now = call.poll_timeout().expect("a wait has an end");
///             call.handle_timeout(now);
///         }
///         Step::Read => unreachable!("there is no connection"),
///         Step::Item(Ok(event)) => println!("{event:?}"),
///         Step::Item(Err(error)) => break error,
///         Step::Done => return Ok(()),
///     }
/// };
/// assert_eq!(error.to_string(), "could not connect (after 3 attempts)");
/// # Ok(())
/// # }
/// ```
pub struct Call {
    state: State,
    key_origin: &'static str,
    keys: SentKeys,
    /// The question of a session that this answers.
    question: Option<Question>,
    /// What the newest attempt's I/O ran into.
    fault: Option<Source>,
    trace: Trace,
}

enum State {
    Running(Box<Exchange>),
    /// Over before it began, and not told yet.
    Refused(Error),
    Done(Result<Answer, Error>),
}

/// What a driver has to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Stamp it with the key, send it, and drop what is left of the attempt before.
    Send(Box<http::Request<Bytes>>),
    /// Read on, until [`Call::poll_timeout`] at most.
    Read,
    /// Wait until [`Call::poll_timeout`], then call [`Call::handle_timeout`]. Nothing is being read.
    Wait,
    /// For the caller. An error is the last item.
    Item(Result<Event, Error>),
    /// Nothing more comes; what is left of the I/O can go.
    Done,
}

impl Call {
    /// A call that begins with the first [`poll`](Self::poll). A request that was refused is its only item. `question` is
    /// told what comes and how it ends. `seed` feeds the jitter of the retries.
    pub fn new(request: Result<Request, Error>, question: Option<Question>, settings: &Settings, seed: u64) -> Self {
        let state = match request {
            Ok(request) => State::Running(Box::new(Exchange::new(request, &settings.config, seed))),
            Err(error) => State::Refused(error),
        };
        let keys = SentKeys::of(&settings.key);
        Self { state, key_origin: settings.key.origin(), keys, question, fault: None, trace: Trace::new() }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        let exchange = match &mut self.state {
            State::Running(exchange) => exchange,
            State::Refused(error) => {
                let error = error.clone();
                self.question = None;
                self.state = State::Done(Err(error.clone()));
                return Step::Item(Err(error));
            }
            State::Done(_) => return Step::Done,
        };
        match exchange.poll_output() {
            Output::Event(event) => {
                self.trace.event(&event);
                if let Some(question) = &self.question {
                    question.note(&event);
                }
                Step::Item(Ok(event))
            }
            Output::Read => Step::Read,
            Output::Send(request) => {
                self.fault = None;
                self.trace.attempt(exchange.attempts(), &request);
                Step::Send(request)
            }
            Output::Wait => {
                self.trace.wait(exchange.poll_timeout(), exchange.earlier().last());
                Step::Wait
            }
            Output::Done => self.end().map_or(Step::Done, |error| Step::Item(Err(error))),
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

    /// The key could not be had: ends the call with `error`; the attempt does not count. See [`Exchange::refuse`].
    pub fn refuse(&mut self, error: Error) {
        if let Some(exchange) = self.exchange_mut() {
            exchange.refuse(error);
        }
    }

    /// The key that this attempt is sent with, which nothing that is told of the call is to have. A
    /// [fixed](crate::KeySource::Fixed) key need not be named.
    pub fn hide(&mut self, key: &ApiKey) {
        self.keys.add(key);
    }

    /// See [`Exchange::handle_head`].
    pub fn handle_head(&mut self, mut head: http::response::Parts, now: Elapsed) {
        self.keys.mark(&mut head.headers);
        let (status, version) = (head.status, head.version);
        self.input(now, |exchange| exchange.handle_head(head, now));
        self.trace.head(status, version);
    }

    /// See [`Exchange::handle_data`].
    pub fn handle_data(&mut self, chunk: Bytes, now: Elapsed) {
        self.trace.data(chunk.len());
        self.input(now, |exchange| exchange.handle_data(chunk, now));
    }

    /// See [`Exchange::handle_eof`].
    pub fn handle_eof(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_eof(now));
    }

    /// See [`Exchange::handle_error`]. `fault` becomes the source of the call's error, if this ends it.
    pub fn handle_error(&mut self, class: TransportError, fault: impl Into<Source>, now: Elapsed) {
        self.fault = Some(fault.into());
        self.input(now, |exchange| exchange.handle_error(class, now));
    }

    /// See [`Exchange::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_timeout(now));
    }

    /// See [`Exchange::handle_wait`].
    pub fn handle_wait(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_wait(now));
    }

    /// See [`Exchange::handle_yield`].
    pub fn handle_yield(&mut self, now: Elapsed) {
        self.input(now, |exchange| exchange.handle_yield(now));
    }

    /// Ends a call that is under way: its last item is [`Cancelled`](chat_proto::ErrorKind::Cancelled), with what had come.
    pub fn cancel(&mut self, now: Elapsed) {
        self.input(now, Exchange::cancel);
    }

    /// The caller dropped the reply. As [`cancel`](Self::cancel), where somebody is to be told; `now` is asked for only then.
    pub fn abandon(&mut self, now: impl FnOnce() -> Elapsed) {
        if (self.question.is_some() || Trace::IS_ON) && self.exchange().is_some() {
            self.cancel(now());
            self.end();
        }
    }

    /// What came of a call that is done or was cancelled. Of any other it is [`Cancelled`](chat_proto::ErrorKind::Cancelled).
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

    /// Does I/O of the newest attempt within its span.
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

    /// There while the call is under way.
    fn exchange(&self) -> Option<&Exchange> {
        if let State::Running(exchange) = &self.state { Some(exchange) } else { None }
    }

    fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        if let State::Running(exchange) = &mut self.state { Some(exchange) } else { None }
    }

    /// The exchange is done: tells everybody how it ended, an error with the fault of the last attempt as its cause.
    fn end(&mut self) -> Option<Error> {
        let outcome = self.exchange_mut().and_then(Exchange::take_outcome).unwrap_or_else(|| Err(Error::cancelled()));
        let fault = self.fault.take();
        let explain = |error: Error| match fault {
            Some(fault) => error.with_fault(fault),
            None => error,
        };
        let outcome = self.keys.redact(outcome.map_err(|error| explain(error).with_key_origin(self.key_origin)));
        self.trace.end(&outcome, &self.keys);
        let error = outcome.as_ref().err().cloned();
        // A question that never went out was not asked.
        let was_sent = error.as_ref().is_none_or(|error| error.attempts() > 0);
        if let Some(question) = self.question.take().filter(|_| was_sent) {
            question.end(outcome.clone());
        }
        self.state = State::Done(outcome);
        error
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
            debug.field("text_bytes", &answer.content.len());
        }
        debug.finish_non_exhaustive()
    }
}
