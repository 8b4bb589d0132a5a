//! A call without a driver: the tests pass each input.

use bytes::Bytes;
use chat_client::driver::{Attempt, Call, Conversation, Elapsed, Output, Request, Settings, TransportError};
use chat_client::sessions::CreateInput;
use chat_client::{ClientBuilder, Error, ErrorKind, RetryPolicy};

const FIRST: Attempt = Attempt::new(1);

fn settings() -> Settings {
    let builder = ClientBuilder::<()>::new("test/1").api_key("sk-1").retry(RetryPolicy::default().with_max_retries(0));
    builder.settings().unwrap()
}

fn begun() -> Call {
    begun_with(&settings())
}

fn begun_with(settings: &Settings) -> Call {
    let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "Why?"));
    let mut call = Call::new(request, None, settings, 0);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Send(..)));
    call
}

/// A call that returned its first event: "Bec".
fn reading() -> Call {
    let mut call = begun();
    call.handle_head(FIRST, head(), Elapsed::START);
    call.handle_data(FIRST, chunk("Bec"), Elapsed::START);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Event(_)));
    call
}

fn head() -> http::response::Parts {
    http::Response::builder().header("content-type", "text/event-stream").body(()).unwrap().into_parts().0
}

fn chunk(text: &str) -> Bytes {
    format!("event: message_chunk\ndata: {{\"content_chunk\":\"{text}\"}}\n\n").into()
}

fn error(call: &mut Call) -> Error {
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
    call.error().expect("it failed").clone()
}

#[test]
fn a_cancelled_call_keeps_the_partial_answer() {
    let mut call = reading();
    call.cancel(Elapsed::START);
    let error = error(&mut call);
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    assert_eq!(error.into_partial().unwrap().text, "Bec");
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
    assert_eq!(call.take_outcome().unwrap_err().into_partial().unwrap().text, "Bec");
}

#[test]
fn the_outcome_of_a_call_in_progress_is_cancelled() {
    let mut call = begun();
    assert_eq!(call.take_outcome().unwrap_err().kind(), &ErrorKind::Cancelled);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
}

#[test]
fn input_after_the_end_has_no_effect() {
    let mut call = begun();
    call.handle_error(FIRST, TransportError::Connect, "no route", Elapsed::START);
    let error = error(&mut call);
    assert_eq!(format!("{error:#}"), "could not connect: no route");
    call.handle_head(FIRST, head(), Elapsed::START);
    call.handle_data(FIRST, chunk("late"), Elapsed::START);
    call.handle_eof(FIRST, Elapsed::START);
    call.cancel(Elapsed::START);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
    assert_eq!((call.poll_timeout(), call.answer()), (None, None));
    assert_eq!(call.take_outcome().unwrap_err().kind(), &ErrorKind::Connect);
}

#[test]
fn an_io_error_belongs_to_its_attempt() {
    let settings = ClientBuilder::<()>::new("test/1").api_key("sk-1").settings().unwrap();
    let mut call = begun_with(&settings);
    call.handle_error(FIRST, TransportError::Connect, "no route", Elapsed::START);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Wait));
    call.handle_timeout(call.poll_timeout().unwrap());
    let Output::Send(second, _) = call.poll_output(Elapsed::START) else { panic!("a second attempt") };
    // A late error of an attempt that has ended is ignored.
    call.handle_error(FIRST, TransportError::MaybeSent, "late", Elapsed::START);
    call.handle_head(second, http::Response::builder().status(400).body(()).unwrap().into_parts().0, Elapsed::START);
    call.handle_eof(second, Elapsed::START);
    let error = error(&mut call);
    assert_eq!(format!("{error:#}"), "the API responded with 400 Bad Request");
}

#[test]
fn an_invalid_request_is_the_only_item_and_frees_the_session() {
    let settings = settings();
    let conversation = Conversation::new("docs", &settings.defaults);
    let (_, question) = conversation.ask(&settings.endpoint, "Why?").unwrap();
    let mut call = Call::new(Err(Error::invalid_request("message", "is odd")), Some(question), &settings, 0);
    assert_eq!(error(&mut call).to_string(), "message is odd");
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
    assert!(conversation.ask(&settings.endpoint, "Why?").is_ok());
    assert!(conversation.history().is_empty(), "a question that was not sent is not in the history");
}

#[test]
fn the_answer_so_far_is_always_available() {
    let call = begun();
    assert!(call.head().is_none() && call.answer().is_none());
    let mut call = reading();
    assert_eq!(call.head().map(|head| head.status.as_u16()), Some(200));
    assert_eq!(call.answer().map(|answer| answer.text.as_str()), Some("Bec"));
    assert!(format!("{call:?}").contains("running"), "{call:?}");
    call.handle_eof(FIRST, Elapsed::START);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Done));
    assert_eq!(call.head().map(|head| head.status.as_u16()), Some(200));
    assert_eq!(call.answer().map(|answer| answer.text.as_str()), Some("Bec"));
    assert!(format!("{call:?}").contains("complete"), "{call:?}");
}

#[test]
fn events_are_returned_before_the_clock_is_read() {
    let mut call = begun();
    call.handle_head(FIRST, head(), Elapsed::START);
    call.handle_data(FIRST, chunk("Be"), Elapsed::START);
    assert_eq!(call.poll_event().unwrap().text(), Some("Be"));
    assert!(call.poll_event().is_none());
    let before = call.poll_timeout().expect("a stream has timeouts");
    assert!(matches!(call.poll_output(Elapsed::from_millis(5000)), Output::Read));
    assert_eq!(call.poll_timeout(), Some(before + std::time::Duration::from_secs(5)), "the pause was the caller's");
}

#[test]
fn abandoning_a_call_updates_its_session() {
    let settings = settings();
    let conversation = Conversation::new("docs", &settings.defaults);
    let (request, question) = conversation.ask(&settings.endpoint, "Why?").unwrap();
    let mut call = Call::new(Ok(request), Some(question), &settings, 0);
    assert!(matches!(call.poll_output(Elapsed::START), Output::Send(..)));
    call.abandon(|| Elapsed::START);
    assert_eq!(conversation.history().len(), 1);
    // The call has ended: the clock is not read again.
    call.abandon(|| unreachable!("nothing records this call"));
}
