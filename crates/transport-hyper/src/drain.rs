//! Reads the rest of a body that nobody needs, so that its connection can be used again.

use std::pin::Pin;

use bytes::Bytes;
use chat_client::driver::{DRAIN_BYTES, DRAIN_TIME};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Reads a body to its end in a task of the current runtime, within the limits of
/// [`Transport::drain`](chat_client::Transport::drain). Drops the body at a limit, or if there is no runtime.
pub(crate) fn drain<B>(body: Pin<Box<B>>)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(timeout(DRAIN_TIME, read(body)));
    }
}

/// Reads a body to its end, an error, or more than [`DRAIN_BYTES`].
async fn read<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
