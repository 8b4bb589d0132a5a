//! The receiver alone: bodies that are not what their head says.

use chat_proto::{Cut, Error, ErrorKind, Head, Limits, Receiver};
use http::{HeaderMap, HeaderName, HeaderValue};

fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Result<(), Error> {
    let pairs = headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let head = Head::new(status.try_into().unwrap(), pairs.collect::<HeaderMap>());
    let mut receiver = Receiver::new(head, &Limits::default());
    let mut input = body.as_bytes();
    while let Some(event) = receiver.next(&mut input) {
        event?;
    }
    receiver.end()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM: (&str, &str) = ("content-type", "text/event-stream");

#[test]
fn a_422_that_is_cut_is_an_api_error_with_what_came() {
    let body = "{\"detail\":[]}";
    let whole = read(422, &[JSON, ("content-length", "13")], body).unwrap_err();
    assert!(matches!(whole.kind(), ErrorKind::Validation { .. }), "{whole}");
    let cut = read(422, &[JSON, ("content-length", "14")], body).unwrap_err();
    assert_eq!(cut.kind(), &ErrorKind::Api { body: body.to_owned() });
}

#[test]
fn a_422_that_names_nothing_shows_its_body() {
    let error = read(422, &[JSON], "{\"error\":\"unknown integration\"}").unwrap_err();
    assert!(error.to_string().contains("unknown integration"), "{error}");
}

#[test]
fn a_length_is_digits_and_nothing_else() {
    let cut = read(200, &[STREAM, ("content-length", "5")], "").unwrap_err();
    assert_eq!(cut.kind(), &ErrorKind::Truncated(Cut::ContentLength));
    assert!(read(200, &[STREAM, ("content-length", "+5")], "").is_ok());
}
