//! A relay for browsers: an axum handler that passes the stream on as server-sent events, and stops when the browser leaves.
//!
//! The key stays on the server. A browser that leaves drops the handler's stream, and with it the call.
//!
//! ```sh
//! cargo run -p transport-hyper --example axum_relay
//! ```

use std::convert::Infallible;
use std::error::Error;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use transport_hyper::{Client, Reply};

#[derive(Deserialize)]
struct Asked {
    question: String,
}

/// `GET /ask?question=…`
async fn ask(
    State(client): State<Client>,
    Query(asked): Query<Asked>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let reply = client.session("docs").ask(asked.question);
    Sse::new(stream::unfold(Some(Relay(reply)), |relay| async {
        let mut relay = relay?;
        Some(match relay.0.next().await {
            Some(Ok(event)) => (Ok(Event::default().event("text").data(event.text().unwrap_or_default())), Some(relay)),
            Some(Err(error)) => (Ok(Event::default().event("failed").data(error.to_string().replace('\r', " "))), None),
            None => (Ok(Event::default().event("done")), None),
        })
    }))
}

/// A call of somebody who may leave.
struct Relay(Reply);

impl Drop for Relay {
    fn drop(&mut self) {
        let events = self.0.answer().map_or(0, |answer| answer.events);
        let whole = self.0.answer().is_some_and(|answer| answer.finish_reason.is_some());
        println!("the relay ends after {events} events: {}", if whole { "all of them" } else { "the reader left" });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/ask?question=What%20is%20a%20transport%3F", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, Router::new().route("/ask", get(ask)).with_state(client)).await });

    // In place of two browsers: one stays to the end, one leaves after the first piece.
    let browser = || hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let body = browser().get(url.parse()?).await?.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body).lines().take(4).collect::<Vec<_>>().join("\n"));

    let request = http::Request::get(url).body(Empty::<bytes::Bytes>::new())?;
    let mut body = browser().request(request).await?.into_body();
    body.frame().await;
    drop(body);
    // The server sees it at its next write.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    Ok(())
}
