//! A request that was handed to the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use chat_net::MAX_INTERIM;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::wire::Line;

/// The body of a request.
pub(crate) type RequestBody = Full<Tracked>;

/// Bytes that tell when the last of them was written.
#[derive(Debug)]
pub(crate) struct Tracked {
    bytes: Bytes,
    is_sent: Arc<AtomicBool>,
}

impl Buf for Tracked {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if !self.bytes.has_remaining() {
            self.is_sent.store(true, Ordering::Release);
        }
    }
}

/// A request over HTTP/1.1 and the connection that it is on. When this is dropped, the answer is over, or nobody waits for
/// it any more: a connection that has not sent the request to its end by then closes, even if its server reads no more.
#[derive(Debug)]
pub(crate) struct Asked {
    /// None over HTTP/2, where a stream is reset and its connection lives on.
    captured: Option<CaptureConnection>,
    is_sent: Arc<AtomicBool>,
    is_flooded: Arc<AtomicBool>,
}

impl Asked {
    /// Makes a request ready for the pool.
    pub(crate) fn new(request: Request<Bytes>, is_http2: bool) -> (Request<RequestBody>, Self) {
        let is_sent = Arc::new(AtomicBool::new(request.body().is_empty()));
        let for_body = Arc::clone(&is_sent);
        let mut request = request.map(|bytes| Full::new(Tracked { bytes, is_sent: for_body }));
        let is_flooded = Arc::new(AtomicBool::new(false));
        if is_http2 {
            return (request, Self { captured: None, is_sent, is_flooded });
        }
        let captured = capture_connection(&mut request);
        let (interim, on, flooded) = (AtomicUsize::new(0), captured.clone(), Arc::clone(&is_flooded));
        hyper::ext::on_informational(&mut request, move |_| {
            if interim.fetch_add(1, Ordering::Relaxed) == MAX_INTERIM {
                flooded.store(true, Ordering::Release);
                if let Some(line) = Line::of(&on) {
                    line.mute();
                }
            }
        });
        (request, Self { captured: Some(captured), is_sent, is_flooded })
    }

    /// Whether the server has sent more interim responses than are taken. An answer behind them, which hyper may have read
    /// already, is not taken either.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Ordering::Acquire)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(line) = self.captured.as_ref().and_then(Line::of) else { return };
        if !self.is_sent.load(Ordering::Acquire) || line.has_failed() || self.is_flooded() {
            line.hang_up();
        }
    }
}
