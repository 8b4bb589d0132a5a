//! A client in another process, which speaks the [protocol](crate#clients-in-other-processes).

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::panic;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chat_client::Error;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempPath;

use super::call_line::settings;
use super::harness::{Caller, Operation, Setup, TestCall};
use super::row::Unsupported;
use super::transcript::{ReceivedAnswer, ReceivedError, Transcript, received, received_mut};
use crate::program::{CallLine, OperationName};

/// The rows that a client in another process cannot run, with the reasons.
const NOT_RUN: [(&str, &str); 2] =
    [("headers that repeat", NO_HEADERS), ("a header value that is not text", NO_HEADERS)];
const NO_HEADERS: &str = "the lines have no headers";

/// The variables that the harness sets or removes, because a client may read its settings from them.
const ENVIRONMENT: [&str; 14] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "INKEEP_API_KEY",
    "INKEEP_API_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
];

/// The time after which a program that prints nothing, or does not exit, fails its row. No call of the suite takes as long.
const SILENCE: Duration = Duration::from_secs(90);

/// The interval at which the exit of a program is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Creates a client that is a program. Run it with [`Suite::run_calls`](crate::Suite::run_calls).
///
/// ```no_run
/// use chat_conformance::{Suite, Wire, command};
///
/// // #[test]
/// fn conforms() {
///     let client = command("python3").arg("client.py");
///     Suite::new("client.py", Wire::Http1).except("TCP keep-alive", "it sets none").run_calls(&client);
/// }
/// ```
pub fn command(program: impl Into<PathBuf>) -> Program {
    Program { program: program.into(), args: Vec::new(), envs: Vec::new() }
}

/// A program that is a client. [`command`] creates it.
#[derive(Clone, Debug)]
pub struct Program {
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
}

impl Program {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable, for example a proxy. The variables of proxies, certificates, keys and base URLs are
    /// not inherited.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    fn start(&self, setup: &Setup) -> io::Result<Process> {
        let ca = setup.ca_pem.as_deref().map(write_ca).transpose()?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped());
        for name in ENVIRONMENT {
            command.env_remove(name);
        }
        command.envs(ca.as_ref().map(|path| ("SSL_CERT_FILE", path)));
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (send, lines) = mpsc::channel();
        // It ends with the output.
        thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| send.send(line)));
        Ok(Process { setup: setup.clone(), pipes: Mutex::new(Pipes { input, lines, calls: 0 }), child, _ca: ca })
    }
}

fn write_ca(pem: &str) -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new().suffix(".pem").tempfile()?;
    file.write_all(pem.as_bytes())?;
    Ok(file.into_temp_path())
}

impl Caller for Program {
    type Client = Process;

    fn client(&self, setup: &Setup) -> Result<Process, Error> {
        if setup.wire.is_http2() {
            return Err(Error::invalid_request("wire", "programs have no setting for HTTP/2: use HTTP/1.1"));
        }
        let problem = |error| format!("could not start {}: {error}", self.program.display());
        self.start(setup).map_err(|error| Error::invalid_request("program", problem(error)))
    }

    fn call(&self, process: &Process, call: &TestCall) -> Transcript {
        let (operation, session, input) = match &call.operation {
            Operation::Create(input) => (OperationName::Create, None, serde_json::to_value(input)),
            Operation::Continue(id, input) => (OperationName::Continue, Some(id.clone()), serde_json::to_value(input)),
            Operation::Complete(input) => (OperationName::Complete, None, serde_json::to_value(input)),
        };
        let input = input.expect("every input is JSON");
        let mut transcript = Transcript::dropped(&[]);
        let outcome = process.call(operation, session, input, call.take, |text| {
            transcript.text += text;
            transcript.events += 1;
        });
        transcript.result = match outcome {
            Outcome::Completed(answer) => Some(Ok(answer)),
            Outcome::Error(error) => Some(Err(error)),
            Outcome::Dropped => None,
            Outcome::Models { .. } | Outcome::Unsupported => panic!("the program printed models after a question"),
        };
        // The event that starts a chat completion has no line. It brings the id of the answer.
        let started = transcript.result.as_ref().and_then(received).is_some_and(|answer| answer.id.is_some());
        transcript.events += usize::from(started);
        // The lines do not have the number of events in the answer.
        let events = transcript.events as u64;
        transcript.result.iter_mut().filter_map(received_mut).for_each(|answer| answer.events = events);
        transcript
    }

    fn list_models(&self, process: &Process) -> Result<Vec<String>, String> {
        match process.call(OperationName::Models, None, Value::Null, None, |_| {}) {
            Outcome::Models { models } => Ok(models),
            Outcome::Error(error) => Err(error.message),
            Outcome::Completed(_) | Outcome::Dropped | Outcome::Unsupported => {
                Err("the program printed no models".to_owned())
            }
        }
    }

    fn not_run(&self) -> &[(&'static str, &'static str)] {
        &NOT_RUN
    }
}

/// A running [`Program`]: one client. Dropping it closes the program's input, and waits for its end.
pub struct Process {
    setup: Setup,
    pipes: Mutex<Pipes>,
    child: Child,
    _ca: Option<TempPath>,
}

struct Pipes {
    /// `None` when it is closed.
    input: Option<ChildStdin>,
    lines: Receiver<io::Result<String>>,
    calls: u64,
}

/// A line of the program.
#[derive(Deserialize)]
struct Line {
    call: u64,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Outcome(Box<Outcome>),
    Event(EventContent),
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    Completed(ReceivedAnswer),
    Error(ReceivedError),
    Dropped,
    Models { models: Vec<String> },
    Unsupported,
}

#[derive(Deserialize)]
struct EventContent {
    event: String,
    #[serde(default)]
    data: Value,
}

impl Process {
    /// Makes one call. `on_event` takes the text of each event.
    ///
    /// # Panics
    ///
    /// If the program does not follow the protocol. The row fails.
    fn call(
        &self,
        operation: OperationName,
        session: Option<String>,
        input: Value,
        cancel_after: Option<usize>,
        mut on_event: impl FnMut(&str),
    ) -> Outcome {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        pipes.calls += 1;
        let id = pipes.calls;
        pipes.send(&CallLine { id, operation, session, input, cancel_after, ..settings(&self.setup) });
        loop {
            let line = pipes.receive();
            let Line { call, content } = serde_json::from_str(&line)
                .unwrap_or_else(|error| panic!("not a line of the protocol: {error}: {line}"));
            assert_eq!(call, id, "a line of another call: {line}");
            match content {
                Content::Outcome(outcome) => match *outcome {
                    Outcome::Unsupported => panic::panic_any(Unsupported),
                    outcome => return outcome,
                },
                Content::Event(EventContent { event, data }) => {
                    let text = data["content_chunk"].as_str().filter(|_| event == "message_chunk");
                    on_event(text.unwrap_or_default());
                }
            }
        }
    }
}

impl Pipes {
    fn send(&mut self, call: &CallLine) {
        let mut line = serde_json::to_vec(call).expect("a call is JSON");
        line.push(b'\n');
        let input = self.input.as_mut().expect("it is closed by the drop");
        input.write_all(&line).unwrap_or_else(|error| panic!("the program does not read its input: {error}"));
    }

    fn receive(&mut self) -> String {
        match self.lines.recv_timeout(SILENCE) {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => panic!("the program's output is not text: {error}"),
            Err(RecvTimeoutError::Timeout) => panic!("the program prints no outcome"),
            Err(RecvTimeoutError::Disconnected) => panic!("the program ended before the outcome of the call"),
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.child.id()).finish_non_exhaustive()
    }
}

impl Drop for Process {
    /// # Panics
    ///
    /// If the program does not exit at the end of its input. The row fails.
    fn drop(&mut self) {
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).input = None;
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > SILENCE || thread::panicking() {
                // An error means that it has just ended.
                let _ = self.child.kill();
                let _ = self.child.wait();
                assert!(thread::panicking(), "the program does not exit at the end of its input");
                break;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
