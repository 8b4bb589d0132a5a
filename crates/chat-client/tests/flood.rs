//! A server that sends data without content, without end.

mod support;

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::driver::TransportError;
use chat_client::{Client, ErrorKind, Timeouts, Transport};
use futures_core::Stream as _;
use http_body::{Body, Frame};
use support::run;

/// A transport whose clock advances by a millisecond at each read, and whose bodies repeat this chunk without end.
struct Flood {
    piece: &'static [u8],
    now: AtomicU64,
}

struct Pieces(&'static [u8]);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.0)))))
    }
}

impl Transport for Flood {
    type Send = Ready<Result<http::Response<Pieces>, Infallible>>;
    type Body = Pieces;
    type Error = Infallible;
    type Sleep = Pending<()>;

    const PRODUCT: &'static str = "flood/0";

    fn send(&self, _: http::Request<Bytes>) -> Self::Send {
        let mut response = http::Response::new(Pieces(self.piece));
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        ready(Ok(response))
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now.fetch_add(1, Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Duration) -> Pending<()> {
        pending()
    }

    fn seed(&self) -> u64 {
        0
    }

    fn classify(error: &Infallible) -> TransportError {
        match *error {}
    }
}

const IDLE: Duration = Duration::from_secs(4);
const CONTENT: Duration = Duration::from_secs(5);

fn flooded(piece: &'static [u8]) -> Client<Flood> {
    let timeouts = Timeouts::default().with_idle(IDLE).with_content(CONTENT);
    let flood = Flood { piece, now: AtomicU64::new(0) };
    Client::builder().api_key("k").timeouts(timeouts).build_on(flood).unwrap()
}

/// The timeout that ends a flood of this chunk, and the time of its end.
fn end_of(piece: &'static [u8]) -> (&'static str, Duration) {
    let client = flooded(piece);
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    let ErrorKind::Timeout { kind, .. } = error.kind() else { panic!("{error}") };
    (kind.as_str(), client.transport().now())
}

#[test]
fn keep_alives_without_end_end_within_twice_the_content_timeout() {
    let (kind, end) = end_of(b": ping\n\n");
    assert_eq!(kind, "content");
    assert!(end > CONTENT && end < 2 * CONTENT + Duration::from_millis(50), "{end:?}");
}

#[test]
fn empty_pieces_without_end_end_within_twice_the_idle_timeout() {
    let (kind, end) = end_of(b"");
    assert_eq!(kind, "idle");
    assert!(end > IDLE && end < 2 * IDLE + Duration::from_millis(50), "{end:?}");
}

#[test]
fn a_flood_lets_other_tasks_run() {
    let client = flooded(b": ping\n\n");
    let mut session = client.session("docs");
    let mut reply = session.ask("Is it?");
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for _ in 0..3 {
        let before = client.transport().now();
        assert!(Pin::new(&mut reply).poll_next(&mut cx).is_pending());
        let looks = (client.transport().now() - before).as_millis();
        assert!(looks < 70, "the clock was read {looks} times in one turn");
    }
}
