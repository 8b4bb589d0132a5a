//! The generator of scenarios: draws settings, network, server and consumer from a seed.

use std::time::Duration;

use chat_client::driver::{Config, TransportError};

use super::body::{Body, Writer};
use super::rng::Rng;
use super::scenario::{Attempt, Consumer, Dialect, End, Leave, Pace, Piece, Reaction, Response, Scenario};

impl Scenario {
    /// Generates the scenario of a seed for an API.
    pub fn from_seed(dialect: Dialect, seed: u64) -> Self {
        // Consecutive seeds must not give related random numbers.
        let mut rng = Rng::new(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let config = config(&mut rng);
        let mut generator = Generator { rng, dialect, config, windows: true };
        if dialect == Dialect::Completions {
            generator.configure_completions();
        }
        let consumer = generator.consumer();
        // With a window, a late task would cause silence of the server that waits for it.
        generator.windows = !matches!(consumer.pace, Pace::Late(_));
        let stream = generator.rng.percent(75);
        let retries = u64::from(generator.config.retry.max_retries);
        // A suspended process makes one attempt, because the start of the next one cannot be predicted.
        let suspended =
            (matches!(consumer.pace, Pace::Prompt) && generator.rng.percent(12)).then(|| generator.suspension());
        if suspended.is_some() {
            generator.config.retry.max_retries = 0;
        }
        let retries = if suspended.is_some() { 0 } else { retries };
        // One more than allowed, to detect an attempt too many.
        let attempts = (0..retries + 2).map(|attempt| generator.attempt(attempt < retries)).collect();
        let tick = if generator.rng.percent(60) { 0 } else { generator.rng.between(1, 5) };
        Self {
            seed,
            dialect,
            continues: generator.rng.percent(50) && dialect == Dialect::Sessions,
            stream,
            tick: Duration::from_millis(tick),
            attempts,
            consumer,
            suspended,
            config: generator.config,
        }
    }
}

fn config(rng: &mut Rng) -> Config {
    let ms = Duration::from_millis;
    let mut config = Config::default();
    let clock = |rng: &mut Rng, off, low, high| if rng.percent(off) { None } else { Some(ms(rng.between(low, high))) };
    config.timeouts.head = clock(rng, 15, 5, 200);
    config.timeouts.idle = clock(rng, 20, 5, 100);
    config.timeouts.content = clock(rng, 25, 10, 200);
    config.timeouts.total = clock(rng, 60, 20, 3000);
    config.retry.max_retries = rng.between(0, 3) as u32;
    config.retry.base = ms(rng.between(0, 60));
    config.retry.max_backoff = ms(rng.between(1, 200));
    config.retry.max_total_wait = ms(if rng.percent(30) { rng.between(0, 100) } else { rng.between(500, 20_000) });
    config.retry.ambiguous = rng.percent(50);
    if rng.percent(15) {
        config.limits.event = rng.between(300, 500) as usize;
    }
    if rng.percent(10) {
        config.limits.json_body = rng.between(50, 300) as usize;
    }
    config.limits.error_body = rng.between(8, 200) as usize;
    if rng.percent(15) {
        config.limits.answer = rng.between(20, 300) as usize;
    }
    if rng.percent(15) {
        config.limits.unknown_events = rng.between(20, 300) as usize;
    }
    config
}

/// Pieces of text with quotes, escapes and characters of several bytes.
const WORDS: [&str; 10] =
    ["Hello", " world", ",", " \u{1f642}", " \"quoted\"", "\n", " na\u{ef}ve", " \\", "", "data: event: \r\n\r\n"];

const STATUSES: [u16; 16] = [200, 201, 204, 302, 400, 401, 404, 413, 422, 429, 429, 500, 502, 503, 503, 504];

const FAULTS: [TransportError; 5] = [
    TransportError::Connect,
    TransportError::ConnectTimeout,
    TransportError::Unsent,
    TransportError::MaybeSent,
    TransportError::Permanent,
];

/// Draws the parts of a scenario.
pub(super) struct Generator {
    pub(super) rng: Rng,
    pub(super) dialect: Dialect,
    pub(super) config: Config,
    /// Whether servers may wait until the client has read earlier pieces.
    windows: bool,
}

impl Generator {
    fn attempt(&mut self, more: bool) -> Attempt {
        let delay = self.delay();
        let reaction = match self.rng.between(0, 99) {
            0..=9 => Reaction::Fault(self.rng.pick(&FAULTS)),
            10..=11 => Reaction::Silence,
            // Most attempts before the last one fail, so that there are retries.
            roll if roll < if more { 60 } else { 30 } => Reaction::Answer(Box::new(match self.dialect {
                Dialect::Sessions => self.failure(),
                Dialect::Completions => self.completion_failure(),
            })),
            _ => Reaction::Answer(Box::new(match self.dialect {
                Dialect::Sessions => self.success(),
                Dialect::Completions => self.completion(),
            })),
        };
        Attempt { delay, reaction }
    }

    /// Mostly zero or short, sometimes close to a timeout, sometimes longer than all of them.
    fn delay(&mut self) -> Duration {
        let timeouts = &self.config.timeouts;
        let clocks = [timeouts.head, timeouts.idle, timeouts.content, timeouts.total];
        let ms = match self.rng.between(0, 99) {
            0..=59 => 0,
            60..=82 => self.rng.between(1, 6),
            83..=92 => self.rng.between(5, 80),
            93..=98 => {
                let clock = self.rng.pick(&clocks).map_or(50, |clock| clock.as_millis() as u64);
                (clock + self.rng.between(0, 2)).saturating_sub(1)
            }
            _ => self.rng.between(200, 4000),
        };
        Duration::from_millis(ms)
    }

    /// Mostly longer than the timeouts, sometimes longer than the extension of a late deadline.
    fn suspension(&mut self) -> (Duration, Duration) {
        let length = match self.rng.between(0, 2) {
            0 => self.rng.between(1, 200),
            1 => self.rng.between(200, 1500),
            _ => self.rng.between(1000, 10_000),
        };
        (Duration::from_millis(self.rng.between(0, 300)), Duration::from_millis(length))
    }

    /// Repeats one event or line, faster than the client can read.
    fn flood(&mut self) -> Response {
        let mut writer = Writer::new(self.rng.pick(&["\n", "\r\n"]));
        let kind = self.rng.below(8);
        for _ in 0..self.rng.between(20, 120) {
            writer = match kind {
                0 => writer.comment(" x"),
                1 => writer.other("ping", "{\"ts\":1}"),
                2 => writer.other("HEARTBEAT", "x"),
                3 => writer.chunk(""),
                4 => writer.blank().mark(),
                5 => writer.line("id: 7").blank().mark(),
                6 => writer.line("unknown: x"),
                _ => writer.other("news", "x"),
            };
        }
        if self.rng.percent(50) {
            writer = writer.last(&self.text(), "stop");
        }
        self.deliver_flood(writer.body())
    }

    /// Sends a body in many pieces, most of them at once.
    pub(super) fn deliver_flood(&mut self, body: Body) -> Response {
        let shift = self.rng.below(3);
        let cuts: Vec<usize> = body.marks.iter().map(|at| at.saturating_sub(shift)).chain([body.bytes.len()]).collect();
        let mut response = Response::stream(body);
        response.pieces.clear();
        let mut start = 0;
        for end in cuts.into_iter().filter(|end| *end > 0) {
            let delay = if self.rng.percent(3) { self.delay() } else { Duration::ZERO };
            response.pieces.push(Piece { delay, bytes: start..end.max(start) });
            start = end.max(start);
            if self.rng.percent(3) {
                response.pieces.push(Piece { delay: Duration::ZERO, bytes: start..start });
            }
        }
        response.read_time = Duration::from_millis(self.rng.between(1, 12));
        response.end_delay = self.delay();
        response.end = self.rng.pick(&[End::Clean, End::Silence, End::Reset]);
        response
    }

    fn success(&mut self) -> Response {
        if self.rng.percent(12) {
            return self.flood();
        }
        if self.rng.percent(75) {
            let (body, uncut) = self.stream_body();
            let content_type = self.rng.pick(&["text/event-stream", "text/event-stream; charset=utf-8"]);
            self.deliver(Response::new(200, content_type, body), uncut.as_ref())
        } else {
            let body = if self.rng.percent(12) {
                Body::bad_json()
            } else {
                let cited = self.rng.percent(50).then(|| self.rng.below(3));
                Body::json(&self.text(), "s", cited)
            };
            let body =
                if self.rng.percent(30) { body.behind(self.rng.pick(&[" ", "\n\t ", "    \r\n    "])) } else { body };
            self.deliver(Response::new(200, "application/json", body), None)
        }
    }

    pub(super) fn text(&mut self) -> String {
        (0..self.rng.below(5)).map(|_| self.rng.pick(&WORDS)).collect()
    }

    /// Returns a stream, and a range of it that must not be cut: the exact byte at which the event limit is exceeded is
    /// checked by other tests.
    fn stream_body(&mut self) -> (Body, Option<std::ops::Range<usize>>) {
        let mut writer = Writer::new(self.rng.pick(&["\n", "\n", "\n", "\r\n", "\r"]));
        let mut uncut = None;
        if self.rng.percent(5) {
            writer = writer.bom();
        }
        for _ in 0..self.rng.below(9) {
            writer = match self.rng.between(0, 99) {
                0..=44 => writer.chunk(&self.text()),
                45..=52 => writer.cited(self.rng.below(4)),
                53..=65 => writer.comment(self.rng.pick(&["", " ping", " keep-alive: data: x"])),
                66..=72 => {
                    let names = ["new", "status", "ping", "Keep-Alive", "heartbeat"];
                    writer.other(self.rng.pick(&names), self.rng.pick(&["{}", "", "x", "{\"a\":1}"]))
                }
                73..=78 => writer.chunk(""),
                79..=82 => writer.line(self.rng.pick(&["id: 7", "retry: 10", "unknown: x", "unknown"])),
                83..=88 => writer.session("s"),
                89..=90 => writer.session("s-2"),
                91..=92 => writer.error("{\"message\":\"no\"}"),
                93..=94 => writer.garbage(self.rng.pick(&["{}", "x", "[]", "{\"content_chunk\":1}"])),
                _ if uncut.is_none() && self.rng.percent(50) => {
                    let data = "x".repeat(600);
                    let data_start = writer.written() + "event: large\ndata: ".len();
                    let limit = self.config.limits.event;
                    if limit < data.len() {
                        uncut = Some(data_start + limit - 30..data_start + limit + 30);
                    }
                    writer.other("large", &data)
                }
                _ => writer,
            };
        }
        if self.rng.percent(80) {
            writer = writer.last(&self.text(), self.rng.pick(&["stop", "stop", "length", "new_reason"]));
            if self.rng.percent(20) {
                writer = writer.cited(2);
            }
        }
        (writer.body(), uncut)
    }

    fn failure(&mut self) -> Response {
        let status = self.rng.pick(&STATUSES);
        let validation = status == 422 && self.rng.percent(60);
        let text = if validation {
            r#"{"detail":[{"loc":["body","message",0],"msg":"no","type":"value_error"}]}"#.to_owned()
        } else if self.rng.percent(20) {
            String::new()
        } else {
            "It did not work. ".repeat(self.rng.below(9))
        };
        let content_type = match status {
            // A success with a wrong content type.
            200 => self.rng.pick(&["text/html", "application/jsonl", ""]),
            _ if validation => "application/json",
            _ => self.rng.pick(&["application/json", "text/plain", "text/event-stream"]),
        };
        let mut response = Response::new(status, content_type, Body::text(&text));
        if status == 200 && self.rng.percent(40) {
            response = Response::new(status, "application/json", Body::text(&text));
            response.headers.push(("content-encoding", self.rng.pick(&["gzip", "identity, br"]).to_owned()));
        }
        response.validation = validation;
        self.retry_after(&mut response);
        self.deliver(response, None)
    }

    pub(super) fn retry_after(&mut self, response: &mut Response) {
        let seconds = self.rng.between(0, 12);
        let sent = ("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        let then = 37 + seconds;
        let headers = &mut response.headers;
        let wanted = Some(Duration::from_secs(seconds));
        response.retry_after = match self.rng.between(0, 19) {
            0..=1 => {
                headers.push(("retry-after", seconds.to_string()));
                wanted
            }
            2..=4 => {
                let ms = self.rng.between(0, 900);
                headers.push(("retry-after-ms", ms.to_string()));
                headers.push(("retry-after", "86400".to_owned()));
                Some(Duration::from_millis(ms))
            }
            5 => {
                headers.extend([sent, ("retry-after", format!("Sun, 06 Nov 1994 08:49:{then} GMT"))]);
                wanted
            }
            6 => {
                headers.extend([sent, ("retry-after", format!("Sunday, 06-Nov-94 08:49:{then} GMT"))]);
                wanted
            }
            7 => {
                headers.extend([sent, ("retry-after", format!("Sun Nov  6 08:49:{then} 1994"))]);
                wanted
            }
            8 => {
                headers.extend([sent, ("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT".to_owned())]);
                Some(Duration::ZERO)
            }
            // A date without a `date` header is not a delay.
            9 => {
                headers.push(("retry-after", "Sun, 06 Nov 2094 08:49:07 GMT".to_owned()));
                None
            }
            10 => {
                headers.push(("retry-after", self.rng.pick(&["soon", "-1", "1.5s", ""]).to_owned()));
                None
            }
            11 => {
                headers.push(("retry-after", "86400".to_owned()));
                Some(Duration::from_secs(86_400))
            }
            _ => None,
        };
    }

    /// Frames a body, truncates it, splits it and delays the pieces.
    pub(super) fn deliver(&mut self, mut response: Response, uncut: Option<&std::ops::Range<usize>>) -> Response {
        let length = response.body.bytes.len();
        let whole = self.rng.percent(70);
        // Offsets inside the range that must not be cut are moved to its start.
        let aside = |at: usize| match uncut {
            Some(uncut) if uncut.contains(&at) => uncut.start,
            _ => at,
        };
        let sent = if whole { length } else { aside(self.rng.below(length + 1)) };
        response.end = match self.rng.between(0, 99) {
            0..=2 => End::Silence,
            3..=7 => End::Reset,
            _ => End::Clean,
        };
        match self.rng.between(0, 2) {
            // By length: a client that does not count takes a cut for a clean end.
            0 => response.headers.push(("content-length", length.to_string())),
            // By chunks: a cut is always detected.
            1 => {
                response.headers.push(("transfer-encoding", "chunked".to_owned()));
                if sent < length && response.end == End::Clean {
                    response.end = End::Reset;
                }
            }
            // By the close of the connection: a cut cannot be detected.
            _ => {}
        }
        let mut cuts: Vec<usize> = match self.rng.between(0, 9) {
            0..=2 => response.body.marks.iter().copied().filter(|at| *at < sent).collect(),
            3 if sent <= 200 => (1..sent).collect(),
            4..=7 => (0..self.rng.below(12)).map(|_| aside(self.rng.below(sent + 1))).collect(),
            _ => Vec::new(),
        };
        cuts.sort_unstable();
        cuts.push(sent);
        response.pieces.clear();
        let mut start = 0;
        for end in cuts {
            // Pieces may be empty.
            if end > start || self.rng.percent(30) {
                response.pieces.push(Piece { delay: self.delay(), bytes: start..end });
                start = end;
            }
        }
        response.end_delay = self.delay();
        response.trailers = self.rng.percent(10);
        if self.rng.percent(15) && response.is_success() {
            response.read_time = Duration::from_millis(self.rng.between(1, 20));
        }
        response.window = (self.windows && self.rng.percent(30)).then(|| 1 + self.rng.below(3));
        response
    }

    fn consumer(&mut self) -> Consumer {
        let pace = match self.rng.between(0, 9) {
            0..=5 => Pace::Prompt,
            6..=7 => Pace::Pausing(self.pauses()),
            _ => Pace::Late(self.pauses()),
        };
        let leaves = self.rng.percent(20).then(|| {
            let how = if self.rng.percent(50) { Leave::Drop } else { Leave::Cancel };
            (self.rng.between(0, 12) as u32, how)
        });
        Consumer { pace, leaves }
    }

    fn pauses(&mut self) -> Vec<Duration> {
        let count = self.rng.between(1, 6);
        let idle = self.config.timeouts.idle.unwrap_or(Duration::from_millis(50));
        (0..count)
            .map(|_| match self.rng.between(0, 9) {
                0..=4 => Duration::ZERO,
                5..=7 => Duration::from_millis(self.rng.between(1, 30)),
                _ => idle * 10,
            })
            .collect()
    }
}
