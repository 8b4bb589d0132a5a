//! The clock and the timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::wasm_bindgen;

/// The longest timer of the platform, in milliseconds: an `i32`.
const MAX_TIMER: u128 = i32::MAX as u128;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Returns the time since the page or the process started. It is monotonic.
pub(crate) fn now() -> Duration {
    Duration::from_secs_f64(performance_now() / 1000.0)
}

/// Timer future.
#[derive(Debug)]
pub struct Sleep {
    deadline: Duration,
    timer: Option<TimeoutFuture>,
}

impl Sleep {
    pub(crate) fn until(deadline: Duration) -> Self {
        Self { deadline, timer: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A timer may end up to a millisecond early, and a longer time takes several timers.
        loop {
            let remaining = self.deadline.saturating_sub(now());
            if remaining.is_zero() {
                return Poll::Ready(());
            }
            let timer = self.timer.get_or_insert_with(|| {
                let millis = remaining.as_nanos().div_ceil(1_000_000).min(MAX_TIMER);
                TimeoutFuture::new(u32::try_from(millis).expect("MAX_TIMER is an i32"))
            });
            ready!(Pin::new(timer).poll(cx));
            self.timer = None;
        }
    }
}
