//! Traces of a blocking call. They are those of an async call.

#![cfg(feature = "tracing")]

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use chat_blocking::Client;
use chat_mock::{ScriptServer, ScriptedReply as Script, Server};
use support::{once, question, runtime};
use tracing_subscriber::fmt::format::FmtSpan;

/// The lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn traced(call: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, call);
    let log = lines.0.lock().unwrap().clone();
    String::from_utf8(log).unwrap()
}

#[test]
fn a_call_and_its_attempt_are_spans_without_the_key() {
    let runtime = runtime();
    let server = runtime.block_on(Server::builder().api_key("k-secret").bind()).unwrap();
    let log = traced(|| {
        let client = Client::builder().base_url(server.url()).api_key("k-secret").build().unwrap();
        drop(client.session("i").ask("What is a transport?").finish().unwrap());
    });
    assert_eq!(log.matches(" chat_client: new").count(), 2, "a call and an attempt: {log}");
    assert!(log.contains("POST{") && log.contains("http.response.status_code=200"), "{log}");
    assert!(log.contains("answer complete attempts=1"), "{log}");
    assert!(!log.contains("secret") && !log.contains("What is"), "{log}");
    runtime.block_on(server.shutdown());
}

#[test]
fn a_failed_call_is_traced_and_a_call_that_sent_nothing_is_not() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(404, &[], "{}")]).unwrap();
    let log = traced(|| drop(once(&server.url()).create(&question()).finish()));
    assert!(log.contains("call failed error.type=\"api\" status=404 attempts=1"), "{log}");

    let log = traced(|| {
        let mut reply = once(&server.url()).create(&question());
        reply.canceller().cancel();
        assert!(reply.next().is_some_and(|item| item.is_err()));
    });
    assert_eq!(log, "");
}
