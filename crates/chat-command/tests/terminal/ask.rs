//! `chat ask` on a terminal.

use crate::screen::Screen;
use crate::tap::Tap;
use crate::{arguments, home};

const SIZE: (u16, u16) = (50, 24);

/// Asks with further arguments, and answers. Returns the screen and all that was written.
#[track_caller]
fn ask(more: &[&str], answer: &str) -> (String, String) {
    let (tap, home) = (Tap::start(), home());
    let mut args = arguments("ask", &tap);
    args.extend(more.iter().chain(&["How?"]).map(|arg| (*arg).to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let screen = Screen::start(&args, home.path(), SIZE);
    tap.request();
    tap.send(answer);
    tap.finish();
    let raw = screen.raw_at_end();
    (screen.contents(), raw)
}

#[test]
fn the_answer_is_rendered() {
    let (screen, raw) = ask(&[], "It is **simple**: see `docs`.\n\n- one\n- two\n");
    let (answer, rest) = screen.split_once("\n\n0.").expect(&screen);
    assert_eq!(answer, "It is simple: see docs.\n\n• one\n• two");
    assert!(rest.contains("12 + 34 tokens"), "{rest}");
    assert!(raw.contains("\x1b[1m"), "nothing is bold: {raw:?}");
}

#[test]
fn raw_prints_the_text_as_it_is() {
    let (screen, raw) = ask(&["--raw"], "It is **simple**: see `docs`.\n");
    assert_eq!(screen, "It is **simple**: see `docs`.\nTo continue: --last");
    assert!(!raw.contains('\x1b'), "{raw:?}");
}

#[test]
fn json_prints_lines() {
    let (screen, raw) = ask(&["--json"], "So.");
    assert!(screen.contains("\"outcome\":\"completed\""), "{screen}");
    assert!(!raw.contains('\x1b'), "{raw:?}");
}

#[test]
fn without_color_nothing_has_a_color() {
    let (screen, raw) = ask(&["--color", "never"], "It is **simple**: see `docs`.\n");
    assert!(screen.starts_with("It is simple: see `docs`.\n"), "{screen}");
    assert!(!raw.contains("\x1b[1m"), "{raw:?}");
}

#[test]
fn control_characters_of_the_server_do_not_reach_the_terminal() {
    let (screen, raw) = ask(&[], "a\u{1b}]0;title\u{7}b\u{1b}[2Jc \u{202e}d.\n\n```\n\u{1b}[31mred\n```\n");
    assert!(!raw.contains("\x1b]0;") && !raw.contains("\x1b[2J") && !raw.contains("\x1b[31mred"), "{raw:?}");
    assert!(!raw.contains('\u{202e}'), "{raw:?}");
    assert!(screen.contains("red"), "{screen}");
}

#[test]
fn ctrl_c_keeps_what_has_arrived() {
    let (tap, home) = (Tap::start(), home());
    let mut args = arguments("ask", &tap);
    args.push("How?".to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let screen = Screen::start(&args, home.path(), SIZE);
    tap.request();
    tap.send("You begin with ");
    screen.wait_for("You begin");
    screen.ctrl_c();
    let (status, text) = screen.end();
    assert_eq!(status.code(), Some(130));
    assert!(text.starts_with("You begin with") && text.contains("cancelled"), "{text}");
}

#[test]
fn control_characters_of_a_stored_answer_do_not_reach_the_terminal() {
    let (tap, home) = (Tap::start(), home());
    let answer = "a\u{1b}]0;title\u{7}b\u{1b}[2Jc\n";
    let args = arguments("ask", &tap);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--raw", "How?"]).collect();
    let screen = Screen::start(&args, home.path(), SIZE);
    tap.request();
    tap.send(answer);
    tap.finish();
    screen.end();
    let args = ["ask", "--last", "--server", tap.url(), "--no-api-key", "--raw", "And?"];
    for args in [&["sessions"][..], &args] {
        let screen = Screen::start(args, home.path(), SIZE);
        if args[0] == "ask" {
            tap.request();
            tap.send(answer);
            tap.finish();
        }
        let raw = screen.raw_at_end();
        assert!(!raw.contains('\x1b'), "{raw:?}");
    }
    let list = Screen::start(&["sessions"], home.path(), SIZE);
    let line = list.end().1;
    let id = line.split_whitespace().next().expect("an id");
    let raw = Screen::start(&["sessions", "show", id, "--raw"], home.path(), SIZE).raw_at_end();
    assert!(raw.contains("]0;title") && !raw.contains('\x1b'), "{raw:?}");
}
