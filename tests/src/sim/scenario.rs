//! The script of one call: settings of the client, behaviour of network, server and consumer.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use chat_client::driver::{Config, TransportError};

use super::body::Body;

/// The script of one call.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Seed of the retry jitter.
    pub seed: u64,
    /// The API that is called.
    pub dialect: Dialect,
    /// Whether the call continues a session. Otherwise it creates one, or asks for a completion.
    pub continues: bool,
    /// Whether the request asks for a stream.
    pub stream: bool,
    /// Settings of the client.
    pub config: Config,
    /// Granularity of timers: they fire at multiples of this. Zero means exact timers.
    pub tick: Duration,
    /// The attempts, in order. A further attempt gets no response.
    pub attempts: Vec<Attempt>,
    /// Consumer of the events.
    pub consumer: Consumer,
    /// Time and duration of a suspension of the process. Timers that are due meanwhile fire afterwards.
    pub suspended: Option<(Duration, Duration)>,
}

/// An API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Sessions that the server keeps (v0).
    Sessions,
    /// Chat completions (v1).
    Completions,
}

/// The script of one attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Delay after the request is sent.
    pub delay: Duration,
    /// What happens then.
    pub reaction: Reaction,
}

/// Reaction of the network or the server to a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// No reaction, ever.
    Silence,
    /// The transport fails.
    Fault(TransportError),
    /// The server answers.
    Answer(Box<Response>),
}

/// A response of the server.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Delay that the headers ask for, if they are valid.
    pub retry_after: Option<Duration>,
    /// The complete body. The part that is sent is in `pieces`.
    pub body: Body,
    /// Whether the body is a valid validation error.
    pub validation: bool,
    /// Number of bytes of the body after which a client knows that the quota is used up, if it says so.
    pub quota_at: Option<usize>,
    /// What the headers say about a retry.
    pub should_retry: Option<bool>,
    /// The pieces of the body that arrive, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// Delay of the end after the last piece.
    pub end_delay: Duration,
    /// How the body ends.
    pub end: End,
    /// Maximum number of pieces that the server sends before the client reads them. Not 0.
    pub window: Option<usize>,
    /// Whether trailers come before a clean end.
    pub trailers: bool,
    /// Time that reading a piece takes.
    pub read_time: Duration,
}

/// A piece of a body.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Delay after the previous piece or the head.
    pub delay: Duration,
    /// Byte range in the body. It may be empty.
    pub bytes: Range<usize>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing specifies: by a length, a last chunk or a close.
    Clean,
    /// By a lost connection or broken framing.
    Reset,
    /// Not at all: the connection stays open without data.
    Silence,
}

/// Consumer of the events.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// How fast it takes events.
    pub pace: Pace,
    /// Leaves after this number of polls.
    pub leaves: Option<(u32, Leave)>,
}

/// How fast events are taken.
#[derive(Clone, Debug, Default)]
pub enum Pace {
    /// At once.
    #[default]
    Prompt,
    /// With a pause after each event: these times, in turn.
    Pausing(Vec<Duration>),
    /// With a delay of each poll after the task is woken: these times, in turn.
    Late(Vec<Duration>),
}

/// How a consumer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The reply is dropped.
    Drop,
    /// The reply is cancelled.
    Cancel,
}

impl Scenario {
    /// Creates a scenario with default settings, exact timers and a prompt consumer, in which a session is created.
    pub fn new(attempts: Vec<Attempt>) -> Self {
        Self {
            seed: 0,
            dialect: Dialect::Sessions,
            continues: false,
            stream: true,
            config: Config::default(),
            tick: Duration::ZERO,
            attempts,
            consumer: Consumer::default(),
            suspended: None,
        }
    }

    /// Creates a scenario like that of [`new`](Self::new), in which a chat completion is requested.
    pub fn completion(attempts: Vec<Attempt>) -> Self {
        Self { dialect: Dialect::Completions, ..Self::new(attempts) }
    }
}

impl Scenario {
    /// Returns when a sleep until `at` ends: later than `at` if the process is suspended at that time.
    pub fn wakes(&self, at: Duration) -> Duration {
        match self.suspended {
            Some((stop, length)) if (stop..stop + length).contains(&at) => stop + length,
            _ => at,
        }
    }
}

impl Attempt {
    /// Creates an attempt in which the transport fails after `delay_ms`.
    pub fn fails(delay_ms: u64, error: TransportError) -> Self {
        Self { delay: Duration::from_millis(delay_ms), reaction: Reaction::Fault(error) }
    }

    /// Creates an attempt that is answered after `delay_ms`.
    pub fn answers(delay_ms: u64, response: Response) -> Self {
        Self { delay: Duration::from_millis(delay_ms), reaction: Reaction::Answer(Box::new(response)) }
    }
}

impl Response {
    /// Creates a response with a complete body in one piece.
    pub fn new(status: u16, content_type: &str, body: Body) -> Self {
        let whole = Piece { delay: Duration::ZERO, bytes: 0..body.bytes.len() };
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            retry_after: None,
            body,
            validation: false,
            quota_at: None,
            should_retry: None,
            pieces: vec![whole],
            end_delay: Duration::ZERO,
            end: End::Clean,
            window: None,
            trailers: false,
            read_time: Duration::ZERO,
        }
    }

    /// Creates a response with a complete event stream in one piece.
    pub fn stream(body: Body) -> Self {
        Self::new(200, "text/event-stream", body)
    }

    /// Splits the body after each event and comment, with `delay_ms` before each piece.
    #[must_use]
    pub fn every(mut self, delay_ms: u64) -> Self {
        let delay = Duration::from_millis(delay_ms);
        let starts = std::iter::once(0).chain(self.body.marks.iter().copied());
        self.pieces = starts.zip(&self.body.marks).map(|(start, end)| Piece { delay, bytes: start..*end }).collect();
        self
    }

    /// Truncates the body to `length` bytes, with this end.
    #[must_use]
    pub fn cut(mut self, length: usize, end: End) -> Self {
        self.pieces.retain_mut(|piece| {
            piece.bytes.end = piece.bytes.end.min(length);
            piece.bytes.start < piece.bytes.end
        });
        self.end = end;
        self
    }

    /// Adds a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push(("retry-after", seconds.to_string()));
        self.retry_after = Some(Duration::from_secs(seconds));
        self
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| &*header.1)
    }

    /// Returns whether the head is that of a success.
    pub fn is_success(&self) -> bool {
        self.is_stream() || self.is_success_of("application/json")
    }

    /// Returns whether the response is a success with an event stream.
    pub fn is_stream(&self) -> bool {
        self.is_success_of("text/event-stream")
    }

    fn is_success_of(&self, content_type: &str) -> bool {
        self.status == 200
            && self.header("content-encoding").is_none()
            && self.header("content-type").and_then(|value| value.split(';').next()) == Some(content_type)
    }
}

/// Formats the scenario in a few lines.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.dialect {
            Dialect::Completions => "complete",
            Dialect::Sessions if self.continues => "continue",
            Dialect::Sessions => "create",
        };
        writeln!(f, "seed {}, {operation}, stream {}, tick {:?}", self.seed, self.stream, self.tick)?;
        writeln!(f, "{:?}", self.config)?;
        writeln!(f, "{:?}, suspended {:?}", self.consumer, self.suspended)?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            write!(f, "attempt {}, after {:?}: ", index + 1, attempt.delay)?;
            match &attempt.reaction {
                Reaction::Answer(response) => write!(f, "{response}")?,
                other => writeln!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, window, trailers, read_time, .. } = self;
        writeln!(f, "{status} {headers:?}, window {window:?}, trailers {trailers}, read time {read_time:?}")?;
        for piece in &self.pieces {
            writeln!(f, "  after {:?}: {:?}", piece.delay, self.body.bytes.slice(piece.bytes.clone()))?;
        }
        writeln!(f, "  after {:?}: {:?} at {} bytes", self.end_delay, self.end, self.body.bytes.len())
    }
}
