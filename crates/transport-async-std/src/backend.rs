//! A backend for surf: hyper's HTTP/1.1 over async-std's sockets and rustls.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::{Context, Poll, ready};

use async_std::task;
use bytes::{Buf as _, Bytes};
use chat_client::{Error, TransportSettings};
use chat_http1::{Connector, Engine, Runtime, Stream, rustls};
use futures_io::{AsyncBufRead, AsyncRead};
use http_body::Body as _;
use http_client::{Config, HttpClient, async_trait};
use http_types::{Body, Request, Response, StatusCode};

use crate::convert::{answer_into, request_from};
use crate::runtime::AsyncStd;

/// The transport's own backend, for a [`surf::Client`] with middleware of one's own.
///
/// ```no_run
/// use transport_async_std::{AsyncStdTransport, Backend, Client, TransportSettings, surf};
///
/// # fn main() -> Result<(), transport_async_std::Error> {
/// let backend = Backend::new(&TransportSettings::default())?;
/// let surf = surf::Client::with_http_client(backend).with(surf::middleware::Logger::new());
/// let client = Client::builder().env().build_on(AsyncStdTransport::with_client(surf))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Backend {
    engine: Engine<Connector<AsyncStd>>,
    closing_idle: Once,
    config: Config,
}

impl Backend {
    /// A backend with the default certificate roots and those of the settings, and the proxies of the environment.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::from_settings`].
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::from_settings(AsyncStd, settings)?))
    }

    /// A backend with a TLS configuration of your own: other roots, client certificates, another provider. Only HTTP/1.1 is
    /// offered, whatever the configuration says. The proxies are those of the environment.
    ///
    /// # Errors
    ///
    /// Those of [`Connector::with_tls`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::with_tls(AsyncStd, tls, settings)?))
    }

    /// A backend over a connector of your own, for example with another proxy or without one.
    pub fn with_connector(connector: Connector<AsyncStd>) -> Self {
        let config = Config::new().set_timeout(None).set_tcp_no_delay(true);
        Self { engine: Engine::new(connector), closing_idle: Once::new(), config }
    }
}

#[async_trait]
impl HttpClient for Backend {
    async fn send(&self, request: Request) -> Result<Response, http_types::Error> {
        // Not before there is a call: it starts async-std's threads.
        self.closing_idle.call_once(|| {
            task::spawn(self.engine.close_idle(task::sleep));
        });
        let (request, is_whole) = request_from(request).await?;
        // The engine's error crosses as it is, to be taken out again on the other side.
        let answer = self.engine.send(request).await.map_err(crossing)?;
        let (head, body) = answer.into_parts();
        let length = body.size_hint().exact().and_then(|length| length.try_into().ok());
        Ok(answer_into(&head, Body::from_reader(Reader::new(body), length), is_whole))
    }

    /// Refused: what there is to set is set where the backend is made.
    fn set_config(&mut self, _: Config) -> http_types::Result<()> {
        Err(http_types::Error::from_str(StatusCode::NotImplemented, "the backend is set where it is made"))
    }

    /// What holds here, in surf's terms. The connect timeout has none.
    fn config(&self) -> &Config {
        &self.config
    }
}

fn crossing(error: chat_http1::SendError) -> http_types::Error {
    http_types::Error::new(StatusCode::BadGateway, error)
}

/// What goes wrong in the body of an answer. It crosses as the cause of an error of I/O.
pub(crate) type BodyError = <EngineBody as http_body::Body>::Error;

type EngineBody = chat_http1::AnswerBody<Stream<<AsyncStd as Runtime>::Stream>>;

/// The engine's body as surf reads it.
struct Reader {
    /// Never locked: it is here because http-types wants `Sync`.
    body: Mutex<Option<EngineBody>>,
    chunk: Bytes,
}

impl Reader {
    fn new(body: EngineBody) -> Self {
        Self { body: Mutex::new(Some(body)), chunk: Bytes::new() }
    }

    /// Makes sure of a chunk that is not empty, unless the body is at its end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        while self.chunk.is_empty() {
            let Some(reading) = body else { break };
            match ready!(Pin::new(reading).poll_frame(cx)) {
                Some(Ok(frame)) => self.chunk = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    *body = None;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                None => *body = None,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.chunk.advance(amount);
        if self.chunk.is_empty() {
            // Even an empty slice keeps hyper from using its buffer again.
            self.chunk = Bytes::new();
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let taken = bytes.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&bytes[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(taken))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_idle_connection_is_closed_when_its_time_is_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (closed, told) = mpsc::channel();
        thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            while tcp.read(&mut [0; 1024]).unwrap() > 0 {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            }
            closed.send(()).unwrap();
        });
        let connector = || Connector::new(AsyncStd, chat_http1::tls::config([], None).unwrap(), None);
        let engine = Engine::with_max_idle_time(connector(), Duration::from_millis(10));
        let backend = Backend { engine, ..Backend::with_connector(connector()) };
        let request = Request::new(http_types::Method::Get, url.parse::<http_types::Url>().unwrap());
        let text = task::block_on(async { backend.send(request).await.unwrap().body_string().await.unwrap() });
        assert_eq!(text, "ok");
        told.recv_timeout(Duration::from_secs(60)).expect("it is closed without another call");
        assert_eq!(backend.engine.idle_connections(), 0);
    }
}
