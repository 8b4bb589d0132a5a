//! Shared by the tests.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod completions;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chat_mock::memory::Script;

/// Runs a future whose transport simulates time.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("no progress");
}

/// Is pending once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// One event of an answer.
pub(crate) fn chunk(text: &str, more: &str) -> String {
    format!("event: message_chunk\ndata: {{\"content_chunk\":\"{text}\"{more}}}\n\n")
}

/// An answer with the session's id on its first chunk.
pub(crate) fn answer(text: &str) -> Script {
    Script::events([chunk(text, ",\"chat_session_id\":\"s/1\""), chunk("", ",\"finish_reason\":\"stop\"")])
}
