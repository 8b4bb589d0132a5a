//! Tracks a request that was handed to the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use chat_net::MAX_INTERIM;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::pooled_stream::StreamHandle;

/// The body of a request.
pub(crate) type RequestBody = Full<TrackedBytes>;

/// Request bytes that record when the last of them was written.
#[derive(Debug)]
pub(crate) struct TrackedBytes {
    bytes: Bytes,
    is_sent: Arc<AtomicBool>,
}

impl Buf for TrackedBytes {
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

/// A request in flight and the connection that it uses.
///
/// It is dropped when the answer is over or the call was dropped. An HTTP/1.1 connection that has not sent the whole
/// request by then is closed, even if its server no longer reads.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// `None` over HTTP/2, where the stream is reset and the connection stays open.
    captured: Option<CaptureConnection>,
    is_sent: Arc<AtomicBool>,
    /// Number of interim responses received so far.
    interim: Arc<AtomicUsize>,
}

impl InFlight {
    /// Prepares a request for the pool.
    pub(crate) fn new(request: Request<Bytes>, is_http2: bool) -> (Request<RequestBody>, Self) {
        let is_sent = Arc::new(AtomicBool::new(request.body().is_empty()));
        let for_body = Arc::clone(&is_sent);
        let mut request = request.map(|bytes| Full::new(TrackedBytes { bytes, is_sent: for_body }));
        let interim = Arc::new(AtomicUsize::new(0));
        if is_http2 {
            return (request, Self { captured: None, is_sent, interim });
        }
        let captured = capture_connection(&mut request);
        let (connection, count) = (captured.clone(), Arc::clone(&interim));
        hyper::ext::on_informational(&mut request, move |_| {
            let received = count.fetch_add(1, Ordering::AcqRel) + 1;
            if received > MAX_INTERIM
                && let Some(handle) = StreamHandle::of(&connection)
            {
                handle.stop_reading();
            }
        });
        (request, Self { captured: Some(captured), is_sent, interim })
    }

    /// Whether the server has sent more than [`MAX_INTERIM`] interim responses. The final response is then ignored, even if
    /// hyper has already read it.
    pub(crate) fn is_flooded(&self) -> bool {
        self.interim.load(Ordering::Acquire) > MAX_INTERIM
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(handle) = self.captured.as_ref().and_then(StreamHandle::of) else { return };
        if !self.is_sent.load(Ordering::Acquire) || handle.has_failed() || self.is_flooded() {
            handle.close();
        }
    }
}
