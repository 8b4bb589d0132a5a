use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

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
    assert!(out.chars().all(|c| c == '\n' || super::is_clean(c) && c != '\t'), "{out:?}");
    out
}

/// Neither a style nor a link is open at the end.
fn assert_closed(text: &str) {
    assert!(text.rfind("\x1b[").is_none_or(|at| text[at..].starts_with("\x1b[0m")), "{text:?}");
    assert!(text.rfind("\x1b]8;;").is_none_or(|at| text[at..].starts_with("\x1b]8;;\x1b")), "{text:?}");
}

fn columns(line: &str) -> usize {
    line.graphemes(true).map(|grapheme| grapheme.width()).sum()
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
        "word", "a longer word", " ", " ", " ", " ", "\n", "\n", "\n", "\n\n", "\n\n", "  ", "    ", "\t", "  \n", "\\\n",
        "*", "**", "***", "_", "__", "~", "~~", "`", "``", "```", "````", "~~~", "[", "]", "(", ")", "![", "](", "[1]",
        "[text](https://example.com/a)", "[a](b c)", "![alt](http://e.com/p.png)", "[x]: https://e.com/x\n", "[x]", "[x][y]",
        "<", ">", "<b>", "</b>", "<div>", "<!--", "-->", "<https://e.com>", "<a@b.c>", "&amp;", "&#27;", "&", "&lt", "\\", "\\*",
        "# ", "## ", "#", "####### ", "- ", "* ", "+ ", "1. ", "2) ", "10. ", "-", "---", "===", "***\n", "> ", ">", "- [ ] ",
        "- [x] ", "\n- ", "\n1. ", "\n  - ", "\n   ", "\n> ", "\n# ", "\n---\n", "\n===\n", "\n```\n", "\n```rust\n", "\n~~~\n",
        "|", " | ", "| a | b |\n", "|---|---|\n", "|:-:|--:|\n", "| 1 | **2** |\n", "a | b\n--|--\n", "\n| x |\n|---|\n",
        "日本語", "、", "。", "「", "한국어", "é", "e\u{301}", "👩‍👩‍👧", "🇩🇪", "שלום", "مرحبا", "\u{202e}", "\u{7f}", "\u{1b}[31m", "\u{a0}", "\u{3000}",
        "snake_case_name", "5*3", "~5", "a*b*c", "**bold**", "*it*", "~~no~~", "`code`", "***both***", ":", ".", "!", "?", "x",
        "https://example.com/path/to/something-long", "supercalifragilisticexpialidocious", "$", "{}", "\r\n", "\u{2028}",
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
        text in markdown(), sizes in prop::collection::vec(0..9usize, 1..5), width in 1..50usize, rich in any::<bool>()
    ) {
        prop_assume!(sizes.iter().any(|size| *size > 0));
        let style = if rich { RICH } else { PLAIN };
        let (out, md) = pieces(split(&text, &sizes), style, width);
        prop_assert_eq!(&out, &whole(&text, style, width));
        prop_assert_eq!(md.work.failures, 0);
        strip(&out);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal(text in markdown(), width in 1..50usize, rich in any::<bool>()) {
        // Lines of code are not broken.
        let text = text.replace(['`', '~'], "").replace('\t', " ");
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

/// Streaming prints what a parse of the whole source prints, except where what was printed early turned out to be markup.
#[test]
fn zz_rate() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::default();
    let (mut repaired, mut failed, mut n, mut differ) = (0, 0, 0, 0);
    let mut shown = 0;
    for _ in 0..std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(2000) {
        let text = markdown().new_tree(&mut runner).unwrap().current();
        let mut md = Markdown::new(PLAIN);
        md.max_paragraph = 64;
        let out = md.push(&text, 40) + &md.finish(40);
        let mut batch = Markdown::new(PLAIN);
        batch.source = text.chars().filter(|c| super::is_clean(*c)).collect();
        let batch = batch.finish(40);
        n += 1;
        repaired += usize::from(md.work.repairs > 0);
        failed += usize::from(md.work.failures > 0);
        if md.work.failures > 0 { println!("FAILED {:?} {text:?}\n{out}---\n{batch}=====", md.work); }
        if batch != out && md.work.repairs == 0 {
            differ += 1;
            if shown < 10 && text.len() < 250 { shown += 1; println!("{:?} {text:?}\n{out}---\n{batch}=====", md.work); }
        }
    }
    println!("{n} repaired {repaired} failed {failed} differ {differ}");
}

/// One megabyte of each kind of block.
fn large() -> Vec<(&'static str, String)> {
    let repeat = |text: &str| text.repeat(MEGABYTE / text.len());
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

const MEGABYTE: usize = 1 << 20;

#[test]
fn the_work_is_linear() {
    for (name, text) in large() {
        let start = std::time::Instant::now();
        let (out, markdown) = pieces(split(&text, &[5]), PLAIN, 80);
        let five = start.elapsed();
        let start = std::time::Instant::now();
        let w = whole(&text, PLAIN, 80);
        println!("{name:30} {:6.1} {five:8.2?} {:8.2?} {:?} {}", markdown.work.parsed as f64 / text.len() as f64, start.elapsed(), markdown.work, w == out);
    }
}
