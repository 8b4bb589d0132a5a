//! A recording in memory, and its parser.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::escape::unescape;
use super::log::{CLASSES, Settings};

/// The first line: the format and its version.
pub(crate) const FIRST_LINE: &str = "chat-recording 1";

/// Times are less than this: some years.
const MAX_MILLIS: f64 = 1e11;

/// A recorded call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
    /// At least one.
    pub(crate) attempts: Vec<Attempt>,
    /// When and how the call ended. `None` if the process was killed.
    pub(crate) outcome: Option<(Duration, Outcome)>,
}

/// An attempt of the call. All times are since the start of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) start: Duration,
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) head: Option<Head>,
    pub(crate) chunks: Vec<(Duration, Bytes)>,
    /// `None` if the process was killed.
    pub(crate) end: Option<Ended>,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) at: Duration,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// The end of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) at: Duration,
    pub(crate) end: End,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body is complete.
    Complete,
    /// The connection failed.
    Failed(TransportError, String),
    /// The client closed the connection.
    Dropped,
}

/// How the call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Cancelled,
    /// An error, which the replay finds again.
    Error,
}

/// Where the key of the call came from. An error of a rejected key names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    #[default]
    None,
    Flag,
    Environment,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
        }
    }
}

impl KeyOrigin {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Flag => "flag",
            Self::Environment => "environment",
        }
    }
}

impl Settings {
    /// The settings as lines.
    pub(crate) fn to_text(&self) -> String {
        let limit = |limit: Option<Duration>| {
            limit.map_or_else(|| "off".to_owned(), |time| humantime::format_duration(time).to_string())
        };
        format!(
            "key: {}\nmax-retries: {}\nconnect-timeout: {}\nhead-timeout: {}\nidle-timeout: {}\ncontent-timeout: {}\n\
             timeout: {}\n",
            self.key.name(),
            self.max_retries,
            limit(self.timeouts.connect),
            limit(self.timeouts.head),
            limit(self.timeouts.idle),
            limit(self.timeouts.content),
            limit(self.timeouts.total),
        )
    }
}

/// What is wrong with a recording.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl Recording {
    /// Parses the text of a recording.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let at = |line, reason: String| ParseError { line, reason };
        let text = str::from_utf8(text).map_err(|error| {
            let line = text[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            at(line, "the text is not UTF-8; write other bytes as `\\xff`".to_owned())
        })?;
        let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().zip(1..);
        match lines.next() {
            Some((FIRST_LINE, _)) => {}
            Some((line, _)) if line.starts_with("chat-recording ") => {
                let reason = format!("this version of chat reads `{FIRST_LINE}` only; use a newer one");
                return Err(at(1, reason));
            }
            _ => return Err(at(1, format!("this is not a recording; its first line is `{FIRST_LINE}`"))),
        }
        let mut parser = Parser::default();
        let mut last = 1;
        for (line, number) in lines {
            parser.line(line).map_err(|reason| at(number, reason))?;
            last = number;
        }
        parser.end_chunk();
        let recording = parser.recording;
        if recording.attempts.is_empty() {
            return Err(at(last, "the recording ends without a request".to_owned()));
        }
        Ok(recording)
    }
}

/// Which lines may follow a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Settings,
    Request,
    Response,
    Data,
    End,
    Outcome,
}

#[derive(Debug, Default)]
struct Parser {
    recording: Recording,
    part: Part,
    now: Duration,
    /// The bytes of the last chunk so far.
    chunk: Vec<u8>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        // Editors remove spaces at the end. Those that matter are escaped.
        let line = line.trim_end();
        let (mark, rest) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "" | "#" => Ok(()),
            "|" => self.data(rest),
            ">" => self.request_header(rest),
            "<" => self.response_header(rest),
            _ if mark.as_bytes()[0].is_ascii_digit() => self.record(line),
            _ if self.part == Part::Settings => self.setting(line),
            _ => Err("a line begins with a time in milliseconds, `>`, `<`, `|` or `#`".to_owned()),
        }
    }

    /// Settings with other names are ignored: a newer version may write them.
    fn setting(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(": ").ok_or("a setting is written as `name: value`")?;
        let number = || value.parse().map_err(|_| format!("`{value}` is not a number"));
        let limit = || match value {
            "off" => Ok(None),
            _ => humantime::parse_duration(value)
                .map(Some)
                .map_err(|_| format!("`{value}` is not a time like `60s` or `off`")),
        };
        let Recording { settings, seed, .. } = &mut self.recording;
        match name {
            "seed" => *seed = number()?,
            "max-retries" => {
                settings.max_retries = number()?.try_into().map_err(|_| format!("`{value}` is too large"))?;
            }
            "connect-timeout" => settings.timeouts.connect = limit()?,
            "head-timeout" => settings.timeouts.head = limit()?,
            "idle-timeout" => settings.timeouts.idle = limit()?,
            "content-timeout" => settings.timeouts.content = limit()?,
            "timeout" => settings.timeouts.total = limit()?,
            "key" => {
                let origins = [KeyOrigin::None, KeyOrigin::Flag, KeyOrigin::Environment];
                let origin = origins.into_iter().find(|origin| origin.name() == value);
                settings.key = origin.ok_or("the key is `none`, `flag` or `environment`")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A line that begins with a time.
    fn record(&mut self, line: &str) -> Result<(), String> {
        let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
        let time = time
            .parse()
            .ok()
            .filter(|&millis| millis < MAX_MILLIS)
            .and_then(|millis: f64| Duration::try_from_secs_f64(millis / 1000.0).ok())
            .ok_or_else(|| format!("`{time}` is not a time in milliseconds"))?;
        if time < self.now {
            return Err("the time is earlier than the one before".to_owned());
        }
        self.end_chunk();
        self.now = time;
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        self.part = match (word, self.part) {
            ("request", Part::Settings | Part::Request | Part::Response | Part::Data | Part::End) => {
                self.request(rest)?
            }
            ("response", Part::Request) => self.response(rest)?,
            ("data", Part::Response | Part::Data) => {
                self.attempt()?.chunks.push((time, Bytes::new()));
                Part::Data
            }
            ("end", Part::Response | Part::Data) => self.end(End::Complete)?,
            ("dropped", Part::Request | Part::Response | Part::Data) => self.end(End::Dropped)?,
            ("failed", Part::Request | Part::Response | Part::Data) => {
                let failed = failed(rest)?;
                self.end(failed)?
            }
            ("outcome", Part::Request | Part::Response | Part::Data | Part::End) => self.outcome(rest)?,
            ("request" | "response" | "data" | "end" | "dropped" | "failed" | "outcome", _) => {
                return Err(format!("`{word}` cannot stand here; the order is request, response, data, end, outcome"));
            }
            _ => {
                let known = "`request`, `response`, `data`, `end`, `failed`, `dropped` or `outcome`";
                return Err(format!("`{word}` is not a record; write {known} behind the time"));
            }
        };
        Ok(())
    }

    fn request(&mut self, rest: &str) -> Result<Part, String> {
        let url = rest.split_once(' ').map(|(_, url)| url).ok_or("write a request as `0.000 request POST URL`")?;
        self.recording.attempts.push(Attempt { start: self.now, url: url.to_owned(), ..Attempt::default() });
        Ok(Part::Request)
    }

    fn response(&mut self, rest: &str) -> Result<Part, String> {
        let status = rest.rsplit(' ').next().and_then(|status| status.parse().ok());
        let status = status.ok_or("write a response as `0.000 response HTTP/1.1 200`")?;
        let at = self.now;
        self.attempt()?.head = Some(Head { at, status, headers: HeaderMap::new() });
        Ok(Part::Response)
    }

    fn end(&mut self, end: End) -> Result<Part, String> {
        let at = self.now;
        self.attempt()?.end = Some(Ended { at, end });
        Ok(Part::End)
    }

    fn outcome(&mut self, rest: &str) -> Result<Part, String> {
        let outcomes = [Outcome::Completed, Outcome::Cancelled, Outcome::Error];
        let outcome = outcomes.into_iter().find(|outcome| outcome.name() == rest);
        let outcome = outcome.ok_or("the outcome is `completed`, `cancelled` or `error`")?;
        self.recording.outcome = Some((self.now, outcome));
        Ok(Part::Outcome)
    }

    fn request_header(&self, line: &str) -> Result<(), String> {
        if self.part != Part::Request {
            return Err("`>` is a header of a request, which must stand before it".to_owned());
        }
        header(line).map(drop)
    }

    fn response_header(&mut self, line: &str) -> Result<(), String> {
        let is_after_response = self.part == Part::Response;
        let head = self.attempt().ok().and_then(|attempt| attempt.head.as_mut()).filter(|_| is_after_response);
        let head = head.ok_or("`<` is a header of a response, which must stand before it")?;
        let (name, value) = header(line)?;
        head.headers.append(name, value);
        Ok(())
    }

    fn data(&mut self, line: &str) -> Result<(), String> {
        let bytes = unescape(line)?;
        match self.part {
            Part::Request => self.attempt()?.body.extend_from_slice(&bytes),
            Part::Data => self.chunk.extend_from_slice(&bytes),
            _ => return Err("`|` is a part of a body; it must stand behind `request` or `data`".to_owned()),
        }
        Ok(())
    }

    /// Moves the bytes of the last chunk to their place, once all its lines have been read.
    fn end_chunk(&mut self) {
        let bytes = std::mem::take(&mut self.chunk);
        if let Ok(Attempt { chunks, .. }) = self.attempt()
            && !bytes.is_empty()
            && let Some((_, chunk)) = chunks.last_mut()
        {
            *chunk = bytes.into();
        }
    }

    fn attempt(&mut self) -> Result<&mut Attempt, String> {
        self.recording.attempts.last_mut().ok_or_else(|| "there is no request before this".to_owned())
    }
}

fn failed(rest: &str) -> Result<End, String> {
    let (class, error) = rest.split_once(' ').unwrap_or((rest, ""));
    let known = CLASSES.iter().find(|(_, name)| *name == class);
    let (class, _) = known.ok_or_else(|| {
        let names: Vec<&str> = CLASSES.iter().map(|(_, name)| *name).collect();
        format!("`{class}` is not a class of errors; they are {}", names.join(", "))
    })?;
    Ok(End::Failed(*class, String::from_utf8_lossy(&unescape(error)?).into_owned()))
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or("write a header as `name: value`")?;
    let name = name.parse().map_err(|_| format!("`{name}` is not a name of a header"))?;
    let value = unescape(value.strip_prefix(' ').unwrap_or(value))?;
    let value = HeaderValue::from_bytes(&value).map_err(|_| "this is not a value of a header".to_owned())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use chat_client::Timeouts;

    use super::*;

    const RECORDING: &str = "chat-recording 1\n# by hand\nkey: flag\nmax-retries: 1\nidle-timeout: 1m 5ms\ntimeout: off\nseed: 7\nfuture: x\n\n\
        0.000 request POST http://h/v0/chat_sessions/chat_results\n> accept: a\n| {\"a\":1}\n\
        5.5 failed connect refused\n\n\
        8 request POST http://h/v0/chat_sessions/chat_results\r\n\
        9.000 response HTTP/1.1 200\n< content-type: text/event-stream\n< x: \\xff\n\
        10.000 data\n| data: 1\\n\n| \\n\n10.000 data\n|\n12.250 end\n13 outcome completed\n";

    proptest::proptest! {
        /// What is wrong is an error with a line of the file.
        #[test]
        fn a_damaged_recording_is_read_or_rejected(at in 0..RECORDING.len(), removed in 0..9_usize, added: Vec<u8>) {
            let end = (at + removed).min(RECORDING.len());
            let damaged = [&RECORDING.as_bytes()[..at], &added, &RECORDING.as_bytes()[end..]].concat();
            let lines = damaged.split(|&byte| byte == b'\n').count();
            if let Err(error) = Recording::parse(&damaged) {
                assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }

    #[test]
    fn a_recording_is_read() {
        let recording = Recording::parse(RECORDING.as_bytes()).unwrap();
        let Settings { key, max_retries, timeouts } = recording.settings;
        assert_eq!((key, max_retries, timeouts.total), (KeyOrigin::Flag, 1, None));
        assert_eq!(timeouts.idle, Some(Duration::from_millis(60_005)));
        assert_eq!(recording.seed, 7);
        let [failed, answered] = &recording.attempts[..] else { panic!("{recording:?}") };
        assert_eq!(failed.body, b"{\"a\":1}");
        let ended = failed.end.as_ref().unwrap();
        assert_eq!(ended.at, Duration::from_micros(5500));
        assert_eq!(ended.end, End::Failed(TransportError::Connect, "refused".into()));
        let head = answered.head.as_ref().unwrap();
        assert_eq!((head.status.as_u16(), head.headers["x"].as_bytes()), (200, &b"\xff"[..]));
        let chunks: Vec<&[u8]> = answered.chunks.iter().map(|(_, chunk)| &chunk[..]).collect();
        assert_eq!(chunks, [&b"data: 1\n\n"[..], b""]);
        assert_eq!(recording.outcome, Some((Duration::from_millis(13), Outcome::Completed)));
    }

    #[test]
    fn a_chunk_of_many_lines_is_copied_rarely() {
        let mut parser = Parser { part: Part::Data, ..Parser::default() };
        let mut capacities = vec![0];
        for _ in 0..200_000 {
            parser.line("| a\\n").unwrap();
            capacities.push(parser.chunk.capacity());
        }
        capacities.dedup();
        assert!(capacities.len() < 64, "{capacities:?}");

        let text = RECORDING.replacen("| data: 1\\n\n", &"| a\n".repeat(200_000), 1);
        let recording = Recording::parse(text.as_bytes()).unwrap();
        assert_eq!(recording.attempts[1].chunks[0].1.len(), 200_001);
    }

    #[test]
    fn settings_are_written_and_read() {
        let settings = Settings {
            key: KeyOrigin::Environment,
            max_retries: 3,
            timeouts: Timeouts::default()
                .with_connect(Duration::from_nanos(1_500_000_001))
                .with_head(None)
                .with_idle(Duration::from_secs(90))
                .with_content(Duration::from_millis(1))
                .with_total(None),
        };
        let text = format!("{FIRST_LINE}\n{}0 request GET /\n", settings.to_text());
        assert_eq!(Recording::parse(text.as_bytes()).unwrap().settings, settings);
    }

    #[test]
    fn an_error_names_its_line() {
        let broken = |from: &str, to: &str| {
            assert!(RECORDING.contains(from), "{from}");
            Recording::parse(RECORDING.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        for (from, to, line, reason) in [
            ("chat-recording 1", "chat-recording 2", 1, "newer"),
            ("chat-recording 1", "{", 1, "not a recording"),
            ("seed: 7", "seed: x", 7, "`x` is not a number"),
            ("seed: 7", "seed", 7, "`name: value`"),
            ("key: flag", "key: sk-1", 3, "`none`, `flag` or `environment`"),
            ("1m 5ms", "soon", 5, "not a time"),
            ("0.000 request POST ", "0.000 request ", 10, "request POST URL"),
            ("> accept: a", "< accept: a", 11, "header of a response"),
            ("> accept: a", "> accept", 11, "`name: value`"),
            ("\"a\":1", "\"a\":\\u", 12, "not an escape"),
            ("5.5 failed", "5.5 failt", 13, "`failt` is not a record"),
            ("failed connect", "failed somehow", 13, "`somehow` is not a class"),
            ("9.000 response", "7.000 response", 16, "earlier"),
            ("HTTP/1.1 200", "HTTP/1.1", 16, "response HTTP/1.1 200"),
            ("9.000 response", "x response", 16, "begins with"),
            ("9.000 response", "9.y response", 16, "`9.y` is not a time"),
            ("10.000 data", "10.000 end\n10.001 data", 20, "cannot stand here"),
            ("outcome completed", "outcome fine", 25, "the outcome is"),
        ] {
            let error = broken(from, to);
            assert_eq!(error.line, line, "{from} {to}: {error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        let error = Recording::parse(b"chat-recording 1\nkey: none\n\xff").unwrap_err();
        assert_eq!(error.to_string(), "line 3: the text is not UTF-8; write other bytes as `\\xff`");
        let error = Recording::parse(b"chat-recording 1\nkey: none\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: the recording ends without a request");
    }
}
