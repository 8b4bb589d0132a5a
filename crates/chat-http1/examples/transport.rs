//! A complete transport of your own. This one is on async-io, whose sockets and timers work under any executor.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p chat-http1 --example transport
//! ```

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chat_client::driver::{FromSettings, TransportError, TransportSettings};
use chat_client::{Client, Error, Transport};
use chat_http1::{Connector, Engine, Runtime, SendError, Stream, set_options};
use http::{Request, Response};

/// The sockets and timers of the runtime.
struct AsyncIo;

impl Runtime for AsyncIo {
    type Stream = async_net::TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        async_net::resolve((host, port)).await
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<async_net::TcpStream> {
        let stream = async_net::TcpStream::connect(addr).await?;
        set_options(&stream)?;
        Ok(stream)
    }

    async fn sleep(&self, time: Duration) {
        async_io::Timer::after(time).await;
    }
}

type AnswerBody = chat_http1::AnswerBody<Stream<async_net::TcpStream>>;

/// The transport.
struct MyTransport {
    engine: Engine<Connector<AsyncIo>>,
    origin: Instant,
}

impl FromSettings for MyTransport {
    fn from_settings(settings: &TransportSettings) -> Result<Self, Error> {
        let connector = Connector::from_settings(AsyncIo, settings)?;
        Ok(Self { engine: Engine::new(connector), origin: Instant::now() })
    }
}

impl Transport for MyTransport {
    /// Without `+ Send`, the transport would also work with a runtime that is not `Send`.
    type Send = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, SendError>> + Send>>;
    type Body = AnswerBody;
    type Error = SendError;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    const PRODUCT: &'static str = "my-transport/0.1.0";

    fn send(&self, request: Request<Bytes>) -> Self::Send {
        Box::pin(self.engine.send(request))
    }

    fn drain(&self, body: Pin<Box<AnswerBody>>) {
        Pin::into_inner(body).drain();
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Self::Sleep {
        let left = deadline.saturating_sub(self.now());
        Box::pin(async move {
            async_io::Timer::after(left).await;
        })
    }

    fn seed(&self) -> u64 {
        RandomState::new().hash_one(0u8)
    }

    fn classify(error: &SendError) -> TransportError {
        error.class()
    }
}

fn main() -> ExitCode {
    match async_io::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::<MyTransport>::from_env()?;
    let answer = client.default_session()?.ask("What is a transport?").finish().await?;
    println!("{}", answer.to_plain_text());
    Ok(())
}
