use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

use super::{Markdown, Style};

const PLAIN: Style = Style { color: false, hyperlinks: false };
const RICH: Style = Style { color: true, hyperlinks: true };

fn whole(text: &str, style: Style, width: usize) -> String {
    let mut markdown = Markdown::new(style);
    markdown.push(text, width) + &markdown.finish(width)
}

/// The output of a source in pieces. Each piece of the output is checked.
fn pieces<'a>(text: impl Iterator<Item = &'a str>, style: Style, width: usize) -> (String, Markdown) {
    let mut markdown = Markdown::new(style);
    let mut out = String::new();
    for piece in text {
        let piece = markdown.push(piece, width);
        assert_closed(&piece);
        out.push_str(&piece);
        assert_eq!(markdown.line_is_open(), !out.is_empty() && !out.ends_with('\n'));
    }
    let rest = markdown.finish(width);
    assert_closed(&rest);
    out.push_str(&rest);
    assert!(out.is_empty() || out.ends_with('\n'));
    assert!(!markdown.line_is_open());
    (out, markdown)
}

/// Splits a text into pieces of some characters each. The sizes repeat.
fn split<'a>(text: &'a str, sizes: &'a [usize]) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = *sizes.next()?;
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty() || !after.is_empty()).then_some(piece)
    })
}

/// Removes the escape sequences. Panics if there are others than those of styles and links.
fn strip(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = if let Some(sgr) = part.strip_prefix('[') {
            let (code, rest) = sgr.split_once('m').expect("a style");
            assert!(code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{code:?}");
            rest
        } else if let Some(url) = part.strip_prefix("]8;;") {
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
            ""
        } else {
            part.strip_prefix('\\').expect("the end of a link")
        };
        out.push_str(rest);
    }
    assert!(out.chars().all(|c| c == '\n' || super::is_harmless(c) && c != '\t'), "{out:?}");
    out
}

/// Neither a style nor a link is open at the end.
fn assert_closed(text: &str) {
    assert!(text.rfind("\x1b[").is_none_or(|at| text[at..].starts_with("\x1b[0m")), "{text:?}");
    assert!(text.rfind("\x1b]8;;").is_none_or(|at| text[at..].starts_with("\x1b]8;;\x1b")), "{text:?}");
}

fn columns(line: &str) -> usize {
    line.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Whether a line is too wide only because it has one character.
fn is_unbreakable(line: &str) -> bool {
    line.trim_start_matches([' ', '│']).graphemes(true).filter(|grapheme| grapheme.width() > 0).count() <= 1
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Pieces of Markdown, whole and broken.
fn markdown() -> impl Strategy<Value = String> {
    let fragments = prop::sample::select(vec![
        "word",
        "a longer word",
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "\n",
        "\n\n",
        "\n\n",
        "  ",
        "    ",
        "\t",
        "  \n",
        "\\\n",
        "*",
        "**",
        "***",
        "_",
        "__",
        "~",
        "~~",
        "`",
        "``",
        "```",
        "````",
        "~~~",
        "[",
        "]",
        "(",
        ")",
        "![",
        "](",
        "[1]",
        "[text](https://example.com/a)",
        "[a](b c)",
        "![alt](http://e.com/p.png)",
        "[x]: https://e.com/x\n",
        "[x]",
        "[x][y]",
        "<",
        ">",
        "<b>",
        "</b>",
        "<div>",
        "<!--",
        "-->",
        "<https://e.com>",
        "<a@b.c>",
        "&amp;",
        "&#27;",
        "&",
        "&lt",
        "\\",
        "\\*",
        "# ",
        "## ",
        "#",
        "####### ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "2) ",
        "10. ",
        "-",
        "---",
        "===",
        "***\n",
        "> ",
        ">",
        "- [ ] ",
        "- [x] ",
        "\n- ",
        "\n1. ",
        "\n  - ",
        "\n   ",
        "\n> ",
        "\n# ",
        "\n---\n",
        "\n===\n",
        "\n```\n",
        "\n```rust\n",
        "\n~~~\n",
        "|",
        " | ",
        "| a | b |\n",
        "|---|---|\n",
        "|:-:|--:|\n",
        "| 1 | **2** |\n",
        "a | b\n--|--\n",
        "\n| x |\n|---|\n",
        "日本語",
        "、",
        "。",
        "「",
        "한국어",
        "é",
        "e\u{301}",
        "👩‍👩‍👧",
        "🇩🇪",
        "שלום",
        "مرحبا",
        "\u{202e}",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{a0}",
        "\u{3000}",
        "snake_case_name",
        "5*3",
        "~5",
        "a*b*c",
        "**bold**",
        "*it*",
        "~~no~~",
        "`code`",
        "***both***",
        ":",
        ".",
        "!",
        "?",
        "x",
        "https://example.com/path/to/something-long",
        "supercalifragilisticexpialidocious",
        "$",
        "{}",
        "\r\n",
        "\u{2028}",
    ]);
    let piece = prop_oneof![20 => fragments.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from), 1 => "[ -~\n]{0,6}"];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_output_does_not_depend_on_the_pieces(
        text in markdown(), sizes in prop::collection::vec(0..9usize, 0..5), width in 1..50usize, rich in any::<bool>()
    ) {
        let sizes = [&sizes[..], &[1]].concat();
        let style = if rich { RICH } else { PLAIN };
        let (out, _) = pieces(split(&text, &sizes), style, width);
        prop_assert_eq!(&out, &whole(&text, style, width));
        // The same with paragraphs that are cut.
        let mut short = Markdown { max_paragraph: 64, ..Markdown::new(style) };
        let mut out: String = split(&text, &sizes).map(|piece| short.push(piece, width)).collect();
        out += &short.finish(width);
        let mut short = Markdown { max_paragraph: 64, ..Markdown::new(style) };
        prop_assert_eq!(&out, &(short.push(&text, width) + &short.finish(width)));
        strip(&out);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal(text in markdown(), width in 1..50usize, rich in any::<bool>()) {
        // Lines of code are not broken.
        let text: String = text.chars().filter(|&c| super::is_harmless(c) && !matches!(c, '`' | '~' | '\t')).collect();
        let text = text.split("    ").map(str::trim_start).collect::<Vec<_>>().join(" ");
        let out = strip(&whole(&text, if rich { RICH } else { PLAIN }, width));
        for line in out.lines() {
            prop_assert!(columns(line) <= width || is_unbreakable(line), "{line:?} in {text:?}");
        }
    }

    #[test]
    fn prose_keeps_its_words(
        words in prop::collection::vec("[a-zA-Z,.;?'\"é日本👩‍👩‍👧-]{1,12}", 0..60), breaks in prop::collection::vec(" |\n", 60), width in 20..90usize
    ) {
        let text: String = words.iter().zip(&breaks).flat_map(|(word, end)| ["a", word, end]).collect();
        let out = whole(&text, PLAIN, width);
        let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert_eq!(without_spaces(&out), without_spaces(&text));
        if words.iter().all(|word| word.is_ascii() && !word.contains('-')) {
            prop_assert_eq!(collapsed(&out), collapsed(&text));
        }
    }
}

/// Each kind of block, and what parsers find hard.
fn large(size: usize) -> Vec<(&'static str, String)> {
    let repeat = |text: &str| text.repeat(size / text.len());
    vec![
        ("prose", repeat("Some *words* of prose with `code` in it, and more. ")),
        ("lines of prose", repeat("Some words of prose, one line\nafter the other. ")),
        ("prose without spaces", repeat("日本語のテキストは、スペースがありません。")),
        ("one word", repeat("word")),
        ("paragraphs", repeat("A paragraph.\n\n")),
        ("a list", repeat("- an item with **some** words\n")),
        ("a nested list", "- outer\n".to_owned() + &repeat("  - an item with **some** words\n")),
        ("an item", "- ".to_owned() + &repeat("some words\n  and\n\n  ")),
        ("a quote", repeat("> quoted text\n>\n")),
        ("code", "```rust\n".to_owned() + &repeat("    let x = 1;\n")),
        ("code in a list", "- ```rust\n".to_owned() + &repeat("  let x = 1;\n")),
        ("indented code", repeat("    let x = 1;\n")),
        ("a table", "| a | b |\n|---|---|\n".to_owned() + &repeat("| 1 | two words |\n")),
        ("a table without outer pipes", "a | b\n--|--\n".to_owned() + &repeat("1 | two words\n")),
        ("headings", repeat("# A heading\n")),
        ("rules", repeat("---\n")),
        ("HTML", "<div>\n".to_owned() + &repeat("<p>text</p>\n")),
        ("definitions", repeat("[a]: https://example.com\n")),
        ("definitions in an item", "- x\n\n  ".to_owned() + &repeat("[a]: u\n\n  ")),
        ("citations", repeat("see [1][2], ")),
        ("open links", repeat("[a](b ")),
        ("empty lines", repeat("\n")),
        ("empty items", repeat("-\n")),
        ("asterisks", repeat("*")),
        ("open emphasis", repeat("*a _b ")),
        ("open emphasis in an item", "- ".to_owned() + &repeat("*a _b ")),
        ("tildes", "- ".to_owned() + &repeat("~5 ")),
        ("brackets", repeat("[")),
        ("brackets and spaces", repeat("[ ")),
        ("backticks", repeat("` `` ")),
        ("backslashes", repeat("\\")),
        ("quotes in quotes", repeat("> ")),
        ("items in items", repeat("- ")),
        ("pipes", repeat("|")),
        ("pipes and spaces", repeat("a | ")),
        ("ampersands", repeat("& &a ")),
        ("angle brackets", repeat("<a ")),
        ("URLs", repeat("https://example.com/a-b-c")),
    ]
}

/// How often each byte of the source is parsed.
const MAX_WORK: usize = 80;

fn check_work(size: usize) {
    for (name, text) in large(size) {
        let (out, markdown) = pieces(split(&text, &[5]), PLAIN, 80);
        let work = markdown.work.parsed / text.len();
        assert!(work < MAX_WORK, "{name}: {work}");
        assert_eq!(markdown.work.failures, 0, "{name}");
        assert_eq!(out, whole(&text, PLAIN, 80), "{name}");
    }
}

#[test]
fn the_work_is_linear() {
    check_work(8 << 10);
}

#[test]
#[ignore = "takes minutes without optimization"]
fn the_work_is_linear_for_a_megabyte() {
    check_work(1 << 20);
}

/// What each push prints.
fn steps(pushes: &[&str]) -> Vec<String> {
    let mut markdown = Markdown::new(PLAIN);
    pushes.iter().map(|text| markdown.push(text, 80)).collect()
}

#[test]
fn words_are_printed_as_they_arrive() {
    assert_eq!(steps(&["Hel", "lo wor", "ld, and", " more"]), ["", "Hello", " world,", " and"]);
    assert_eq!(steps(&["- o", "ne tw", "o\n", "- three "]), ["", "• one", " two", "\n• three"]);
}

#[test]
fn markup_waits_for_its_end_and_a_citation_does_not() {
    assert_eq!(steps(&["a **b ", "c", "** d "]), ["a", "", " b c d"]);
    assert_eq!(steps(&["see [1] ", "and [a](http://e", ".com) x "]), ["see [1]", " and", " a (http://e.com) x"]);
    assert_eq!(steps(&["run `cp ", "~5 a` b "]), ["run", " `cp ~5 a` b"]);
    assert_eq!(steps(&["~5 or ", "~6 "]), ["~5 or", " ~6"]);
}

#[test]
fn markup_does_not_wait_forever() {
    let text = "*open ".to_owned() + &"word ".repeat(50);
    let out = steps(&[&text, "end* and some more words "]).concat();
    assert!(collapsed(&out).starts_with(&(text + "end* and")), "{out}");
}

#[test]
fn code_and_tables_wait_for_their_lines() {
    assert_eq!(steps(&["```sh\n", "ls", " -l\n", "``", "`\n"]), ["```sh", "", "\nls -l", "", "\n```"]);
    let table = steps(&["| a | b |\n", "|---|--:|\n", "| 1 | 22 |\n", "\n"]);
    assert_eq!(table, ["", "", "", "a │  b\n──┼───\n1 │ 22"]);
}

#[test]
fn nothing_is_printed_for_nothing() {
    assert_eq!(whole("", PLAIN, 80), "");
    assert_eq!(whole(" \n\n", PLAIN, 80), "");
}

const SAMPLE: &str = include_str!("sample.md");

#[test]
fn a_sample_at_three_widths() {
    for (width, expected) in
        [(80, include_str!("sample_80.txt")), (40, include_str!("sample_40.txt")), (20, include_str!("sample_20.txt"))]
    {
        assert_eq!(pieces(split(SAMPLE, &[3]), PLAIN, width).0, expected, "{width}");
    }
}

#[test]
fn styles_and_links_are_escape_sequences() {
    let text = "# A *b*\n\n**c d** ~~e~~ `f` [g h](https://e.com/ü) <m@e.com> [i](file:///x) ![](http://e.com/p)";
    assert_eq!(
        whole(text, RICH, 80).replace('\x1b', "^"),
        "^[1mA^[0m ^[1m^[3mb^[0m\n\n^[1mc^[0m^[1m d^[0m ^[9me^[0m ^[36mf^[0m \
         ^]8;;https://e.com/%C3%BC^\\^[4mg^[0m^]8;;^\\^]8;;https://e.com/%C3%BC^\\^[4m h^[0m^]8;;^\\ \
         ^]8;;mailto:m@e.com^\\^[4mm@e.com^[0m^]8;;^\\ i (file:///x) ^]8;;http://e.com/p^\\^[4mhttp://e.com/p^[0m^]8;;^\\\n"
    );
}

#[test]
fn characters_that_control_a_terminal_are_removed() {
    let text = "a\u{1b}[2Jb &#27;[31m \u{202e}c [d](http://e.com/\u{9b}2J&#27;) `\u{7}e`\n\n```\u{1b}x\n\u{1b}y\n```";
    assert_eq!(whole(text, PLAIN, 80), "a[2Jb [31m c d (http://e.com/2J) `e`\n\n```x\ny\n```\n");
    // In an escape sequence, the character that the entity stands for is encoded.
    assert!(whole("[d](http://e.com/&#27;&#7;) ", RICH, 80).contains("\x1b]8;;http://e.com/%1B%07\x1b\\"));
}

#[test]
fn wide_characters_and_clusters_are_not_split() {
    assert_eq!(whole("日本語、テキスト", PLAIN, 7), "日本\n語、テ\nキスト\n");
    assert_eq!(whole("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", PLAIN, 4), "👩‍👩‍👧👩‍👩‍👧\n👩‍👩‍👧\n");
    assert_eq!(whole("e\u{301}e\u{301}e\u{301}", PLAIN, 2), "e\u{301}e\u{301}\ne\u{301}\n");
    assert_eq!(whole("شكرا جزيلا", PLAIN, 5), "شكرا\nجزيلا\n");
}

#[test]
fn the_width_may_change() {
    let mut markdown = Markdown::new(PLAIN);
    let out = markdown.push("one two three ", 80) + &markdown.push("four five six ", 8) + &markdown.finish(8);
    assert_eq!(out, "one two three\nfour\nfive six\n");
}

#[test]
fn a_table_that_is_too_wide_becomes_lines() {
    let table = "| name | value |\n|---|---|\n| first | one two three |\n| second | |\n";
    assert_eq!(whole(table, PLAIN, 16), "name: first\nvalue: one two\nthree\n\nname: second\n");
}

#[test]
fn tables_without_outer_pipes_are_text() {
    assert_eq!(whole("a | b\n--|--\n1 | 2\n", PLAIN, 80), "a | b --|-- 1 | 2\n");
}

#[test]
fn long_urls_break_only_if_they_must() {
    assert_eq!(whole("see https://e.com/a-b/c now", PLAIN, 20), "see\nhttps://e.com/a-b/c\nnow\n");
}

#[test]
fn lists_keep_their_numbers_and_their_empty_lines() {
    assert_eq!(whole("7. a\n1. b\n\n1. c\n   d\n\n   e\n", PLAIN, 80), "7. a\n8. b\n\n9. c d\n\n   e\n");
    assert_eq!(whole("-\n- b\n+ c", PLAIN, 80), "• \n• b\n\n• c\n");
}
