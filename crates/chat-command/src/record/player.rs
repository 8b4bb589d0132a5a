//! A transport that plays a recording.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chat_client::Transport;
use chat_client::driver::{BoxError, TransportError};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};

use super::recording::{Attempt, End, Outcome, Recording};

/// Plays the attempts of a recording in turn. It does not look at the requests.
pub(crate) struct Player {
    recording: Rc<Recording>,
    next: Cell<usize>,
    clock: Rc<Clock>,
}

impl Player {
    pub(crate) fn new(recording: Rc<Recording>, clock: Rc<Clock>) -> Self {
        Self { recording, next: Cell::new(0), clock }
    }
}

/// The clock of a replay. It stands still until it is set.
///
/// A future that waits for a time asks for it whenever it is polled. When nothing more happens at a time, the clock is set
/// to the earliest time that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    now: Cell<Duration>,
    next: Cell<Option<Duration>>,
    /// When the call was cancelled.
    cancel: Cell<Option<Duration>>,
    /// When the current attempt ends. No timer fires before.
    end: Cell<Duration>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A future waits for this time.
    At(Duration),
    /// The call was cancelled now, or the recording is over.
    Cancel,
}

impl Clock {
    /// Forgets all times that were asked for, before the futures are polled again.
    pub(crate) fn forget(&self) {
        self.next.set(None);
    }

    /// What happens next, if nothing more happens now.
    pub(crate) fn next(&self) -> Next {
        let cancel = self.cancel.get();
        match (self.next.get(), cancel) {
            (_, Some(cancel)) if cancel <= self.now.get() => Next::Cancel,
            (Some(next), Some(cancel)) => Next::At(next.min(cancel)),
            (Some(at), None) | (None, Some(at)) => Next::At(at),
            (None, None) => Next::Cancel,
        }
    }

    pub(crate) fn set(&self, now: Duration) {
        self.now.set(now);
    }

    /// Whether this time has come. If not, asks for it.
    fn has_come(&self, at: Duration) -> bool {
        if self.now.get() >= at {
            return true;
        }
        self.next.set(Some(self.next.get().map_or(at, |next| next.min(at))));
        false
    }
}

impl Transport for Player {
    type Send = Sending;
    type Body = Played;
    type Error = Failed;
    type Sleep = Sleep;

    const PRODUCT: &'static str = "chat-replay";

    fn send(&self, _: Request<Bytes>) -> Sending {
        let number = self.next.replace(self.next.get() + 1);
        let now = self.clock.now.get();
        if number + 1 >= self.recording.attempts.len() {
            let start = self.recording.attempts.last().map_or(Duration::ZERO, |attempt| attempt.start);
            self.clock.cancel.set(cancelled(&self.recording).map(|at| now + at.saturating_sub(start)));
        }
        let start = self.recording.attempts.get(number).map_or(now, |attempt| attempt.start);
        // The recording shows that no timeout ended the attempt before, even if the machine was slow.
        let ended = self.recording.attempts.get(number).and_then(|attempt| attempt.end.as_ref());
        self.clock.end.set(ended.map_or(now, |ended| now + ended.at.saturating_sub(start)));
        Sending(Attempted { recording: Rc::clone(&self.recording), number, clock: Rc::clone(&self.clock), start, now })
    }

    fn now(&self) -> Duration {
        self.clock.now.get()
    }

    fn sleep_until(&self, deadline: Duration) -> Sleep {
        Sleep { clock: Rc::clone(&self.clock), deadline }
    }

    fn seed(&self) -> u64 {
        self.recording.seed
    }

    fn classify(error: &Failed) -> TransportError {
        error.class
    }
}

/// When the call was cancelled. If the process was killed, it is as if it had been cancelled then.
fn cancelled(recording: &Recording) -> Option<Duration> {
    match recording.outcome {
        Some((at, Outcome::Cancelled)) => Some(at),
        Some(_) => None,
        None => recording.attempts.last().map(Attempt::last_time),
    }
}

impl Attempt {
    /// The time of its last record.
    fn last_time(&self) -> Duration {
        let head = self.head.as_ref().map(|head| head.at);
        let chunk = self.chunks.last().map(|(at, _)| *at);
        self.end.as_ref().map(|end| end.at).or(chunk).or(head).unwrap_or(self.start)
    }

    /// Whether the body is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.end.as_ref().is_some_and(|ended| ended.end == End::Complete)
    }

    /// The length of the body.
    pub(crate) fn length(&self) -> usize {
        self.chunks.iter().map(|(_, chunk)| chunk.len()).sum()
    }
}

/// An attempt that is played.
struct Attempted {
    recording: Rc<Recording>,
    number: usize,
    clock: Rc<Clock>,
    /// When it began in the recording, and when it began in the replay.
    start: Duration,
    now: Duration,
}

impl Attempted {
    fn attempt(&self) -> Option<&Attempt> {
        self.recording.attempts.get(self.number)
    }

    fn has_come(&self, at: Duration) -> bool {
        self.clock.has_come(self.now + at.saturating_sub(self.start))
    }

    /// The error at the end of the attempt, once its time has come.
    fn failure(&self) -> Option<Failed> {
        let ended = self.attempt()?.end.as_ref()?;
        match &ended.end {
            End::Failed(class, text) if self.has_come(ended.at) => Some(Failed { class: *class, text: text.clone() }),
            _ => None,
        }
    }
}

/// The future of a response's head.
pub(crate) struct Sending(Attempted);

impl Future for Sending {
    type Output = Result<Response<Played>, Failed>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(attempted) = self.get_mut();
        let Some(attempt) = attempted.attempt() else { return Poll::Pending };
        let Some(head) = &attempt.head else {
            return attempted.failure().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
        };
        if !attempted.has_come(head.at) {
            return Poll::Pending;
        }
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers.clone();
        // A secret that was removed, or an edit, changes the length.
        if attempt.is_complete() && response.headers().contains_key(CONTENT_LENGTH) {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(attempt.length()));
        }
        let Attempted { recording, number, clock, start, now } = attempted;
        let attempted = Attempted {
            recording: Rc::clone(recording),
            number: *number,
            clock: Rc::clone(clock),
            start: *start,
            now: *now,
        };
        Poll::Ready(Ok(response.map(|()| Played { attempted, next: 0 })))
    }
}

/// The body of a response.
pub(crate) struct Played {
    attempted: Attempted,
    /// The number of the next chunk.
    next: usize,
}

impl Body for Played {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let attempted = &this.attempted;
        let Some(attempt) = attempted.attempt() else { return Poll::Ready(None) };
        if let Some((at, chunk)) = attempt.chunks.get(this.next) {
            if !attempted.has_come(*at) {
                return Poll::Pending;
            }
            this.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        match &attempt.end {
            Some(ended) if ended.end == End::Complete && attempted.has_come(ended.at) => Poll::Ready(None),
            _ => attempted.failure().map_or(Poll::Pending, |error| Poll::Ready(Some(Err(error.into())))),
        }
    }
}

/// Timer future.
pub(crate) struct Sleep {
    clock: Rc<Clock>,
    deadline: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.clock.has_come(self.deadline.max(self.clock.end.get())) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A recorded error.
#[derive(Debug)]
pub(crate) struct Failed {
    class: TransportError,
    text: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits before retries are those of the call, so a timeout ends the same attempt.
    #[test]
    fn a_replay_has_the_seed_of_the_call() {
        let recording =
            Recording::parse(b"chat-recording 1\nseed: 7\n\n0 request POST http://h/v1/chat/completions\n").unwrap();
        let player = Player::new(Rc::new(recording), Rc::default());
        assert_eq!(player.seed(), 7);
    }

    #[test]
    fn the_clock_goes_to_the_earliest_time() {
        let clock = Clock::default();
        let [one, two, three] = [1, 2, 3].map(Duration::from_secs);
        assert_eq!(clock.next(), Next::Cancel, "nothing can happen any more");
        assert!(!clock.has_come(three) && !clock.has_come(one) && !clock.has_come(two));
        assert_eq!(clock.next(), Next::At(one));
        clock.set(one);
        clock.forget();
        assert!(clock.has_come(one) && !clock.has_come(three));
        clock.cancel.set(Some(two));
        assert_eq!(clock.next(), Next::At(two));
        clock.set(two);
        assert_eq!(clock.next(), Next::Cancel);
    }
}
