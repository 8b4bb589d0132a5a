//! The body of an answer, read through surf.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{error, fmt};

use bytes::Bytes;
use chat_client::driver::BoxError;
use futures_io::AsyncBufRead;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, response};
use http_body::{Body, Frame};

use crate::backend::BodyError;
use crate::convert::Answer;

/// The body of an answer.
///
/// One of our own backend ends without an error only where the answer did. Of another backend's this is known only as far as
/// its bytes can be counted.
pub struct AnswerBody {
    reader: Reader,
    framing: Framing,
}

type Reader = Box<dyn AsyncBufRead + Unpin + Send + Sync>;

/// Who knows where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The backend: ours, one that decoded chunks, or one whose answer has no body.
    Backend,
    /// The head: so many bytes are to come.
    Length(u64),
    /// Nobody, and nothing came so far. Backends that can't read up to the connection's close give such a body as an empty
    /// one.
    Unframed,
    Ended,
}

impl AnswerBody {
    /// The head of an answer, and its body.
    pub(crate) fn split(answer: Answer) -> (response::Parts, Self) {
        let framing = if answer.is_ours { Framing::Backend } else { Framing::of(&answer.head) };
        (answer.head, Self { reader: answer.body.into_reader(), framing })
    }
}

impl Framing {
    /// The framing that a head tells (RFC 9112, section 6.3).
    fn of(head: &response::Parts) -> Self {
        let has_no_body = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        let coding = head.headers.get_all(TRANSFER_ENCODING).iter().next_back();
        if has_no_body || coding.is_some_and(|coding| coding == "chunked") {
            return Self::Backend;
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.map_or(Self::Unframed, Self::Length)
    }

    /// What is left to come after these bytes, and how many of them are the body's.
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
                return Poll::Ready(Cut::at_end(framing).map(|cut| Err(cut.into())));
            }
            Ok(bytes) => bytes,
            Err(error) => {
                this.framing = Framing::Ended;
                return Poll::Ready(Some(Err(unwrapped(error))));
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

/// Our backend's own error, which crossed as the cause of one of I/O, or the error as it is.
fn unwrapped(error: io::Error) -> BoxError {
    error.downcast::<BodyError>().map_or_else(BoxError::from, BoxError::from)
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// A body that another backend takes for whole.
#[derive(Debug)]
enum Cut {
    Short(u64),
    Unframed,
}

impl Cut {
    fn at_end(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Length(left) => Some(Self::Short(left)),
            Framing::Unframed => Some(Self::Unframed),
            Framing::Backend | Framing::Ended => None,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(left) => write!(f, "the body ended {left} bytes before its length"),
            Self::Unframed => f.write_str("the backend gave no body, though the answer may have one up to its close"),
        }
    }
}

impl error::Error for Cut {}
