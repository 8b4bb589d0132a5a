//! Answers as plain text and Markdown, with footnotes.

use chat_proto::{Answer, Citation, Head, Limits, Receiver, Record, RecordType};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

fn citation(number: Option<i64>, title: Option<&str>, url: Option<&str>) -> Citation {
    let mut record = Record::new(RecordType::Documentation);
    record.title = title.map(str::to_owned);
    record.url = url.map(str::to_owned);
    let mut citation = Citation::new(0, record);
    citation.number = number;
    citation
}

/// An answer as returned by a receiver.
fn answer(content: &str, citations: &[Citation]) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut receiver = Receiver::new(Head::new(StatusCode::OK, headers), &Limits::default());
    let message = json!({"role": "assistant", "content": content, "records_cited": {"citations": citations}});
    let body = json!({"chat_session_id": "s", "message": message}).to_string();
    let mut input = body.as_bytes();
    while receiver.next(&mut input).is_some() {}
    receiver.end().unwrap();
    while receiver.next(&mut input).is_some() {}
    receiver.into_answer().expect("a complete answer")
}

#[test]
fn a_reference_is_the_number_of_a_citation() {
    let text = "a[1] b[0] [2]c [x] [1 [12][[1]] [] [99999999999999999999] é[2]";
    let answer = answer(text, &[citation(Some(1), None, None), citation(Some(2), None, None)]);
    let found: Vec<_> =
        answer.references().map(|found| (&text[found.range], found.number, found.citation.number)).collect();
    assert_eq!(found, [("[1]", 1, Some(1)), ("[2]", 2, Some(2)), ("[1]", 1, Some(1)), ("[2]", 2, Some(2))]);
}

#[test]
fn plain_text_contains_title_and_address() {
    let mut passage = citation(Some(2), Some("Two\nlines"), Some("https://x.example/"));
    passage.hit_url = Some("https://x.example/#here".to_owned());
    let answer =
        answer("See [1] and [2].\n", &[citation(Some(1), Some(" "), None), passage, citation(None, None, None)]);
    let expected = "See [1] and [2].\n\n[1] untitled: no address\n[2] Two lines: https://x.example/#here\n[-] untitled: no address\n";
    assert_eq!(answer.to_plain_text(), expected);
}

#[test]
fn markdown_links_web_addresses() {
    let citations = [
        citation(Some(1), Some("How *to*\n[x]"), Some("https://x.example/\ra b>")),
        citation(Some(2), None, Some("javascript:alert(1)")),
        citation(None, Some("Else"), Some("HTTP://y.example/")),
    ];
    let expected = "See [1], `a[1]`.\n\n- [1] How \\*to\\* \\[x\\]\n- \\[2\\] javascript:alert(1)\n- [Else](<HTTP://y.example/>)\n\n[1]: <https://x.example/a%20b%3E>\n";
    assert_eq!(answer("See [1], `a[1]`.", &citations).to_markdown(), expected);
}

#[test]
fn an_answer_without_citations_is_its_text() {
    let answer = answer("a[0]\n", &[]);
    assert_eq!((answer.to_plain_text(), answer.to_markdown()), ("a[0]\n".to_owned(), "a[0]\n".to_owned()));
    assert_eq!(answer.references().count(), 0);
}

#[test]
fn a_citation_stays_on_its_line_and_keeps_its_direction() {
    let odd = "\u{1b}[2J\ta\nb\r\u{85}c\u{2028}d\u{2029}e\u{202e}f\u{2066}g\u{200f}h\u{61c}i\u{9b}j\u{7f}\u{0}";
    let answer = answer("[1]", &[citation(Some(1), Some(odd), Some(&format!("https://x.example/{odd}")))]);
    let allowed = |c: char| !c.is_control() && !"\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{61c}".contains(c);
    let list = answer.footnotes().to_string();
    assert!(list.ends_with('\n') && list.trim_end_matches('\n').chars().all(allowed), "{list:?}");
    assert_eq!(list.lines().count(), 1);
    assert!(list.contains("a b  c d efghi j"), "{list:?}");
    let markdown = answer.to_markdown();
    assert!(markdown.replace('\n', "").chars().all(allowed), "{markdown:?}");
    assert_eq!(markdown.lines().count(), 5, "{markdown}");
}
