//! The receiver with a dialect that gives several events, or none, per stream event. `tests/` has the rest.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::Receiver;
use crate::request::Dialect;
use crate::{Head, Limits};

/// Reads a body in chunks of a size. Returns the texts of the events, and the error's name if there is one.
fn read(body: &str, size: usize, limits: &Limits) -> (String, Option<&'static str>) {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))]);
    let mut receiver = Receiver::of_dialect(Dialect::Script, Head::new(StatusCode::OK, headers), limits);
    let mut texts = String::new();
    let mut take = |receiver: &mut Receiver, mut input: &[u8]| {
        while let Some(event) = receiver.next(&mut input) {
            match event {
                Ok(event) => texts += event.text().expect("only texts"),
                Err(error) => return Some(error),
            }
            assert_eq!(receiver.answer().text, texts, "the answer is what was handed out");
        }
        None
    };
    let error = body.as_bytes().chunks(size).find_map(|chunk| take(&mut receiver, chunk));
    let error = error.or_else(|| receiver.end().err()).or_else(|| take(&mut receiver, b""));
    if let Some(error) = &error {
        assert_eq!(error.partial().map(|partial| &*partial.text), Some(&*texts), "nothing is lost");
    }
    (texts, error.map(|error| error.kind().name()))
}

#[test]
fn a_stream_event_gives_any_number_of_events() {
    for (body, texts, error) in [
        ("data: abc\n\ndata:\n\ndata: d\n\n", "abcd", None),
        // Events come before an error of the same stream event.
        ("data: ab!c\n\ndata: d\n\n", "ab", Some("stream")),
        // The end of the stream is final.
        ("data: a.b\n\ndata: c\n\ndata: !\n\n", "a", None),
        (".\n\ndata: a.\n\nrubbish", "a", None),
        // The reader decides whether a cut matters.
        ("data: a\n\ndata: b", "a", None),
        ("data: ", "", Some("truncated")),
        ("", "", Some("truncated")),
    ] {
        for size in 1..=body.len().max(1) {
            let expected = (texts.to_owned(), error);
            assert_eq!(read(body, size, &Limits::default()), expected, "{body:?} in chunks of {size}");
        }
    }
}

#[test]
fn a_limit_is_checked_for_each_event() {
    let limits = Limits::default().with_answer(2);
    for size in 1..=20 {
        assert_eq!(read("data: abcd\n\ndata: e\n\n", size, &limits), ("ab".to_owned(), Some("limit")));
    }
}
