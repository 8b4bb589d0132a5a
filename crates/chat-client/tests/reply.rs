//! How a caller polls a reply.

mod support;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chat_client::Client;
use chat_mock::memory::{MemoryTransport, Script};
use support::chunk;

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
