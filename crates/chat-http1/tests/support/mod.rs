//! Connections in memory, and a task that counts how often it is woken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use chat_http1::{AnswerBody, Connect, ConnectError, Engine, SendError};
use http::{Request, Response, Uri};
use http_body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};

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
    is_gone: bool,
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

    /// Says this again and again, without a pause.
    pub(crate) fn say_for_ever(&self, bytes: impl AsRef<[u8]>) {
        self.tell(|state| state.endless = bytes.as_ref().to_vec());
    }

    /// Takes nothing more, and writes to it fail.
    pub(crate) fn break_writes(&self) {
        self.tell(|state| state.is_broken = true);
    }

    pub(crate) fn close(&self) {
        self.tell(|state| state.is_closed = true);
    }

    /// Closes when the client has looked in vain for so many times more.
    pub(crate) fn close_after_reads(&self, reads: usize) {
        self.state().closes_after = Some(reads);
    }

    /// Takes so many bytes more and then none.
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

    /// Whether the client has let go of its end.
    pub(crate) fn is_gone(&self) -> bool {
        self.state().is_gone
    }
}

/// The client's end.
pub(crate) struct End(Line);

impl Drop for End {
    fn drop(&mut self) {
        self.0.state().is_gone = true;
    }
}

impl Read for End {
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

impl Write for End {
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

/// A server that takes each connection.
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
    type Io = End;

    async fn connect(&self, _: &Uri) -> Result<End, ConnectError> {
        let line = Line::default();
        self.0.lock().unwrap().push(line.clone());
        Ok(End(line))
    }
}

/// A task that is polled by hand.
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
    /// How often it was woken since this was asked.
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

/// What a request comes to that makes its way without waiting.
pub(crate) fn at_once<F: Future + Unpin>(mut future: F) -> F::Output {
    match Task::default().poll(&mut future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Sends a request and has the server answer it.
pub(crate) fn answer(
    engine: &Engine<Lines>,
    uri: &str,
    says: impl FnOnce(&Line),
) -> Result<Response<AnswerBody>, SendError> {
    let mut sending = engine.send(post(uri));
    assert!(Task::default().poll(&mut sending).is_pending(), "nobody has answered");
    let lines = engine.connector();
    says(&(0..lines.len()).rev().map(|n| lines.nth(n)).find(|line| !line.is_gone()).unwrap());
    at_once(sending)
}

/// A body to its end, and whether that is a good one.
pub(crate) fn whole(body: &mut AnswerBody) -> (String, bool) {
    let mut text = Vec::new();
    let is_whole = loop {
        match Task::default().data(body) {
            Poll::Ready(Some(Ok(data))) => text.extend_from_slice(&data),
            Poll::Ready(Some(Err(_))) => break false,
            Poll::Ready(None) => break true,
            Poll::Pending => panic!("the body waits after {text:?}"),
        }
    };
    (String::from_utf8(text).unwrap(), is_whole)
}
