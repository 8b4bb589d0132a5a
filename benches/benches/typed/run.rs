//! Runs futures without a runtime.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::task::noop_waker_ref;

/// Runs a future. It is pending only when it yields.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            return output;
        }
    }
}
