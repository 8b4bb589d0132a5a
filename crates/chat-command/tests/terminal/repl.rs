//! `chat repl`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::screen::Screen;
use crate::support::KEY;
use crate::tap::Tap;
use crate::{check, home, repl, repl_with};

const SIZE: (u16, u16) = (60, 24);

/// The messages of a request, as `role: content`.
fn messages(request: &str) -> Vec<String> {
    let request: Value = serde_json::from_str(request).expect("a request");
    let messages = request["messages"].as_array().expect("messages").iter();
    messages.map(|message| format!("{}: {}", message["role"], message["content"]).replace('"', "")).collect()
}

/// Starts `chat repl` and asks a question, which the server has received.
#[track_caller]
fn asked(tap: &Tap, home: &Path, size: (u16, u16)) -> Screen {
    let screen = repl(tap, home, size, &[]);
    screen.line("How?");
    tap.request();
    screen
}

/// The number of words of [`send_words`].
const WORDS: usize = 20_000;

/// Sends more words than a terminal takes at once.
fn send_words(tap: &Tap) {
    for number in 0..WORDS {
        tap.send(&format!("word{number} "));
    }
}

/// Asks a question, and answers it.
#[track_caller]
fn converse(screen: &Screen, tap: &Tap, question: &str, answer: &str) -> String {
    screen.line(question);
    let request = tap.request();
    tap.send(answer);
    tap.finish();
    screen.wait_until(answer, |screen| screen.contains(answer) && screen.ends_with("\n>"));
    request
}

#[test]
fn an_answer_is_rendered_while_it_streams() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("It is **simple**:\n\n1. Install `chat`,\n2. ask ");
    let streaming = screen.wait_for("2. ask");
    check(&streaming, "> How?\n\nIt is simple:\n\n1. Install chat,\n2. ask");
    tap.send("[the docs](https://example.com/docs).\n\n```sh\nchat ask 'How?'\n");
    screen.wait_for("chat ask");
    tap.send("```\n");
    tap.finish();
    check(
        &screen.wait_for_prompt("34 toke"),
        "> How?\n\nIt is simple:\n\n1. Install chat,\n2. ask the docs (https://example.com/docs).\n\n```sh\nchat ask 'How?'\n```\n\n\
         TIME · 12 + 34 tokens\n\n>",
    );
}

#[test]
fn a_spinner_waits_for_the_first_text_and_disappears() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    screen.wait_for("waiting");
    tap.head();
    tap.send("So. ");
    let screen = screen.wait_for("So.");
    check(&screen, "> How?\n\nSo.");
}

#[test]
fn lines_have_the_new_width_after_a_resize() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send(&"wide words ".repeat(6));
    screen.wait_for("wide words wide words wide words wide words wide words");
    screen.resize(24, 24);
    tap.send(&"narrow words ".repeat(4));
    tap.finish();
    let screen = screen.wait_for_prompt("34 toke");
    assert!(screen.contains("\nnarrow words narrow\nwords narrow words\n"), "{screen}");
}

#[test]
fn a_narrow_terminal() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), (20, 40));
    tap.send(
        "# A heading that is long\n\n- an item that is longer than the terminal\n  - inner item, longer than that\n",
    );
    tap.finish();
    check(
        &screen.wait_for_prompt("34 toke"),
        "> How?\n\nA heading that is\nlong\n\n• an item that is\n  longer than the\n  terminal\n  • inner item,\n    longer than that\n\n\
         TIME\n12 + 34 tokens\n\n>",
    );
}

#[test]
fn wide_and_right_to_left_characters_fit_the_width() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), (20, 40), &[]);
    screen.line("?");
    tap.request();
    tap.send("日本語の文章は空白がありません。次の行に続きます。\n\nשלום עולם, זה טקסט בעברית.\n\n👩‍👩‍👧 e\u{301}\n");
    tap.finish();
    check(
        &screen.wait_for_prompt("34 toke"),
        "> ?\n\n日本語の文章は空白が\nありません。次の行に\n続きます。\n\nשלום עולם, זה טקסט\nבעברית.\n\n👩‍👩‍👧 e\u{301}\n\n\
         TIME\n12 + 34 tokens\n\n>",
    );
}

#[test]
fn ctrl_c_before_the_head_stops_the_answer() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    screen.ctrl_c();
    check(&screen.wait_for_prompt("Stopped"), "> How?\n\nStopped before the answer had begun.\n\n>");
}

#[test]
fn ctrl_c_after_the_head_stops_the_answer() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.head();
    screen.wait_for("waiting");
    screen.ctrl_c();
    check(&screen.wait_for_prompt("Stopped"), "> How?\n\nStopped before the answer had begun.\n\n>");
}

#[test]
fn ctrl_c_while_streaming_keeps_what_has_arrived() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("You begin **with ");
    screen.wait_for("You begin");
    screen.ctrl_c();
    let stopped = screen.wait_for_prompt("Stopped");
    assert!(stopped.contains("You begin **with\n"), "{stopped}");
    assert!(stopped.contains("Stopped. What has arrived is kept."), "{stopped}");
    let request = converse(&screen, &tap, "And?", "Then you go on.");
    assert_eq!(messages(&request), ["user: How?", "assistant: You begin **with ", "user: And?"]);
}

#[test]
fn ctrl_c_at_the_prompt_clears_the_line_and_then_exits() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &[]);
    screen.keys("half a question");
    screen.wait_for("> half a question");
    screen.ctrl_c();
    screen.wait_for_prompt("");
    screen.ctrl_c();
    assert_eq!(screen.end().0.code(), Some(130));
}

#[test]
fn a_second_ctrl_c_exits() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("You begin ");
    screen.wait_for("You begin");
    screen.ctrl_c();
    screen.wait_for_prompt("Stopped");
    screen.ctrl_c();
    assert_eq!(screen.end().0.code(), Some(130));
}

#[test]
fn ctrl_d_exits_with_status_0() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &[]);
    screen.keys("\x04");
    assert_eq!(screen.end().0.code(), Some(0));
}

#[test]
fn a_conversation_survives_kill_9() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &["--system", "Be brief."]);
    converse(&screen, &tap, "How?", "So.");
    screen.line("And then?");
    tap.request();
    tap.send("Then ");
    screen.wait_for("Then");
    screen.kill();

    let screen = repl(&tap, home.path(), SIZE, &["--last"]);
    check(&screen.contents(), "This conversation has 1 turn. The last turn:\n> How?\n\nSo.\n\n>");
    let request = converse(&screen, &tap, "And now?", "Now.");
    assert_eq!(messages(&request), ["system: Be brief.", "user: How?", "assistant: So.", "user: And now?"]);
}

#[test]
fn what_is_typed_while_an_answer_streams_reaches_the_next_prompt() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("So. ");
    screen.wait_for("So.");
    screen.line("And then?");
    screen.keys("typed");
    tap.finish();
    assert_eq!(messages(&tap.request()).last().unwrap(), "user: And then?");
    tap.send("Then.");
    tap.finish();
    check(
        &screen.wait_for("> typed"),
        "> How?\n\nSo.\n\nTIME · 12 + 34 tokens\n\n> And then?\n\nThen.\n\nTIME · 12 + 34 tokens\n\n> typed",
    );
}

#[test]
fn a_question_may_have_several_lines() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &[]);
    screen.keys("\x1b[200~curl \\\n -H x\x1b[201~\r");
    assert_eq!(messages(&tap.request()), ["user: curl \\\\\\n -H x"]);
    screen.ctrl_c();
    screen.wait_for_prompt("Stopped");
    screen.keys("one\\\rtwo\x1b\rthree\x1b[200~\nfour\x1b[201~\r");
    assert_eq!(messages(&tap.request()), [r"user: one\ntwo\nthree\nfour"]);
}

#[test]
fn an_error_says_what_to_do_and_the_terminal_goes_on() {
    let home = home();
    // Nothing listens on port 1.
    let args = ["repl", "--server", "http://127.0.0.1:1", "--integration", "i", "--api-key", "k", "--max-retries", "0"];
    let screen = Screen::start(&args, home.path(), SIZE);
    screen.wait_for_prompt("");
    screen.line("How?");
    let text = screen.wait_until("an error", |screen| screen.contains("refused") && screen.ends_with("\n>"));
    assert!(text.contains("> How?\n\nchat: "), "{text}");
    screen.line("/quit");
    assert_eq!(screen.end().0.code(), Some(0));
}

#[test]
fn commands_change_the_conversation() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), (60, 60), &[]);
    converse(&screen, &tap, "How?", "So.");
    screen.line("/system Be brief.");
    screen.line("/system");
    screen.wait_for("\nBe brief.\n>");
    screen.line("/model other");
    let request = converse(&screen, &tap, "/retry", "So it is.");
    assert_eq!(messages(&request), ["system: Be brief.", "user: How?", "assistant: So.", "user: How?"]);
    assert_eq!(serde_json::from_str::<Value>(&request).unwrap()["model"], "other");

    let file = home.path().join("saved.md");
    screen.line(&format!("/save {}", file.display()));
    screen.wait_for("Saved 2 turns");
    let saved = std::fs::read_to_string(&file).unwrap();
    assert_eq!(saved, "> How?\n\nSo.\n\n> How?\n\nSo it is.\n\n");
    screen.line(&format!("/save {}", file.display()));
    screen.wait_for("could not write");

    screen.line("/new");
    let request = converse(&screen, &tap, "Who?", "I.");
    assert_eq!(messages(&request), ["system: Be brief.", "user: Who?"]);
    screen.line("/resume");
    screen.wait_for("This conversation has 2 turns.");
    let request = converse(&screen, &tap, "When?", "Now.");
    assert_eq!(messages(&request).len(), 6);
    screen.line("/sessions");
    screen.wait_until("two conversations", |screen| screen.matches("just now").count() == 2);
    screen.line("/resume nothing-like-that");
    screen.wait_for("is not in the store");
    screen.line("/nope");
    screen.wait_for("there is no command /nope");
    screen.line("/citations");
    screen.wait_for("The last answer has no sources.");
}

#[test]
fn tab_completes_commands_and_up_finds_questions() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), (60, 60), &[]);
    converse(&screen, &tap, "How?", "So.");
    screen.keys("/ret\t");
    screen.wait_for("> /retry");
    screen.ctrl_c();
    screen.wait_for_prompt("");
    screen.keys("\x1b[A");
    screen.wait_until("the question", |screen| screen.ends_with("\n> How?"));
    // The history outlives the program, and only its owner can read it.
    screen.kill();
    let screen = repl(&tap, home.path(), SIZE, &[]);
    screen.keys("\x1b[A");
    screen.wait_for("> How?");
    let file = home.path().join(".local/state/chat-rs/history");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn without_a_store_nothing_is_left_behind() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &["--no-store"]);
    converse(&screen, &tap, "How?", "So.");
    screen.line("/quit");
    assert_eq!(screen.end().0.code(), Some(0));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_megabyte_arrives_whole() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    let mut text = String::new();
    for number in 0..50_000 {
        let _ = write!(text, "{number} is a number. ");
    }
    assert!(text.len() > 900_000);
    for piece in text.as_bytes().chunks(997) {
        tap.send(std::str::from_utf8(piece).expect("the text is ASCII"));
    }
    tap.finish();
    screen.wait_until("the end", |screen| {
        screen.contains("49999 is a\nnumber.") || screen.contains("49999 is a number.")
    });
    screen.wait_for_prompt("");
    let raw = screen.raw();
    let start = raw.find("0 is a number.").expect("the text has begun");
    let seen = raw[start..].split_whitespace();
    assert!(seen.zip(text.split_whitespace()).all(|(seen, sent)| seen == sent), "words are lost");
}

#[test]
fn a_slow_terminal_loses_nothing() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("begin ");
    screen.wait_for("begin");
    screen.slow_down();
    send_words(&tap);
    tap.finish();
    screen.wait_for(&format!("word{}", WORDS - 1));
    screen.wait_for_prompt("");
    let raw = screen.raw();
    let count = raw.split_whitespace().filter(|word| word.starts_with("word")).count();
    assert_eq!(count, WORDS);
}

#[test]
fn ctrl_c_stops_an_answer_on_a_terminal_that_is_not_read() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), SIZE);
    tap.send("begin ");
    screen.wait_for("begin");
    screen.stop();
    send_words(&tap);
    tap.wait_until_blocked();
    screen.ctrl_c();
    screen.resume();
    screen.wait_for("Stopped. What has arrived is kept.");
    screen.wait_for_prompt("");
}

#[test]
fn no_color_and_dumb_terminals_get_no_colors() {
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let (tap, home) = (Tap::start(), home());
        let screen = repl_with(&tap, home.path(), SIZE, &[], &variables);
        screen.keys("How?");
        screen.wait_until("what is typed", |screen| screen.ends_with("> How?"));
        screen.keys("\r");
        tap.request();
        tap.send("It is **simple**, see `docs` and [this](https://example.com).\n");
        tap.finish();
        screen.wait_for("34 tokens");
        let raw = screen.raw();
        let colors = raw.match_indices("\x1b[").filter(|(at, _)| {
            let rest = raw[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            rest.starts_with('m')
        });
        assert_eq!(colors.count(), 0, "{variables:?}: {raw:?}");
        if variables[0].1 == "dumb" {
            assert!(!raw.contains('\x1b'), "{raw:?}");
        }
        screen.keys("\x04");
        assert_eq!(screen.end().0.code(), Some(0), "{variables:?}");
    }
}

#[test]
fn links_are_links_where_the_terminal_has_them() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl_with(&tap, home.path(), SIZE, &[], &[("FORCE_HYPERLINK", "1")]);
    screen.line("How?");
    tap.request();
    tap.send("See [the docs](https://example.com/docs).\n");
    tap.finish();
    check(&screen.wait_for_prompt("34 toke"), "> How?\n\nSee the docs.\n\nTIME · 12 + 34 tokens\n\n>");
    assert!(screen.raw().contains("\x1b]8;;https://example.com/docs\x1b\\"), "{:?}", screen.raw());
}

#[test]
fn a_session_goes_on_and_has_its_sources() {
    let home = home();
    let server = crate::serve();
    let args = ["repl", "--server", &server.url, "--integration", "i", "--api-key", KEY];
    let screen = Screen::start(&args, home.path(), (100, 40));
    screen.wait_for_prompt("");
    screen.line("When is a call retried?");
    screen.wait_until("the sources", |screen| screen.contains("\n[1] ") && screen.ends_with("\n>"));
    screen.line("And then?");
    screen.wait_for("This is question 2 of this session");
    screen.wait_for_prompt("");
    screen.line("/model x");
    screen.wait_for("/model is for chat completions");
    screen.kill();
    // The session goes on after the end of the process, and its sources are still there.
    let screen = Screen::start(&["repl", "--last", "--server", &server.url, "--api-key", KEY], home.path(), (100, 40));
    screen.wait_for("This conversation has 2 turns.");
    screen.wait_for_prompt("");
    screen.line("/citations");
    screen.wait_until("the sources", |screen| screen.matches("\n[1] ").count() == 2);
    screen.line("And then?");
    screen.wait_for("This is question 3 of this session");
}

#[test]
fn sigterm_stores_what_has_arrived_and_restores_the_terminal() {
    for at_prompt in [true, false] {
        let (tap, home) = (Tap::start(), home());
        let screen = repl(&tap, home.path(), SIZE, &[]);
        converse(&screen, &tap, "How?", "So.");
        if !at_prompt {
            screen.line("And then?");
            tap.request();
            tap.send("Then you ");
            screen.wait_for("Then you");
        }
        assert!(!screen.has_echo());
        screen.signal("TERM");
        screen.wait_until_ended();
        assert!(screen.has_echo(), "at the prompt: {at_prompt}");
        let screen = repl(&tap, home.path(), SIZE, &["--last"]);
        let last = if at_prompt { "> How?\n\nSo.\n" } else { "> And then?\n\nThen you\n(The answer is incomplete.)\n" };
        assert!(screen.contents().contains(last), "{}", screen.contents());
    }
}

#[test]
fn ctrl_c_stops_a_command() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &[]);
    screen.line("/model");
    tap.request();
    screen.ctrl_c();
    screen.wait_for_prompt("cancelled");
    converse(&screen, &tap, "How?", "So.");
}

#[test]
fn a_second_ctrl_c_exits_while_the_turn_is_stored() {
    let (tap, home) = (Tap::start(), home());
    let file = home.path().join("store.sqlite3");
    let screen = repl(&tap, home.path(), SIZE, &["--store", file.to_str().unwrap()]);
    converse(&screen, &tap, "How?", "So.");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    screen.line("And then?");
    tap.request();
    tap.send("Then ");
    screen.wait_for("Then");
    screen.ctrl_c();
    // The terminal does not echo keys, so nothing shows when the first one has arrived.
    screen.wait_until_ended_pressing_ctrl_c();
    assert!(screen.has_echo());
}

#[test]
fn no_key_is_greeted() {
    let (tap, home) = (Tap::start(), home());
    let url = tap.url().replace("http://", "http://user:secret-1@") + "/v1?sig=secret-2";
    let args = ["repl", "--api", "completions", "--server", &url, "--model", "secret-3", "--api-key", "secret-3"];
    let screen = Screen::start(&args, home.path(), (100, 24));
    let screen =
        screen.wait_until("an error or a prompt", |screen| screen.contains("settings") || screen.ends_with('>'));
    assert!(!screen.contains("secret"), "{screen}");
}

#[test]
fn resume_keeps_the_model_and_the_instructions() {
    let (tap, home) = (Tap::start(), home());
    let screen = repl(&tap, home.path(), SIZE, &["--system", "Be brief."]);
    screen.line("/model first");
    converse(&screen, &tap, "How?", "So.");
    screen.kill();
    let screen = repl(&tap, home.path(), SIZE, &["--system", "Be kind."]);
    converse(&screen, &tap, "Who?", "I.");
    screen.line("/resume");
    screen.wait_for("This conversation has 1 turn.");
    let request = converse(&screen, &tap, "When?", "Now.");
    assert_eq!(messages(&request)[0], "system: Be brief.");
    assert_eq!(serde_json::from_str::<Value>(&request).unwrap()["model"], "first");
}

#[test]
fn the_turn_of_another_process_is_shown() {
    let (tap, home) = (Tap::start(), home());
    let first = repl(&tap, home.path(), SIZE, &[]);
    converse(&first, &tap, "How?", "So.");
    let second = repl(&tap, home.path(), (80, 40), &["--last"]);
    converse(&first, &tap, "And then?", "Then.");
    second.line("And now?");
    tap.request();
    tap.send("Now.");
    tap.finish();
    let screen = second.wait_for_prompt("/retry asks");
    assert!(screen.contains("1 turn of yours, above, could\nnot be stored."), "{screen}");
    assert!(screen.contains("The other process added:\n> And then?\n\nThen.\n"), "{screen}");
    let request = converse(&second, &tap, "/retry", "Now it is.");
    assert_eq!(messages(&request)[2..], ["user: And then?", "assistant: Then.", "user: And now?"]);
}

#[test]
fn a_conversation_that_was_deleted_can_be_saved() {
    let (tap, home) = (Tap::start(), home());
    let store = home.path().join("store.sqlite3");
    let screen = repl(&tap, home.path(), (80, 40), &["--store", store.to_str().unwrap()]);
    converse(&screen, &tap, "How?", "So.");
    rusqlite::Connection::open(&store).unwrap().execute_batch("DELETE FROM conversation").unwrap();
    screen.line("And then?");
    tap.request();
    tap.send("Then.");
    tap.finish();
    screen.wait_for_prompt("Another process has deleted this conversation");
    let file = home.path().join("saved.md");
    screen.line(&format!("/save {}", file.display()));
    screen.wait_for("Saved 2 turns");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "> How?\n\nSo.\n\n> And then?\n\nThen.\n\n");
}

#[test]
fn a_wide_terminal() {
    let (tap, home) = (Tap::start(), home());
    let screen = asked(&tap, home.path(), (200, 24));
    tap.send(&"word ".repeat(50));
    tap.finish();
    let line = ["word"; 40].join(" ");
    let rest = ["word"; 10].join(" ");
    check(&screen.wait_for_prompt("34 tokens"), &format!("> How?\n\n{line}\n{rest}\n\nTIME · 12 + 34 tokens\n\n>"));
}
