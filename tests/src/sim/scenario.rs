//! What is to happen in one call: settings, network, server, consumer.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use chat_client::driver::{Config, TransportError};

use super::body::Body;

/// One call with all that happens to it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the jitter of the retries is drawn from.
    pub seed: u64,
    /// Whether a session is continued; else one is created.
    pub continues: bool,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The settings of the client.
    pub config: Config,
    /// Timers fire at multiples of this. Zero is a clock without a grain.
    pub tick: Duration,
    /// What happens to each attempt, in order. There is nothing to answer an attempt after the last.
    pub attempts: Vec<Attempt>,
    /// Who takes the events.
    pub consumer: Consumer,
    /// The process is stopped at this time, for this long. Timers that are due meanwhile fire afterwards.
    pub suspended: Option<(Duration, Duration)>,
}

/// What happens to one attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// How long after it is sent.
    pub delay: Duration,
    /// What.
    pub reaction: Reaction,
}

/// How the network or the server reacts to a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Not at all, for ever.
    Silence,
    /// The transport fails.
    Fault(TransportError),
    /// The server answers.
    Answer(Box<Response>),
}

/// A server's answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// What the headers tell the client to wait, if it understands them.
    pub retry_after: Option<Duration>,
    /// What the server means to say. What it does say is in `pieces`.
    pub body: Body,
    /// Whether the body is a legal validation error.
    pub validation: bool,
    /// The parts of the body that arrive, in order and without gaps.
    pub pieces: Vec<Piece>,
    /// How long after the last piece the end comes.
    pub end_delay: Duration,
    /// The end.
    pub end: End,
    /// The server sends no more than so many pieces that the client did not take yet. Not 0.
    pub window: Option<usize>,
    /// Trailers come before a clean end.
    pub trailers: bool,
    /// How long it takes to read a piece.
    pub read_time: Duration,
}

/// Part of a body.
#[derive(Clone, Debug)]
pub struct Piece {
    /// How long after what was before it.
    pub delay: Duration,
    /// Which bytes. It may be empty.
    pub bytes: Range<usize>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As its framing says: by a length, a last chunk or a close.
    Clean,
    /// By a lost connection or broken framing.
    Reset,
    /// Not at all: the server falls silent and stays there.
    Silence,
}

/// Who takes the events, and how.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// How fast.
    pub pace: Pace,
    /// Goes away after so many polls.
    pub leaves: Option<(u32, Leave)>,
}

/// How fast events are taken.
#[derive(Clone, Debug, Default)]
pub enum Pace {
    /// At once.
    #[default]
    Prompt,
    /// Something else is done for these times, in turn, after each event.
    Pausing(Vec<Duration>),
    /// The task is polled these times late, in turn, whenever it was woken.
    Late(Vec<Duration>),
}

/// How a consumer goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The reply is dropped.
    Drop,
    /// The reply is cancelled.
    Cancel,
}

impl Scenario {
    /// A prompt consumer creates a session with the default settings, on a clock without a grain.
    pub fn new(attempts: Vec<Attempt>) -> Self {
        Self {
            seed: 0,
            continues: false,
            stream: true,
            config: Config::default(),
            tick: Duration::ZERO,
            attempts,
            consumer: Consumer::default(),
            suspended: None,
        }
    }
}

impl Scenario {
    /// When a sleep that ends at this time ends: later, if the process is stopped then.
    pub fn wakes(&self, at: Duration) -> Duration {
        match self.suspended {
            Some((stop, length)) if (stop..stop + length).contains(&at) => stop + length,
            _ => at,
        }
    }
}

impl Attempt {
    /// The transport fails after so many milliseconds.
    pub fn fails(delay_ms: u64, error: TransportError) -> Self {
        Self { delay: Duration::from_millis(delay_ms), reaction: Reaction::Fault(error) }
    }

    /// The server answers after so many milliseconds.
    pub fn answers(delay_ms: u64, response: Response) -> Self {
        Self { delay: Duration::from_millis(delay_ms), reaction: Reaction::Answer(Box::new(response)) }
    }
}

impl Response {
    /// A whole answer, all of it at once.
    pub fn new(status: u16, content_type: &str, body: Body) -> Self {
        let whole = Piece { delay: Duration::ZERO, bytes: 0..body.bytes.len() };
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            retry_after: None,
            body,
            validation: false,
            pieces: vec![whole],
            end_delay: Duration::ZERO,
            end: End::Clean,
            window: None,
            trailers: false,
            read_time: Duration::ZERO,
        }
    }

    /// A whole stream of events.
    pub fn stream(body: Body) -> Self {
        Self::new(200, "text/event-stream", body)
    }

    /// The same in pieces, so many milliseconds apart, that end where the events and comments do.
    #[must_use]
    pub fn every(mut self, delay_ms: u64) -> Self {
        let delay = Duration::from_millis(delay_ms);
        let starts = std::iter::once(0).chain(self.body.marks.iter().copied());
        self.pieces = starts.zip(&self.body.marks).map(|(start, end)| Piece { delay, bytes: start..*end }).collect();
        self
    }

    /// The same, of which only so many bytes come before it ends like this.
    #[must_use]
    pub fn cut(mut self, length: usize, end: End) -> Self {
        self.pieces.retain_mut(|piece| {
            piece.bytes.end = piece.bytes.end.min(length);
            piece.bytes.start < piece.bytes.end
        });
        self.end = end;
        self
    }

    /// The same with a `Retry-After` of so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push(("retry-after", seconds.to_string()));
        self.retry_after = Some(Duration::from_secs(seconds));
        self
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| &*header.1)
    }

    /// Whether the head is that of a success.
    pub fn is_success(&self) -> bool {
        self.is_stream() || self.is_success_of("application/json")
    }

    /// Whether it is a success that comes as a stream of events.
    pub fn is_stream(&self) -> bool {
        self.is_success_of("text/event-stream")
    }

    fn is_success_of(&self, content_type: &str) -> bool {
        self.status == 200
            && self.header("content-encoding").is_none()
            && self.header("content-type").and_then(|value| value.split(';').next()) == Some(content_type)
    }
}

/// What is to happen, in a few lines.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = if self.continues { "continue" } else { "create" };
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
