//! Each transport gives the same lines and the same exit status.

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::Value;
use support::{Running, Script, Serve, TRANSPORTS, all_at_once, ask, chat, chunk, run, stream, transports, wait_until};

/// The exit status and the lines, without the part of the message that comes from a transport's libraries.
#[track_caller]
fn output(command: &mut std::process::Command) -> (Option<i32>, Vec<Value>) {
    let run = run(command);
    let mut lines = run.lines();
    let message = lines.last_mut().and_then(|line| line.get_mut("message"));
    if let Some(message) = message {
        *message =
            Value::String(message.as_str().unwrap_or_default().split(": ").next().unwrap_or_default().to_owned());
    }
    (run.status, lines)
}

#[test]
fn all_transports_give_the_same_output() {
    let cut = |step| stream([chunk("Yes, ")]).then(step);
    let page = Reply::json(500, &[("retry-after", "0")], "sorry");
    let cases: Vec<(&str, Vec<Reply>, &[&str])> = vec![
        ("a stream", vec![stream([chunk("Yes, "), chunk("no")]).last_chunk()], &[]),
        ("JSON", vec![Reply::json(200, &[], support::result("Yes."))], &["--no-stream"]),
        ("a 429, then an answer", vec![Reply::json(429, &[], ""), Reply::json(200, &[], support::result("Yes."))], &[]),
        ("a repeated 500", vec![page.clone(), page], &["--max-retries", "1"]),
        ("a wrong key", vec![Reply::json(401, &[], "no")], &[]),
        ("a cut", vec![cut(Step::Close)], &[]),
        ("a reset", vec![cut(Step::Reset)], &[]),
        ("silence", vec![cut(Step::Stall)], &["--idle-timeout", "300ms"]),
        ("no head", vec![Reply::raw("").then(Step::Stall)], &["--head-timeout", "300ms"]),
        (
            "a short length",
            vec![Reply::head(200, &[("content-type", "application/json"), ("content-length", "9")])],
            &[],
        ),
        ("a redirect", vec![Reply::head(302, &[("location", "/x"), ("content-length", "0")])], &[]),
        ("no HTTP", vec![Reply::raw("hello\r\n\r\n")], &["--max-retries", "0"]),
    ];
    all_at_once(cases, |(case, replies, args)| {
        let mut expected = None;
        for transport in transports() {
            let server = Script::start(replies.clone());
            let seen = output(ask(&server.url(), &["--json", "--transport", transport, "hi"]).args(args));
            let seen = (seen, server.requests().len());
            assert_eq!(*expected.get_or_insert(seen.clone()), seen, "{case} over {transport}");
        }
    });
}

#[test]
fn all_transports_continue_a_session() {
    let server = Serve::start(&[]);
    let url = &server.url;
    for transport in transports() {
        let first = run(&mut ask(url, &["--json", "--transport", transport, "What is a transport?"])).outcome();
        let id = first["chat_session_id"].as_str().expect("a session");
        let args = ["--json", "--transport", transport, "--session", id, "And then?"];
        assert_eq!(run(&mut ask(url, &args)).outcome()["chat_session_id"], id, "{transport}");
    }
}

#[test]
fn a_transport_that_is_not_in_this_build_names_its_feature() {
    let help = run(&mut chat(["ask", "--help"])).stdout;
    for (transport, included) in TRANSPORTS {
        assert!(help.contains(&format!("- {transport}:")), "{help}");
        let args = ["--json", "--transport", transport, "--max-retries", "0", "hi"];
        let run = run(&mut ask("http://127.0.0.1:9", &args));
        if included {
            run.error("connect");
            continue;
        }
        let message = format!(
            "--transport {transport} is not included in this build of chat; \
             build it with `--features {transport}` or `--features all-transports`"
        );
        let error = run.error("invalid_request");
        assert_eq!((&error["message"], &error["attempts"]), (&message.as_str().into(), &0.into()));
        assert!(run.stderr.starts_with(&format!("chat: {message}\n")), "{run:?}");
    }
}

#[test]
#[cfg(not(feature = "store"))]
fn a_command_that_is_not_in_this_build_names_its_feature() {
    for (args, feature) in [(["repl", "--last"], "terminal"), (["sessions", "list"], "store")] {
        let run = run(&mut chat(args));
        assert_eq!(run.status, Some(2), "{run:?}");
        assert!(run.stderr.contains("is not included") && run.stderr.contains(feature), "{run:?}");
    }
}

#[test]
fn a_refused_connection_is_a_connect_error() {
    for transport in transports() {
        let args = ["--json", "--transport", transport, "--max-retries", "0", "hi"];
        let error = run(&mut ask("http://127.0.0.1:9", &args)).error("connect");
        let message = error["message"].as_str().expect("a message");
        assert!(message.to_lowercase().contains("connection refused"), "{transport}: {message}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_a_call_before_and_after_the_head() {
    for transport in transports() {
        let server = Script::start([stream([chunk("Yes, ")]).then(Step::Stall)]);
        let mut asking = Running::start(&mut ask(&server.url(), &["--json", "--transport", transport, "hi"]));
        asking.line();
        asking.interrupt();
        assert_eq!(asking.end().error("cancelled")["partial"]["content"], "Yes, ", "{transport}");
        wait_until("the connection is closed", || server.open_connections() == 0);

        let server = Script::start([Reply::raw("").then(Step::Stall)]);
        let asking = Running::start(&mut ask(&server.url(), &["--json", "--transport", transport, "hi"]));
        wait_until("the request has arrived", || server.requests().len() == 1);
        asking.interrupt();
        asking.end().error("cancelled");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_program_whose_output_is_not_read() {
    let events: Vec<String> = (0..20_000).map(|n| chunk(&format!("line {n}\n"))).collect();
    all_at_once(transports().filter(|name| ["hyper", "blocking"].contains(name)), |transport| {
        let server = Script::start([Reply::sse(events.concat())]);
        let mut command = ask(&server.url(), &["--json", "--transport", transport, "hi"]);
        let (running, stdout) = Running::start_unread(&mut command);
        wait_until("the request has arrived", || !server.requests().is_empty());
        // By then, the output fills the pipe.
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        running.interrupt();
        assert_eq!(running.end().status, Some(130), "{transport}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{transport}");
        drop(stdout);
    });
}

#[test]
fn an_empty_question_is_not_sent_and_an_empty_variable_is_not_set() {
    let server = Script::start([Reply::json(200, &[], support::result("Yes."))]);
    for question in ["", " \n"] {
        let error = run(&mut ask(&server.url(), &["--json", question])).error("invalid_request");
        assert_eq!(error["message"], "the question is empty");
    }
    assert_eq!(server.requests().len(), 0);
    let mut command =
        chat(["ask", "--json", "--integration", "i", "--max-retries", "0", "--connect-timeout", "1ms", "hi"]);
    command.env("INKEEP_API_BASE_URL", "").env("INKEEP_API_KEY", "sk-1").stderr(Stdio::null());
    // The API cannot be reached from the tests. It is enough that the default URL is not rejected.
    let outcome = run(&mut command).outcome();
    assert_ne!(outcome["kind"], "invalid_request", "{outcome}");
}
