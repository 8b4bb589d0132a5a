//! A backend for surf: HTTP/1.1 by hyper over async-std's sockets and rustls.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::task::{Context, Poll, ready};

use async_std::task;
use bytes::{Buf as _, Bytes};
use chat_client::Error;
use chat_client::driver::TransportSettings;
use chat_http1::{Connector, Engine, Runtime, Stream, rustls};
use futures_io::{AsyncBufRead, AsyncRead};
use http_body::Body as _;
use http_client::{Config, HttpClient, async_trait};
use http_types::{Body, Request, Response, StatusCode};

use crate::convert::{Drains, answer_into, request_from};
use crate::runtime::AsyncStd;

/// The transport's backend. Use it for a [`surf::Client`] with your own middleware.
///
/// ```no_run
/// use transport_async_std::driver::TransportSettings;
/// use transport_async_std::{AsyncStdTransport, Backend, Client, surf};
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
    /// Creates a backend. It trusts the default roots and those of the settings, and uses the proxies of the environment.
    ///
    /// # Errors
    ///
    /// The errors of [`Connector::from_settings`].
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::from_settings(AsyncStd, settings)?))
    }

    /// Creates a backend with your own TLS configuration, for example with other roots, a client certificate, or another
    /// cryptography provider. The ALPN protocols are replaced: only HTTP/1.1 is offered. The proxies are those of the
    /// environment.
    ///
    /// # Errors
    ///
    /// The errors of [`Connector::with_tls`].
    pub fn with_tls(settings: &TransportSettings, tls: rustls::ClientConfig) -> Result<Self, Error> {
        Ok(Self::with_connector(Connector::with_tls(AsyncStd, tls, settings)?))
    }

    /// Creates a backend with your own connector, for example with another proxy or without one.
    pub fn with_connector(connector: Connector<AsyncStd>) -> Self {
        let config = Config::new().set_timeout(None).set_tcp_no_delay(true);
        Self { engine: Engine::new(connector), closing_idle: Once::new(), config }
    }
}

#[async_trait]
impl HttpClient for Backend {
    async fn send(&self, request: Request) -> Result<Response, http_types::Error> {
        // Started at the first call, because it starts async-std's threads.
        self.closing_idle.call_once(|| {
            task::spawn(self.engine.close_idle(task::sleep));
        });
        let (request, is_complete) = request_from(request).await?;
        // `SendError` on the other side takes the engine's error out again.
        let answer = self.engine.send(request).await.map_err(into_surf)?;
        let (head, body) = answer.into_parts();
        let length = body.size_hint().exact().and_then(|length| length.try_into().ok());
        let drains = Drains::default();
        let reader = Reader { body: Mutex::new(Some(body)), chunk: Bytes::new(), drains: Arc::clone(&drains) };
        Ok(answer_into(&head, Body::from_reader(reader, length), is_complete, drains))
    }

    /// Returns an error: the settings of this backend can't be changed.
    fn set_config(&mut self, _: Config) -> http_types::Result<()> {
        Err(http_types::Error::from_str(
            StatusCode::NotImplemented,
            "the settings of this backend can't be changed: create a new one",
        ))
    }

    /// The settings in surf's terms. surf has none for the connect timeout.
    fn config(&self) -> &Config {
        &self.config
    }
}

fn into_surf(error: chat_http1::SendError) -> http_types::Error {
    http_types::Error::new(StatusCode::BadGateway, error)
}

/// The error of the engine's body. surf carries it inside an I/O error.
pub(crate) type BodyError = <EngineBody as http_body::Body>::Error;

type EngineBody = chat_http1::AnswerBody<Stream<<AsyncStd as Runtime>::Stream>>;

/// Adapts the engine's body to surf's reader.
struct Reader {
    /// http-types requires `Sync`, hence the mutex. It is never locked.
    body: Mutex<Option<EngineBody>>,
    chunk: Bytes,
    drains: Drains,
}

impl Reader {
    /// Fills `chunk`. It stays empty only at the end of the body.
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

impl Drop for Reader {
    fn drop(&mut self) {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = body
            && self.drains.load(Ordering::Relaxed)
        {
            body.drain();
        }
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
            // Even an empty slice prevents hyper from reusing its buffer.
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
        let (closed, on_close) = mpsc::channel();
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
        on_close.recv_timeout(Duration::from_secs(60)).expect("the connection is closed without another call");
        assert_eq!(backend.engine.idle_connections(), 0);
    }
}
