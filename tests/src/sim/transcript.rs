//! What happened, and when.

use std::fmt;
use std::time::Duration;

use chat_client::driver::TransportError;
use chat_client::{Answer, Error, Event};

/// What happened in one call, with times since its beginning.
#[derive(Debug, Default)]
pub struct Transcript {
    /// All that could be seen from outside the client.
    pub steps: Vec<(Duration, Step)>,
    /// How it came out.
    pub outcome: Option<Outcome>,
    /// What was seen to be wrong while it happened.
    pub wrong: Vec<String>,
    /// How many timers the client has set.
    pub timers: usize,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Step {
    /// The request was sent, for the attempt of this number, from 1.
    Sent(usize),
    /// The transport failed.
    Failed(TransportError),
    /// The head of an answer was taken.
    Head(u16),
    /// A piece of a body was taken.
    Bytes {
        /// Its length.
        length: usize,
        /// When it could be taken.
        ready: Duration,
    },
    /// The body's end was taken.
    End,
    /// The connection was lost in the body.
    Reset,
    /// Nothing was ready: the client waits.
    Quiet,
    /// The connection was let go of.
    Closed,
    /// The consumer took an event.
    Event(Event),
    /// The consumer did something else.
    Pause(Duration),
    /// The consumer learned that it is over.
    Over,
    /// The consumer went away.
    Left,
}

/// How a call came out.
#[derive(Debug)]
pub enum Outcome {
    /// It came to its end.
    Ended(Result<Answer, Error>),
    /// The consumer cancelled.
    Cancelled(Result<Answer, Error>),
    /// The consumer dropped the reply.
    Dropped,
    /// It waits for what will never come.
    Hangs,
}

impl Transcript {
    /// Notes a step.
    pub fn note(&mut self, now: Duration, step: Step) {
        self.steps.push((now, step));
    }

    /// The events that were handed out.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Event(event) => Some(event),
            _ => None,
        })
    }

    /// When each attempt was sent.
    pub fn sends(&self) -> Vec<Duration> {
        self.times(|step| matches!(step, Step::Sent(_)))
    }

    /// When each attempt's connection was let go of.
    pub fn closes(&self) -> Vec<Duration> {
        self.times(|step| matches!(step, Step::Closed))
    }

    fn times(&self, wanted: impl Fn(&Step) -> bool) -> Vec<Duration> {
        self.steps.iter().filter(|(_, step)| wanted(step)).map(|(at, _)| *at).collect()
    }

    /// The time of the last step.
    pub fn end(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
}

/// A line for each step but the quiet, the time in milliseconds before it.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in &self.steps {
            if !matches!(step, Step::Quiet) {
                writeln!(f, "{:>9} {step}", Millis(*at))?;
            }
        }
        let end = Millis(self.end());
        match &self.outcome {
            Some(Outcome::Ended(result)) => writeln!(f, "{end:>9} = {}", Shown(result))?,
            Some(Outcome::Cancelled(result)) => writeln!(f, "{end:>9} = on cancel: {}", Shown(result))?,
            Some(Outcome::Dropped) => writeln!(f, "{end:>9} = dropped")?,
            Some(Outcome::Hangs) => writeln!(f, "{end:>9} = hangs")?,
            None => {}
        }
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "    wrong {wrong}"))
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

/// Milliseconds, with a fraction where there is one.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}.{:06}", self.0.as_millis(), self.0.as_nanos() % 1_000_000);
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        f.pad(&text)
    }
}

/// An outcome in a line.
struct Shown<'a>(&'a Result<Answer, Error>);

impl fmt::Display for Shown<'_> {
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
