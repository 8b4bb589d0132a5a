//! `chat demo`, `chat serve`, `chat sse` and the help texts.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::{Running, Serve, ask, chat, run};

#[test]
fn a_demo_answers_cites_and_remembers() {
    for (args, question) in
        [(&["demo"][..], "What is a transport"), (&["demo", "What does a Reply give?"], "a Reply give?")]
    {
        let demo = run(&mut chat(args));
        assert_eq!((demo.status, demo.stderr.as_str()), (Some(0), ""), "{demo:?}");
        let parts: Vec<&str> = demo.stdout.split("\n> ").collect();
        let [intro, first, second] = parts[..] else { panic!("two questions: {demo:?}") };
        assert!(intro.contains("http://127.0.0.1:"), "{intro}");
        assert!(first.contains(question), "{first}");
        for answer in [first, second] {
            // The text refers to a citation, which is in the list below it.
            let (text, list) = answer.split_once("\n[1] ").unwrap_or_else(|| panic!("a citation: {answer}"));
            assert!(text.contains("[1]"), "{text}");
            assert!(list.contains(": README.md#") || list.contains(": ARCHITECTURE.md#"), "{list}");
        }
        assert!(second.starts_with("And then?"), "{second}");
        assert!(second.contains("question 2 of this session") && second.contains(question), "{second}");
    }
}

#[test]
fn a_demo_streams() {
    // The first line is printed well before the end.
    let mut demo = Running::start(&mut chat(["demo"]));
    demo.line();
    assert!(demo.is_running());
    assert_eq!(demo.end().status, Some(0));
}

#[test]
fn help_names_every_flag() {
    let all = [
        ("demo", &["[QUESTION]"][..]),
        (
            "ask",
            &[
                "<MESSAGE>",
                "--server <URL>",
                "INKEEP_API_BASE_URL",
                "https://api.inkeep.com",
                "--api-key <KEY>",
                "INKEEP_API_KEY",
                "--integration <ID>",
                "INKEEP_INTEGRATION_ID",
                "--session <ID>",
                "--no-stream",
                "--chat-mode <",
                "--guidance <",
                "--context <",
                "--tag <",
                "--json",
                "--transport <",
                "hyper",
                "async-std",
                "smol",
                "blocking",
                "--connect-timeout <",
                "--head-timeout <",
                "--idle-timeout <",
                "--timeout <",
                "--max-retries <N>",
                "500ms",
                "Exit status: 0 completed",
            ],
        ),
        ("serve", &["--addr <HOST:PORT>", "--docs <DIR>", "--api-key <KEY>"]),
        ("sse", &["--chunk <N>", "<FILE>"]),
        ("decode", &["--status <N>", "--content-type <TYPE>", "--header <", "--chunk <N>", "<FILE>", "Exit status: 0"]),
    ];
    let overview = run(&mut chat(["--help"]));
    assert_eq!(overview.status, Some(0));
    for (command, flags) in all {
        assert!(overview.stdout.lines().any(|line| line.trim_start().starts_with(command)), "{command}");
        let help = run(&mut chat([command, "--help"]));
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""), "{command}");
        for flag in flags {
            assert!(help.stdout.contains(flag), "{command} does not name {flag}:\n{}", help.stdout);
        }
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{command}:\n{}", help.stdout);
    }
}

#[test]
fn version_names_the_command() {
    let version = run(&mut chat(["--version"]));
    assert_eq!((version.status, version.stdout), (Some(0), format!("chat {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_first_line_of_a_server_is_its_address() {
    let mut server = Serve::start(&[]);
    let port = server.url.strip_prefix("http://127.0.0.1:").unwrap_or_else(|| panic!("{}", server.url));
    assert_ne!(port.parse::<u16>().expect("a port"), 0);
    assert!(server.running.is_running());
    // A second server cannot use the same address.
    let second = run(&mut chat(["serve", "--addr", &format!("127.0.0.1:{port}")]));
    assert_eq!((second.status, second.stdout.as_str()), (Some(2), ""));
    second.check_report();
}

#[test]
fn a_server_accepts_a_host_name() {
    let mut server = Running::start(&mut chat(["serve", "--addr", "localhost:0"]));
    let line = server.line();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    assert_eq!(run(&mut ask(url, &["hi"])).status, Some(0));
}

#[test]
fn a_server_without_a_key_accepts_any_valid_key() {
    let mut server = Running::start(&mut chat(["serve", "--addr", "127.0.0.1:0"]));
    let line = server.line();
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    for key in ["a", "any other"] {
        let status = run(&mut chat(["ask", "--server", url, "--api-key", key, "--integration", "i", "hi"])).status;
        assert_eq!(status, Some(if key.contains(' ') { 2 } else { 0 }), "{key}");
    }
}

#[test]
fn a_server_answers_from_a_folder() {
    let folder = std::env::temp_dir().join(format!("chat-command-docs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("bees.md"), "# Bees\n\nA waggle dance tells where the nectar is.\n").expect("a file");
    let server = Serve::start(&["--docs", folder.to_str().expect("text")]);
    let asked = run(&mut ask(&server.url, &["--json", "Where is the nectar?"]));
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).expect("a folder");
    let none = run(&mut chat(["serve", "--addr", "127.0.0.1:0", "--docs", empty.to_str().expect("text")]));
    std::fs::remove_dir_all(&folder).expect("a folder");
    let outcome = asked.outcome();
    assert!(
        outcome["content"].as_str().expect("text").contains("A waggle dance tells where the nectar is."),
        "{outcome}"
    );
    assert!(outcome["citations"][0]["record"]["url"].as_str().expect("a URL").contains("bees.md"), "{outcome}");
    assert_eq!((none.status, none.stdout.as_str()), (Some(2), ""));
    none.check_report();
}

#[test]
fn an_empty_server_key_is_rejected() {
    // No client could send it.
    let mut command = chat(["serve", "--addr", "127.0.0.1:0", "--api-key", ""]);
    let mut server = Running::start(&mut command);
    let begun = Instant::now();
    while server.is_running() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it serves");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.end().status, Some(2));
}

#[test]
fn a_missing_file_is_named() {
    for args in [&["sse", "no-such-file"][..], &["decode", "--status", "200", "no-such-file"]] {
        let run = run(&mut chat(args));
        assert_eq!(run.status, Some(2), "{run:?}");
        run.check_report();
        assert!(run.stderr.contains("no-such-file"), "{run:?}");
    }
}

#[test]
fn an_event_above_the_limit_is_reported_before_the_end_line() {
    let mut stream = b"id: 3\ndata: a\n\ndata: ".to_vec();
    stream.resize(20 << 20, b'x');
    let run = support::run_with_input(&mut chat(["sse", "-"]), &stream);
    assert_eq!(run.status, Some(5));
    let lines = run.lines();
    assert_eq!(lines[0], serde_json::json!({ "event": "message", "data": "a", "id": "3" }));
    assert_eq!(lines[1], serde_json::json!({ "error": "limit", "limit": 16 << 20 }));
    assert_eq!((&lines[2]["end"]["last_event_id"], lines.len()), (&serde_json::json!("3"), 3));
    run.check_report();
}

#[test]
fn a_server_serves_a_folder_beside_the_api() {
    let folder = std::env::temp_dir().join(format!("chat-command-web-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("index.html"), "<h1>Bees</h1>").expect("a file");
    let path = folder.to_str().expect("text");
    let server = Serve::start(&["--web", path, "--allow-origin", "https://page.example", "--delay", "1ms"]);
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).expect("it listens");
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it reads");
    let mut page = String::new();
    connection.read_to_string(&mut page).expect("it answers");
    let asked = run(&mut ask(&server.url, &["--json", "What is a transport?"]));
    let index = folder.join("index.html");
    let none = run(&mut chat(["serve", "--addr", "127.0.0.1:0", "--web", index.to_str().expect("text")]));
    std::fs::remove_dir_all(&folder).expect("a folder");
    assert!(page.contains("access-control-allow-origin: https://page.example"), "{page}");
    assert!(page.ends_with("\r\n\r\n<h1>Bees</h1>"), "{page}");
    assert_eq!(asked.outcome()["outcome"], "completed");
    assert_eq!((none.status, none.stdout.as_str()), (Some(2), ""));
    none.check_report();
}
