//! A relay for browsers: an axum handler that passes the stream on as server-sent events, and stops when the browser leaves.
//!
//! The key stays on the server. A browser that leaves drops the handler's stream, and with it the call.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p transport-hyper --example axum_relay
//! ```

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use tokio::sync::mpsc::{self, UnboundedSender};
use transport_hyper::{Client, Reply};

#[derive(Clone)]
struct App {
    client: Client,
    /// Told how each relay ended.
    ended: UnboundedSender<String>,
}

#[derive(Deserialize)]
struct Asked {
    question: String,
}

/// `GET /ask?question=…`
async fn ask(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, (StatusCode, String)> {
    let session = app.client.default_session();
    let mut session = session.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let relay = Relay { reply: session.ask(asked.question), ended: app.ended };
    Ok(Sse::new(stream::unfold(Some(relay), |relay| async {
        let mut relay = relay?;
        Some(match relay.reply.next().await {
            Some(Ok(event)) => (Ok(Event::default().event("text").data(event.text().unwrap_or_default())), Some(relay)),
            Some(Err(error)) => (Ok(Event::default().event("failed").data(error.to_string())), None),
            None => (Ok(Event::default().event("done")), None),
        })
    })))
}

/// A call of somebody who may leave: to drop it is to cancel it.
struct Relay {
    reply: Reply,
    ended: UnboundedSender<String>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let events = self.reply.answer().map_or(0, |answer| answer.events);
        let whole = self.reply.answer().is_some_and(|answer| answer.finish_reason.is_some());
        let how = if whole { "all of them" } else { "the reader left" };
        let _ = self.ended.send(format!("the relay ends after {events} events: {how}"));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let app = App { client: Client::from_env()?, ended };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/ask?question=What%20is%20a%20transport%3F", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, Router::new().route("/ask", get(ask)).with_state(app)).await });

    // In place of two browsers: one stays to the end, one leaves after the first piece.
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
