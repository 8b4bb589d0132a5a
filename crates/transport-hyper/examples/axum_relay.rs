//! An axum handler that relays an answer to a browser as server-sent events.
//!
//! The API key stays on the server. When the browser disconnects, axum drops the stream, which cancels the call.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example axum_relay
//! ```

use std::convert::Infallible;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use tokio::sync::mpsc::{self, UnboundedSender};
use transport_hyper::{Client, Error, Reply};

#[derive(Clone)]
struct App {
    client: Client,
    /// Receives a message when a relay ends.
    ended: UnboundedSender<String>,
}

#[derive(Deserialize)]
struct Params {
    question: String,
}

/// `GET /ask?question=…`
async fn ask(
    State(app): State<App>,
    Query(params): Query<Params>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, (StatusCode, String)> {
    let session = app.client.default_session();
    let mut session = session.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let relay = Relay { reply: session.ask(params.question), ended: app.ended };
    Ok(Sse::new(stream::unfold(Some(relay), |relay| async {
        let mut relay = relay?;
        Some(match relay.reply.next().await {
            Some(Ok(event)) => (Ok(Event::default().event("text").data(event.text().unwrap_or_default())), Some(relay)),
            Some(Err(error)) => (Ok(Event::default().event("failed").data(error.to_string())), None),
            None => (Ok(Event::default().event("done")), None),
        })
    })))
}

/// The call for one browser. Dropping it cancels the call.
struct Relay {
    reply: Reply,
    ended: UnboundedSender<String>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let events = self.reply.answer().map_or(0, |answer| answer.events);
        let is_complete = self.reply.answer().is_some_and(|answer| answer.finish_reason.is_some());
        let reason = if is_complete { "complete" } else { "the browser disconnected" };
        let _ = self.ended.send(format!("relay ended after {events} events: {reason}"));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(error) = error.downcast_ref::<Error>() {
                eprintln!("{}", error.advice());
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let app = App { client: Client::from_env()?, ended };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/ask?question=What%20is%20a%20transport%3F", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, Router::new().route("/ask", get(ask)).with_state(app)).await });

    // Two clients act as browsers: one reads to the end, the other disconnects after the first event.
    let browser = || hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = || http::Request::get(&url).body(Empty::<bytes::Bytes>::new());

    let body = browser().request(request()?).await?.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body).lines().take(5).collect::<Vec<_>>().join("\n"));
    println!("{}", ends.recv().await.unwrap_or_default());

    let mut body = browser().request(request()?).await?.into_body();
    body.frame().await;
    drop(body);
    println!("{}", ends.recv().await.unwrap_or_default());
    Ok(())
}
