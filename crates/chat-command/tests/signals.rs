//! Ctrl-C, killed servers, and closed outputs.

#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::{Value, json};
use support::{KEY, Run, Running, Script, Serve, ask, chat, chunk, stream, wait_until};

/// Set in the server process of `a_server_that_is_killed_truncates_the_answer`.
const SLOW_SERVER: &str = "CHAT_CLI_TEST_SLOW_SERVER";

#[track_caller]
fn cancelled(run: &Run, attempts: u32) -> Value {
    let error = run.error("cancelled");
    assert_eq!(error["attempts"], attempts, "{error}");
    error
}

#[test]
fn ctrl_c_while_streaming_keeps_what_arrived() {
    let server = Script::start([stream([chunk("Yes, "), chunk("no")]).then(Step::Stall)]);
    let mut asking = Running::start(&mut ask(&server.url(), &["--json", "hi"]));
    asking.line();
    asking.line();
    asking.interrupt();
    let error = cancelled(&asking.end(), 1);
    let partial = json!({ "chat_session_id": "s-1", "content": "Yes, no", "citations": null, "finish_reason": null });
    assert_eq!((&error["partial"], &error["status"]), (&partial, &json!(200)));
    wait_until("the connection is closed", || server.open_connections() == 0);
}

#[test]
fn ctrl_c_without_json_ends_the_line_and_exits_130() {
    let server = Script::start([stream([chunk("Yes,\n"), chunk("no")]).then(Step::Stall)]);
    let mut asking = Running::start(&mut ask(&server.url(), &["hi"]));
    assert_eq!(asking.line(), "Yes,");
    asking.interrupt();
    let run = asking.end();
    assert_eq!(run.status, Some(130), "{run:?}");
    // The second chunk may arrive before or after the signal.
    assert!(["Yes,\n", "Yes,\nno\n"].contains(&run.stdout.as_str()), "{run:?}");
    assert!(run.stderr.contains("cancelled"), "{run:?}");
}

#[test]
fn ctrl_c_while_waiting_for_the_head() {
    let server = Script::start([Reply::raw("").then(Step::Stall)]);
    let asking = Running::start(&mut ask(&server.url(), &["--json", "hi"]));
    wait_until("the request has arrived", || server.requests().len() == 1);
    asking.interrupt();
    let error = cancelled(&asking.end(), 1);
    assert_eq!((&error["partial"], &error["status"]), (&Value::Null, &Value::Null));
}

#[test]
fn ctrl_c_while_waiting_for_a_retry() {
    // The body of an error is read up to the limit. The connection is closed when the wait begins.
    let headers = [("retry-after", "30"), ("content-length", "10000000")];
    let busy = Reply::head(429, &headers).then(Step::Write(vec![b'x'; 100_000].into())).then(Step::Stall);
    let server = Script::start([busy]);
    let asking = Running::start(&mut ask(&server.url(), &["--json", "hi"]));
    wait_until("the request has arrived", || server.requests().len() == 1);
    wait_until("the wait has begun", || server.open_connections() == 0);
    asking.interrupt();
    let error = cancelled(&asking.end(), 1);
    assert_eq!(error["partial"], Value::Null);
    assert!(error["message"].as_str().expect("a message").contains("429"), "the reason of the wait: {error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn ctrl_c_while_reading_standard_input() {
    let server = Script::start([Reply::raw("")]);
    let mut asking = Running::start(ask(&server.url(), &["--json", "-"]).stdin(Stdio::piped()));
    let mut stdin = asking.stdin().expect("standard input is piped");
    // The input is larger than a pipe's buffer. When it is written, it is being read.
    stdin.write_all(&vec![b'a'; 1 << 20]).expect("it is read");
    asking.interrupt();
    let error = cancelled(&asking.end(), 0);
    assert_eq!((&error["partial"], &error["status"]), (&Value::Null, &Value::Null));
    assert_eq!(server.requests(), []);
}

#[test]
fn ctrl_c_while_decoding_standard_input() {
    let args = ["decode", "--status", "200", "--content-type", "text/event-stream", "-"];
    let mut decoding = Running::start(chat(args).stdin(Stdio::piped()));
    let mut stdin = decoding.stdin().expect("standard input is piped");
    stdin.write_all(chunk("Yes, ").as_bytes()).expect("it is read");
    decoding.line();
    decoding.interrupt();
    let error = cancelled(&decoding.end(), 1);
    assert_eq!(error["partial"]["content"], "Yes, ");

    // The body of an error response is not a partial answer.
    let mut decoding =
        Running::start(chat(["decode", "--status", "500", "--chunk", "1000000", "-"]).stdin(Stdio::piped()));
    let mut stdin = decoding.stdin().expect("standard input is piped");
    stdin.write_all(&vec![b'a'; 1 << 19]).expect("it is read");
    decoding.interrupt();
    assert_eq!(decoding.end().error("cancelled")["partial"], Value::Null);
}

#[test]
fn ctrl_c_ends_a_demo() {
    let mut demo = Running::start(&mut chat(["demo"]));
    demo.line();
    demo.line();
    assert!(demo.line().starts_with("> "));
    demo.interrupt();
    let run = demo.end();
    assert_eq!(run.status, Some(130), "{run:?}");
}

#[test]
fn ctrl_c_shuts_the_server_down() {
    let server = Serve::start(&[]);
    server.running.interrupt();
    let run = server.running.end();
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn ctrl_c_shuts_down_a_server_with_idle_connections() {
    let server = Serve::start(&[]);
    assert_eq!(support::run(&mut ask(&server.url, &["hi"])).status, Some(0));
    // A connection without a request.
    let address = server.url.strip_prefix("http://").expect("a URL");
    let idle = std::net::TcpStream::connect(address).expect("it listens");
    server.running.interrupt();
    let run = server.running.end();
    // After the address: a line, and the commands to paste. Nothing else.
    let lines = 2 + if cfg!(feature = "terminal") { 4 } else { 2 };
    assert_eq!((run.status, run.stdout.lines().count(), run.stderr.as_str()), (Some(0), lines, ""), "{run:?}");
    drop(idle);
}

/// A server that is sending an answer larger than the socket buffers, and a client that has not read it yet.
struct UnreadAnswer {
    server: Serve,
    client: TcpStream,
}

impl UnreadAnswer {
    fn start() -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let docs = std::env::temp_dir().join(format!("chat-command-unread-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&docs).expect("a folder");
        // One long word is cheap to index.
        let sentence = "x".repeat(3 << 20);
        std::fs::write(docs.join("README.md"), format!("# Large\n\nIt is large {sentence}.\n")).expect("a file");
        let server = Serve::start(&["--docs", docs.to_str().expect("a path in UTF-8")]);
        std::fs::remove_dir_all(&docs).expect("it has been read");
        let address = server.url.strip_prefix("http://").expect("a URL");
        let mut client = TcpStream::connect(address).expect("it listens");
        let message = json!({ "role": "user", "content": "What is large?" });
        let session = json!({ "messages": [message] });
        let question = json!({ "integration_id": "i", "stream": true, "chat_session": session });
        let question = question.to_string();
        let length = question.len();
        write!(
            client,
            "POST /v0/chat_sessions/chat_results HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{question}"
        )
        .expect("it is read");
        let mut begin = [0; 15];
        client.read_exact(&mut begin).expect("an answer");
        assert_eq!(&begin, b"HTTP/1.1 200 OK");
        Self { server, client }
    }

    /// Sends a signal and waits until the server has closed its listener.
    fn stop(&self, signal: &str) {
        self.server.running.signal(signal);
        let address = self.server.url.strip_prefix("http://").expect("a URL");
        wait_until("the listener is closed", || TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_server_that_is_terminated_finishes_its_answers() {
    let unread = UnreadAnswer::start();
    unread.stop("TERM");
    let UnreadAnswer { server, mut client } = unread;
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() > 6 << 20, "{} bytes", rest.len());
    assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "the answer is complete");
    let run = server.running.end();
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn a_server_that_is_terminated_exits_although_a_client_does_not_read() {
    let unread = UnreadAnswer::start();
    let begun = Instant::now();
    unread.stop("TERM");
    let run = unread.server.running.end();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn a_second_signal_ends_a_server_at_once() {
    for (first, second, status) in [("TERM", "TERM", 143), ("INT", "INT", 130)] {
        let unread = UnreadAnswer::start();
        unread.stop(first);
        unread.server.running.signal(second);
        let run = unread.server.running.end();
        assert_eq!((run.status, run.stderr.as_str()), (Some(status), ""), "{first} and {second}: {run:?}");
    }
}

/// The server process of the next test.
#[test]
#[ignore = "a server for another test"]
fn slow_server() {
    if std::env::var_os(SLOW_SERVER).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let pace = std::time::Duration::from_millis(300);
        let server = chat_mock::Server::builder().chunk_delay(pace).bind().await.expect("a free port");
        println!("\nlistening on {}", server.url());
        server.wait().await;
    });
}

#[test]
fn a_server_that_is_killed_truncates_the_answer() {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "slow_server", "--ignored", "--nocapture"]).env(SLOW_SERVER, "1").stdin(Stdio::null());
    let mut server = Running::start(&mut command);
    let url = loop {
        if let Some(url) = server.line().strip_prefix("listening on ") {
            break url.to_owned();
        }
    };
    let mut asking = Running::start(&mut ask(&url, &["--json", "What is a transport?"]));
    asking.line();
    asking.line();
    server.signal("KILL");
    drop(server);
    let run = asking.end();
    let error = run.error("truncated");
    assert_eq!(error["partial"]["content"], run.text_of_events().as_str());
    assert_ne!(run.text_of_events(), "");
    assert_eq!((&error["attempts"], &error["partial"]["finish_reason"]), (&json!(1), &Value::Null));
}

/// Reads one line of output, then closes the pipe while there is more.
#[track_caller]
fn close_output_early(command: &mut Command, input: Option<Vec<u8>>) -> Run {
    let (mut running, stdout) = Running::start_unread(command);
    let writing = input.map(|input| {
        let mut stdin = running.stdin().expect("standard input is piped");
        std::thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_ne!(line, "");
    drop(stdout);
    let run = running.end();
    if let Some(writing) = writing {
        writing.join().expect("the writer is done");
    }
    run
}

#[test]
fn a_closed_output_ends_the_command_without_a_panic() {
    // More than the buffers of the pipe and the reader.
    let events: Vec<String> =
        (0..5000).map(|n| chunk(&format!("line {n} of a long answer, which has many lines\n"))).collect();
    let body = events.concat();
    let server = Script::start([Reply::sse(body.clone())]);
    for args in [&["--json", "hi"][..], &["hi"]] {
        let run = close_output_early(&mut ask(&server.url(), args), None);
        assert_eq!((run.status, run.stderr.as_str()), (Some(141), ""), "{args:?}");
    }
    let decode = ["decode", "--status", "200", "--content-type", "text/event-stream", "-"];
    for args in [&["sse", "-"][..], &decode] {
        let run = close_output_early(chat(args).stdin(Stdio::piped()), Some(body.clone().into_bytes()));
        assert_eq!((run.status, run.stderr.as_str()), (Some(141), ""), "{args:?}");
    }
}

#[test]
fn a_closed_standard_error_changes_nothing() {
    for (reply, args, status) in [
        (Reply::json(401, &[], "{}"), &["--json", "hi"][..], 3),
        (Reply::json(200, &[], support::result("Yes.")), &["hi"], 0),
    ] {
        let server = Script::start([reply]);
        let mut command = ask(&server.url(), args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command");
        drop(child.stderr.take());
        let output = child.wait_with_output().expect("its output");
        assert_eq!(output.status.code(), Some(status));
        assert!(output.stdout.ends_with(b"\n"));
    }
}
