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

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Answer, Config, Error, ErrorKind};

use crate::{ScriptedReply, Step};

/// The first event: text and the session's id.
pub const FIRST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Yes, \",\"chat_session_id\":\"s-1\"}\n\n";
/// A comment, which is a keep-alive.
pub const COMMENT: &str = ": ping\n\n";
/// The last event: the rest of the text, and the finish reason.
pub const LAST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"no.\",\"finish_reason\":\"stop\"}\n\n";
/// An answer in one JSON object.
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
    /// The session to continue. If `None`, the call creates one.
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
        Self { name, at: None, replies, config, session: None, expected, may_keep: false, is_cut: false }
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

/// The outcome of a call, reduced to what a row compares.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultOutcome {
    /// `completed`, or the name of the error kind.
    pub kind: &'static str,
    /// The timeout that fired.
    pub timeout: Option<&'static str>,
    /// The status, if a head arrived.
    pub status: Option<u16>,
    /// The text received so far. `None` if the body of a success had not begun.
    pub text: Option<String>,
    /// The number of events.
    pub events: u64,
    /// The finish reason.
    pub finish_reason: Option<String>,
    /// The number of requests that the server received.
    pub requests: usize,
}

impl FaultOutcome {
    /// Returns the outcome of a call, with the number of requests that its server received.
    pub fn of(result: &Result<Answer, Error>, requests: usize) -> Self {
        let (kind, timeout, status, answer) = match result {
            Ok(answer) => ("completed", None, Some(answer.head.status), Some(answer)),
            Err(error) => {
                let timeout = match error.kind() {
                    ErrorKind::Timeout { kind, .. } => Some(kind.as_str()),
                    _ => None,
                };
                (error.kind().name(), timeout, error.status(), error.partial())
            }
        };
        Self {
            kind,
            timeout,
            status: status.map(|status| status.as_u16()),
            text: answer.map(|answer| answer.text.clone()),
            events: answer.map_or(0, |answer| answer.events),
            finish_reason: answer
                .and_then(|answer| answer.finish_reason.as_ref())
                .map(|reason| reason.as_str().to_owned()),
            requests,
        }
    }

    /// Returns an error of this kind and status after one request, without text.
    pub fn failed(kind: &'static str, status: u16) -> Self {
        Self { kind, timeout: None, status: Some(status), text: None, events: 0, finish_reason: None, requests: 1 }
    }

    /// Returns a transport error before the head.
    pub fn lost() -> Self {
        Self { status: None, ..Self::failed("transport", 0) }
    }

    /// Returns a result with the first `events` of [`FIRST`] and [`LAST`].
    ///
    /// # Panics
    ///
    /// If there are more than two events.
    pub fn partial(kind: &'static str, events: u64) -> Self {
        let text = ["", "Yes, ", "Yes, no."][events as usize];
        let finish_reason = (events == 2).then(|| "stop".to_owned());
        Self { text: Some(text.to_owned()), events, finish_reason, ..Self::failed(kind, 200) }
    }

    /// Returns a success with [`FIRST`] and [`LAST`].
    pub fn completed() -> Self {
        Self::partial("completed", 2)
    }

    /// Returns a success with [`RESULT`]: one event and no finish reason.
    pub fn result() -> Self {
        Self { events: 1, finish_reason: None, ..Self::completed() }
    }

    /// Returns a timeout of this kind after this many events, or before the head if `None`.
    pub fn timed_out(timeout: &'static str, events: Option<u64>) -> Self {
        let outcome = match events {
            Some(events) => Self::partial("timeout", events),
            None => Self { status: None, ..Self::failed("timeout", 0) },
        };
        Self { timeout: Some(timeout), ..outcome }
    }

    fn after(self, requests: usize) -> Self {
        Self { requests, ..self }
    }
}

/// The fields that are present, on one line: `timeout (idle), status 200, 1 event "Yes, ", 1 request`.
impl fmt::Display for FaultOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        self.timeout.map_or(Ok(()), |timeout| write!(f, " ({timeout})"))?;
        self.status.map_or(Ok(()), |status| write!(f, ", status {status}"))?;
        if let Some(text) = &self.text {
            let s = if self.events == 1 { "" } else { "s" };
            write!(f, ", {} event{s} ", self.events)?;
            if text.len() < 40 { write!(f, "{text:?}")? } else { write!(f, "of {} bytes", text.len())? }
        }
        if self.kind == "completed" || self.finish_reason.is_some() {
            write!(f, ", reason {}", self.finish_reason.as_deref().unwrap_or("none"))?;
        }
        let s = if self.requests == 1 { "" } else { "s" };
        write!(f, ", {} request{s}", self.requests)
    }
}

/// Returns all faults.
pub fn table() -> Vec<FaultCase> {
    [silence(), cuts(), lengths(), framing(), retries(), sizes(), oddities(), foreign(), events()].concat()
}

/// Formats a table: one line per fault, and one line for consecutive bytes with the same outcome.
pub fn render<'a>(rows: impl IntoIterator<Item = (&'a FaultCase, &'a FaultOutcome)>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|(fault, outcome)| (fault.name, fault.at, outcome.to_string())).collect();
    format_rows(rows.iter().map(|(name, at, text)| (*name, *at, text.as_str())))
}

/// Formats rows of a name, an optional byte, and a text: one line per row, and one line for consecutive bytes with the
/// same text.
pub fn format_rows<'a>(rows: impl IntoIterator<Item = (&'a str, Option<usize>, &'a str)>) -> String {
    let mut merged: Vec<(&str, Option<Range<usize>>, &str)> = Vec::new();
    for (name, at, text) in rows {
        match (merged.last_mut(), at) {
            (Some((last, Some(bytes), same)), Some(at)) if *last == name && bytes.end == at && *same == text => {
                bytes.end += 1;
            }
            _ => merged.push((name, at.map(|at| at..at + 1), text)),
        }
    }
    let names = merged.iter().map(|(name, bytes, _)| match bytes {
        None => (*name).to_owned(),
        Some(bytes) if bytes.len() == 1 => format!("{name}, byte {}", bytes.start),
        Some(bytes) => format!("{name}, bytes {} to {}", bytes.start, bytes.end - 1),
    });
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    names.iter().zip(&merged).fold(String::new(), |mut table, (name, (_, _, text))| {
        let _ = writeln!(table, "{name:width$} | {text}");
        table
    })
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

fn silence() -> Vec<FaultCase> {
    let endless_comments =
        (0..2000).fold(stream().chunk(FIRST), |reply, _| reply.then(Step::Pause(TICK)).chunk(COMMENT));
    let endless_text = (0..2000).fold(stream(), |reply, _| reply.then(Step::Pause(TICK)).chunk(": x\n"));
    // Each piece arrives well within the timeouts, the whole well after them.
    let pieces = FIRST.as_bytes().chunks(2).chain(LAST.as_bytes().chunks(2));
    let trickle = pieces.fold(stream(), |reply, piece| reply.then(Step::Pause(TICK)).chunk(piece)).last_chunk();
    let head = |config: &mut Config| config.timeouts.head = Some(SHORT);
    let idle = |config: &mut Config| config.timeouts.idle = Some(SHORT);
    vec![
        FaultCase::new(
            "stall before the head",
            [ScriptedReply::raw("").then(Step::Stall)],
            FaultOutcome::timed_out("head", None),
        )
        .configure(head),
        FaultCase::new(
            "stall inside the head",
            [ScriptedReply::raw("HTTP/1.1 200 OK\r\ncontent-ty").then(Step::Stall)],
            FaultOutcome::timed_out("head", None),
        )
        .configure(head),
        FaultCase::new("stall after the head", [stream().then(Step::Stall)], FaultOutcome::timed_out("idle", Some(0)))
            .configure(idle),
        FaultCase::new(
            "stall between events",
            [stream().chunk(FIRST).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall inside an event",
            [stream().chunk(FIRST).chunk("event: message_ch").then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall inside a chunk",
            [stream().chunk(FIRST).then(write("40\r\nevent: mess")).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(1)),
        )
        .configure(idle),
        FaultCase::new(
            "stall in an error's body",
            [ScriptedReply::head(404, &[JSON, ("content-length", "100")]).then(write("{")).then(Step::Stall)],
            FaultOutcome::failed("api", 404),
        )
        .configure(idle),
        // Comments reset `idle`, which is shorter, but not `content`.
        FaultCase::new("endless comments", [endless_comments], FaultOutcome::timed_out("content", Some(1))).configure(
            |config| {
                config.timeouts.idle = Some(ALIVE);
                config.timeouts.content = Some(ALIVE + Duration::from_secs(1));
            },
        ),
        FaultCase::new("events until the total timeout", [endless_text], FaultOutcome::timed_out("total", Some(0)))
            .configure(|config| config.timeouts.total = Some(SHORT)),
        FaultCase::new("slow trickle", [trickle], FaultOutcome::completed()).kept().configure(|config| {
            config.timeouts.head = Some(ALIVE);
            config.timeouts.idle = Some(ALIVE);
        }),
    ]
}

/// The connection closes after each number of bytes, and is reset at some.
fn cuts() -> Vec<FaultCase> {
    let body = [FIRST, COMMENT, LAST].concat();
    let first_end = FIRST.len();
    let last_begin = first_end + COMMENT.len();
    let length = body.len().to_string();
    let mut faults = Vec::new();

    // The number of complete events within this many bytes of the body.
    let events = |bytes: usize| u64::from(bytes >= first_end) + u64::from(bytes >= body.len());
    let mut cut = |name, wire: &[u8], reached: &dyn Fn(usize) -> FaultOutcome| {
        faults.extend((0..=wire.len()).map(|at| {
            let fault = FaultCase::new(name, [ScriptedReply::raw(wire[..at].to_vec())], reached(at)).of_byte(at);
            if fault.expected.kind == "completed" { fault } else { fault.cut() }
        }));
    };

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let chunked_head = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut wire = chunked_head.clone();
    // The byte at which each event is complete.
    let mut whole = Vec::new();
    for part in [FIRST, COMMENT, LAST] {
        let _ = write!(wire, "{:x}\r\n{part}", part.len());
        whole.push(wire.len());
        wire += "\r\n";
    }
    wire += "0\r\n\r\n";
    cut("cut, chunked", wire.as_bytes(), &|at| match at {
        _ if at < chunked_head.len() => FaultOutcome::lost(),
        _ if at == wire.len() => FaultOutcome::completed(),
        _ => FaultOutcome::partial("truncated", u64::from(at >= whole[0]) + u64::from(at >= whole[2])),
    });

    let sized_head = format!("{head}content-length: {length}\r\n\r\n");
    let wire = format!("{sized_head}{body}");
    cut("cut, content-length", wire.as_bytes(), &|at| match at {
        _ if at < sized_head.len() => FaultOutcome::lost(),
        _ if at == wire.len() => FaultOutcome::completed(),
        _ => FaultOutcome::partial("truncated", events(at - sized_head.len())),
    });

    // Only the close ends the body, so that an end between events looks like a cut.
    let plain_head = format!("{head}\r\n");
    let wire = format!("{plain_head}{body}");
    let by_close = |head: usize, at: usize| match at.checked_sub(head) {
        None => FaultOutcome::lost(),
        Some(at) if (1..first_end).contains(&at) => FaultOutcome::partial("truncated", 0),
        Some(at) if (last_begin + 1..body.len()).contains(&at) => FaultOutcome::partial("truncated", 1),
        Some(at) => FaultOutcome::partial("completed", events(at)),
    };
    cut("cut, by close", wire.as_bytes(), &|at| by_close(plain_head.len(), at));

    let old_head = plain_head.replace("1.1", "1.0");
    let wire = format!("{old_head}{body}");
    faults.push(FaultCase::new("HTTP/1.0 by close", [ScriptedReply::raw(wire)], FaultOutcome::completed()));
    let wire = format!("{old_head}{}", &body[..body.len() - 1]);
    faults.push(FaultCase::new(
        "HTTP/1.0 by close, inside an event",
        [ScriptedReply::raw(wire)],
        FaultOutcome::partial("truncated", 1),
    ));

    faults.extend([
        FaultCase::new("reset before the head", [ScriptedReply::raw("").then(Step::Reset)], FaultOutcome::lost()).cut(),
        FaultCase::new(
            "reset inside the head",
            [ScriptedReply::raw("HTTP/1.1 200 OK\r\n").then(let_it_read()).then(Step::Reset)],
            FaultOutcome::lost(),
        )
        .cut(),
        FaultCase::new(
            "reset between events",
            [stream().chunk(FIRST).then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset inside an event",
            [stream().chunk(FIRST).chunk("event: ").then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset, by close",
            [ScriptedReply::head(200, &[SSE]).then(write(FIRST)).then(let_it_read()).then(Step::Reset)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body",
            [ScriptedReply::head(200, &[JSON, CHUNKED]).chunk(&RESULT[..20]).then(Step::Close)],
            FaultOutcome::partial("truncated", 0),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body, by close",
            [ScriptedReply::head(200, &[JSON]).then(write(&RESULT[..20]))],
            FaultOutcome::partial("decode", 0),
        ),
        FaultCase::new(
            "cut in an error's body",
            [ScriptedReply::head(404, &[JSON, CHUNKED]).chunk("{\"det").then(Step::Close)],
            FaultOutcome::failed("api", 404),
        )
        .cut(),
    ]);
    faults
}

/// Lengths that are not those of the body.
fn lengths() -> Vec<FaultCase> {
    let body = [FIRST, LAST].concat();
    let sized = |length: usize| {
        ScriptedReply::head(200, &[SSE, ("content-length", &length.to_string())]).then(write(body.clone()))
    };
    let named = |length: &str| ScriptedReply::head(200, &[SSE, ("content-length", length)]).then(write(body.clone()));
    vec![
        FaultCase::new(
            "content-length short, inside an event",
            [sized(body.len() - 10).then(Step::KeepAlive)],
            FaultOutcome::partial("truncated", 1),
        ),
        FaultCase::new(
            "content-length short, between events",
            [sized(FIRST.len()).then(Step::KeepAlive)],
            FaultOutcome::partial("completed", 1),
        ),
        FaultCase::new(
            "content-length long, then close",
            [sized(body.len() + 1)],
            FaultOutcome::partial("truncated", 2),
        )
        .cut(),
        FaultCase::new(
            "content-length long, then silence",
            [sized(body.len() + 1).then(Step::Stall)],
            FaultOutcome::timed_out("idle", Some(2)),
        )
        .configure(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new("content-length that is not a number", [named("many")], FaultOutcome::lost()),
        FaultCase::new("content-length negative", [named("-1")], FaultOutcome::lost()),
        FaultCase::new("content-length past 64 bits", [named("99999999999999999999999")], FaultOutcome::lost()),
        FaultCase::new(
            "two content-lengths that differ",
            [ScriptedReply::head(200, &[SSE, ("content-length", "1"), ("content-length", "2")])
                .then(write(body.clone()))],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "empty stream",
            [ScriptedReply::sse("")],
            FaultOutcome { text: Some(String::new()), ..FaultOutcome::partial("completed", 0) },
        )
        .kept(),
        FaultCase::new(
            "empty stream, chunked",
            [ScriptedReply::sse_chunked([""])],
            FaultOutcome::partial("completed", 0),
        )
        .kept(),
        FaultCase::new(
            "empty stream, by close",
            [ScriptedReply::head(200, &[SSE])],
            FaultOutcome::partial("completed", 0),
        ),
        FaultCase::new("empty JSON body", [ScriptedReply::json(200, &[], "")], FaultOutcome::partial("decode", 0))
            .kept(),
        FaultCase::new("empty error", [ScriptedReply::json(404, &[], "")], FaultOutcome::failed("api", 404)).kept(),
    ]
}

/// Framing that is invalid or rare.
fn framing() -> Vec<FaultCase> {
    let broken = |bytes: &'static str| [stream().chunk(FIRST).then(write(bytes)).then(Step::Stall)];
    let trailers = stream().chunk(FIRST).chunk(LAST).then(write("0\r\nx-sum: 1\r\nserver-timing: a\r\n\r\n"));
    let extended =
        stream().then(write(format!("{:x};a=b;c=\"d\"\r\n{FIRST}\r\n", FIRST.len()))).chunk(LAST).last_chunk();
    let endless = (0..80).fold(stream().chunk(FIRST).then(write("1;")), |reply, _| reply.then(write(vec![b'x'; 1024])));
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{RESULT}", RESULT.len());
    vec![
        FaultCase::new("invalid chunk size", broken("zz\r\nfoo\r\n"), FaultOutcome::partial("truncated", 1)).cut(),
        FaultCase::new(
            "chunk size past 64 bits",
            broken("fffffffffffffffff\r\n"),
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new("chunk longer than its size", broken("3\r\n: more\r\n"), FaultOutcome::partial("truncated", 1))
            .cut(),
        FaultCase::new(
            "chunk extension without end",
            [endless.then(Step::Stall)],
            FaultOutcome::partial("truncated", 1),
        )
        .cut(),
        FaultCase::new("chunk extensions", [extended], FaultOutcome::completed()).kept(),
        FaultCase::new("trailers after the last chunk", [trailers.then(Step::KeepAlive)], FaultOutcome::completed())
            .kept(),
        FaultCase::new(
            "100 and 103 before the answer",
            [ScriptedReply::raw(format!("{interim}HTTP/1.1 200 OK\r\n{answer}")).then(Step::KeepAlive)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "no reason phrase",
            [ScriptedReply::raw(format!("HTTP/1.1 200\r\n{answer}")).then(Step::KeepAlive)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "no HTTP at all",
            [ScriptedReply::raw("SSH-2.0-OpenSSH_9.9\r\n").then(Step::Stall)],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "invalid header name",
            [ScriptedReply::raw(format!("HTTP/1.1 200 OK\r\na b: c\r\n{answer}")).then(Step::Stall)],
            FaultOutcome::lost(),
        ),
        FaultCase::new(
            "header value beyond ASCII",
            [ScriptedReply::json(200, &[("x-name", "J\u{fc}rgen")], RESULT)],
            FaultOutcome::result(),
        )
        .kept(),
    ]
}

/// Failures that are retried, and failures that are not.
fn retries() -> Vec<FaultCase> {
    let busy = |status, headers: &[(&str, &str)]| ScriptedReply::json(status, headers, r#"{"detail":"later"}"#);
    let page = ScriptedReply::head(503, &[("content-type", "text/html"), CHUNKED]);
    let endless = (0..64).fold(page.clone(), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let far = ("retry-after", "3600");
    vec![
        FaultCase::new("429, then 200", [busy(429, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new(
            "429 that closes, then 200",
            [busy(429, &[("connection", "close")]).then(Step::Close), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "429 that is cut, then 200",
            [ScriptedReply::head(429, &[JSON, ("content-length", "99")]).then(write("{")), whole()],
            FaultOutcome::completed().after(2),
        )
        .cut()
        .kept(),
        FaultCase::new("429 for ever", [busy(429, &[("retry-after", "0")])], FaultOutcome::failed("api", 429).after(3))
            .kept(),
        FaultCase::new(
            "429, retry-after beyond the budget",
            [busy(429, &[far]), whole()],
            FaultOutcome::failed("api", 429),
        )
        .kept(),
        FaultCase::new(
            "429, retry-after beyond the call's time",
            [busy(429, &[("retry-after", "15")]), whole()],
            FaultOutcome::failed("api", 429),
        )
        .kept()
        .configure(|config| config.timeouts.total = Some(Duration::from_secs(10))),
        FaultCase::new("503, then 200", [busy(503, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new(
            "503 without end, then 200",
            [endless.then(Step::Stall), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "503 that stalls, then 200",
            [page.chunk("<html>").then(Step::Stall), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept()
        .configure(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new(
            "503, then a cut",
            // A kept connection would still be open when the row checks that all are closed.
            [busy(503, &[("connection", "close")]).then(Step::Close), stream().chunk(FIRST)],
            FaultOutcome::partial("truncated", 1).after(2),
        )
        .cut(),
        FaultCase::new("500 on create, then 200", [busy(500, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("502 on create, then 200", [busy(502, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("504 on create, then 200", [busy(504, &[]), whole()], FaultOutcome::completed().after(2)).kept(),
        FaultCase::new("500 on continue", [busy(500, &[]), whole()], FaultOutcome::failed("api", 500))
            .kept()
            .continued(),
        FaultCase::new("500 on continue, allowed", [busy(500, &[]), whole()], FaultOutcome::completed().after(2))
            .kept()
            .continued()
            .configure(|config| config.retry.ambiguous = true),
        FaultCase::new(
            "close before the head, allowed",
            [ScriptedReply::raw(""), whole()],
            FaultOutcome::completed().after(2),
        )
        .kept()
        .configure(|config| config.retry.ambiguous = true),
        FaultCase::new("404", [busy(404, &[]), whole()], FaultOutcome::failed("api", 404)).kept(),
        FaultCase::new("501", [busy(501, &[]), whole()], FaultOutcome::failed("api", 501)).kept(),
        FaultCase::new("status 599", [busy(599, &[]), whole()], FaultOutcome::failed("api", 599)).kept(),
    ]
}

/// Large answers: within the limits, at them, past them.
fn sizes() -> Vec<FaultCase> {
    let record = format!(r#"{{"number":1,"record":{{"type":"site","description":"{}"}}}}"#, "d".repeat(1 << 20));
    let cited = format!("event: records_cited\ndata: {{\"citations\":[{record}]}}\n\n");
    let large =
        cited.as_bytes().chunks(10_007).fold(stream().chunk(FIRST), ScriptedReply::chunk).chunk(LAST).last_chunk();
    let line = (0..64).fold(stream().chunk(FIRST).chunk("data: "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let comment = (0..64).fold(stream().chunk(FIRST).chunk(": "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let page = ScriptedReply::head(404, &[("content-type", "text/html"), CHUNKED]);
    let page = (0..64).fold(page, |reply, _| reply.chunk([b'x'; 16 << 10]));
    let headers = |number: usize| {
        let names: Vec<String> = (0..number).map(|n| format!("x-{n}")).collect();
        let mut all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let length = RESULT.len().to_string();
        all.extend([JSON, ("content-length", &length)]);
        [ScriptedReply::head(200, &all[..]).then(write(RESULT)).then(Step::KeepAlive)]
    };
    let small = |config: &mut Config| config.limits.event = 64 << 10;
    vec![
        FaultCase::new("an event of a megabyte", [large], FaultOutcome { events: 3, ..FaultOutcome::completed() })
            .kept(),
        FaultCase::new("endless line", [line.then(Step::Stall)], FaultOutcome::partial("limit", 1)).configure(small),
        FaultCase::new("endless comment", [comment.then(Step::Stall)], FaultOutcome::partial("limit", 1))
            .configure(small),
        FaultCase::new("an answer at its limit", [whole()], FaultOutcome::completed())
            .kept()
            .configure(|config| config.limits.answer = 8),
        FaultCase::new("an answer past its limit", [whole()], FaultOutcome::partial("limit", 1))
            .configure(|config| config.limits.answer = 7)
            .kept(),
        FaultCase::new("a JSON body at its limit", [ScriptedReply::json(200, &[], RESULT)], FaultOutcome::result())
            .kept()
            .configure(|config| config.limits.json_body = RESULT.len()),
        FaultCase::new(
            "a JSON body past its limit",
            [ScriptedReply::json(200, &[], RESULT)],
            FaultOutcome::partial("limit", 0),
        )
        .kept()
        .configure(|config| config.limits.json_body = RESULT.len() - 1),
        FaultCase::new("an error page without end", [page.then(Step::Stall)], FaultOutcome::failed("api", 404)),
        FaultCase::new("100 headers", headers(98), FaultOutcome::result()).kept(),
        FaultCase::new("101 headers", headers(99), FaultOutcome::lost()),
    ]
}

/// Responses that do not come from the API.
fn foreign() -> Vec<FaultCase> {
    let foreign = |name, status, headers: &[(&str, &str)], body: &'static [u8]| {
        let length = body.len().to_string();
        let all = [headers, &[("content-length", length.as_str())]].concat();
        let reply = ScriptedReply::head(status, &all).then(write(body)).then(Step::KeepAlive);
        FaultCase::new(name, [reply, whole()], FaultOutcome::failed("unexpected_response", status)).kept()
    };
    let html = ("content-type", "text/html");
    // "Yes." in gzip.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x8b\x4c\x2d\xd6\x03\0\x05\xb1\x99\x01\x04\0\0\0";
    let result = RESULT.as_bytes();
    vec![
        foreign("302", 302, &[html, ("location", "/elsewhere")], b"moved"),
        foreign("307", 307, &[JSON, ("location", "/elsewhere")], result),
        foreign("200 of text/html", 200, &[html], b"<html>log in</html>"),
        foreign("200 without a type", 200, &[], result),
        foreign("201", 201, &[JSON], result),
        foreign("202 of events", 202, &[SSE], FIRST.as_bytes()),
        foreign("gzip that was not requested", 200, &[JSON, ("content-encoding", "gzip")], gzip),
        foreign("gzip of events", 200, &[SSE, ("content-encoding", "gzip")], gzip),
        FaultCase::new(
            "204",
            [ScriptedReply::head(204, &[]).then(Step::KeepAlive), whole()],
            FaultOutcome::failed("unexpected_response", 204),
        )
        .kept(),
    ]
}

/// Rejections and unusual answers of the API.
fn oddities() -> Vec<FaultCase> {
    let detail = r#"{"detail":[{"loc":["body","message"],"msg":"field required","type":"value_error.missing"}]}"#;
    let refused = |body: &'static str| [ScriptedReply::json(422, &[], body), whole()];
    let no_reason = FIRST.replace("Yes, ", "Yes, no.");
    vec![
        FaultCase::new("422 of the API's form", refused(detail), FaultOutcome::failed("validation", 422)).kept(),
        FaultCase::new("422 of another form", refused(r#"{"detail":"no"}"#), FaultOutcome::failed("api", 422)).kept(),
        FaultCase::new(
            "no finish reason",
            [ScriptedReply::sse_chunked([no_reason])],
            FaultOutcome { events: 1, finish_reason: None, ..FaultOutcome::completed() },
        )
        .kept(),
        FaultCase::new(
            "JSON though events were asked for",
            [ScriptedReply::json(200, &[], RESULT)],
            FaultOutcome::result(),
        )
        .kept(),
        FaultCase::new(
            "malformed JSON",
            [ScriptedReply::json(200, &[], "{"), whole()],
            FaultOutcome::partial("decode", 0),
        )
        .kept(),
        FaultCase::new(
            "JSON that does not fit",
            [ScriptedReply::json(200, &[], "[]"), whole()],
            FaultOutcome::partial("decode", 0),
        )
        .kept(),
    ]
}

/// Events that are unknown or malformed.
fn events() -> Vec<FaultCase> {
    let event = |event: &str| [stream().chunk(FIRST).chunk(event).chunk(LAST).then(Step::Stall), whole()];
    let other = "event: tool_call\ndata: {\"name\":\"search\"}\n\n";
    vec![
        FaultCase::new(
            "error event",
            event("event: error\ndata: {\"detail\":\"boom\"}\n\n"),
            FaultOutcome::partial("stream", 1),
        ),
        FaultCase::new(
            "event that is no JSON",
            event("event: message_chunk\ndata: {\n\n"),
            FaultOutcome::partial("decode", 1),
        ),
        FaultCase::new(
            "event that does not fit",
            event("event: message_chunk\ndata: {\"content_chunk\":1}\n\n"),
            FaultOutcome::partial("decode", 1),
        ),
        FaultCase::new(
            "event of an unknown type",
            [ScriptedReply::sse_chunked([FIRST, other, LAST])],
            FaultOutcome { events: 3, ..FaultOutcome::completed() },
        )
        .kept(),
        FaultCase::new(
            "whole framing that ends inside an event",
            [ScriptedReply::sse_chunked([FIRST, "data: x\n"])],
            FaultOutcome::partial("truncated", 1),
        )
        .kept(),
    ]
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
