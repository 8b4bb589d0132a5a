//! What is asked of the server, as it stands in the URL's path.

use std::fmt;
use std::str::FromStr;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// One answer of so many small events, as fast as they are taken.
    Flood { events: usize, per_write: usize },
    /// So many answers at once, of so many events each, which bear the time of their write. The server begins when all
    /// have come, and writes [`RATE`](Self::RATE) events a second over all of them in turn.
    Paced { streams: usize, events: usize },
}

impl Job {
    /// Events a second over all streams of a paced job.
    pub(crate) const RATE: u32 = 1000;

    /// All its events.
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
        let wrong = || format!("{job:?} is no job");
        let mut parts = job.splitn(3, '/');
        let (Some(kind), Some(one), Some(other)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let (one, other) = (one.parse().map_err(|_| wrong())?, other.parse().map_err(|_| wrong())?);
        match kind {
            "flood" => Ok(Self::Flood { events: one, per_write: other }),
            "paced" => Ok(Self::Paced { streams: one, events: other }),
            _ => Err(wrong()),
        }
    }
}
