//! Connections in memory, and a task that counts its wakes.
#![allow(dead_code, reason = "each test file uses a part")]

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use chat_http1::{Connect, ConnectError, Engine, SendError};
use http::{Request, Response, Uri};
use http_body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};

pub(crate) type AnswerBody = chat_http1::AnswerBody<ClientEnd>;
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>> + Send>>;

/// The server's end of a connection.
#[derive(Clone, Default)]
pub(crate) struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    heard: Vec<u8>,
    room: Option<usize>,
    is_broken: bool,
    says: Vec<u8>,
    endless: Vec<u8>,
    is_closed: bool,
    closes_after: Option<usize>,
    reads: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    is_dropped: bool,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let (reader, writer) = {
            let mut state = self.state();
            change(&mut state);
            (state.reader.take(), state.writer.take())
        };
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }

    pub(crate) fn say(&self, bytes: impl AsRef<[u8]>) {
        self.tell(|state| state.says.extend_from_slice(bytes.as_ref()));
    }

    /// Repeats these bytes without end.
    pub(crate) fn say_without_end(&self, bytes: impl AsRef<[u8]>) {
        self.tell(|state| state.endless = bytes.as_ref().to_vec());
    }

    /// Makes the client's writes fail.
    pub(crate) fn break_writes(&self) {
        self.tell(|state| state.is_broken = true);
    }

    pub(crate) fn close(&self) {
        self.tell(|state| state.is_closed = true);
    }

    /// Closes after this many more reads that found nothing.
    pub(crate) fn close_after_reads(&self, reads: usize) {
        self.state().closes_after = Some(reads);
    }

    /// Accepts this many more bytes, and then no more.
    pub(crate) fn take_only(&self, room: usize) {
        self.state().room = Some(room);
    }

    pub(crate) fn heard(&self) -> String {
        String::from_utf8(self.state().heard.clone()).unwrap()
    }

    pub(crate) fn requests(&self) -> usize {
        self.heard().matches(" HTTP/1.1\r\n").count()
    }

    pub(crate) fn reads(&self) -> usize {
        self.state().reads
    }

    /// Whether the client has dropped its end.
    pub(crate) fn is_dropped(&self) -> bool {
        self.state().is_dropped
    }
}

/// The client's end.
pub(crate) struct ClientEnd(Line);

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.0.state().is_dropped = true;
    }
}

impl Read for ClientEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        state.reads += 1;
        if !state.says.is_empty() {
            let taken = state.says.len().min(buf.remaining());
            buf.put_slice(&state.says[..taken]);
            state.says.drain(..taken);
            return Poll::Ready(Ok(()));
        }
        if !state.endless.is_empty() {
            let taken = state.endless.len().min(buf.remaining());
            buf.put_slice(&state.endless[..taken]);
            state.endless.rotate_left(taken);
            return Poll::Ready(Ok(()));
        }
        if state.is_closed || state.closes_after == Some(0) {
            return Poll::Ready(Ok(()));
        }
        state.closes_after = state.closes_after.map(|reads| reads - 1);
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Write for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        if state.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = state.room.map_or(buf.len(), |room| room.min(buf.len()));
        if taken == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.room = state.room.map(|room| room - taken);
        state.heard.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A server that accepts every connection.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn nth(&self, n: usize) -> Line {
        self.0.lock().unwrap()[n].clone()
    }

    pub(crate) fn last(&self) -> Line {
        self.nth(self.len() - 1)
    }
}

impl Connect for Lines {
    type Io = ClientEnd;

    async fn connect(&self, _: &Uri) -> Result<ClientEnd, ConnectError> {
        let line = Line::default();
        self.0.lock().unwrap().push(line.clone());
        Ok(ClientEnd(line))
    }
}

/// A task that the test polls.
#[derive(Default)]
pub(crate) struct Task(Arc<Wakes>);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    /// The number of wakes since the last call.
    pub(crate) fn wakes(&self) -> usize {
        self.0.0.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.0))))
    }

    /// The next piece of a body.
    pub(crate) fn data(&self, body: &mut AnswerBody) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let waker = Waker::from(Arc::clone(&self.0));
        Pin::new(body)
            .poll_frame(&mut Context::from_waker(&waker))
            .map_ok(|frame| frame.into_data().unwrap_or_default())
    }
}

pub(crate) fn post(uri: &str) -> Request<Bytes> {
    Request::post(uri).body(Bytes::from_static(b"{}")).unwrap()
}

pub(crate) fn send(engine: &Engine<Lines>, request: Request<Bytes>) -> Sending {
    Box::pin(engine.send(request))
}

/// The output of a future that is ready at the first poll.
pub(crate) fn ready<F: Future + Unpin>(mut future: F) -> F::Output {
    match Task::default().poll(&mut future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending"),
    }
}

/// Sends a request and lets the server answer it.
pub(crate) fn answer(
    engine: &Engine<Lines>,
    uri: &str,
    says: impl FnOnce(&Line),
) -> Result<Response<AnswerBody>, SendError> {
    let mut sending = send(engine, post(uri));
    assert!(Task::default().poll(&mut sending).is_pending(), "there is no answer yet");
    let lines = engine.connector();
    says(&(0..lines.len()).rev().map(|n| lines.nth(n)).find(|line| !line.is_dropped()).unwrap());
    ready(sending)
}

/// The text of a body, and whether it ended without an error.
pub(crate) fn read_all(body: &mut AnswerBody) -> (String, bool) {
    let mut text = Vec::new();
    let is_whole = loop {
        match Task::default().data(body) {
            Poll::Ready(Some(Ok(data))) => text.extend_from_slice(&data),
            Poll::Ready(Some(Err(_))) => break false,
            Poll::Ready(None) => break true,
            Poll::Pending => panic!("the body is pending after {text:?}"),
        }
    };
    (String::from_utf8(text).unwrap(), is_whole)
}
