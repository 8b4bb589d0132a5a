//! A server that never falls silent and never says anything.

mod support;

use std::convert::Infallible;
use std::future::{Pending, Ready, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::{Client, ErrorKind, Timeouts, Transport, TransportError};
use http_body::{Body, Frame};
use support::run;

/// A transport whose clock goes on by a millisecond whenever it is looked at, and whose answers are this without end.
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

/// The clock that ends a flood of this.
fn clock_that_ends(piece: &'static [u8]) -> &'static str {
    let timeouts = Timeouts::default().with_idle(Duration::from_secs(4)).with_content(Duration::from_secs(5));
    let flood = Flood { piece, now: AtomicU64::new(0) };
    let client = Client::builder().api_key("k").timeouts(timeouts).build_on(flood).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    let ErrorKind::Timeout { kind: clock, .. } = error.kind() else { panic!("{error}") };
    clock.as_str()
}

#[test]
fn signs_of_life_without_end_do_not_outrun_the_clock() {
    assert_eq!(clock_that_ends(b": ping\n\n"), "content");
}

#[test]
fn empty_pieces_without_end_are_a_silence() {
    assert_eq!(clock_that_ends(b""), "idle");
}
