//! How an answer ends: in order, cut, lost or too late.

use bytes::Bytes;
use chat_proto::{Elapsed, Exchange, Output, TimeoutKind, TransportError, Truncation};

use super::support::{Attempt, In, apply, data as input, newest, stream};
use super::*;

/// Polls all events. Returns the texts and the next other output.
fn drain(exchange: &mut Exchange) -> (String, Output) {
    let mut text = String::new();
    loop {
        match exchange.poll_output(Elapsed::START) {
            Output::Event(event) => text += event.text().unwrap_or_default(),
            output => return (text, output),
        }
    }
}

#[test]
fn row_4_rule_1_a_call_is_done_at_done_without_the_end_of_its_body() {
    for (body, size) in [(text("A") + DONE, usize::MAX), (text("A") + DONE, 1), (text("A") + DONE + &text("B"), 5)] {
        let mut exchange = call().exchange();
        assert!(matches!(drain(&mut exchange).1, Output::Send(..)));
        apply(&mut exchange, stream(), Elapsed::START);
        let mut received = String::new();
        for chunk in body.as_bytes().chunks(size) {
            apply(&mut exchange, In::Data(Bytes::copy_from_slice(chunk)), Elapsed::START);
            received += &drain(&mut exchange).0;
        }
        assert!(matches!(drain(&mut exchange).1, Output::Done), "in chunks of {size}");
        assert_eq!((&*received, exchange.poll_timeout()), ("A", None));
        let outcome = exchange.outcome().expect("the outcome").clone().expect("an answer");
        assert_eq!(outcome.text, "A");
        assert!(!exchange.is_open(newest(&exchange)));
        for late in [input(text("C")), In::Eof, In::Fail(TransportError::Body), In::Cancel] {
            apply(&mut exchange, late, Elapsed::from_millis(1));
            assert!(matches!(exchange.poll_output(Elapsed::from_millis(1)), Output::Done));
            assert_eq!(exchange.outcome().and_then(|outcome| outcome.as_ref().ok()), Some(&outcome));
        }
    }
}

/// How a body that has begun may end too early.
fn cuts() -> [(&'static str, Attempt, &'static str); 5] {
    [
        ("inside an event", vec![(0, input("data: {\"choi")), (0, In::Eof)], "truncated"),
        ("lost", vec![(0, In::Fail(TransportError::Body))], "truncated"),
        ("lost inside an event", vec![(0, input("data: {")), (0, In::Fail(TransportError::MaybeSent))], "truncated"),
        ("silent (row 56)", vec![], "timeout"),
        ("in order", vec![(0, In::Eof)], "truncated"),
    ]
}

#[test]
fn rule_13_row_56_after_a_finish_reason_every_end_is_complete() {
    for (name, end, _) in cuts() {
        let start = vec![(0, stream()), (0, input(text("A") + &stop()))];
        let transcript = call().run(&[[start, end].concat()]);
        assert!(transcript.is_answer(), "{name}: {:?}", transcript.lines);
        assert_eq!((&*transcript.answer().text, transcript.sends.len()), ("A", 1));
    }
    let mut total = call();
    total.config.timeouts.total = Some(std::time::Duration::from_secs(1));
    assert!(total.run(&[vec![(0, stream()), (0, input(text("A") + &stop()))]]).is_answer(), "the total timeout");
    let short = head(200, &[STREAM, ("content-length", "5000")]);
    assert_eq!(receive(&short, text("A") + &stop(), &Config::default()).complete().text, "A");
    assert_eq!(receive(&short, text("A") + DONE, &Config::default()).complete().text, "A");
}

#[test]
fn rule_2_row_56_without_a_finish_reason_every_end_is_an_error() {
    for (name, end, kind) in cuts() {
        let transcript = call().run(&[[vec![(0, stream()), (0, input(text("A")))], end].concat()]);
        let error = transcript.error();
        assert_eq!((error.kind().name(), transcript.sends.len()), (kind, 1), "{name}");
        assert_eq!(error.partial().map(|partial| &*partial.text), Some("A"), "{name}");
    }
}

#[test]
fn rule_13_an_error_after_a_finish_reason_is_an_error() {
    let failed = data(r#"{"error":{"message":"late"}}"#);
    let got = streamed(text("A") + &stop() + &failed + DONE);
    assert_eq!((got.kind(), &*got.answer.text), ("stream", "A"));
    assert_eq!(got.answer.finish_reason, Some("stop".into()));
    assert_eq!(streamed(stop() + &data("garbage")).kind(), "decode");
}

#[test]
fn row_3_rule_2_a_stream_without_events_is_an_unexpected_response() {
    for body in ["", "\n\n", ": ping\n\n: ping\n\n", "data:\n\n", "retry: 5\n\n", "<html></html>\n", "{\"id\":1}"] {
        for config in [Config::default(), Config::default().with_accept_unfinished(true)] {
            let got = receive(&head(200, &[STREAM]), body, &config);
            let is_cut = body.starts_with(['<', '{']) && !body.ends_with('\n');
            let kind = if is_cut { "truncated" } else { "unexpected_response" };
            assert_eq!(got.kind(), kind, "{body:?}");
            if !is_cut {
                assert_eq!(got.error().body(), Some(body), "the start of the body");
            }
        }
    }
}

#[test]
fn rule_2_an_unfinished_answer_is_accepted_if_the_settings_say_so() {
    let accept = Config::default().with_accept_unfinished(true);
    let accepted = receive(&head(200, &[STREAM]), text("A"), &accept);
    assert_eq!(
        (accepted.log(), &accepted.answer.finish_reason),
        (vec!["text \"A\"".into(), "completed".into()], &None)
    );
    let strict = streamed(text("A"));
    assert_eq!(strict.error().kind(), &chat_proto::ErrorKind::Truncated(Truncation::Unfinished));
    let skipped = data(r#"{"choices":[]}"#);
    assert_eq!(receive(&head(200, &[STREAM]), skipped, &accept).log(), ["completed"]);
    for cut in [text("A") + "data: {", text("A") + "data: {}"] {
        assert_eq!(receive(&head(200, &[STREAM]), &cut, &accept).kind(), "truncated", "a cut is not accepted");
    }
    let mut lost = call();
    lost.config.accept_unfinished = true;
    let transcript = lost.run(&[vec![(0, stream()), (0, input(text("A"))), (0, In::Fail(TransportError::Body))]]);
    assert_eq!(transcript.error().kind().name(), "truncated");
}

#[test]
fn rule_11_an_error_event_is_not_retried() {
    let failed = vec![(0, stream()), (0, input(data(r#"{"error":{"code":503}}"#))), (0, In::Eof)];
    let transcript = call().run(&[failed, vec![(0, stream()), (0, input(text("A") + DONE))]]);
    assert_eq!((transcript.error().kind().name(), transcript.sends.len()), ("stream", 1));
}

/// The kind of timeout that ends a stream which repeats an input every 50 s, or `None`.
fn timeout_of(piece: &str) -> Option<TimeoutKind> {
    let mut attempt = vec![(0, stream())];
    attempt.extend(vec![(50_000, input(piece)); 8]);
    attempt.push((0, input(DONE)));
    let transcript = call().run(&[attempt]);
    if transcript.is_answer() {
        return None;
    }
    match transcript.error().kind() {
        chat_proto::ErrorKind::Timeout { kind, .. } => Some(*kind),
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_39_only_content_resets_the_content_timeout() {
    let content = [
        text("A"),
        delta(r#""reasoning":"A""#),
        delta(r#""refusal":"A""#),
        delta(r#""tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#),
        stop(),
    ];
    for piece in content {
        assert_eq!(timeout_of(&piece), None, "{piece}");
    }
    let empty = [
        ": ping\n\n".to_owned(),
        delta(r#""role":"assistant""#),
        delta(r#""content":"","reasoning":"","refusal":"""#),
        data(r#"{"id":"a","model":"m","choices":[],"usage":{"total_tokens":1}}"#),
        "data:\n\n".to_owned(),
        "event: ping\ndata: {\"t\":1}\n\n".to_owned(),
    ];
    for piece in empty {
        assert_eq!(timeout_of(&piece), Some(TimeoutKind::Content), "{piece}");
    }
}
