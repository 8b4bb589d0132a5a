//! `chat ask` against `chat serve`, over HTTP between two processes; and input that is rejected before it is sent.

mod support;

use std::thread;

use chat_mock::{ScriptedReply as Reply, Step};
use serde_json::{Value, json};
use support::{
    KEY, Run, Running, Script, Serve, ask, chat, chunk, last_chunk, result, run, run_with_input, wait_until,
};

const QUESTION: &str = "What is a transport?";

/// The session id in the hint that `ask` prints to standard error.
#[track_caller]
fn hinted_session(run: &Run) -> String {
    let id = run.stderr.trim_end().strip_prefix("To continue: --session ");
    id.unwrap_or_else(|| panic!("expected only the hint: {run:?}")).to_owned()
}

#[test]
fn creates_and_continues_without_json() {
    let server = Serve::start(&[]);
    let first = run(ask(&server.url, &[]).arg(QUESTION));
    assert_eq!(first.status, Some(0), "{first:?}");
    let (text, cited) = first.stdout.split_once("\n\n").expect("the text, a blank line, the citations");
    assert!(text.contains("[1]") && !text.contains('\n'), "{first:?}");
    for (number, line) in (1..).zip(cited.lines()) {
        assert!(line.starts_with(&format!("[{number}] ")) && line.contains(".md#"), "{line:?}");
    }
    assert!(cited.ends_with('\n') && !cited.ends_with("\n\n"), "{first:?}");
    let session = hinted_session(&first);

    let next = run(ask(&server.url, &["--session", &session]).arg("And then?"));
    assert_eq!(next.status, Some(0), "{next:?}");
    assert!(next.stdout.contains("question 2 of this session") && next.stdout.contains(QUESTION), "{next:?}");
    // There is no hint, because the user gave the session id.
    assert_eq!(next.stderr, "");
}

#[test]
fn a_stream_and_one_object_say_the_same() {
    let server = Serve::start(&[]);
    let streamed = run(ask(&server.url, &["--json"]).arg(QUESTION));
    let whole = run(ask(&server.url, &["--json", "--no-stream"]).arg(QUESTION));
    let (one, other) = (streamed.outcome(), whole.outcome());
    assert_eq!(one["outcome"], "completed");
    assert_eq!(one["content"], other["content"]);
    assert_eq!(one["citations"], other["citations"]);
    assert_ne!(one["chat_session_id"], other["chat_session_id"], "each creates a session");
    assert_eq!((&one["finish_reason"], &other["finish_reason"]), (&json!("stop"), &Value::Null));
    assert_eq!(streamed.text_of_events(), one["content"].as_str().expect("text"));

    let names = |run: &Run| -> Vec<String> {
        run.lines().iter().filter_map(|line| line["event"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(names(&whole), ["message_chunk", "records_cited"]);
    assert!(names(&streamed).len() > 3, "{streamed:?}");
    assert_eq!(names(&streamed).iter().filter(|name| *name == "records_cited").count(), 1);
    assert_eq!((streamed.stderr.as_str(), whole.stderr.as_str()), ("", ""), "programs read the lines alone");
    assert_eq!(one["citations"][0]["record"]["type"], "documentation");
}

#[test]
fn continues_in_either_form() {
    let server = Serve::start(&[]);
    let first = run(ask(&server.url, &["--json"]).arg(QUESTION)).outcome();
    let session = first["chat_session_id"].as_str().expect("a session");
    for (number, form) in [(2, &[][..]), (3, &["--no-stream"][..])] {
        let next = run(ask(&server.url, &["--json", "--session", session]).args(form).arg("And then?"));
        let outcome = next.outcome();
        assert_eq!(outcome["chat_session_id"], session);
        let text = outcome["content"].as_str().expect("text");
        assert!(text.starts_with(&format!("This is question {number} of this session")), "{text}");
    }
}

#[test]
fn a_wrong_key_an_unknown_session_and_a_wrong_path_are_the_apis_errors() {
    let server = Serve::start(&[]);
    let wrong = ["ask", "--server", &server.url, "--api-key", "sk-other", "--integration", "i", "--json", "hi"];
    let refused = run(&mut chat(wrong));
    let error = refused.error("api");
    assert_eq!((&error["status"], &error["attempts"], &error["partial"]), (&json!(401), &json!(1), &Value::Null));
    assert!(
        refused.stderr.contains("401 Unauthorized")
            && refused.stderr.contains("(the key came from --api-key)")
            && refused.stderr.contains("Check the API key."),
        "{refused:?}"
    );
    assert!(!refused.stdout.contains("sk-other") && !refused.stderr.contains("sk-other"), "{refused:?}");

    let unknown = run(&mut ask(&server.url, &["--json", "--session", "no such/one", "hi"]));
    let error = unknown.error("api");
    assert_eq!((&error["status"], &error["partial"]), (&json!(404), &Value::Null));
    assert!(error["body"].as_str().expect("a body").contains("session not found"), "{error}");
    assert!(unknown.stderr.contains("session id"), "{unknown:?}");

    let elsewhere = run(&mut ask(&format!("{}/elsewhere", server.url), &["hi"]));
    assert_eq!((elsewhere.status, elsewhere.stdout.as_str()), (Some(3), ""));
    elsewhere.check_report();
}

#[test]
fn a_refused_connection_is_a_connect_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let url = format!("http://{closed}");
    let missing = run(&mut ask(&url, &["--json", "--max-retries", "1", "hi"]));
    let error = missing.error("connect");
    assert_eq!((&error["attempts"], &error["status"], &error["partial"]), (&json!(2), &Value::Null, &Value::Null));
    assert!(error["message"].as_str().expect("a message").contains("refused"), "{error}");
    let plain = run(&mut ask(&url, &["--max-retries", "0", "hi"]));
    assert_eq!((plain.status, plain.stdout.as_str()), (Some(4), ""));
    plain.check_report();
}

#[test]
fn an_unknown_host_and_a_server_without_tls_are_connect_errors() {
    // A label of more than 63 bytes is invalid, so no name server is queried.
    let name = format!("http://{}.example", "n".repeat(64));
    run(&mut ask(&name, &["--json", "--max-retries", "0", "hi"])).error("connect");
    let server = Script::start([Reply::raw("HTTP/1.1 400 Bad Request\r\n\r\n")]);
    let url = server.url().replace("http://", "https://");
    run(&mut ask(&url, &["--json", "--max-retries", "0", "hi"])).error("connect");
    assert!(server.requests().is_empty());
}

#[test]
fn a_422_names_the_fields() {
    let body = json!({ "detail": [
        { "loc": ["body", "chat_session", "messages", 0], "msg": "field required", "type": "value_error.missing" },
        { "loc": ["body", "x"], "msg": "is unknown", "type": "t", "more": 1 },
    ]});
    let server = Script::start([Reply::json(422, &[], body.to_string())]);
    let invalid = server.ask(&[]);
    let error = invalid.error("validation");
    assert_eq!(error["detail"][0], body["detail"][0]);
    assert_eq!((&error["detail"][1]["loc"], &error["detail"][1]["msg"]), (&json!(["body", "x"]), &json!("is unknown")));
    assert_eq!((&error["status"], &error["partial"], &error["attempts"]), (&json!(422), &Value::Null, &json!(1)));
    assert!(invalid.stderr.contains("body.chat_session.messages.0: field required"), "{invalid:?}");

    let plain = run(&mut ask(&server.url(), &["hi"]));
    assert_eq!((plain.status, plain.stdout.as_str()), (Some(3), ""));
    assert!(plain.stderr.contains("is unknown"), "{plain:?}");

    // The same status in another form is an API error with its body kept.
    let other = Script::start([Reply::json(422, &[], r#"{"detail":"no"}"#)]);
    assert_eq!(other.ask(&[]).error("api")["body"], r#"{"detail":"no"}"#);
}

#[test]
fn a_missing_key_or_integration_names_flag_and_variable() {
    // Port 1 is closed. No request may be sent.
    let base = ["ask", "--server", "http://127.0.0.1:1"];
    for (given, flag, variable) in [
        (["--integration", "i"], "--api-key", "INKEEP_API_KEY"),
        (["--api-key", KEY], "--integration", "INKEEP_INTEGRATION_ID"),
    ] {
        let plain = run(chat(base).args(given).arg("hi"));
        assert_eq!((plain.status, plain.stdout.as_str()), (Some(2), ""));
        plain.check_report();
        assert!(plain.stderr.contains(flag) && plain.stderr.contains(variable), "{plain:?}");
        let lines = run(chat(base).args(given).args(["--json", "hi"]));
        let error = lines.error("invalid_request");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(flag) && message.contains(variable), "{message}");
        assert_eq!((&error["attempts"], &error["partial"]), (&json!(0), &Value::Null));

        // An empty variable counts as unset.
        let empty = run(chat(base).args(given).env(variable, "").args(["--json", "hi"]));
        let error = empty.error("invalid_request");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(flag) && message.contains(variable), "empty: {message}");
    }
}

#[test]
fn invalid_settings_are_rejected_before_a_request_is_sent() {
    let server = Script::start([Reply::json(200, &[], result("never"))]);
    let url = server.url();
    let port = url.strip_prefix("http://").expect("a URL");
    let user = format!("http://user:pass@{port}");
    let query = format!("{url}?a=b");
    let fragment = format!("{url}#a");
    let ftp = format!("ftp://{port}");
    let servers = [user.as_str(), &query, &fragment, &ftp, "127.0.0.1", "http://", "http://127.0.0.1:99999"];
    for bad in servers {
        let refused = run(&mut ask(bad, &["--json", "hi"]));
        let error = refused.error("invalid_request");
        let message = error["message"].as_str().expect("a message");
        assert!(message.starts_with("--server ") && !message.contains("pass"), "{error}");
        assert_eq!((&error["attempts"], &error["status"]), (&json!(0), &Value::Null));
    }
    for id in ["", ".", ".."] {
        let error = run(&mut ask(&url, &["--json", "--session", id, "hi"])).error("invalid_request");
        assert!(error["message"].as_str().expect("a message").starts_with("--session "), "{error}");
    }
    for key in ["", "a b", "a\nb", "ключ"] {
        let args = ["ask", "--server", &url, "--api-key", key, "--integration", "i", "--json", "hi"];
        let refused = run(&mut chat(args));
        refused.error("invalid_request");
        assert!(key.is_empty() || !(refused.stderr + &refused.stdout).contains(key));
    }
    let args = ["ask", "--server", &url, "--api-key", KEY, "--integration", "", "--json", "hi"];
    run(&mut chat(args)).error("invalid_request");
    assert_eq!(server.requests(), []);
}

#[test]
fn invalid_arguments_are_usage_errors() {
    for args in [
        &["--no-such-flag", "hi"][..],
        &["hi", "there"],
        &[],
        &["--timeout", "soon", "hi"],
        &["--timeout", "5", "hi"],
        &["--timeout", "-5s", "hi"],
        &["--idle-timeout", "0s", "hi"],
        &["--connect-timeout", "", "hi"],
        &["--head-timeout", "1s", "--head-timeout", "2s", "hi"],
        &["--max-retries", "-1", "hi"],
        &["--max-retries", "many", "hi"],
        &["--transport", "pigeon", "hi"],
        // These apply to new sessions only.
        &["--session", "s", "--chat-mode", "auto", "hi"],
        &["--session", "s", "--guidance", "g", "hi"],
        &["--session", "s", "--context", "c", "hi"],
        &["--session", "s", "--tag", "t", "hi"],
    ] {
        let run = run(&mut ask("http://127.0.0.1:1", args));
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.stderr.starts_with("error: "), "{args:?}: {run:?}");
    }
    let none = run(&mut chat([""; 0]));
    assert_eq!((none.status, none.stdout.as_str()), (Some(2), ""));
    assert!(none.stderr.contains("Usage: chat"), "{none:?}");
}

#[test]
fn all_arguments_are_in_the_request() {
    let server = Script::start([Reply::json(200, &[], result("Yes."))]);
    let url = format!("{}/prefix/", server.url());
    let all = ["--chat-mode", "turbo", "--guidance", "be brief", "--context", "page 3", "--tag", "a", "--tag", "b c"];
    run(ask(&url, &all).args(["--json", "What's up? ü"])).answer("Yes.");
    run(&mut ask(&url, &["--no-stream", "--session", "a/b ü", "--", "--help"]));
    let requests = server.requests();
    let body = |n: usize| serde_json::from_slice::<Value>(&requests[n].body).expect("JSON");
    assert_eq!(
        body(0),
        json!({
            "integration_id": "i",
            "chat_session": {
                "messages": [{ "role": "user", "content": "What's up? ü" }],
                "guidance": "be brief",
                "context": "page 3",
                "tags": ["a", "b c"],
            },
            "chat_mode": "turbo",
            "stream": true,
        })
    );
    let message = json!({ "role": "user", "content": "--help" });
    assert_eq!(body(1), json!({ "integration_id": "i", "message": message, "stream": false }));
    assert_eq!(requests[0].path, "/prefix/v0/chat_sessions/chat_results");
    assert_eq!(requests[1].path, "/prefix/v0/chat_sessions/a%2Fb%20%C3%BC/chat_results");
    let header = |n: usize, name: &str| requests[n].headers[name].to_str().expect("text").to_owned();
    for n in [0, 1] {
        assert_eq!(requests[n].method, "POST");
        assert_eq!(header(n, "authorization"), format!("Bearer {KEY}"));
        assert_eq!(header(n, "content-type"), "application/json");
        assert_eq!(header(n, "accept-encoding"), "identity");
    }
    assert!(header(0, "accept").starts_with("text/event-stream"), "{}", header(0, "accept"));
    assert_eq!(header(1, "accept"), "application/json");
}

#[test]
fn a_message_comes_from_standard_input() {
    let server = Script::start([Reply::json(200, &[], result("Yes."))]);
    for (input, message) in [
        (&b"one line\n"[..], "one line"),
        (b"no line end", "no line end"),
        ("  two\n lines, \u{fc} \r\n\r\n".as_bytes(), "  two\n lines, \u{fc} "),
    ] {
        run_with_input(&mut ask(&server.url(), &["--json", "-"]), input).answer("Yes.");
        let body: Value = serde_json::from_slice(&server.requests().last().expect("a request").body).expect("JSON");
        assert_eq!(body["chat_session"]["messages"][0]["content"], message);
    }
    let before = server.requests().len();
    let broken = run_with_input(&mut ask(&server.url(), &["--json", "-"]), b"a\xff\xfeb");
    assert!(broken.error("invalid_request")["message"].as_str().expect("a message").starts_with("the question "));
    assert_eq!(server.requests().len(), before);
}

#[test]
fn the_environment_fills_in_and_flags_win() {
    let server = Script::start([Reply::json(200, &[], result("Yes."))]);
    let run_with = |args: &[&str], url: &str, key: &str| {
        let mut command = chat(["ask", "--json"]);
        command.args(args).arg("hi");
        command.env("INKEEP_API_BASE_URL", url).env("INKEEP_API_KEY", key).env("INKEEP_INTEGRATION_ID", "from-env");
        run(&mut command).answer("Yes.");
        let request = server.requests().pop().expect("a request");
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let key = request.headers["authorization"].to_str().expect("text").to_owned();
        (key, body["integration_id"].as_str().expect("an id").to_owned())
    };
    let of_env = run_with(&[], &server.url(), KEY);
    assert_eq!(of_env, (format!("Bearer {KEY}"), "from-env".to_owned()));
    let flags = ["--server", &server.url(), "--api-key", "sk-flag", "--integration", "from-flag"];
    let of_flags = run_with(&flags, "http://127.0.0.1:1", KEY);
    assert_eq!(of_flags, ("Bearer sk-flag".to_owned(), "from-flag".to_owned()));
}

#[test]
fn help_shows_no_key() {
    let help = run(chat(["ask", "--help"]).env("INKEEP_API_KEY", KEY));
    assert_eq!(help.status, Some(0));
    assert!(help.stdout.contains("[env: INKEEP_API_KEY]"), "{help:?}");
}

#[test]
fn either_form_answers_either_request() {
    let streamed = Script::start([support::stream([chunk("Yes, "), last_chunk("no.")]).last_chunk()]);
    let outcome = streamed.ask(&["--no-stream"]).answer("Yes, no.");
    assert_eq!((&outcome["finish_reason"], &outcome["chat_session_id"]), (&json!("stop"), &json!("s-1")));
    let whole = Script::start([Reply::json(200, &[], result("Yes."))]);
    assert_eq!(whole.ask(&[]).answer("Yes.")["finish_reason"], Value::Null);
}

#[test]
fn text_is_printed_at_once_and_not_line_by_line() {
    use std::io::Read as _;

    let server = Script::start([support::stream([chunk("Yes, "), chunk("no")]).then(Step::Stall)]);
    let (asking, mut stdout) = Running::start_unread(&mut ask(&server.url(), &["hi"]));
    // The text has no line break and the stream has no end, so waiting for either would print nothing.
    let reading = thread::spawn(move || {
        let mut pieces = [0; "Yes, no".len()];
        stdout.read_exact(&mut pieces).map(|()| pieces)
    });
    wait_until("both chunks have been printed", || reading.is_finished());
    assert_eq!(&reading.join().expect("no panic").expect("output"), b"Yes, no");
    drop(asking);
}

#[test]
fn the_hint_can_be_pasted_into_a_shell() {
    let server = |id: &str| {
        let data = json!({ "content_chunk": "Yes.", "chat_session_id": id, "finish_reason": "stop" });
        Script::start([Reply::sse(format!("event: message_chunk\ndata: {data}\n\n"))])
    };
    let hint = |id: &str| run(&mut ask(&server(id).url(), &["hi"])).stderr;
    assert_eq!(hint("s-1_a.b"), "To continue: --session s-1_a.b\n");
    #[cfg(unix)]
    for id in ["a b;$(id)'\"`", "~root", "it's", r"back\slash", "a|b>c&d", "é * ?"] {
        let hint = hint(id);
        let flag = hint.strip_prefix("To continue: ").unwrap_or_else(|| panic!("{hint}"));
        let said = std::process::Command::new("sh").args(["-c", &format!("printf '%s|' {flag}")]).output().expect("sh");
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("--session|{id}|"), "{hint}");
    }
    assert_eq!(hint("-x"), "To continue: --session=-x\n");
    // Ids that cannot be part of a request or have control characters.
    for id in ["", "..", "a\nb"] {
        let hint = hint(id);
        assert!(
            hint.starts_with("The session cannot be continued with this command") && hint.lines().count() == 1,
            "{hint:?}"
        );
    }
}

#[test]
fn other_events_are_passed_on_and_plain_text_is_text_alone() {
    let other = "id: 7\nevent: progress\ndata: {\"a\":\ndata: 1}\n\n";
    let server = Script::start([support::stream([other.to_owned(), last_chunk("Yes.\n")]).last_chunk()]);
    let run_ = server.ask(&[]);
    run_.answer("Yes.\n");
    assert_eq!(run_.lines()[0], json!({ "event": "other", "type": "progress", "data": "{\"a\":\n1}", "id": "7" }));
    let plain = run(&mut ask(&server.url(), &["--session", "s-1", "hi"]));
    // The line break at the end of the answer is not doubled.
    assert_eq!((plain.status, plain.stdout.as_str(), plain.stderr.as_str()), (Some(0), "Yes.\n", ""));
}

#[test]
fn control_characters_from_the_server_are_not_printed() {
    // Standard error is usually a terminal, even if the answer goes to a file.
    let escape = "\u{1b}[2J\u{9b}31m\u{7}";
    let id = format!("s{escape}");
    let chunk = json!({ "content_chunk": "Yes.", "chat_session_id": id, "finish_reason": "stop" });
    let detail = json!({ "detail": [{ "loc": ["body", escape], "msg": format!("no{escape}\nno"), "type": "t" }] });
    for reply in [
        Reply::sse(format!("event: message_chunk\ndata: {chunk}\n\n")),
        Reply::json(422, &[], detail.to_string()),
        Reply::json(500, &[], escape),
        Reply::sse(format!("event: error\ndata: {escape}\n\n")),
        Reply::sse(format!("event: message_chunk\ndata: {{\"content_chunk\":1,\"{escape}\":2}}\n\n")),
    ] {
        let server = Script::start([reply]);
        let run = run(&mut ask(&server.url(), &["--max-retries", "0", "hi"]));
        let printed = |c: char| c == '\n' || !c.is_control();
        assert!(run.stderr.chars().all(printed), "{run:?}");
        assert!(run.stderr.lines().count() <= 2, "{run:?}");
    }
}

#[test]
fn each_citation_is_printed_on_one_line() {
    let odd = "one\ntwo\r\n[9] three\t\u{1b}[2J\u{202e}four\u{2028}five";
    let record = json!({ "type": "site", "title": odd, "url": odd });
    let cited =
        json!({ "citations": [{ "number": 1, "record": record }, { "record": { "title": " " }, "hit_url": "h" }] });
    let server =
        Script::start([
            support::stream([last_chunk("Yes [1]."), format!("event: records_cited\ndata: {cited}\n\n")]).last_chunk()
        ]);
    let run = run(&mut ask(&server.url(), &["--session", "s", "hi"]));
    let one = "one two  [9] three  [2Jfour five";
    // As `Answer::footnotes` prints them.
    assert_eq!(run.stdout, format!("Yes [1].\n\n[1] {one}: {one}\n[-] untitled: h\n"));
}

#[test]
fn a_finish_reason_other_than_stop_is_printed() {
    for (reason, note) in [
        ("stop", None),
        ("length", Some("The server ended the answer early: length.\n")),
        ("content_filter", Some("The server ended the answer early: content_filter.\n")),
        ("tired\n\u{1b}[2J", Some("The server ended the answer with an unknown reason: tired  [2J.\n")),
    ] {
        let data = json!({ "content_chunk": "Yes.", "finish_reason": reason });
        let server = Script::start([Reply::sse(format!("event: message_chunk\ndata: {data}\n\n"))]);
        let run = run(&mut ask(&server.url(), &["hi"]));
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), note.unwrap_or_default()), "{reason}");
    }
    // Also if the answer is truncated after it.
    let data = json!({ "content_chunk": "Yes.", "finish_reason": "length" });
    let server = Script::start([Reply::sse(format!("event: message_chunk\ndata: {data}\n\ndata: x"))]);
    let run = run(&mut ask(&server.url(), &["hi"]));
    assert!(run.stderr.contains("The server ended the answer early: length.\n"), "{run:?}");
}

#[test]
fn the_location_of_a_redirect_is_printed_and_binary_data_is_not() {
    for status in [301, 302, 303, 307, 308] {
        let server = Script::start([Reply::head(status, &[("location", "https://other.example/v0")])]);
        let run = run(&mut ask(&server.url(), &["hi"]));
        assert_eq!(run.status, Some(5), "{run:?}");
        assert!(run.stderr.contains("a redirect to https://other.example/v0"), "{run:?}");
    }
    let packed: Vec<u8> = (0..=255).cycle().take(2000).collect();
    let server = Script::start([
        Reply::head(500, &[("content-type", "application/octet-stream")]).then(Step::Write(packed.into()))
    ]);
    let run = run(&mut ask(&server.url(), &["--max-retries", "0", "hi"]));
    assert!(run.stderr.contains("500 Internal Server Error: (binary data)"), "{run:?}");
}

#[test]
fn a_wait_of_more_than_a_day_is_not_printed_in_seconds() {
    let server = Script::start([Reply::json(429, &[("retry-after", "18446744073709551615")], "{}")]);
    let run = run(&mut ask(&server.url(), &["hi"]));
    assert!(
        run.stderr.contains("the wait would be more than a day") && !run.stderr.contains("18446744073709551615"),
        "{run:?}"
    );
}

#[test]
fn an_error_names_the_flag_or_the_variable_of_the_value() {
    let run_with = |args: &[&str], vars: &[(&str, &str)]| {
        let mut command = chat(["ask"]);
        let run = run(command.args(args).arg("hi").envs(vars.iter().copied()));
        assert_eq!(run.status, Some(2), "{run:?}");
        run.stderr
    };
    let rest = ["--api-key", KEY, "--integration", "i"];
    let said = run_with(&rest, &[("INKEEP_API_BASE_URL", "ftp://h")]);
    assert!(said.starts_with("chat: INKEEP_API_BASE_URL must begin"), "{said}");
    let said = run_with(&[&rest[..], &["--server", "ftp://h"]].concat(), &[("INKEEP_API_BASE_URL", "http://h")]);
    assert!(said.starts_with("chat: --server must begin"), "{said}");
    let said = run_with(&["--integration", "i"], &[("INKEEP_API_KEY", "a b")]);
    assert!(said.starts_with("chat: INKEEP_API_KEY "), "{said}");
    let said = run_with(&["--integration", "i", "--api-key", "a b"], &[("INKEEP_API_KEY", KEY)]);
    assert!(said.starts_with("chat: --api-key "), "{said}");
    for empty in ["", " \r\n"] {
        let said = run_with(&["--integration", "i"], &[("INKEEP_API_KEY", empty)]);
        assert!(said.starts_with("chat: --api-key is missing") && said.contains("INKEEP_API_KEY"), "{said}");
    }
}

#[test]
fn a_rejected_key_is_named_by_its_variable() {
    let server = Script::start([Reply::json(401, &[], "{}")]);
    let mut command = chat(["ask", "--server", &server.url(), "--integration", "i", "hi"]);
    let run = run(command.env("INKEEP_API_KEY", format!("{KEY}\n")));
    assert!(run.stderr.contains("(the key came from the environment variable INKEEP_API_KEY)"), "{run:?}");
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_question() {
    let server = Script::start([Reply::json(200, &[], result("Yes."))]);
    run_with_input(&mut ask(&server.url(), &["--json", "-"]), "\u{feff}Why?\r\n".as_bytes()).answer("Yes.");
    let body: Value = serde_json::from_slice(&server.requests()[0].body).expect("JSON");
    assert_eq!(body["chat_session"]["messages"][0]["content"], "Why?");
    for nothing in ["\u{feff}", "\u{feff}\r\n", " \u{feff} \n"] {
        run_with_input(&mut ask(&server.url(), &["--json", "-"]), nothing.as_bytes()).error("invalid_request");
        run(&mut ask(&server.url(), &["--json", nothing])).error("invalid_request");
    }
    assert_eq!(server.requests().len(), 1);
}

/// Only the text of an answer may contain the key.
#[test]
fn a_key_that_the_server_echoes_is_not_printed() {
    let escaped: String = KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    for echo in [KEY, &escaped] {
        let named = format!(r#"{{"content_chunk":"Yes.","chat_session_id":"{echo}","finish_reason":"{echo}"}}"#);
        let long = format!("{}{echo}", "x".repeat(290));
        for (name, reply) in [
            ("refused", Reply::json(400, &[("x-request-id", KEY)], long.clone())),
            (
                "validation",
                Reply::json(422, &[], format!(r#"{{"detail":[{{"loc":["{echo}"],"msg":"{echo}","type":"{echo}"}}]}}"#)),
            ),
            ("redirect", Reply::head(302, &[("location", &format!("/{KEY}"))])),
            ("foreign", Reply::head(200, &[("content-type", KEY)]).then(Step::Write(long.clone().into()))),
            ("error in JSON", Reply::json(200, &[], format!(r#"{{"error":"{echo}"}}"#))),
            ("error event", Reply::sse(format!("event: error\ndata: {long}\n\n"))),
            ("cut", Reply::sse(format!("event: error\ndata: {long}\n"))),
            ("no event", Reply::sse(format!("{long}\n"))),
            ("named", Reply::sse(format!("event: message_chunk\ndata: {named}\n\n"))),
        ] {
            let server = Script::start([reply]);
            for flags in [&["-v"][..], &["-v", "--json"]] {
                if name == "named" && flags.contains(&"--json") {
                    continue;
                }
                let run = run(ask(&server.url(), flags).arg("hi"));
                let printed = format!("{}{}", run.stdout, run.stderr);
                assert!(!printed.contains(&KEY[..8]) && !printed.contains(&escaped[..48]), "{name} {flags:?}: {run:?}");
            }
        }
    }
}
