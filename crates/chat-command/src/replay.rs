//! `chat replay`: decodes a recorded call again.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use chat_client::completions::{CompletionInput, Message};
use chat_client::driver::ApiKey;
use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{Client, Error, KeySource, Reply, RetryPolicy};

use crate::args::{Api, Ask, Replay};
use crate::ask;
use crate::connect::{KEY_FROM_ENV, KEY_FROM_FLAG};
use crate::interrupt::Interrupt;
use crate::print::{USAGE, report};
use crate::record::{Clock, KeyOrigin, Next, Player, Recording, Settings};

pub(crate) async fn run(args: &Replay, interrupt: Interrupt) -> io::Result<u8> {
    let Some((recording, operation)) = read(&args.file)? else { return Ok(USAGE) };
    let clock = Rc::new(Clock::default());
    let ask = Ask::as_recorded(operation.api(), operation == Operation::Continue, args.json);
    let reply = start(operation, recording, &clock);
    let playing = ask::show(&ask.options, std::future::ready(reply), interrupt.clone());
    play(playing, &clock, args.fast, &interrupt).await
}

/// Reads a recording, or reports what is wrong with it.
pub(crate) fn read(file: &std::path::Path) -> io::Result<Option<(Recording, Operation)>> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    let recording = match Recording::parse(&text) {
        Ok(recording) => recording,
        Err(error) => {
            report(&format!("{name}: {error}"), "Correct the line, or record the call again.");
            return Ok(None);
        }
    };
    let url = recording.attempts.first().map_or("", |attempt| &attempt.url);
    let Some(operation) = Operation::of(url) else {
        report(
            &format!("{name}: the first request is not a question: {url}"),
            "Its path must end in `/chat_results` (v0) or `/chat/completions` (v1).",
        );
        return Ok(None);
    };
    Ok(Some((recording, operation)))
}

/// The operation of a recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Continue,
    Complete,
}

impl Operation {
    /// The operation that has this URL.
    fn of(url: &str) -> Option<Self> {
        let path = url.split('?').next().unwrap_or_default();
        if path.ends_with("/chat/completions") {
            return Some(Self::Complete);
        }
        let sessions = path.strip_suffix("/chat_results")?;
        if sessions.ends_with("/v0/chat_sessions") {
            return Some(Self::Create);
        }
        let (_, id) = sessions.rsplit_once("/v0/chat_sessions/")?;
        (!id.is_empty()).then_some(Self::Continue)
    }

    /// The dialect.
    pub(crate) fn api(self) -> Api {
        if self == Self::Complete { Api::Completions } else { Api::Sessions }
    }
}

/// Starts the call again, with the recorded settings. Only its operation matters, because the recording answers anything.
fn start(operation: Operation, recording: Recording, clock: &Rc<Clock>) -> Result<Reply<Player>, Error> {
    let Settings { key: origin, max_retries, timeouts } = recording.settings;
    let key = |origin| Ok(KeySource::Fixed { key: ApiKey::new("any")?, origin });
    let key = match origin {
        KeyOrigin::None => KeySource::None,
        KeyOrigin::Flag => key(KEY_FROM_FLAG)?,
        KeyOrigin::Environment => key(KEY_FROM_ENV)?,
    };
    let client = Client::<Player>::builder()
        .key_source(key)
        .timeouts(timeouts)
        .retry(RetryPolicy::default().with_max_retries(max_retries))
        .build_on(Player::new(Rc::new(recording), Rc::clone(clock)))?;
    Ok(match operation {
        Operation::Create => client.create(&CreateInput::new("any", "any")),
        Operation::Continue => client.continue_session("any", &ContinueInput::new("any", "any")),
        Operation::Complete => client.complete(&CompletionInput::new("any", [Message::user("any")])),
    })
}

/// Plays a call: whenever nothing more happens, the clock goes on. `fast` does not wait for the real time.
async fn play(
    playing: impl Future<Output = io::Result<u8>>,
    clock: &Clock,
    fast: bool,
    interrupt: &Interrupt,
) -> io::Result<u8> {
    let start = Instant::now();
    let mut playing = pin!(playing);
    let mut is_cancelled = false;
    loop {
        clock.forget();
        if let Some(status) = until_quiet(playing.as_mut()).await {
            return status;
        }
        match clock.next() {
            Next::At(at) => {
                if !fast {
                    tokio::select! {
                        biased;
                        status = &mut playing => return status,
                        () = tokio::time::sleep(at.saturating_sub(start.elapsed())) => {}
                    }
                }
                clock.set(at);
            }
            Next::Cancel if is_cancelled => return playing.await,
            Next::Cancel => {
                is_cancelled = true;
                interrupt.trigger();
            }
        }
    }
}

/// Polls a future until it is complete, or waits for something other than its next turn.
async fn until_quiet<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        let turn = Arc::new(Turn { is_due: AtomicBool::new(false), task: cx.waker().clone() });
        match future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&turn)))) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if turn.is_due.load(Ordering::Acquire) => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        }
    })
    .await
}

/// A waker that remembers that it was used.
struct Turn {
    is_due: AtomicBool,
    task: Waker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}
