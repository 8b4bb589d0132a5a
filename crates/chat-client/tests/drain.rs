//! Which bodies go to `Transport::drain`.

mod support;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use chat_client::{Client, Transport};
use chat_mock::memory::{MemoryTransport, ResponseBody, ResponseFuture, Script, ScriptError, Timer};
use http::Request;
use support::completions::text;
use support::run;

/// Counts the bodies to drain.
struct Counting {
    inner: MemoryTransport,
    drained: AtomicUsize,
}

impl Transport for Counting {
    type Send = ResponseFuture;
    type Body = ResponseBody;
    type Error = ScriptError;
    type Sleep = Timer;

    const PRODUCT: &'static str = "counting/0";

    fn send(&self, request: Request<Bytes>) -> ResponseFuture {
        self.inner.send(request)
    }

    fn drain(&self, body: Pin<Box<ResponseBody>>) {
        assert_eq!(self.inner.open(), 1, "the body is open until the transport has it");
        self.drained.fetch_add(1, Ordering::Relaxed);
        drop(body);
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn sleep_until(&self, deadline: Duration) -> Timer {
        self.inner.sleep_until(deadline)
    }

    fn seed(&self) -> u64 {
        self.inner.seed()
    }

    fn classify(error: &ScriptError) -> TransportError {
        MemoryTransport::classify(error)
    }
}

fn client(script: Script) -> Client<Counting> {
    let inner = MemoryTransport::new([script]);
    Client::builder().api_key("k").build_on(Counting { inner, drained: AtomicUsize::new(0) }).unwrap()
}

/// The numbers of drained and of open bodies.
fn counts(client: &Client<Counting>) -> (usize, usize) {
    let transport = client.transport();
    (transport.drained.load(Ordering::Relaxed), transport.inner.open())
}

const DONE: &str = "data: [DONE]\n\n";

#[test]
fn a_body_that_is_open_after_the_end_of_the_answer_is_drained_once() {
    let client = client(Script::events([text("Yes."), DONE.to_owned()]).stall());
    let mut chat = client.chat("model-1");
    let mut reply = chat.ask("Is it?");
    while run(reply.next()).is_some() {}
    assert_eq!(counts(&client), (1, 0));
    assert!(run(reply.next()).is_none());
    assert_eq!(run(reply.finish()).unwrap().text, "Yes.");
    assert_eq!(counts(&client), (1, 0));
}

#[test]
fn a_body_that_has_ended_is_not_drained() {
    let finished = support::completions::chunk(&serde_json::json!({}), Some("stop"));
    let client = client(Script::events([text("Yes."), finished]));
    run(client.chat("model-1").ask("Is it?").finish()).unwrap();
    assert_eq!(counts(&client), (0, 0));
}

#[test]
fn a_body_is_closed_after_an_error() {
    let error = "data: {\"error\":{\"message\":\"no\"}}\n\n".to_owned();
    for script in [
        Script::events([text("Half"), error]).stall(),
        Script::events([text("Half"), "data: {\n\n".to_owned()]).stall(),
        Script::events([text("Half")]).stall(),
        Script::head(200, &[("content-type", "text/html")]).data("<p>").stall(),
    ] {
        let client = client(script);
        run(client.chat("model-1").ask("Is it?").finish()).unwrap_err();
        assert_eq!(counts(&client), (0, 0));
    }
}

#[test]
fn a_body_is_closed_if_the_reply_is_cancelled_or_dropped() {
    for cancel in [true, false] {
        let client = client(Script::events([text("Half")]).stall());
        let mut chat = client.chat("model-1");
        let mut reply = chat.ask("Is it?");
        run(reply.next()).unwrap().unwrap();
        assert_eq!(counts(&client), (0, 1));
        if cancel {
            reply.cancel().unwrap_err();
        } else {
            drop(reply);
        }
        assert_eq!(counts(&client), (0, 0));
    }
}
