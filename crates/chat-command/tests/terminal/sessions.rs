//! `chat sessions`, and `chat ask` in stored conversations.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::screen::Screen;
use crate::support::{self, KEY, Run, Serve};
use crate::{home, serve};

/// A user with a store, and the bundled server.
struct User {
    home: tempfile::TempDir,
    server: Serve,
}

impl User {
    fn new() -> Self {
        Self { home: home(), server: serve() }
    }

    #[track_caller]
    fn chat(&self, args: &[&str]) -> Run {
        support::run(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = support::chat(args);
        command.env("CHAT_STORE", self.store()).env("INKEEP_API_KEY", KEY).env("INKEEP_API_BASE_URL", &self.server.url);
        command
    }

    fn store(&self) -> String {
        self.home.path().join("store.sqlite3").display().to_string()
    }

    /// The stored conversations, the newest one first.
    #[track_caller]
    fn list(&self) -> Vec<Value> {
        self.chat(&["sessions", "--json"]).lines()
    }

    #[track_caller]
    fn ask(&self, args: &[&str]) -> Run {
        let run = self.chat(&[&["ask"], args].concat());
        assert_eq!(run.status, Some(0), "{run:?}");
        run
    }
}

#[test]
fn both_apis_are_stored_and_continued() {
    let user = User::new();
    user.ask(&["--integration", "i", "When is a call retried?"]);
    user.ask(&["--api", "completions", "--model", "m", "--system", "Be brief.", "What is a transport?"]);
    let list = user.list();
    let field = |name: &str| list.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("title"), ["What is a transport?", "When is a call retried?"]);
    assert_eq!(field("api"), ["completions", "sessions"]);
    assert_eq!(field("turns"), [1, 1]);
    assert_eq!(field("name"), ["m", "i"]);
    assert!(list[1]["session_id"].is_string(), "{list:?}");

    // Neither needs the options of its first question.
    let run = user.ask(&["--last", "And then?"]);
    assert!(run.stdout.contains("This is question 2"), "{run:?}");
    let session = list[1]["id"].as_str().unwrap();
    let part = &session[session.len() - 8..];
    let run = user.ask(&["--resume", part, "And then?"]);
    assert!(run.stdout.contains("This is question 2"), "{run:?}");
    assert_eq!(user.list()[0]["id"], session, "the one used last comes first");

    let show = user.chat(&["sessions", "show", part]);
    assert!(show.stdout.starts_with("> When is a call retried?\n\n"), "{show:?}");
    assert!(show.stdout.contains("\n> And then?\n\n") && show.stdout.contains("\n[1] "), "{show:?}");
    let turns = user.chat(&["sessions", "show", part, "--json", "--turns", "1"]).lines();
    assert_eq!((turns.len(), &turns[0]["question"]), (1, &Value::from("And then?")));

    let run = user.chat(&["sessions", "delete", part]);
    assert_eq!(run.stdout, format!("deleted {session}\n"));
    assert_eq!(user.list().len(), 1);
}

#[test]
fn nothing_is_stored_without_a_store() {
    let user = User::new();
    user.ask(&["--no-store", "--integration", "i", "When is a call retried?"]);
    assert!(!Path::new(&user.store()).exists());
    let mut list = user.command(&["sessions"]);
    list.env_remove("CHAT_STORE").env("XDG_STATE_HOME", user.home.path());
    assert_eq!(support::run(&mut list).stdout, "There are no stored conversations.\n");
    assert_eq!(std::fs::read_dir(user.home.path()).unwrap().count(), 0);
}

#[test]
fn wrong_ids_and_stores_are_errors() {
    let user = User::new();
    user.ask(&["--integration", "i", "When?"]);
    user.ask(&["--integration", "i", "When?"]);
    // The ids begin with the time.
    let same = user.list()[0]["id"].as_str().unwrap()[..8].to_owned();
    for (args, part) in [
        (&["ask", "--resume", "nothing", "x"][..], "is too short"),
        (&["ask", "--resume", &same, "x"], "may be several"),
        (&["sessions", "delete", "-"], "is too short"),
        (&["sessions", "--store", "no/such/store"], "--store names a file that does not exist"),
        (&["ask", "--resume", "nothing-like", "x"], "is not in the store"),
        (&["sessions", "show", "019a0000-0000-7000-8000-000000000000"], "is not in the store"),
        (&["sessions", "delete", "019a0000-0000-7000-8000-000000000000"], "is not in the store"),
        (&["ask", "--no-store", "--last", "x"], "cannot be used with '--last'"),
        (&["sessions", "--store", "mysql://host/x"], "--store"),
        (&["sessions", "--store", "/dev/null/x"], "--store"),
        (&["ask", "--integration", "i", "--store", "/dev/null/x", "y"], "--store"),
        (&["ask", "--last", "--resume", "x", "y"], "cannot be used with"),
        (&["ask", "--last", "--guidance", "x", "y"], "cannot be used with"),
        (&["ask", "--last", "--integration", "other", "y"], "--integration is not that of the conversation"),
        (&["ask", "--last", "--system", "x", "y"], "--system needs `--api completions`"),
    ] {
        let run = user.chat(args);
        assert_eq!(run.status, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {run:?}");
    }
}

#[test]
fn the_question_is_answered_if_the_default_store_cannot_be_used() {
    let user = User::new();
    let mut command = user.command(&["ask", "--integration", "i", "When is a call retried?"]);
    command.env_remove("CHAT_STORE").env("HOME", "/dev/null").env("XDG_STATE_HOME", "/dev/null");
    let run = support::run(&mut command);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(run.stderr.contains("Nothing is stored: ") && !run.stderr.contains("--last"), "{run:?}");
}

#[test]
fn a_conversation_is_resumed_in_the_terminal() {
    let user = User::new();
    user.ask(&["--api", "completions", "--model", "m", "--links", "When is a call retried?"]);
    let id = user.list()[0]["id"].as_str().unwrap().to_owned();
    let args = ["sessions", "resume", &id, "--store", &user.store(), "--server", &user.server.url, "--api-key", KEY];
    let screen = Screen::start(&args, user.home.path(), (80, 24));
    screen.wait_for("This conversation has 1 turn");
    screen.wait_for_prompt("\n[1] ");
    screen.line("And then?");
    screen.wait_for("This is question 2");
    screen.wait_for_prompt("");
    assert_eq!(user.list()[0]["turns"], 2);
    screen.line("/new");
    screen.line("What is a transport?");
    screen.wait_for("A transport connects");
    screen.wait_for_prompt("");
    let list = user.list();
    assert_eq!((list.len(), &list[0]["name"], &list[0]["turns"]), (2, &Value::from("m"), &Value::from(1)));
}

#[test]
fn an_incomplete_answer_is_stored_as_such() {
    let user = User::new();
    let tap = crate::Tap::start();
    let mut command = user.command(&["ask", "--api", "completions", "--model", "m", "How?"]);
    command.env("INKEEP_API_BASE_URL", tap.url());
    let mut asking = support::Running::start(&mut command);
    tap.request();
    tap.send("You begin\n");
    assert_eq!(asking.line(), "You begin");
    asking.interrupt();
    assert_eq!(asking.end().status, Some(130));
    let show = user.chat(&["sessions", "show", user.list()[0]["id"].as_str().unwrap()]);
    assert_eq!(show.stdout, "> How?\n\nYou begin\n(The answer is incomplete.)\n\n");
}

#[test]
fn what_has_arrived_is_stored_if_the_output_is_closed() {
    let user = User::new();
    let mut command = user.command(&["ask", "--api", "completions", "--model", "m", "How?"]);
    let tap = crate::Tap::start();
    command.env("INKEEP_API_BASE_URL", tap.url());
    let (mut asking, output) = support::Running::start_unread(&mut command);
    tap.request();
    drop(output);
    tap.send("You begin\n");
    while asking.is_running() {
        tap.send("and go on\n");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let show = user.chat(&["sessions", "show", user.list()[0]["id"].as_str().unwrap()]);
    assert!(show.stdout.starts_with("> How?\n\nYou begin\n"), "{show:?}");
}

#[test]
fn a_default_store_of_a_newer_version_is_rejected() {
    let user = User::new();
    let file = user.home.path().join("chat-rs/conversations.sqlite3");
    user.ask(&["--integration", "i", "--store", file.to_str().unwrap(), "When is a call retried?"]);
    let file = rusqlite::Connection::open(file).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    for args in [&["sessions"][..], &["sessions", "delete", "12345678"], &["ask", "--last", "x"]] {
        let mut command = user.command(args);
        command.env_remove("CHAT_STORE").env("XDG_STATE_HOME", user.home.path());
        let run = support::run(&mut command);
        assert_eq!(run.status, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains("newer version"), "{args:?}: {run:?}");
    }
    let mut command = user.command(&["ask", "--integration", "i", "When is a call retried?"]);
    command.env_remove("CHAT_STORE").env("XDG_STATE_HOME", user.home.path());
    let run = support::run(&mut command);
    assert!(run.status == Some(0) && run.stderr.contains("Nothing is stored: "), "{run:?}");
}

#[test]
#[cfg(feature = "blocking")]
fn the_blocking_client_stores_nothing() {
    let user = User::new();
    let run = user.chat(&["ask", "--transport", "blocking", "--last", "x"]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.stderr.contains("stores no conversation"), "{run:?}");
}

#[test]
fn the_list_on_a_terminal() {
    let user = User::new();
    user.ask(&["--integration", "i", "When is a call retried?"]);
    let screen = Screen::start(&["sessions", "--store", &user.store()], user.home.path(), (80, 24));
    let (status, screen) = screen.end();
    assert_eq!((status.code(), &screen[8..]), (Some(0), "     just now     1 turn  i: When is a call retried?"));
}

#[test]
fn a_store_is_one_file_and_forgets_what_is_deleted() {
    let user = User::new();
    user.ask(&["--integration", "i", "What is a zebrasecret transport?"]);
    let files: Vec<_> = std::fs::read_dir(user.home.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["store.sqlite3"]);
    let has_text = || std::fs::read(user.store()).unwrap().windows(11).any(|window| window == b"zebrasecret");
    assert!(has_text());
    assert_eq!(user.chat(&["sessions", "delete", user.list()[0]["id"].as_str().unwrap()]).status, Some(0));
    assert!(!has_text());
}

#[test]
fn a_turn_that_cannot_be_stored_is_reported() {
    let user = User::new();
    let tap = crate::Tap::start();
    user.ask(&["--api", "completions", "--model", "m", "How?"]);
    let mut command = user.command(&["ask", "--last", "And then?"]);
    command.env("INKEEP_API_BASE_URL", tap.url());
    let mut slower = support::Running::start(&mut command);
    tap.request();
    user.ask(&["--last", "And now?"]);
    tap.send("Then.\n");
    tap.finish();
    assert_eq!(slower.line(), "Then.");
    let run = slower.end();
    assert_eq!(run.status, Some(6), "{run:?}");
    assert!(run.stderr.contains("another process has continued this conversation"), "{run:?}");
}

#[test]
fn a_list_says_that_there_is_more() {
    let user = User::new();
    user.ask(&["--integration", "i", "When?"]);
    user.ask(&["--integration", "i", "When?"]);
    let run = user.chat(&["sessions", "--limit", "1"]);
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.stderr.contains("There are more conversations"), "{run:?}");
}
