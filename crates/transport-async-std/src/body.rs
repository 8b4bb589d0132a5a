//! The body of an answer, read through surf.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::{error, fmt};

use bytes::Bytes;
use chat_client::driver::BoxError;
use futures_io::AsyncBufRead;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, response};
use http_body::{Body, Frame};

use crate::backend::BodyError;
use crate::convert::{Answer, Drains};

/// The body of an answer.
///
/// With our own [`Backend`](crate::Backend), it ends without an error only if the answer is complete. With another backend, a
/// truncated answer is detected only by its length.
pub struct AnswerBody {
    reader: Reader,
    framing: Framing,
    drains: Option<Drains>,
}

type Reader = Box<dyn AsyncBufRead + Unpin + Send + Sync>;

/// How the end of the body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The backend knows it: our own, a chunked answer, or an answer without a body.
    Backend,
    /// By the length in the head. This many bytes are left.
    Length(u64),
    /// By the end of the connection, and no byte has arrived so far. Backends that don't support this return an empty body.
    Unframed,
    Ended,
}

impl AnswerBody {
    /// Splits an answer into head and body.
    pub(crate) fn split(answer: Answer) -> (response::Parts, Self) {
        let framing = if answer.drains.is_some() { Framing::Backend } else { Framing::of(&answer.head) };
        (answer.head, Self { reader: answer.body.into_reader(), framing, drains: answer.drains })
    }

    /// Drops the body. Our own backend drains the rest.
    pub(crate) fn drain(self) {
        if let Some(drains) = &self.drains {
            drains.store(true, Ordering::Relaxed);
        }
    }
}

impl Framing {
    /// The framing according to the head (RFC 9112, section 6.3).
    fn of(head: &response::Parts) -> Self {
        let has_no_body = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        let coding = head.headers.get_all(TRANSFER_ENCODING).iter().next_back();
        if has_no_body || coding.is_some_and(|coding| coding == "chunked") {
            return Self::Backend;
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.map_or(Self::Unframed, Self::Length)
    }

    /// Takes received bytes. Returns the new framing, and how many of the bytes belong to the body.
    fn take(self, bytes: usize) -> (Self, usize) {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(left).map_or(bytes, |left| left.min(bytes));
                (Self::Length(left - taken as u64), taken)
            }
            Self::Unframed | Self::Backend => (Self::Backend, bytes),
            Self::Ended => (Self::Ended, 0),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if matches!(this.framing, Framing::Ended | Framing::Length(0)) {
            return Poll::Ready(None);
        }
        let mut reader = Pin::new(&mut this.reader);
        let bytes = match ready!(reader.as_mut().poll_fill_buf(cx)) {
            Ok([]) => {
                let framing = std::mem::replace(&mut this.framing, Framing::Ended);
                return Poll::Ready(IncompleteBody::at_end(framing).map(|error| Err(error.into())));
            }
            Ok(bytes) => bytes,
            Err(error) => {
                this.framing = Framing::Ended;
                return Poll::Ready(Some(Err(unwrap_error(error))));
            }
        };
        let (framing, taken) = this.framing.take(bytes.len());
        let chunk = Bytes::copy_from_slice(&bytes[..taken]);
        reader.consume(taken);
        this.framing = framing;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.framing, Framing::Ended | Framing::Length(0))
    }
}

/// Takes our backend's error out of the I/O error that carries it. Other errors are returned unchanged.
fn unwrap_error(error: io::Error) -> BoxError {
    error.downcast::<BodyError>().map_or_else(BoxError::from, BoxError::from)
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// A truncated body that another backend considers complete.
#[derive(Debug)]
enum IncompleteBody {
    /// This many bytes are missing.
    Short(u64),
    Unframed,
}

impl IncompleteBody {
    fn at_end(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Length(left) => Some(Self::Short(left)),
            Framing::Unframed => Some(Self::Unframed),
            Framing::Backend | Framing::Ended => None,
        }
    }
}

impl fmt::Display for IncompleteBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(left) => write!(f, "the body ended {left} bytes before its Content-Length"),
            Self::Unframed => {
                f.write_str("the backend returned no body, but the answer may have one that ends with the connection")
            }
        }
    }
}

impl error::Error for IncompleteBody {}
