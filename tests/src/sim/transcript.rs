//! The record of a call: its steps with their times, and its outcome.

use std::fmt;
use std::time::Duration;

use chat_client::driver::TransportError;
use chat_client::{Answer, Error, Event};

/// Record of one call. Times are since its start.
#[derive(Debug, Default)]
pub struct Transcript {
    /// The steps that are visible from outside the client, with their times.
    pub steps: Vec<(Duration, Step)>,
    /// Outcome of the call.
    pub outcome: Option<Outcome>,
    /// Violations that the simulator detected during the call.
    pub violations: Vec<String>,
    /// Number of timers that the client created.
    pub timers: usize,
}

/// A step of a call.
#[derive(Clone, Debug)]
pub enum Step {
    /// The request of the attempt with this number was sent. Numbers start at 1.
    Sent(usize),
    /// The transport failed.
    Failed(TransportError),
    /// The head of a response was read.
    Head(u16),
    /// A piece of a body was read.
    Bytes {
        /// Its length.
        length: usize,
        /// When it became available.
        ready: Duration,
    },
    /// The end of the body was read.
    End,
    /// The connection failed in the body.
    Reset,
    /// No input was ready, so the client waits.
    Quiet,
    /// The connection was closed.
    Closed,
    /// The consumer took an event.
    Event(Event),
    /// The consumer paused.
    Pause(Duration),
    /// The reply ended.
    Over,
    /// The consumer left.
    Left,
}

/// Outcome of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The call ended.
    Ended(Result<Answer, Error>),
    /// The consumer cancelled.
    Cancelled(Result<Answer, Error>),
    /// The consumer dropped the reply.
    Dropped,
    /// The call waits forever.
    Hangs,
}

impl Transcript {
    /// Records a step.
    pub fn record(&mut self, now: Duration, step: Step) {
        self.steps.push((now, step));
    }

    /// Returns the delivered events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Event(event) => Some(event),
            _ => None,
        })
    }

    /// Returns when each attempt was sent.
    pub fn sends(&self) -> Vec<Duration> {
        self.times(|step| matches!(step, Step::Sent(_)))
    }

    /// Returns when the connection of each attempt was closed.
    pub fn closes(&self) -> Vec<Duration> {
        self.times(|step| matches!(step, Step::Closed))
    }

    fn times(&self, wanted: impl Fn(&Step) -> bool) -> Vec<Duration> {
        self.steps.iter().filter(|(_, step)| wanted(step)).map(|(at, _)| *at).collect()
    }

    /// Returns the time of the last step.
    pub fn end(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
}

/// Formats one line per step, except [`Step::Quiet`], with its time in milliseconds.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in &self.steps {
            if !matches!(step, Step::Quiet) {
                writeln!(f, "{:>9} {step}", Millis(*at))?;
            }
        }
        let end = Millis(self.end());
        match &self.outcome {
            Some(Outcome::Ended(result)) => writeln!(f, "{end:>9} = {}", DisplayOutcome(result))?,
            Some(Outcome::Cancelled(result)) => writeln!(f, "{end:>9} = on cancel: {}", DisplayOutcome(result))?,
            Some(Outcome::Dropped) => writeln!(f, "{end:>9} = dropped")?,
            Some(Outcome::Hangs) => writeln!(f, "{end:>9} = hangs")?,
            None => {}
        }
        self.violations.iter().try_for_each(|violation| writeln!(f, "    violation {violation}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(attempt) => write!(f, "send {attempt}"),
            Self::Failed(error) => write!(f, "fault {error:?}"),
            Self::Head(status) => write!(f, "head {status}"),
            Self::Bytes { length, .. } => write!(f, "bytes {length}"),
            Self::End => f.write_str("end"),
            Self::Reset => f.write_str("reset"),
            Self::Quiet => f.write_str("quiet"),
            Self::Closed => f.write_str("close"),
            Self::Event(Event::Text(chunk)) => {
                write!(f, "chunk {:?}", chunk.text)?;
                chunk.finish_reason.as_ref().map_or(Ok(()), |reason| write!(f, " {reason}"))
            }
            Self::Event(Event::Citations(cited)) => write!(f, "cited {}", cited.len()),
            Self::Event(Event::Other(other)) => write!(f, "other {} {:?}", other.event_type, other.data),
            Self::Event(event) => write!(f, "{event:?}"),
            Self::Pause(length) => write!(f, "pause {}", Millis(*length)),
            Self::Over => f.write_str("over"),
            Self::Left => f.write_str("left"),
        }
    }
}

/// Formats a duration in milliseconds, with a fraction if necessary.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}.{:06}", self.0.as_millis(), self.0.as_nanos() % 1_000_000);
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        f.pad(&text)
    }
}

/// Formats an outcome in one line.
struct DisplayOutcome<'a>(&'a Result<Answer, Error>);

impl fmt::Display for DisplayOutcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |answer: &Answer| format!("{:?} of {} events", answer.text, answer.events);
        match self.0 {
            Ok(answer) => {
                let reason = answer.finish_reason.as_ref().map_or("no reason", |reason| reason.as_str());
                write!(f, "complete ({reason}): {}", text(answer))
            }
            Err(error) => {
                write!(f, "{}: {error}", error.kind().name())?;
                error.partial().map_or(Ok(()), |partial| write!(f, ", after {}", text(partial)))
            }
        }
    }
}
