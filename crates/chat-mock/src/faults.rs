//! What can go wrong on the way of an answer, as data: what the server does, how the client is set, what must come of it.
//!
//! The table is for the tests of any transport. Play each fault's replies with a [`ScriptServer`](crate::ScriptServer), ask
//! it once with a client of its settings, and compare:
//!
//! ```
//! use chat_mock::faults::{self, Outcome};
//! # fn ask(_: &faults::FaultCase) -> (Result<chat_proto::Answer, chat_proto::Error>, usize) {
//! #     (Err(chat_proto::Error::cancelled()), 0)
//! # }
//! for fault in faults::table() {
//!     let (result, requests) = ask(&fault);
//!     let seen = Outcome::of(&result, requests);
//!     if seen != fault.expected {
//!         println!("{fault}: {seen}, not {}", fault.expected);
//!     }
//! }
//! ```
//!
//! Two rows lean on numbers that are a transport's own: `100 headers` must be taken by all, and `101 headers` are past what
//! hyper reads. A transport that reads more leaves that row out.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::{Answer, Config, Error, ErrorKind};

use crate::{Reply, Step};

/// The first event: text and the session's id.
pub const FIRST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"Yes, \",\"chat_session_id\":\"s-1\"}\n\n";
/// A comment: a sign of life that says nothing.
pub const COMMENT: &str = ": ping\n\n";
/// The last event: the rest of the text, and the reason of the end.
pub const LAST: &str = "event: message_chunk\ndata: {\"content_chunk\":\"no.\",\"finish_reason\":\"stop\"}\n\n";
/// An answer in one JSON object.
pub const RESULT: &str = r#"{"chat_session_id":"s-1","message":{"role":"assistant","content":"Yes, no."}}"#;

/// A wait that no test sits through.
const LONG: Duration = Duration::from_secs(20);
/// A clock that is to fire. Whatever it waits for after has come by then, unless the machine stands still for as long.
const SHORT: Duration = Duration::from_secs(4);
/// Between the pieces of what comes slowly.
const TICK: Duration = Duration::from_millis(75);
/// A clock that slow pieces reset, and that is shorter than all of them together.
const ALIVE: Duration = Duration::from_secs(5);

const SSE: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

/// One thing that goes wrong, or looks as if it did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultCase {
    /// What it is. Rows that differ in [`at`](Self::at) alone share a name.
    pub name: &'static str,
    /// At which byte it happens, where that makes a row of its own.
    pub at: Option<usize>,
    /// What the server does.
    pub replies: Vec<Reply>,
    /// How the client is set: clocks, retries, limits.
    pub config: Config,
    /// The session to continue; without one the call creates one.
    pub session: Option<&'static str>,
    /// What must come of it.
    pub expected: Outcome,
    /// The answer was whole as HTTP has it, so the client may keep the connection. Otherwise it must be closed after.
    pub may_keep: bool,
    /// An answer breaks off before HTTP's framing says that it is whole. Behind a gateway of HTTP/2 that is a reset, which
    /// may overtake what came before it.
    pub is_cut: bool,
}

impl FaultCase {
    pub(crate) fn new(name: &'static str, replies: impl IntoIterator<Item = Reply>, expected: Outcome) -> Self {
        let mut config = Config::default();
        config.timeouts.head = Some(LONG);
        config.timeouts.idle = Some(LONG);
        config.timeouts.content = Some(LONG);
        config.retry.base = Duration::from_millis(1);
        config.retry.max_total_wait = LONG;
        let replies = replies.into_iter().collect();
        Self { name, at: None, replies, config, session: None, expected, may_keep: false, is_cut: false }
    }

    pub(crate) fn set(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn kept(mut self) -> Self {
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

/// The name, and the byte where there is one.
impl fmt::Display for FaultCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.at.map_or(Ok(()), |at| write!(f, ", byte {at}"))
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// `completed`, or the name of the error's kind.
    pub kind: &'static str,
    /// Which clock it was, of a timeout.
    pub clock: Option<&'static str>,
    /// The status, if a head came.
    pub status: Option<u16>,
    /// The text, whole or as far as it came; none if the body of a success had not begun.
    pub text: Option<String>,
    /// How many events came.
    pub events: u64,
    /// Why the server ended its answer.
    pub finish_reason: Option<String>,
    /// How many requests the server saw.
    pub requests: usize,
}

impl Outcome {
    /// What a call came to, and how many requests its server saw.
    pub fn of(result: &Result<Answer, Error>, requests: usize) -> Self {
        let (kind, clock, status, answer) = match result {
            Ok(answer) => ("completed", None, Some(answer.head.status), Some(answer)),
            Err(error) => {
                let clock = match error.kind() {
                    ErrorKind::Timeout { kind: clock, .. } => Some(clock.as_str()),
                    _ => None,
                };
                (error.kind().name(), clock, error.status(), error.partial())
            }
        };
        Self {
            kind,
            clock,
            status: status.map(|status| status.as_u16()),
            text: answer.map(|answer| answer.text.clone()),
            events: answer.map_or(0, |answer| answer.events),
            finish_reason: answer
                .and_then(|answer| answer.finish_reason.as_ref())
                .map(|reason| reason.as_str().to_owned()),
            requests,
        }
    }

    pub(crate) fn failed(kind: &'static str, status: u16) -> Self {
        Self { kind, clock: None, status: Some(status), text: None, events: 0, finish_reason: None, requests: 1 }
    }

    pub(crate) fn lost() -> Self {
        Self { status: None, ..Self::failed("transport", 0) }
    }

    /// A success that came as far as `events` events of the usual two.
    pub(crate) fn broken(kind: &'static str, events: u64) -> Self {
        let text = ["", "Yes, ", "Yes, no."][events as usize];
        let finish_reason = (events == 2).then(|| "stop".to_owned());
        Self { text: Some(text.to_owned()), events, finish_reason, ..Self::failed(kind, 200) }
    }

    pub(crate) fn completed() -> Self {
        Self::broken("completed", 2)
    }

    /// [`RESULT`] as it comes out: two events, no reason.
    pub(crate) fn result() -> Self {
        Self { events: 1, finish_reason: None, ..Self::completed() }
    }

    pub(crate) fn timeout(clock: &'static str, events: Option<u64>) -> Self {
        let begun = match events {
            Some(events) => Self::broken("timeout", events),
            None => Self { status: None, ..Self::failed("timeout", 0) },
        };
        Self { clock: Some(clock), ..begun }
    }

    fn after(self, requests: usize) -> Self {
        Self { requests, ..self }
    }
}

/// Everything but what is not there, on a line: `timeout (idle), status 200, 1 event "Yes, ", 1 request`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        self.clock.map_or(Ok(()), |clock| write!(f, " ({clock})"))?;
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

/// All faults.
pub fn table() -> Vec<FaultCase> {
    [silence(), cuts(), lengths(), framing(), retries(), sizes(), oddities(), foreign(), events()].concat()
}

/// The table as text: a row for a fault, and one for all bytes in a row that come to the same.
pub fn render<'a>(rows: impl IntoIterator<Item = (&'a FaultCase, &'a Outcome)>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|(fault, outcome)| (fault.name, fault.at, outcome.to_string())).collect();
    lines(rows.iter().map(|(name, at, text)| (*name, *at, text.as_str())))
}

/// Rows of a name, perhaps a byte, and a text: a line for each, and one for all bytes in a row of the same text.
pub(crate) fn lines<'a>(rows: impl IntoIterator<Item = (&'a str, Option<usize>, &'a str)>) -> String {
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

fn stream() -> Reply {
    Reply::head(200, &[SSE, CHUNKED])
}

fn whole() -> Reply {
    Reply::sse_chunked([FIRST, LAST])
}

fn write(bytes: impl Into<Bytes>) -> Step {
    Step::Write(bytes.into())
}

/// A pause that lets the peer read what was written before.
fn let_it_read() -> Step {
    Step::Pause(SHORT)
}

fn silence() -> Vec<FaultCase> {
    let endless_comments =
        (0..2000).fold(stream().chunk(FIRST), |reply, _| reply.then(Step::Pause(TICK)).chunk(COMMENT));
    let endless_text = (0..2000).fold(stream(), |reply, _| reply.then(Step::Pause(TICK)).chunk(": x\n"));
    // Each piece well within the clocks, the whole well beyond them.
    let pieces = FIRST.as_bytes().chunks(2).chain(LAST.as_bytes().chunks(2));
    let trickle = pieces.fold(stream(), |reply, piece| reply.then(Step::Pause(TICK)).chunk(piece)).last_chunk();
    let head = |config: &mut Config| config.timeouts.head = Some(SHORT);
    let idle = |config: &mut Config| config.timeouts.idle = Some(SHORT);
    vec![
        FaultCase::new("stall before the head", [Reply::raw("").then(Step::Stall)], Outcome::timeout("head", None))
            .set(head),
        FaultCase::new(
            "stall inside the head",
            [Reply::raw("HTTP/1.1 200 OK\r\ncontent-ty").then(Step::Stall)],
            Outcome::timeout("head", None),
        )
        .set(head),
        FaultCase::new("stall after the head", [stream().then(Step::Stall)], Outcome::timeout("idle", Some(0)))
            .set(idle),
        FaultCase::new(
            "stall between events",
            [stream().chunk(FIRST).then(Step::Stall)],
            Outcome::timeout("idle", Some(1)),
        )
        .set(idle),
        FaultCase::new(
            "stall inside an event",
            [stream().chunk(FIRST).chunk("event: message_ch").then(Step::Stall)],
            Outcome::timeout("idle", Some(1)),
        )
        .set(idle),
        FaultCase::new(
            "stall inside a chunk",
            [stream().chunk(FIRST).then(write("40\r\nevent: mess")).then(Step::Stall)],
            Outcome::timeout("idle", Some(1)),
        )
        .set(idle),
        FaultCase::new(
            "stall in an error's body",
            [Reply::head(404, &[JSON, ("content-length", "100")]).then(write("{")).then(Step::Stall)],
            Outcome::failed("api", 404),
        )
        .set(idle),
        // Idle is reset by comments, and shorter; content is not.
        FaultCase::new("endless comments", [endless_comments], Outcome::timeout("content", Some(1))).set(|config| {
            config.timeouts.idle = Some(ALIVE);
            config.timeouts.content = Some(ALIVE + Duration::from_secs(1));
        }),
        FaultCase::new("lively past the whole call's time", [endless_text], Outcome::timeout("total", Some(0)))
            .set(|config| config.timeouts.total = Some(SHORT)),
        FaultCase::new("slow trickle", [trickle], Outcome::completed()).kept().set(|config| {
            config.timeouts.head = Some(ALIVE);
            config.timeouts.idle = Some(ALIVE);
        }),
    ]
}

/// The connection ends in order after each number of bytes, and by a reset at some.
fn cuts() -> Vec<FaultCase> {
    let body = [FIRST, COMMENT, LAST].concat();
    let first_end = FIRST.len();
    let last_begin = first_end + COMMENT.len();
    let length = body.len().to_string();
    let mut faults = Vec::new();

    // How many events are whole within so many bytes of the body.
    let events = |bytes: usize| u64::from(bytes >= first_end) + u64::from(bytes >= body.len());
    let mut cut = |name, wire: &[u8], reached: &dyn Fn(usize) -> Outcome| {
        faults.extend((0..=wire.len()).map(|at| {
            let fault = FaultCase::new(name, [Reply::raw(wire[..at].to_vec())], reached(at)).of_byte(at);
            if fault.expected.kind == "completed" { fault } else { fault.cut() }
        }));
    };

    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let chunked_head = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut wire = chunked_head.clone();
    // At which byte of the wire each event is whole.
    let mut whole = Vec::new();
    for part in [FIRST, COMMENT, LAST] {
        let _ = write!(wire, "{:x}\r\n{part}", part.len());
        whole.push(wire.len());
        wire += "\r\n";
    }
    wire += "0\r\n\r\n";
    cut("cut, chunked", wire.as_bytes(), &|at| match at {
        _ if at < chunked_head.len() => Outcome::lost(),
        _ if at == wire.len() => Outcome::completed(),
        _ => Outcome::broken("truncated", u64::from(at >= whole[0]) + u64::from(at >= whole[2])),
    });

    let sized_head = format!("{head}content-length: {length}\r\n\r\n");
    let wire = format!("{sized_head}{body}");
    cut("cut, content-length", wire.as_bytes(), &|at| match at {
        _ if at < sized_head.len() => Outcome::lost(),
        _ if at == wire.len() => Outcome::completed(),
        _ => Outcome::broken("truncated", events(at - sized_head.len())),
    });

    // Only the close ends it: an end between events can't be told from a cut.
    let plain_head = format!("{head}\r\n");
    let wire = format!("{plain_head}{body}");
    let by_close = |head: usize, at: usize| match at.checked_sub(head) {
        None => Outcome::lost(),
        Some(at) if (1..first_end).contains(&at) => Outcome::broken("truncated", 0),
        Some(at) if (last_begin + 1..body.len()).contains(&at) => Outcome::broken("truncated", 1),
        Some(at) => Outcome::broken("completed", events(at)),
    };
    cut("cut, by close", wire.as_bytes(), &|at| by_close(plain_head.len(), at));

    let old_head = plain_head.replace("1.1", "1.0");
    let wire = format!("{old_head}{body}");
    faults.push(FaultCase::new("HTTP/1.0 by close", [Reply::raw(wire)], Outcome::completed()));
    let wire = format!("{old_head}{}", &body[..body.len() - 1]);
    faults.push(FaultCase::new(
        "HTTP/1.0 by close, inside an event",
        [Reply::raw(wire)],
        Outcome::broken("truncated", 1),
    ));

    faults.extend([
        FaultCase::new("reset before the head", [Reply::raw("").then(Step::Reset)], Outcome::lost()).cut(),
        FaultCase::new(
            "reset inside the head",
            [Reply::raw("HTTP/1.1 200 OK\r\n").then(let_it_read()).then(Step::Reset)],
            Outcome::lost(),
        )
        .cut(),
        FaultCase::new(
            "reset between events",
            [stream().chunk(FIRST).then(let_it_read()).then(Step::Reset)],
            Outcome::broken("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset inside an event",
            [stream().chunk(FIRST).chunk("event: ").then(let_it_read()).then(Step::Reset)],
            Outcome::broken("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "reset, by close",
            [Reply::head(200, &[SSE]).then(write(FIRST)).then(let_it_read()).then(Step::Reset)],
            Outcome::broken("truncated", 1),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body",
            [Reply::head(200, &[JSON, CHUNKED]).chunk(&RESULT[..20]).then(Step::Close)],
            Outcome::broken("truncated", 0),
        )
        .cut(),
        FaultCase::new(
            "cut in a JSON body, by close",
            [Reply::head(200, &[JSON]).then(write(&RESULT[..20]))],
            Outcome::broken("decode", 0),
        ),
        FaultCase::new(
            "cut in an error's body",
            [Reply::head(404, &[JSON, CHUNKED]).chunk("{\"det").then(Step::Close)],
            Outcome::failed("api", 404),
        )
        .cut(),
    ]);
    faults
}

/// Lengths that are not those of the body.
fn lengths() -> Vec<FaultCase> {
    let body = [FIRST, LAST].concat();
    let sized =
        |length: usize| Reply::head(200, &[SSE, ("content-length", &length.to_string())]).then(write(body.clone()));
    let named = |length: &str| Reply::head(200, &[SSE, ("content-length", length)]).then(write(body.clone()));
    vec![
        FaultCase::new(
            "content-length short, inside an event",
            [sized(body.len() - 10).then(Step::KeepAlive)],
            Outcome::broken("truncated", 1),
        ),
        FaultCase::new(
            "content-length short, between events",
            [sized(FIRST.len()).then(Step::KeepAlive)],
            Outcome::broken("completed", 1),
        ),
        FaultCase::new("content-length long, then close", [sized(body.len() + 1)], Outcome::broken("truncated", 2))
            .cut(),
        FaultCase::new(
            "content-length long, then silence",
            [sized(body.len() + 1).then(Step::Stall)],
            Outcome::timeout("idle", Some(2)),
        )
        .set(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new("content-length no number", [named("many")], Outcome::lost()),
        FaultCase::new("content-length negative", [named("-1")], Outcome::lost()),
        FaultCase::new("content-length past 64 bits", [named("99999999999999999999999")], Outcome::lost()),
        FaultCase::new(
            "two content-lengths that differ",
            [Reply::head(200, &[SSE, ("content-length", "1"), ("content-length", "2")]).then(write(body.clone()))],
            Outcome::lost(),
        ),
        FaultCase::new(
            "empty stream",
            [Reply::sse("")],
            Outcome { text: Some(String::new()), ..Outcome::broken("completed", 0) },
        )
        .kept(),
        FaultCase::new("empty stream, chunked", [Reply::sse_chunked([""])], Outcome::broken("completed", 0)).kept(),
        FaultCase::new("empty stream, by close", [Reply::head(200, &[SSE])], Outcome::broken("completed", 0)),
        FaultCase::new("empty JSON body", [Reply::json(200, &[], "")], Outcome::broken("decode", 0)).kept(),
        FaultCase::new("empty error", [Reply::json(404, &[], "")], Outcome::failed("api", 404)).kept(),
    ]
}

/// Framing that is none, and framing that is rare.
fn framing() -> Vec<FaultCase> {
    let broken = |bytes: &'static str| [stream().chunk(FIRST).then(write(bytes)).then(Step::Stall)];
    let trailers = stream().chunk(FIRST).chunk(LAST).then(write("0\r\nx-sum: 1\r\nserver-timing: a\r\n\r\n"));
    let extended =
        stream().then(write(format!("{:x};a=b;c=\"d\"\r\n{FIRST}\r\n", FIRST.len()))).chunk(LAST).last_chunk();
    let endless = (0..80).fold(stream().chunk(FIRST).then(write("1;")), |reply, _| reply.then(write(vec![b'x'; 1024])));
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{RESULT}", RESULT.len());
    vec![
        FaultCase::new("chunk size that is none", broken("zz\r\nfoo\r\n"), Outcome::broken("truncated", 1)).cut(),
        FaultCase::new("chunk size past 64 bits", broken("fffffffffffffffff\r\n"), Outcome::broken("truncated", 1))
            .cut(),
        FaultCase::new("chunk longer than its size", broken("3\r\n: more\r\n"), Outcome::broken("truncated", 1)).cut(),
        FaultCase::new("chunk extension without end", [endless.then(Step::Stall)], Outcome::broken("truncated", 1))
            .cut(),
        FaultCase::new("chunk extensions", [extended], Outcome::completed()).kept(),
        FaultCase::new("trailers after the last chunk", [trailers.then(Step::KeepAlive)], Outcome::completed()).kept(),
        FaultCase::new(
            "100 and 103 before the answer",
            [Reply::raw(format!("{interim}HTTP/1.1 200 OK\r\n{answer}")).then(Step::KeepAlive)],
            Outcome::result(),
        )
        .kept(),
        FaultCase::new(
            "no reason phrase",
            [Reply::raw(format!("HTTP/1.1 200\r\n{answer}")).then(Step::KeepAlive)],
            Outcome::result(),
        )
        .kept(),
        FaultCase::new("no HTTP at all", [Reply::raw("SSH-2.0-OpenSSH_9.9\r\n").then(Step::Stall)], Outcome::lost()),
        FaultCase::new(
            "header name that is none",
            [Reply::raw(format!("HTTP/1.1 200 OK\r\na b: c\r\n{answer}")).then(Step::Stall)],
            Outcome::lost(),
        ),
        FaultCase::new(
            "header value beyond ASCII",
            [Reply::json(200, &[("x-name", "J\u{fc}rgen")], RESULT)],
            Outcome::result(),
        )
        .kept(),
    ]
}

/// What is tried again, and what is not.
fn retries() -> Vec<FaultCase> {
    let busy = |status, headers: &[(&str, &str)]| Reply::json(status, headers, r#"{"detail":"later"}"#);
    let page = Reply::head(503, &[("content-type", "text/html"), CHUNKED]);
    let endless = (0..64).fold(page.clone(), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let far = ("retry-after", "3600");
    vec![
        FaultCase::new("429, then 200", [busy(429, &[]), whole()], Outcome::completed().after(2)).kept(),
        FaultCase::new(
            "429 that closes, then 200",
            [busy(429, &[("connection", "close")]).then(Step::Close), whole()],
            Outcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "429 that is cut, then 200",
            [Reply::head(429, &[JSON, ("content-length", "99")]).then(write("{")), whole()],
            Outcome::completed().after(2),
        )
        .cut()
        .kept(),
        FaultCase::new("429 for ever", [busy(429, &[("retry-after", "0")])], Outcome::failed("api", 429).after(3))
            .kept(),
        FaultCase::new("429, retry-after beyond the budget", [busy(429, &[far]), whole()], Outcome::failed("api", 429))
            .kept(),
        FaultCase::new(
            "429, retry-after beyond the call's time",
            [busy(429, &[("retry-after", "15")]), whole()],
            Outcome::failed("api", 429),
        )
        .kept()
        .set(|config| config.timeouts.total = Some(Duration::from_secs(10))),
        FaultCase::new("503, then 200", [busy(503, &[]), whole()], Outcome::completed().after(2)).kept(),
        FaultCase::new(
            "503 without end, then 200",
            [endless.then(Step::Stall), whole()],
            Outcome::completed().after(2),
        )
        .kept(),
        FaultCase::new(
            "503 that stalls, then 200",
            [page.chunk("<html>").then(Step::Stall), whole()],
            Outcome::completed().after(2),
        )
        .kept()
        .set(|config| config.timeouts.idle = Some(SHORT)),
        FaultCase::new(
            "503, then a cut",
            // Kept, its connection would be open when that of the cut is closed.
            [busy(503, &[("connection", "close")]).then(Step::Close), stream().chunk(FIRST)],
            Outcome::broken("truncated", 1).after(2),
        )
        .cut(),
        FaultCase::new("500 on create, then 200", [busy(500, &[]), whole()], Outcome::completed().after(2)).kept(),
        FaultCase::new("502 on create, then 200", [busy(502, &[]), whole()], Outcome::completed().after(2)).kept(),
        FaultCase::new("504 on create, then 200", [busy(504, &[]), whole()], Outcome::completed().after(2)).kept(),
        FaultCase::new("500 on continue", [busy(500, &[]), whole()], Outcome::failed("api", 500)).kept().continued(),
        FaultCase::new("500 on continue, allowed", [busy(500, &[]), whole()], Outcome::completed().after(2))
            .kept()
            .continued()
            .set(|config| config.retry.ambiguous = true),
        FaultCase::new("close before the head, allowed", [Reply::raw(""), whole()], Outcome::completed().after(2))
            .kept()
            .set(|config| config.retry.ambiguous = true),
        FaultCase::new("404", [busy(404, &[]), whole()], Outcome::failed("api", 404)).kept(),
        FaultCase::new("501", [busy(501, &[]), whole()], Outcome::failed("api", 501)).kept(),
        FaultCase::new("status 599", [busy(599, &[]), whole()], Outcome::failed("api", 599)).kept(),
    ]
}

/// What is large: within the limits, at them, past them.
fn sizes() -> Vec<FaultCase> {
    let record = format!(r#"{{"number":1,"record":{{"type":"site","description":"{}"}}}}"#, "d".repeat(1 << 20));
    let cited = format!("event: records_cited\ndata: {{\"citations\":[{record}]}}\n\n");
    let large = cited.as_bytes().chunks(10_007).fold(stream().chunk(FIRST), Reply::chunk).chunk(LAST).last_chunk();
    let line = (0..64).fold(stream().chunk(FIRST).chunk("data: "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let comment = (0..64).fold(stream().chunk(FIRST).chunk(": "), |reply, _| reply.chunk([b'x'; 16 << 10]));
    let page = Reply::head(404, &[("content-type", "text/html"), CHUNKED]);
    let page = (0..64).fold(page, |reply, _| reply.chunk([b'x'; 16 << 10]));
    let headers = |number: usize| {
        let names: Vec<String> = (0..number).map(|n| format!("x-{n}")).collect();
        let mut all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let length = RESULT.len().to_string();
        all.extend([JSON, ("content-length", &length)]);
        [Reply::head(200, &all[..]).then(write(RESULT)).then(Step::KeepAlive)]
    };
    let small = |config: &mut Config| config.limits.event = 64 << 10;
    vec![
        FaultCase::new("an event of a megabyte", [large], Outcome { events: 3, ..Outcome::completed() }).kept(),
        FaultCase::new("endless line", [line.then(Step::Stall)], Outcome::broken("limit", 1)).set(small),
        FaultCase::new("endless comment", [comment.then(Step::Stall)], Outcome::broken("limit", 1)).set(small),
        FaultCase::new("an answer at its limit", [whole()], Outcome::completed())
            .kept()
            .set(|config| config.limits.answer = 8),
        FaultCase::new("an answer past its limit", [whole()], Outcome::broken("limit", 1))
            .set(|config| config.limits.answer = 7)
            .kept(),
        FaultCase::new("a JSON body at its limit", [Reply::json(200, &[], RESULT)], Outcome::result())
            .kept()
            .set(|config| config.limits.json_body = RESULT.len()),
        FaultCase::new("a JSON body past its limit", [Reply::json(200, &[], RESULT)], Outcome::broken("limit", 0))
            .kept()
            .set(|config| config.limits.json_body = RESULT.len() - 1),
        FaultCase::new("an error page without end", [page.then(Step::Stall)], Outcome::failed("api", 404)),
        FaultCase::new("100 headers", headers(98), Outcome::result()).kept(),
        FaultCase::new("101 headers", headers(99), Outcome::lost()),
    ]
}

/// Answers that are not the API's.
fn foreign() -> Vec<FaultCase> {
    let foreign = |name, status, headers: &[(&str, &str)], body: &'static [u8]| {
        let length = body.len().to_string();
        let all = [headers, &[("content-length", length.as_str())]].concat();
        let reply = Reply::head(status, &all).then(write(body)).then(Step::KeepAlive);
        FaultCase::new(name, [reply, whole()], Outcome::failed("unexpected_response", status)).kept()
    };
    let html = ("content-type", "text/html");
    // "Yes." as gzip has it.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x8b\x4c\x2d\xd6\x03\0\x05\xb1\x99\x01\x04\0\0\0";
    let result = RESULT.as_bytes();
    vec![
        foreign("302", 302, &[html, ("location", "/elsewhere")], b"moved"),
        foreign("307", 307, &[JSON, ("location", "/elsewhere")], result),
        foreign("200 of text/html", 200, &[html], b"<html>log in</html>"),
        foreign("200 without a type", 200, &[], result),
        foreign("201", 201, &[JSON], result),
        foreign("202 of events", 202, &[SSE], FIRST.as_bytes()),
        foreign("gzip that nobody asked for", 200, &[JSON, ("content-encoding", "gzip")], gzip),
        foreign("gzip of events", 200, &[SSE, ("content-encoding", "gzip")], gzip),
        FaultCase::new(
            "204",
            [Reply::head(204, &[]).then(Step::KeepAlive), whole()],
            Outcome::failed("unexpected_response", 204),
        )
        .kept(),
    ]
}

/// Answers that are the API's, and say no.
fn oddities() -> Vec<FaultCase> {
    let detail = r#"{"detail":[{"loc":["body","message"],"msg":"field required","type":"value_error.missing"}]}"#;
    let refused = |body: &'static str| [Reply::json(422, &[], body), whole()];
    let no_reason = FIRST.replace("Yes, ", "Yes, no.");
    vec![
        FaultCase::new("422 of the API's form", refused(detail), Outcome::failed("validation", 422)).kept(),
        FaultCase::new("422 of another form", refused(r#"{"detail":"no"}"#), Outcome::failed("api", 422)).kept(),
        FaultCase::new(
            "no finish reason",
            [Reply::sse_chunked([no_reason])],
            Outcome { events: 1, finish_reason: None, ..Outcome::completed() },
        )
        .kept(),
        FaultCase::new("JSON though events were asked for", [Reply::json(200, &[], RESULT)], Outcome::result()).kept(),
        FaultCase::new("JSON that is none", [Reply::json(200, &[], "{"), whole()], Outcome::broken("decode", 0)).kept(),
        FaultCase::new("JSON that does not fit", [Reply::json(200, &[], "[]"), whole()], Outcome::broken("decode", 0))
            .kept(),
    ]
}

/// Events that are not what they should be.
fn events() -> Vec<FaultCase> {
    let event = |event: &str| [stream().chunk(FIRST).chunk(event).chunk(LAST).then(Step::Stall), whole()];
    let other = "event: tool_call\ndata: {\"name\":\"search\"}\n\n";
    vec![
        FaultCase::new(
            "error event",
            event("event: error\ndata: {\"detail\":\"boom\"}\n\n"),
            Outcome::broken("stream", 1),
        ),
        FaultCase::new(
            "event that is no JSON",
            event("event: message_chunk\ndata: {\n\n"),
            Outcome::broken("decode", 1),
        ),
        FaultCase::new(
            "event that does not fit",
            event("event: message_chunk\ndata: {\"content_chunk\":1}\n\n"),
            Outcome::broken("decode", 1),
        ),
        FaultCase::new(
            "event of an unknown type",
            [Reply::sse_chunked([FIRST, other, LAST])],
            Outcome { events: 3, ..Outcome::completed() },
        )
        .kept(),
        FaultCase::new(
            "whole framing that ends inside an event",
            [Reply::sse_chunked([FIRST, "data: x\n"])],
            Outcome::broken("truncated", 1),
        )
        .kept(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_rows_have_the_same_name() {
        let table = table();
        let names: HashSet<String> = table.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), table.len());
    }

    #[test]
    fn a_row_stands_for_all_bytes_that_come_to_the_same() {
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
