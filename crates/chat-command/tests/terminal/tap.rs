//! A server that sends what the test says, when it says it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

/// A server of chat completions. Each request gets a stream; the test sends its text.
pub(crate) struct Tap {
    url: String,
    /// The answer to the last request.
    current: Arc<Mutex<Option<Sender<Step>>>>,
    requests: Receiver<String>,
    /// The number of pieces that were sent.
    sent: Arc<AtomicUsize>,
}

enum Step {
    Head,
    Send(String),
    /// The last event, with the token usage.
    Finish,
}

impl Tap {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (received, requests) = channel();
        let current = Arc::new(Mutex::new(None));
        let answering = Arc::clone(&current);
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                let Ok(request) = read_request(&mut connection) else { continue };
                let (sender, steps) = channel();
                *answering.lock().expect("no panic") = Some(sender);
                let _ = received.send(request);
                // The client may have closed the connection.
                let counter = Arc::clone(&counter);
                thread::spawn(move || drop(answer(connection, steps, &counter)));
            }
        });
        Self { url, current, requests, sent }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for the next request, and returns it.
    #[track_caller]
    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(std::time::Duration::from_secs(60)).expect("a request")
    }

    /// Sends the head of the response. A piece of text does so too.
    pub(crate) fn head(&self) {
        self.step(Step::Head);
    }

    /// Sends a piece of text.
    pub(crate) fn send(&self, text: &str) {
        self.step(Step::Send(text.to_owned()));
    }

    /// Ends the answer.
    pub(crate) fn finish(&self) {
        self.step(Step::Finish);
    }

    /// Waits until the client takes no more of the pieces, because its terminal takes no more.
    pub(crate) fn wait_until_blocked(&self) {
        let mut last = usize::MAX;
        let mut same = 0;
        while same < 50 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let sent = self.sent.load(Ordering::Relaxed);
            same = if sent == last { same + 1 } else { 0 };
            last = sent;
        }
    }

    fn step(&self, step: Step) {
        let current = self.current.lock().expect("no panic");
        // A client that has stopped the answer takes no more of it.
        let _ = current.as_ref().expect("a request").send(step);
    }
}

fn answer(mut connection: TcpStream, steps: Receiver<Step>, sent: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Some("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
    for step in steps {
        if let Some(head) = head.take() {
            connection.write_all(head.as_bytes())?;
        }
        match step {
            Step::Head => {}
            Step::Send(text) => {
                event(&mut connection, &json!({ "choices": [{ "delta": { "content": text }}]}))?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Step::Finish => {
                event(&mut connection, &json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }]}))?;
                let usage = json!({ "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46 });
                event(&mut connection, &json!({ "choices": [], "usage": usage }))?;
                return write!(connection, "data: [DONE]\n\n");
            }
        }
    }
    Ok(())
}

fn event(connection: &mut TcpStream, data: &serde_json::Value) -> std::io::Result<()> {
    write!(connection, "data: {data}\n\n")
}

/// Reads a request with its body.
fn read_request(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|n| n.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
