//! The command as a child process, and servers for it to talk to.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use chat_mock::{RecordedRequest as Received, ScriptServer, ScriptedReply as Reply};
use serde_json::Value;

/// The key of all tests. No output may hold it.
pub(crate) const KEY: &str = "sk-end-to-end-7f3a9c";

/// After this long a child is hung, on the slowest of machines.
const HUNG: Duration = Duration::from_secs(60);

/// The command with these arguments, and none of its variables in the environment.
pub(crate) fn chat<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let upper = text.to_ascii_uppercase();
        if ["INKEEP_", "SSL_CERT_"].iter().any(|of_ours| upper.starts_with(of_ours)) || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// `chat ask --server URL --api-key KEY --integration i ARGS`.
pub(crate) fn ask(url: &str, args: &[&str]) -> Command {
    let mut command = chat(["ask", "--server", url, "--api-key", KEY, "--integration", "i"]);
    command.args(args);
    command
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status; none if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output, one JSON object a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"));
        assert!(self.stdout.is_empty() || self.stdout.ends_with('\n'), "the last line has no end: {self:?}");
        self.stdout.lines().map(parse).collect()
    }

    /// The last line, which tells the outcome, and the exit status, which has to fit it.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Value {
        let mut lines = self.lines();
        let outcome = lines.pop().unwrap_or_else(|| panic!("no outcome line: {self:?}"));
        assert!(lines.iter().all(|line| line.get("event").is_some()), "{self:?}");
        match outcome["outcome"].as_str() {
            Some("completed") => {
                assert_eq!(keys(&outcome), ["chat_session_id", "citations", "content", "finish_reason", "outcome"]);
                assert_eq!(self.status, Some(0), "{self:?}");
            }
            Some("error") => self.check_error(&outcome),
            _ => panic!("no outcome line: {self:?}"),
        }
        outcome
    }

    /// The outcome, which is an error of this kind.
    #[track_caller]
    pub(crate) fn error(&self, kind: &str) -> Value {
        let outcome = self.outcome();
        assert_eq!(outcome["kind"], kind, "{self:?}");
        outcome
    }

    /// The outcome, which is an answer with this text.
    #[track_caller]
    pub(crate) fn answer(&self, content: &str) -> Value {
        let outcome = self.outcome();
        assert_eq!(outcome["outcome"], "completed", "{self:?}");
        assert_eq!(outcome["content"], content, "{self:?}");
        outcome
    }

    /// All text of the events, which an outcome has to have too.
    #[track_caller]
    pub(crate) fn text_of_events(&self) -> String {
        self.lines().iter().filter_map(|line| line["data"]["content_chunk"].as_str()).collect()
    }

    /// What is true of every outcome line of an error.
    #[track_caller]
    fn check_error(&self, outcome: &Value) {
        let all = [
            "attempts",
            "body",
            "detail",
            "kind",
            "location",
            "message",
            "outcome",
            "partial",
            "retry_after",
            "status",
            "timeout",
        ];
        assert_eq!(keys(outcome), all, "{self:?}");
        let status = match outcome["kind"].as_str().unwrap_or_default() {
            "invalid_request" => 2,
            "api" | "validation" => 3,
            "connect" | "transport" | "timeout" => 4,
            "unexpected_response" | "decode" | "stream" | "truncated" | "limit" => 5,
            "cancelled" => 130,
            kind => panic!("no such kind: {kind:?}"),
        };
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(outcome["timeout"].is_string(), outcome["kind"] == "timeout", "{self:?}");
        if !outcome["partial"].is_null() {
            assert_eq!(keys(&outcome["partial"]), ["chat_session_id", "citations", "content", "finish_reason"]);
        }
        // Errors go to standard error too: a sentence, and what to do.
        self.check_report();
    }

    /// Standard error has a sentence and what to do, and nothing that a program prints when it breaks.
    #[track_caller]
    pub(crate) fn check_report(&self) {
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{self:?}");
        assert!(lines[0].starts_with("chat: ") && lines[0].len() > "chat: ".len(), "{self:?}");
        assert!(lines[1].ends_with('.'), "{self:?}");
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Run {
    Running::start(command).end()
}

/// Runs a command to its end, with this on standard input.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Run {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin().expect("standard input is piped");
    thread::scope(|scope| {
        // A command may end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        running.end()
    })
}

/// A command on its way. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Receiver<Vec<u8>>,
    /// The lines taken so far.
    taken: Vec<u8>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Some(lines(child.stdout.take().expect("standard output is piped")));
        let stderr = lines(child.stderr.take().expect("standard error is piped"));
        Self { child, stdout, stderr, taken: Vec::new() }
    }

    /// As `start`, but nobody reads standard output: it comes back with the child.
    #[track_caller]
    pub(crate) fn start_unread(command: &mut Command) -> (Self, std::process::ChildStdout) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = lines(child.stderr.take().expect("standard error is piped"));
        (Self { child, stdout: None, stderr, taken: Vec::new() }, stdout)
    }

    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The next line of standard output, as soon as it is there.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.stdout.as_ref().and_then(|stdout| stdout.recv_timeout(HUNG).ok());
        let line = line.unwrap_or_else(|| panic!("no line came"));
        self.taken.extend_from_slice(&line);
        String::from_utf8(line).expect("UTF-8").trim_end_matches('\n').to_owned()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Any signal.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(status.expect("a shell").success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let deadline = Instant::now() + HUNG;
        let mut stdout = std::mem::take(&mut self.taken);
        let mut stderr = Vec::new();
        for (lines, text) in [(self.stdout.take().as_ref(), &mut stdout), (Some(&self.stderr), &mut stderr)] {
            let Some(lines) = lines else { continue };
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                match lines.recv_timeout(left) {
                    Ok(line) => text.extend_from_slice(&line),
                    // Closed, or late.
                    Err(_) => break,
                }
            }
        }
        assert!(Instant::now() < deadline, "hung after {:?} {:?}", text(&stdout), text(&stderr));
        // Its output is closed, so its end is near; but a process is not its output.
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                None => panic!("hung with its output closed"),
            }
        };
        let run = Run { status: status.code(), stdout: text(&stdout), stderr: text(&stderr) };
        assert!(!run.stdout.contains(KEY) && !run.stderr.contains(KEY), "the key was printed: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the output is UTF-8")
}

/// Reads lines in a thread of their own, for a pipe can't be read with a deadline.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            match pipe.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if sender.send(line).is_err() => return,
                Ok(_) => {}
            }
        }
    });
    receiver
}

/// `chat serve` as a second process. Dropping it kills it.
pub(crate) struct Serve {
    pub(crate) running: Running,
    pub(crate) url: String,
}

impl Serve {
    /// The bundled server on a free port, asking for the key of all tests.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut running = Running::start(chat(["serve", "--addr", "127.0.0.1:0", "--api-key", KEY]).args(args));
        let line = running.line();
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { running, url }
    }
}

/// A server that plays a script, in a runtime of its own.
pub(crate) struct Script {
    server: ScriptServer,
    _runtime: tokio::runtime::Runtime,
}

impl Script {
    pub(crate) fn start(replies: impl Into<Vec<Reply>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let server = {
            let _entered = runtime.enter();
            ScriptServer::start(replies.into()).expect("a free port")
        };
        Self { server, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.server.requests()
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.server.open_connections()
    }

    /// `chat ask --json --max-retries 0 ARGS hi` to its end.
    #[track_caller]
    pub(crate) fn ask(&self, args: &[&str]) -> Run {
        run(ask(&self.url(), &["--json", "--max-retries", "0"]).args(args).arg("hi"))
    }

    /// `chat ask --json ARGS hi` to its end, with as many retries as are usual unless told otherwise.
    #[track_caller]
    pub(crate) fn ask_again(&self, args: &[&str]) -> Run {
        run(ask(&self.url(), &["--json"]).args(args).arg("hi"))
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + HUNG;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// An event of text.
pub(crate) fn chunk(text: &str) -> String {
    let data = serde_json::json!({ "content_chunk": text, "chat_session_id": "s-1" });
    format!("event: message_chunk\ndata: {data}\n\n")
}

/// The last event of a whole answer.
pub(crate) fn last_chunk(text: &str) -> String {
    let data = serde_json::json!({ "content_chunk": text, "chat_session_id": "s-1", "finish_reason": "stop" });
    format!("event: message_chunk\ndata: {data}\n\n")
}

/// A whole answer in one JSON object.
pub(crate) fn result(text: &str) -> String {
    let message = serde_json::json!({ "role": "assistant", "content": text });
    serde_json::json!({ "chat_session_id": "s-1", "message": message }).to_string()
}

/// The head of a stream that is chunked, with events in its body so far.
pub(crate) fn stream(events: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Reply {
    let head = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    events.into_iter().fold(head, Reply::chunk)
}

/// The workspace's corpus, or none in a package that came without it.
pub(crate) fn corpus(name: &str) -> Option<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {} is not there", path.display());
            None
        }
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Takes a list's items in a few threads at once.
pub(crate) fn in_parallel<T: Sync>(items: &[T], take: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    take(item);
                }
            });
        }
    });
}
