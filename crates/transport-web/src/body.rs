//! The body of an answer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chat_client::driver::DRAIN_BYTES;
use http_body::{Body, Frame};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

use crate::abort::Abort;
use crate::error::FetchError;
use crate::time::Sleep;

/// The body of an answer. Dropping it aborts the fetch, unless it has ended.
#[derive(Debug)]
pub struct AnswerBody(Option<Open>);

/// A body that has not ended.
#[derive(Debug)]
struct Open {
    reader: ReadableStreamDefaultReader,
    read: Option<JsFuture>,
    abort: Abort,
}

impl AnswerBody {
    /// Takes the body of a response. One that has none is complete.
    pub(crate) fn new(stream: Option<ReadableStream>, abort: Abort) -> Result<Self, FetchError> {
        let Some(stream) = stream else {
            abort.complete();
            return Ok(Self(None));
        };
        let reader = ReadableStreamDefaultReader::new(&stream).map_err(|thrown| FetchError::body(&thrown))?;
        Ok(Self(Some(Open { reader, read: None, abort })))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        let Some(open) = &mut self.0 else { return Poll::Ready(None) };
        let read = open.read.get_or_insert_with(|| JsFuture::from(open.reader.read()));
        let result = ready!(Pin::new(read).poll(cx));
        open.read = None;
        match result.map(|result| Reflect::get(&result, &JsValue::from_str("value"))) {
            Ok(Ok(value)) if value.is_undefined() => {
                if let Some(open) = self.0.take() {
                    open.abort.complete();
                }
                Poll::Ready(None)
            }
            Ok(Ok(value)) => Poll::Ready(Some(Ok(Frame::data(value.unchecked_into::<Uint8Array>().to_vec().into())))),
            Ok(Err(thrown)) | Err(thrown) => {
                self.0 = None;
                Poll::Ready(Some(Err(FetchError::body(&thrown))))
            }
        }
    }
}

/// Reads the rest of a body, so that its connection can be used again, unless it is long or takes until the deadline.
pub(crate) async fn drain(mut body: Pin<Box<AnswerBody>>, mut deadline: Sleep) {
    let mut read = 0;
    poll_fn(|cx| {
        while read <= DRAIN_BYTES && Pin::new(&mut deadline).poll(cx).is_pending() {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}
