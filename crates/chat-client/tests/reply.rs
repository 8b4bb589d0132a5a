//! How a caller polls a reply.

mod support;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chat_client::{Client, Event};
use chat_mock::memory::{MemoryTransport, Script};
use support::{chunk, run};

#[test]
fn next_is_cancel_safe() {
    let script = Script::events([chunk("Yes", "")]).wait(Duration::from_secs(1)).data(chunk(", no.", ""));
    let transport = MemoryTransport::new([Script::head(503, &[]), script]);
    let client = Client::builder().api_key("sk-1").build_on(transport.clone()).unwrap();
    let mut reply = client.session("docs").ask("Is it?");
    let (mut text, mut dropped) = (String::new(), 0);
    loop {
        // Each of these futures is polled once.
        match pin!(reply.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(event)) => text += event.unwrap().text().unwrap_or_default(),
            Poll::Ready(None) => break,
            Poll::Pending => dropped += 1,
        }
        assert!(dropped < 1000, "no progress");
    }
    assert_eq!((text.as_str(), transport.requests().len()), ("Yes, no.", 2));
    assert!(dropped >= 2, "once while waiting for the next attempt, once in the body: {dropped}");
}

/// Three events in one read, and another one later.
fn two_reads() -> Script {
    let cited = "event: records_cited\ndata: {\"citations\":[]}\n\n";
    let first = [chunk("a", ""), chunk("b\\n", ""), cited.to_owned(), chunk("é", "")].concat();
    Script::events([first]).wait(Duration::from_secs(1)).data(chunk("d", ",\"finish_reason\":\"stop\""))
}

fn client(script: Script) -> Client<MemoryTransport> {
    Client::builder().api_key("sk-1").build_on(MemoryTransport::new([script])).unwrap()
}

#[test]
fn try_next_returns_what_has_arrived() {
    let mut reply = client(two_reads()).session("docs").ask("Is it?");
    assert_eq!(reply.try_next(), None, "nothing is sent yet");
    let first = run(reply.next()).unwrap().unwrap();
    assert_eq!(first.text(), Some("a"));
    let arrived: Vec<_> = std::iter::from_fn(|| reply.try_next()).collect();
    assert_eq!(arrived.iter().map(Event::text).collect::<Vec<_>>(), [Some("b\n"), None, Some("é")]);
    assert_eq!(run(reply.next()).unwrap().unwrap().text(), Some("d"));
    assert!(run(reply.next()).is_none());
    assert_eq!((reply.try_next(), reply.answer().unwrap().events), (None, 5));
}

#[test]
fn next_text_returns_what_the_answer_has_grown_by() {
    let mut reply = client(two_reads()).session("docs").ask("Is it?");
    let mut texts = Vec::new();
    let mut dropped = 0;
    loop {
        // Each of these futures is polled once.
        match pin!(reply.next_text()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(text)) => texts.push(text.unwrap().to_owned()),
            Poll::Ready(None) => break,
            Poll::Pending => dropped += 1,
        }
        assert!(dropped < 1000, "no progress");
    }
    assert!(dropped > 0);
    assert_eq!(texts, ["ab\né", "d"], "one text for each read");
    let answer = reply.answer().unwrap();
    assert_eq!((&*answer.text, answer.events), ("ab\néd", 5));
    assert!(answer.citations.is_some() && answer.finish_reason.is_some());
}

#[test]
fn next_text_ends_with_the_error_and_keeps_the_text() {
    let script = Script::events([chunk("Half of", ""), chunk(" it", "")]).cut();
    let mut reply = client(script).session("docs").ask("Is it?");
    let mut text = String::new();
    let error = loop {
        match run(reply.next_text()).expect("an item") {
            Ok(more) => text += more,
            Err(error) => break error,
        }
    };
    assert_eq!((text.as_str(), error.partial().unwrap().text.as_str()), ("Half of it", "Half of it"));
    assert!(run(reply.next_text()).is_none());
    assert_eq!(reply.answer().unwrap().text, "Half of it");
}
