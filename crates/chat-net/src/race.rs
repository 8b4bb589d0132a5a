//! Concurrent attempts. The first success wins.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Starts an attempt for each candidate in turn and returns the first success. The next attempt starts when one fails or
/// the pause is over. On success, the other attempts are dropped.
///
/// # Errors
///
/// The first error for which `is_final` is true, or the error of the attempt that failed last. `None` if there are no
/// candidates.
pub(crate) async fn race<C, T, E, A, P>(
    candidates: Vec<C>,
    attempt: impl Fn(C) -> A,
    pause: impl Fn() -> P,
    is_final: impl Fn(&E) -> bool,
) -> Result<T, Option<E>>
where
    A: Future<Output = Result<T, E>>,
    P: Future<Output = ()>,
{
    let mut candidates = candidates.into_iter();
    let mut running = Vec::new();
    let mut failure = None;
    loop {
        running.extend(candidates.next().map(|candidate| Box::pin(attempt(candidate))));
        if running.is_empty() {
            return Err(failure);
        }
        let has_next = candidates.len() > 0;
        let mut pause = pin!(pause());
        let finished = poll_fn(|cx| match poll_any(&mut running, cx) {
            Poll::Pending if has_next => pause.as_mut().poll(cx).map(|()| None),
            polled => polled.map(Some),
        });
        match finished.await {
            Some(Ok(success)) => return Ok(success),
            Some(Err(error)) if is_final(&error) => return Err(Some(error)),
            Some(Err(error)) => failure = Some(error),
            None => {}
        }
    }
}

/// Polls the attempts, and removes the first one that is ready.
fn poll_any<A: Future>(running: &mut Vec<Pin<Box<A>>>, cx: &mut Context<'_>) -> Poll<A::Output> {
    for at in 0..running.len() {
        if let Poll::Ready(output) = running[at].as_mut().poll(cx) {
            drop(running.remove(at));
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

/// Orders addresses so that the two families alternate, starting with the family of the first one (RFC 8305, section 4).
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (mut same, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    let mut all = Vec::with_capacity(same.len() + other.len());
    while !same.is_empty() || !other.is_empty() {
        all.extend(same.pop_front());
        all.extend(other.pop_front());
    }
    all
}
