//! A table of faults: what the server does, the settings of the client, and the expected outcome.
//!
//! Use it to test a transport or a client. Play the replies of each fault with a [`ScriptServer`](crate::ScriptServer), make
//! one call with a client of these settings, and compare:
//!
//! ```
//! use chat_mock::faults::{self, FaultOutcome};
//! # fn call(_: &faults::FaultCase) -> (Result<chat_proto::Answer, chat_proto::Error>, usize) {
//! #     (Err(chat_proto::Error::cancelled()), 0)
//! # }
//! for fault in faults::table() {
//!     let (result, requests) = call(&fault);
//!     let actual = FaultOutcome::of(&result, requests);
//!     if actual != fault.expected {
//!         println!("{fault}: {actual}, expected {}", fault.expected);
//!     }
//! }
//! ```
//!
//! Two rows depend on limits of the transport. Every transport must accept `100 headers`. `101 headers` is one more than
//! hyper accepts; leave that row out for a transport that accepts more.

pub mod completions;
mod cuts;
mod framing;
mod outcome;
mod render;
mod responses;
mod retries;
mod silence;
mod sizes;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::Config;

pub use outcome::FaultOutcome;
pub use render::{format_rows, render};

use crate::{ScriptedReply, Step};

/// The first event of v0: text and the session's id.
pub const FIRST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Yes, \",\"chat_session_id\":\"s-1\"}\n\n";
/// A comment, which is a keep-alive.
pub const COMMENT: &str = ": ping\n\n";
/// The last event of v0: the rest of the text, and the finish reason.
pub const LAST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"no.\",\"finish_reason\":\"stop\"}\n\n";
/// An answer of v0 in one JSON object.
pub const RESULT: &str = r#"{"chat_session_id":"s-1","message":{"role":"assistant","content":"Yes, no."}}"#;

/// A timeout that does not fire.
const LONG: Duration = Duration::from_secs(20);
/// A timeout that fires. All that is expected before it arrives earlier, unless the machine stalls for this long.
const SHORT: Duration = Duration::from_secs(4);
/// The pause between the pieces of a slow answer.
const TICK: Duration = Duration::from_millis(75);
/// A timeout that each slow piece resets, and that is shorter than the whole answer.
const ALIVE: Duration = Duration::from_secs(5);

const SSE: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// A fault, or something that looks like one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultCase {
    /// The name. Rows that differ only in [`at`](Self::at) share it.
    pub name: &'static str,
    /// The byte at which the fault happens, if there is a row for each byte.
    pub at: Option<usize>,
    /// The replies of the server.
    pub replies: Vec<ScriptedReply>,
    /// The settings of the client: timeouts, retries, limits.
    pub config: Config,
    /// The model, if the call is a chat completion. Otherwise the call is one of v0.
    pub model: Option<&'static str>,
    /// The session to continue. If `None`, a call of v0 creates one.
    pub session: Option<&'static str>,
    /// The expected outcome.
    pub expected: FaultOutcome,
    /// Whether the client may keep the connection, because the HTTP response was complete. Otherwise it must close it.
    pub may_keep: bool,
    /// Whether a response ends before it is complete. Behind an HTTP/2 gateway that is a reset, which may overtake earlier
    /// data.
    pub is_cut: bool,
}

impl FaultCase {
    /// Creates a row whose call creates a session, with timeouts that do not fire. The client must close the connection.
    pub fn new(name: &'static str, replies: impl IntoIterator<Item = ScriptedReply>, expected: FaultOutcome) -> Self {
        let mut config = Config::default();
        config.timeouts.head = Some(LONG);
        config.timeouts.idle = Some(LONG);
        config.timeouts.content = Some(LONG);
        config.retry.base = Duration::from_millis(1);
        config.retry.max_total_wait = LONG;
        let replies = replies.into_iter().collect();
        Self { name, at: None, replies, config, model: None, session: None, expected, may_keep: false, is_cut: false }
    }

    /// Creates a row whose call is a chat completion. Otherwise like [`new`](Self::new).
    pub fn completion(
        name: &'static str,
        replies: impl IntoIterator<Item = ScriptedReply>,
        expected: FaultOutcome,
    ) -> Self {
        Self { model: Some(completions::MODEL), ..Self::new(name, replies, expected) }
    }

    /// Changes the settings of the client.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Allows the client to keep the connection.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.may_keep = true;
        self
    }

    fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    fn of_byte(mut self, byte: usize) -> Self {
        self.at = Some(byte);
        self
    }

    fn continued(mut self) -> Self {
        self.session = Some("s-1");
        self
    }
}

/// The name, and the byte if there is one.
impl fmt::Display for FaultCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.at.map_or(Ok(()), |at| write!(f, ", byte {at}"))
    }
}

/// Returns all faults, of both APIs.
pub fn table() -> Vec<FaultCase> {
    [
        silence::silence(),
        cuts::cuts(),
        framing::lengths(),
        framing::framing(),
        retries::retries(),
        sizes::sizes(),
        responses::oddities(),
        responses::foreign(),
        responses::events(),
        completions::table(),
    ]
    .concat()
}

fn stream() -> ScriptedReply {
    ScriptedReply::head(200, &[SSE, CHUNKED])
}

fn whole() -> ScriptedReply {
    ScriptedReply::sse_chunked([FIRST, LAST])
}

fn write(bytes: impl Into<Bytes>) -> Step {
    Step::Write(bytes.into())
}

/// A pause that lets the peer read the data before it.
fn let_it_read() -> Step {
    Step::Pause(SHORT)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn row_names_are_unique() {
        let table = table();
        let names: HashSet<String> = table.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), table.len());
    }

    #[test]
    fn consecutive_bytes_with_the_same_outcome_share_a_row() {
        let table: Vec<FaultCase> = table().into_iter().filter(|fault| fault.name == "cut, by close").collect();
        let text = render(table.iter().map(|fault| (fault, &fault.expected)));
        let rows: Vec<&str> = text.lines().collect();
        let ends: Vec<&str> = rows.iter().map(|row| row.split(" | ").nth(1).unwrap()).collect();
        assert_eq!(
            ends,
            [
                "transport, 1 request",
                "completed, status 200, 0 events \"\", reason none, 1 request",
                "truncated, status 200, 0 events \"\", 1 request",
                "completed, status 200, 1 event \"Yes, \", reason none, 1 request",
                "truncated, status 200, 1 event \"Yes, \", 1 request",
                "completed, status 200, 2 events \"Yes, no.\", reason stop, 1 request",
            ]
        );
        assert!(rows[0].starts_with("cut, by close, bytes 0 to "), "{text}");
    }
}
