//! A job for the server, encoded in the path of the URL.

use std::fmt;
use std::str::FromStr;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// One answer of `events` small events, as fast as the client reads them.
    Flood { events: usize, per_write: usize },
    /// `streams` answers at once, of `events` events each, which contain the time of their write. The server starts when all
    /// requests have arrived, and writes [`RATE`](Self::RATE) events per second over all streams in turn.
    Paced { streams: usize, events: usize },
}

impl Job {
    /// Events per second over all streams of a paced job.
    pub(crate) const RATE: u32 = 1000;

    /// Total number of events.
    pub(crate) fn events(self) -> usize {
        match self {
            Self::Flood { events, .. } => events,
            Self::Paced { streams, events } => streams * events,
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flood { events, per_write } => write!(f, "flood/{events}/{per_write}"),
            Self::Paced { streams, events } => write!(f, "paced/{streams}/{events}"),
        }
    }
}

impl FromStr for Job {
    type Err = String;

    fn from_str(job: &str) -> Result<Self, String> {
        let invalid = || format!("{job:?} is not a job");
        let mut parts = job.splitn(3, '/');
        let (Some(kind), Some(one), Some(other)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid());
        };
        let (one, other) = (one.parse().map_err(|_| invalid())?, other.parse().map_err(|_| invalid())?);
        match kind {
            "flood" => Ok(Self::Flood { events: one, per_write: other }),
            "paced" => Ok(Self::Paced { streams: one, events: other }),
            _ => Err(invalid()),
        }
    }
}
