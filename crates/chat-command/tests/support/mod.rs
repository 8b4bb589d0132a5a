//! Runs the command as a child process, and servers for it to call.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use chat_mock::{RecordedRequest as Received, ScriptServer, ScriptedReply as Reply};
use serde_json::Value;

/// The API key of all tests. No output may contain it.
pub(crate) const KEY: &str = "sk-end-to-end-7f3a9c";

/// A child that runs longer than this hangs, even on a slow machine.
const HUNG: Duration = Duration::from_secs(60);

/// Every value of `--transport`, and whether this build includes it.
pub(crate) const TRANSPORTS: [(&str, bool); 4] = [
    ("hyper", true),
    ("async-std", cfg!(feature = "async-std")),
    ("smol", cfg!(feature = "smol")),
    ("blocking", cfg!(feature = "blocking")),
];

/// The transports of this build. `just test` has them all.
pub(crate) fn transports() -> impl Iterator<Item = &'static str> {
    TRANSPORTS.into_iter().filter_map(|(name, included)| included.then_some(name))
}

/// The command with these arguments, and without the environment variables that it reads.
pub(crate) fn chat<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let upper = text.to_ascii_uppercase();
        if ["CHAT_STORE", "INKEEP_", "SSL_CERT_"].iter().any(|prefix| upper.starts_with(prefix))
            || upper.ends_with("_PROXY")
        {
            command.env_remove(name);
        }
    }
    // No test writes into the store of the user who runs it.
    command.env("CHAT_STORE", "memory:");
    command.args(args).stdin(Stdio::null());
    command
}

/// `chat ask --server URL --api-key KEY --integration i ARGS`.
pub(crate) fn ask(url: &str, args: &[&str]) -> Command {
    let mut command = chat(["ask", "--server", url, "--api-key", KEY, "--integration", "i"]);
    command.args(args);
    command
}

/// The exit status and output of a command.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status, or `None` if a signal ended the process.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"));
        assert!(self.stdout.is_empty() || self.stdout.ends_with('\n'), "the last line is incomplete: {self:?}");
        self.stdout.lines().map(parse).collect()
    }

    /// The outcome line. Checks its keys and the exit status.
    #[track_caller]
    pub(crate) fn outcome(&self) -> Value {
        let mut lines = self.lines();
        let outcome = lines.pop().unwrap_or_else(|| panic!("no outcome line: {self:?}"));
        assert!(lines.iter().all(|line| line.get("event").is_some()), "{self:?}");
        match outcome["outcome"].as_str() {
            Some("completed") => {
                check_answer_keys(&outcome);
                assert_eq!(self.status, Some(0), "{self:?}");
            }
            Some("error") => self.check_error(&outcome),
            _ => panic!("no outcome line: {self:?}"),
        }
        outcome
    }

    /// The outcome line, which must be an error of this kind.
    #[track_caller]
    pub(crate) fn error(&self, kind: &str) -> Value {
        let outcome = self.outcome();
        assert_eq!(outcome["kind"], kind, "{self:?}");
        outcome
    }

    /// The outcome line, which must be an answer with this text.
    #[track_caller]
    pub(crate) fn answer(&self, content: &str) -> Value {
        let outcome = self.outcome();
        assert_eq!(outcome["outcome"], "completed", "{self:?}");
        assert_eq!(outcome["content"], content, "{self:?}");
        outcome
    }

    /// The text of all events.
    #[track_caller]
    pub(crate) fn text_of_events(&self) -> String {
        self.lines().iter().filter_map(|line| line["data"]["content_chunk"].as_str()).collect()
    }

    /// Checks what is common to the outcome lines of all errors.
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
            kind => panic!("unknown kind: {kind:?}"),
        };
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(outcome["timeout"].is_string(), outcome["kind"] == "timeout", "{self:?}");
        if !outcome["partial"].is_null() {
            check_answer_keys(&outcome["partial"]);
        }
        // Errors are printed to standard error too.
        self.check_report();
    }

    /// Checks that standard error has two lines: what happened, and what to do.
    #[track_caller]
    pub(crate) fn check_report(&self) {
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{self:?}");
        assert!(lines[0].starts_with("chat: ") && lines[0].len() > "chat: ".len(), "{self:?}");
        assert!(lines[1].ends_with('.'), "{self:?}");
    }
}

/// Checks the keys of an answer, which are those of a session or those of a chat completion.
#[track_caller]
fn check_answer_keys(answer: &Value) {
    let mut keys = keys(answer);
    keys.retain(|key| *key != "outcome");
    let session = ["chat_session_id", "citations", "content", "finish_reason"];
    let completion = ["id", "model", "reasoning", "refusal", "tool_calls", "usage"];
    assert!(keys == session || keys == [&session[..], &completion[..]].concat(), "{keys:?}");
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

/// Runs a command to its end, with this standard input.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Run {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin().expect("standard input is piped");
    thread::scope(|scope| {
        // The command may exit before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        running.end()
    })
}

/// A running command. It is killed on drop.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Receiver<Vec<u8>>,
    /// The lines read so far.
    read_so_far: Vec<u8>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Some(lines(child.stdout.take().expect("standard output is piped")));
        let stderr = lines(child.stderr.take().expect("standard error is piped"));
        Self { child, stdout, stderr, read_so_far: Vec::new() }
    }

    /// Like `start`, but returns standard output unread.
    #[track_caller]
    pub(crate) fn start_unread(command: &mut Command) -> (Self, std::process::ChildStdout) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = lines(child.stderr.take().expect("standard error is piped"));
        (Self { child, stdout: None, stderr, read_so_far: Vec::new() }, stdout)
    }

    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the next line of standard output.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.stdout.as_ref().and_then(|stdout| stdout.recv_timeout(HUNG).ok());
        let line = line.unwrap_or_else(|| panic!("no line of output"));
        self.read_so_far.extend_from_slice(&line);
        String::from_utf8(line).expect("UTF-8").trim_end_matches('\n').to_owned()
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Sends what Ctrl-C sends.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends a signal by name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(status.expect("a shell").success());
    }

    /// Waits until the process exits. Checks that it printed no key and did not panic.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let deadline = Instant::now() + HUNG;
        let mut stdout = std::mem::take(&mut self.read_so_far);
        let mut stderr = Vec::new();
        for (lines, text) in [(self.stdout.take().as_ref(), &mut stdout), (Some(&self.stderr), &mut stderr)] {
            let Some(lines) = lines else { continue };
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                match lines.recv_timeout(left) {
                    Ok(line) => text.extend_from_slice(&line),
                    // Closed, or the deadline has passed.
                    Err(_) => break,
                }
            }
        }
        assert!(Instant::now() < deadline, "hung after {:?} {:?}", text(&stdout), text(&stderr));
        // A process closes its output shortly before it exits.
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
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the output is UTF-8")
}

/// Reads lines on a separate thread, because a pipe has no read timeout.
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

/// A running `chat serve`. It is killed on drop.
pub(crate) struct Serve {
    pub(crate) running: Running,
    pub(crate) url: String,
}

impl Serve {
    /// Starts the bundled server on a free port. It accepts `KEY`.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut running = Running::start(chat(["serve", "--addr", "127.0.0.1:0", "--api-key", KEY]).args(args));
        let line = running.line();
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { running, url }
    }
}

/// A scripted server with its own runtime.
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

    /// Runs `chat ask --json --max-retries 0 ARGS hi`.
    #[track_caller]
    pub(crate) fn ask(&self, args: &[&str]) -> Run {
        run(ask(&self.url(), &["--json", "--max-retries", "0"]).args(args).arg("hi"))
    }

    /// Runs `chat ask --json ARGS hi`, with the default number of retries.
    #[track_caller]
    pub(crate) fn ask_with_retries(&self, args: &[&str]) -> Run {
        run(ask(&self.url(), &["--json"]).args(args).arg("hi"))
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + HUNG;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A `message_chunk` event.
pub(crate) fn chunk(text: &str) -> String {
    let data = serde_json::json!({ "content_chunk": text, "chat_session_id": "s-1" });
    format!("event: message_chunk\ndata: {data}\n\n")
}

/// A `message_chunk` event with the finish reason `stop`.
pub(crate) fn last_chunk(text: &str) -> String {
    let data = serde_json::json!({ "content_chunk": text, "chat_session_id": "s-1", "finish_reason": "stop" });
    format!("event: message_chunk\ndata: {data}\n\n")
}

/// An answer as one JSON object.
pub(crate) fn result(text: &str) -> String {
    let message = serde_json::json!({ "role": "assistant", "content": text });
    serde_json::json!({ "chat_session_id": "s-1", "message": message }).to_string()
}

/// The head of a chunked stream, and the first events of its body.
pub(crate) fn stream(events: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Reply {
    let head = Reply::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]);
    events.into_iter().fold(head, Reply::chunk)
}

/// A file of the workspace's corpus. Returns `None` if the package is built without the workspace.
pub(crate) fn corpus(name: &str) -> Option<String> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {} does not exist", path.display());
            None
        }
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Processes the items of a list on a few threads.
pub(crate) fn in_parallel<T: Sync>(items: &[T], process: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    process(item);
                }
            });
        }
    });
}

/// Runs a check for all rows at once, each in its own thread. Use it for rows that mostly wait.
pub(crate) fn all_at_once<T: Send>(rows: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for row in rows {
            let check = &check;
            scope.spawn(move || check(row));
        }
    });
}
