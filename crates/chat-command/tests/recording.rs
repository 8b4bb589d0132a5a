//! `chat ask --record`, `chat replay` and `chat serve --replay`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chat_mock::faults::{self, FaultCase};
use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::Value;
use support::{
    KEY, Run, Running, Script, Serve, all_at_once, ask, chat, chunk, last_chunk, result, run, run_with_input, stream,
    transports,
};

/// A path in a folder of its own, at which there is no file.
fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recording");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    let _ = fs::remove_file(&path);
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in Unicode")
}

/// Asks with `--record` and returns the run and the text of the file. Checks that a replay prints the same.
#[track_caller]
fn recorded(mut asking: Command, name: &str) -> (Run, String) {
    let file = path(name);
    let asked = run(asking.args(["--record", text(&file)]));
    let recording = fs::read_to_string(&file).expect("a recording");
    assert!(!recording.contains(KEY), "{recording}");
    let is_json = asking.get_args().any(|arg| arg == "--json");
    check_replay(&file, &asked, is_json);
    (asked, recording)
}

#[track_caller]
fn check_replay(file: &Path, asked: &Run, is_json: bool) {
    let mut replaying = chat(["replay", "--fast", text(file)]);
    replaying.args(is_json.then_some("--json"));
    let replayed = run(&mut replaying);
    assert_eq!(replayed.stdout, asked.stdout);
    assert_eq!(replayed.stderr, asked.stderr);
    assert_eq!(replayed.status, asked.status);
}

fn complete(url: &str) -> Command {
    chat(["ask", "--api", "completions", "--model", "m-1", "--server", url, "--api-key", KEY, "--json"])
}

#[test]
fn a_replay_prints_what_the_call_printed() {
    let server = Serve::start(&[]);
    all_at_once(transports().filter(|&transport| transport != "blocking"), |transport| {
        let name = |form: &str| format!("{transport}-{form}.rec");
        for (form, args) in [
            ("stream", &["What is a transport?", "--json"][..]),
            ("object", &["What is a transport?", "--json", "--no-stream"]),
            ("text", &["What is a transport?"]),
        ] {
            let (asked, recording) =
                recorded(ask(&server.url, &[args, &["--transport", transport]].concat()), &name(form));
            assert_eq!(asked.status, Some(0), "{asked:?}");
            assert!(recording.starts_with("chat-recording 1\n"), "{recording}");
            assert!(recording.contains("\n> authorization: ***\n"), "{recording}");
            assert!(recording.contains("\n| {\"integration_id\":\"i\""), "{recording}");
        }
        let mut asking = complete(&server.url);
        asking.args(["--links", "What is a transport?", "--transport", transport]);
        let (asked, _) = recorded(asking, &name("completion"));
        assert_eq!(asked.outcome()["outcome"], "completed");
    });
}

#[test]
fn a_continued_session_is_replayed_as_one() {
    let server = Script::start([Reply::answer("s-1", "And then?")]);
    let (asked, recording) = recorded(ask(&server.url(), &["--session", "s-1", "hi"]), "continued.rec");
    assert_eq!((asked.status, asked.stderr.as_str()), (Some(0), ""), "no hint to continue");
    assert!(recording.contains("/v0/chat_sessions/s-1/chat_results\n"));
}

#[test]
fn each_retry_is_an_attempt() {
    let server = Script::start([
        Reply::json(429, &[("retry-after", "0")], r#"{"detail":"slow down"}"#),
        Reply::json(503, &[("retry-after", "0")], ""),
        stream([last_chunk("Hi")]).last_chunk(),
    ]);
    let (asked, recording) = recorded(ask(&server.url(), &["--json", "hi"]), "retry.rec");
    asked.answer("Hi");
    assert_eq!(recording.matches(" request POST ").count(), 3);
}

#[test]
fn errors_are_replayed_with_their_messages() {
    let rejected = Reply::json(401, &[], r#"{"detail":"unknown key"}"#);
    let busy = Reply::json(503, &[("retry-after", "0"), ("set-cookie", "session=s3cret")], r#"{"detail":"busy"}"#);
    let invalid = r#"{"detail":[{"loc":["body"],"msg":"no","type":"value_error"}]}"#;
    for (name, kind, reply) in [
        ("401.rec", "api", rejected),
        ("503.rec", "api", busy),
        ("422.rec", "validation", Reply::json(422, &[], invalid)),
        ("no-head.rec", "transport", Reply::raw("")),
        ("not-http.rec", "transport", Reply::raw("SSH-2.0-x\r\n")),
        ("truncated.rec", "truncated", stream([chunk("Hi"), "event: mess".to_owned()])),
        ("html.rec", "unexpected_response", Reply::head(200, &[("content-type", "text/html")])),
        ("stream.rec", "stream", stream([chunk("Hi"), "event: error\ndata: {}\n\n".to_owned()]).last_chunk()),
    ] {
        let server = Script::start([reply]);
        let (asked, recording) = recorded(ask(&server.url(), &["--json", "hi"]), name);
        asked.error(kind);
        assert!(!recording.contains("s3cret"), "{recording}");
    }
}

/// Every fault of the table. Of the rows that differ in a byte only, some.
#[test]
fn faults_are_replayed() {
    let limits = format!("{:?}", chat_client::Limits::default());
    let is_possible = |fault: &FaultCase| {
        format!("{:?}", fault.config.limits) == limits && fault.at.is_none_or(|byte| byte % 20 == 0)
    };
    let faults: Vec<(usize, FaultCase)> = faults::table().into_iter().filter(is_possible).enumerate().collect();
    assert!(faults.len() > 100, "{}", faults.len());
    // Some rows wait for seconds.
    const GROUPS: usize = 12;
    all_at_once(0..GROUPS, |group| faults.iter().skip(group).step_by(GROUPS).for_each(check_fault));
}

#[track_caller]
fn check_fault((number, fault): &(usize, FaultCase)) {
    println!("{number}: {fault}");
    let server = Script::start(fault.replies.clone());
    let timeouts = &fault.config.timeouts;
    let limit = |limit: Option<Duration>| limit.map_or("off".to_owned(), |limit| format!("{}ms", limit.as_millis()));
    let mut asking = match fault.model {
        Some(_) => complete(&server.url()),
        None => ask(&server.url(), &["--json"]),
    };
    asking.args(fault.session.iter().flat_map(|session| ["--session", *session]));
    asking.args(["--max-retries", &fault.config.retry.max_retries.to_string(), "--timeout", &limit(timeouts.total)]);
    asking.args(["--head-timeout", &limit(timeouts.head), "--idle-timeout", &limit(timeouts.idle)]);
    asking.args(["--content-timeout", &limit(timeouts.content), "hi"]);
    recorded(asking, &format!("fault-{number}.rec"));
}

#[test]
fn failed_connections_are_replayed() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port();
    let url = format!("http://127.0.0.1:{port}");
    let (asked, recording) = recorded(ask(&url, &["--json", "--max-retries", "1", "hi"]), "refused.rec");
    assert_eq!(asked.error("connect")["attempts"], 2);
    assert_eq!(recording.matches(" failed connect connection to 127.0.0.1").count(), 2, "{recording}");
}

#[test]
fn timeouts_are_replayed() {
    let stalled = stream([chunk("Hi")]).then(Step::Stall);
    let silent = Reply::raw("").then(Step::Stall);
    all_at_once(
        [("idle.rec", "--idle-timeout", stalled), ("head.rec", "--head-timeout", silent)],
        |(name, flag, reply)| {
            let server = Script::start([reply]);
            let args = ["--json", flag, "300ms", "--max-retries", "0", "hi"];
            let (asked, recording) = recorded(ask(&server.url(), &args), name);
            asked.error("timeout");
            assert!(recording.contains(" dropped\n"), "{recording}");
        },
    );
}

#[test]
fn a_timeout_fires_at_the_recorded_end_only() {
    let call = "chat-recording 1\nidle-timeout: 1s\n\n\
        0 request POST http://127.0.0.1/v0/chat_sessions/chat_results\n\
        5 response HTTP/1.1 200\n< content-type: text/event-stream\n\
        1500 data\n| event: message_chunk\\n\n| data: {\"content_chunk\":\"Hi\"}\\n\\n\n";
    let file = path("late.rec");
    let replayed = |end: &str| {
        fs::write(&file, format!("{call}{end}")).expect("a file");
        run(&mut chat(["replay", "--fast", "--json", text(&file)]))
    };
    // The machine was slow, and the chunk was read before the timer.
    replayed("1600 end\n1600 outcome completed\n").answer("Hi");
    let error = replayed("2501 dropped\n2501 outcome error\n").error("timeout");
    assert_eq!((&error["timeout"], &error["partial"]["content"]), (&Value::from("idle"), &Value::from("Hi")));
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_replayed() {
    let server = Script::start([stream([chunk("Hi "), chunk("there")]).then(Step::Stall)]);
    let file = path("ctrl-c.rec");
    let mut asking = Running::start(&mut ask(&server.url(), &["--json", "--record", text(&file), "hi"]));
    asking.line();
    asking.line();
    asking.interrupt();
    let asked = asking.end();
    asked.error("cancelled");
    assert!(fs::read_to_string(&file).expect("a recording").contains(" outcome cancelled\n"));
    check_replay(&file, &asked, true);
}

#[cfg(unix)]
#[test]
fn a_recording_is_complete_if_the_process_is_killed() {
    let server = Script::start([stream([chunk("Hi "), chunk("there")]).then(Step::Stall)]);
    let file = path("killed.rec");
    let mut asking = Running::start(&mut ask(&server.url(), &["--json", "--record", text(&file), "hi"]));
    asking.line();
    asking.line();
    asking.signal("KILL");
    let asked = asking.end();
    let replayed = run(&mut chat(["replay", "--json", text(&file)]));
    assert!(replayed.stdout.starts_with(&asked.stdout), "{replayed:?}");
    let error = replayed.error("cancelled");
    assert_eq!(error["partial"]["content"], "Hi there");
}

#[test]
fn a_key_that_the_server_sends_back_is_not_recorded() {
    let (start, rest) = KEY.split_at(7);
    let event = last_chunk(&format!("Your key is {KEY}."));
    let (one, other) = event.split_at(event.find(start).expect("the key") + start.len());
    let echo = stream([one, other]).last_chunk();
    let object = result(&format!("It is {KEY}."));
    let head = Reply::json(200, &[("x-echo", KEY)], object);
    for (name, reply) in [("echo.rec", echo), ("echo-object.rec", head)] {
        let server = Script::start([reply]);
        let file = path(name);
        // `run` would refuse the key in the output.
        let asked = ask(&server.url(), &["--json", "hi", "--record", text(&file)]).output().expect("the command runs");
        let recording = fs::read_to_string(&file).expect("a recording");
        assert!(!recording.contains(rest) && !recording.contains(start), "{recording}");
        let replayed = run(&mut chat(["replay", "--fast", "--json", text(&file)]));
        let printed = String::from_utf8(asked.stdout).expect("UTF-8");
        assert!(printed.contains(KEY), "{printed}");
        assert_eq!(replayed.stdout, printed.replace(KEY, "***"));
    }
    // An error never has the key.
    let server = Script::start([Reply::json(401, &[], format!(r#"{{"detail":"bad key {KEY}"}}"#))]);
    recorded(ask(&server.url(), &["--json", "hi"]), "echo-error.rec");
}

#[test]
fn the_key_is_hidden_in_any_header_and_in_the_url() {
    let server = Script::start([Reply::completion("Hi")]);
    let url = format!("{}/v1?api-version=1&api-key=s3cret", server.url());
    let mut asking = complete(&url);
    asking.args(["--api-key-header", "x-my-key", "hi"]);
    let (_, recording) = recorded(asking, "header.rec");
    assert!(recording.contains("\n> x-my-key: ***\n"), "{recording}");
    assert!(recording.contains("/v1/chat/completions?api-version=1&api-key=***\n"), "{recording}");
}

#[test]
fn secrets_of_the_server_are_hidden() {
    let link = "<https://h/next?page=2&id_token=s3cret>; rel=\"next\"";
    let headers =
        [("x-auth-token", "s3cret"), ("link", link), ("refresh", "9; url=/?jwt=s3cret"), ("retry-after", "0")];
    let server = Script::start([Reply::json(503, &headers, "{}"), Reply::completion("Hi")]);
    let mut asking = complete(&format!("{}/v1?access_key=s3cret&X-Amz-Security-Token=s3cret", server.url()));
    asking.arg("hi");
    let (asked, recording) = recorded(asking, "secrets.rec");
    asked.answer("Hi");
    assert!(!recording.contains("s3cret"), "{recording}");
    for line in ["x-auth-token: ***", "refresh: 9; url=/?jwt=***", "retry-after: 0"] {
        assert!(recording.contains(&format!("\n< {line}\n")), "{recording}");
    }
}

#[test]
fn a_file_is_never_replaced_and_only_its_owner_can_read_it() {
    let server = Script::start([Reply::answer("s-1", "Hi")]);
    let file = path("exists.rec");
    let asking = || run(&mut ask(&server.url(), &["hi", "--record", text(&file)]));
    assert_eq!(asking().status, Some(0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&file).expect("a file");
    let second = asking();
    assert_eq!(second.status, Some(2));
    assert!(second.stderr.contains("--record names a file that exists"), "{second:?}");
    second.check_report();
    assert_eq!(fs::read(&file).expect("a file"), before);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_call_that_sends_nothing_leaves_no_file() {
    let file = path("nothing.rec");
    let asked = run(&mut ask("http://127.0.0.1:9", &[" ", "--record", text(&file)]));
    assert_eq!(asked.status, Some(2));
    assert!(!file.exists());
    let folder = run(&mut ask("http://127.0.0.1:9", &["hi", "--record", text(&file.join("missing"))]));
    assert_eq!(folder.status, Some(2));
    folder.check_report();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_recording_and_not_the_call() {
    let server = Script::start([Reply::answer("s-1", "Hi there")]);
    let asked = run(&mut ask(&server.url(), &["hi", "--record", "/dev/full"]));
    assert_eq!((asked.status, asked.stdout.as_str()), (Some(0), "Hi there\n"));
    let notes: Vec<&str> = asked.stderr.lines().collect();
    assert!(notes[0].starts_with("The call goes on, but its recording ends here: /dev/full: "), "{asked:?}");
    assert_eq!(notes.len(), 2, "{asked:?}");
}

#[cfg(feature = "blocking")]
#[test]
fn the_blocking_client_cannot_be_recorded() {
    let file = path("blocking.rec");
    let asked = run(&mut ask("http://127.0.0.1:9", &["hi", "--transport", "blocking", "--record", text(&file)]));
    assert_eq!(asked.status, Some(2));
    assert!(asked.stderr.contains("--transport smol"), "{asked:?}");
    assert!(!file.exists());
}

/// A recording that was written by hand.
const BY_HAND: &str = "chat-recording 1\n\n\
    0 request POST http://127.0.0.1/v0/chat_sessions/chat_results\n\
    1 response HTTP/1.1 429\n< content-type: text/plain\n< content-length: 99\n2 data\n| slow down\n3 end\n\
    4 request POST http://127.0.0.1/v0/chat_sessions/chat_results\n\
    5 response HTTP/1.1 200\n< content-type: text/event-stream\n\
    6 data\n| event: message_chunk\\n\n| data: {\"content_chunk\":\"Hi \\xc3\\xa9\"\n\
    900 data\n| ,\"chat_session_id\":\"s-1\",\"finish_reason\":\"stop\"}\\n\\n\n\
    901 end\n";

#[test]
fn a_recording_can_be_written_by_hand() {
    let file = path("by-hand.rec");
    let with_retry = BY_HAND.replacen("\n\n", "\nmax-retries: 1\n\n", 1) + "902 outcome completed\n";
    fs::write(&file, with_retry.replace('\n', "\r\n")).expect("a file");
    let replayed = run(&mut chat(["replay", "--json", text(&file)]));
    replayed.answer("Hi é");
    // Without a retry, the first attempt is the outcome.
    fs::write(&file, BY_HAND).expect("a file");
    let error = run(&mut chat(["replay", "--json", text(&file)])).error("api");
    assert_eq!((&error["status"], &error["body"]), (&Value::from(429), &Value::from("slow down")));
}

#[test]
fn a_replay_takes_as_long_as_the_call_unless_it_is_fast() {
    let file = path("slow.rec");
    fs::write(
        &file,
        BY_HAND.replacen("\n\n", "\nmax-retries: 1\n\n", 1).replace("\n90", "\n360000") + "3600009 outcome completed\n",
    )
    .expect("a file");
    run(&mut chat(["replay", "--fast", "--json", text(&file)])).answer("Hi é");
    let begun = std::time::Instant::now();
    let short = path("short.rec");
    fs::write(&short, BY_HAND.replacen("\n\n", "\nmax-retries: 1\n\n", 1) + "902 outcome completed\n").expect("a file");
    run(&mut chat(["replay", "--json", text(&short)])).answer("Hi é");
    assert!(begun.elapsed().as_millis() >= 850, "{:?}", begun.elapsed());
}

#[test]
fn a_broken_recording_is_an_error_that_names_the_line() {
    let file = path("broken.rec");
    for (from, to, says) in [
        ("chat-recording 1", "chat-recording 9", "line 1: this version of chat reads"),
        ("1 response HTTP/1.1 429", "1 respond", "line 4: `respond` is not a record"),
        ("| slow down", "slow down", "line 8: a line begins with"),
        ("3 end", "1 end", "line 9: the time is earlier"),
        ("/v0/chat_sessions/chat_results", "/v0/other", "the first request is not a question"),
    ] {
        fs::write(&file, BY_HAND.replacen(from, to, 1)).expect("a file");
        for command in [&["replay"][..], &["serve", "--addr", "127.0.0.1:0", "--replay"]] {
            let run = run(chat(command).arg(&file));
            assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{run:?}");
            assert!(run.stderr.contains(&format!("broken.rec: {says}")), "{run:?}");
            run.check_report();
        }
    }
    let missing = run(&mut chat(["replay", "/no/such/file"]));
    assert_eq!(missing.status, Some(2));
    missing.check_report();
}

/// Starts `chat serve --replay`.
fn serve(file: &Path) -> (Running, String) {
    let mut running = Running::start(chat(["serve", "--addr", "127.0.0.1:0", "--replay"]).arg(file));
    let line = running.line();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    assert_eq!(running.line(), "Ask it from another terminal:");
    let command = running.line();
    assert!(command.contains(&format!("chat ask --server {url}")), "{command}");
    (running, url)
}

#[test]
fn a_served_recording_gives_the_same_lines() {
    let server = Serve::start(&[]);
    for args in [&["--json"][..], &["--json", "--no-stream"]] {
        let file = path("served.rec");
        let asking = |url: &str| ask(url, &[args, &["What is a transport?"]].concat());
        let asked = run(asking(&server.url).args(["--record", text(&file)]));
        let (_serving, url) = serve(&file);
        // The last attempt is followed by the first.
        for _ in 0..2 {
            let again = run(&mut asking(&url));
            assert_eq!((again.stdout, again.status), (asked.stdout.clone(), Some(0)));
        }
    }
    let file = path("served-completion.rec");
    let asked = run(complete(&server.url).args(["--record", text(&file), "What is a chunk?"]));
    let (_serving, url) = serve(&file);
    assert_eq!(run(complete(&url).arg("What is a chunk?")).stdout, asked.stdout);
}

#[test]
fn attempts_are_served_in_turn() {
    let server = Script::start([
        Reply::json(429, &[("retry-after", "0")], r#"{"detail":"slow down"}"#),
        Reply::raw(""),
        stream([chunk("Hi"), "event: mess".to_owned()]),
    ]);
    let file = path("in-turn.rec");
    let asked = run(&mut ask(&server.url(), &["--json", "--record", text(&file), "hi"]));
    asked.error("transport");
    // The second attempt ended the call, so the recording has two.
    let (_serving, url) = serve(&file);
    for _ in 0..2 {
        let again = run(&mut ask(&url, &["--json", "hi"]));
        assert_eq!(again.error("transport")["attempts"], 2);
    }
    let truncated = path("in-turn-truncated.rec");
    let asked = run(&mut ask(&server.url(), &["--json", "--record", text(&truncated), "hi"]));
    asked.error("truncated");
    let (_serving, url) = serve(&truncated);
    let again = run(&mut ask(&url, &["--json", "hi"]));
    assert_eq!((again.stdout, again.status), (asked.stdout, asked.status));
}

/// Runs the commands that a server prints: for each dialect one that asks, and one for a conversation.
#[track_caller]
fn check_commands(serving: &mut Running, url: &str, dialects: &[&str]) {
    let commands: &[&str] = if cfg!(feature = "terminal") { &["ask", "repl"] } else { &["ask"] };
    for command in commands {
        for dialect in dialects {
            let line = serving.line();
            let mut words = shlex::split(&line).expect("words for a shell");
            assert_eq!(words[..2], ["chat", command]);
            assert!(words.iter().any(|word| word == url) && words.iter().any(|word| word == dialect), "{line}");
            words.remove(0);
            // Settings of the user don't matter, and neither does the API.
            let mut pasted = chat(words);
            let other = if *dialect == "sessions" { "completions" } else { "sessions" };
            let done = run_with_input(pasted.env("INKEEP_API", other), b"How do I start?\n/quit\n");
            assert_eq!(done.status, Some(0), "{line}: {done:?}");
            assert!(!done.stdout.is_empty(), "{line}: {done:?}");
        }
    }
}

#[test]
fn a_server_of_a_recording_prints_the_commands_of_its_dialect() {
    let file = path("to-paste.rec");
    for (dialect, url) in [("sessions", "v0/chat_sessions/chat_results"), ("completions", "v1/chat/completions")] {
        let answer = if dialect == "sessions" {
            "event: message_chunk\\n\n| data: {\"content_chunk\":\"Hi\",\"chat_session_id\":\"s-1\",\"finish_reason\":\"stop\"}\\n\\n"
        } else {
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\\n\\ndata: [DONE]\\n\\n"
        };
        let recording = format!(
            "chat-recording 1\n\n0 request POST http://127.0.0.1/{url}\n1 response HTTP/1.1 200\n\
             < content-type: text/event-stream\n2 data\n| {answer}\n3 end\n4 outcome completed\n"
        );
        fs::write(&file, recording).expect("a file");
        let mut serving = Running::start(chat(["serve", "--addr", "127.0.0.1:0", "--replay"]).arg(&file));
        let url = serving.line().strip_prefix("listening on ").expect("the first line").to_owned();
        serving.line();
        check_commands(&mut serving, &url, &[dialect]);
    }
}

#[test]
fn a_server_prints_the_commands_to_paste() {
    let mut running = Running::start(&mut chat(["serve", "--addr", "127.0.0.1:0"]));
    let url = running.line().strip_prefix("listening on ").expect("the first line").to_owned();
    running.line();
    check_commands(&mut running, &url, &["sessions", "completions"]);
    // A key that was set is not printed.
    let mut serving = Serve::start(&[]);
    serving.running.line();
    let line = serving.running.line();
    assert!(line.contains("--api-key KEY") && !line.contains(KEY), "{line}");
}
