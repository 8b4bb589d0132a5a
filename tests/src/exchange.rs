//! Check of an exchange with inputs in any order.

use std::time::Duration;

use bytes::Bytes;
use chat_proto::completions::CompletionInput;
use chat_proto::sessions::{ContinueInput, CreateInput};
use chat_proto::{Attempt, Config, Elapsed, Endpoint, Event, Exchange, Output, Request, TransportError};

const PIECES: [&[u8]; 8] = [
    b"event: message_chunk\ndata: {\"content_chunk\":\"a\"}\n\n",
    b"event: message_chunk\ndata: {\"content_chunk\":\"b\",\"finish_reason\":\"stop\",\"chat_session_id\":\"s\"}\n\n",
    b"event: records_cited\ndata: {\"citations\":[]}\n\nevent: new\ndata: x\n\n",
    b"event: mess",
    b": still there\n\n",
    b"event: error\ndata: {}\n\n",
    b"{\"chat_session_id\":\"s\",\"message\":{\"role\":\"assistant\",\"content\":\"c\"}}",
    b"",
];

const COMPLETION_PIECES: [&[u8]; 8] = [
    b"data: {\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    b"data: {\"choices\":[{\"delta\":{\"content\":\"b\\ud83d\"},\"finish_reason\":\"stop\"}],\"usage\":{}}\n\n",
    b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0},{\"index\":1}]}}]}\n\nevent: new\ndata: x\n\n",
    b"data: {\"ch",
    b": still there\n\n",
    b"data: {\"error\":{}}\n\n",
    b"{\"choices\":[{\"message\":{\"content\":\"c\",\"function_call\":{\"name\":\"f\"}}}]}",
    b"data: [DONE]\n\n",
];

const ERRORS: [TransportError; 6] = [
    TransportError::Connect,
    TransportError::ConnectTimeout,
    TransportError::Permanent,
    TransportError::Unsent,
    TransportError::MaybeSent,
    TransportError::Body,
];

/// Runs an exchange in which each byte is an input or a poll, in any order.
///
/// # Panics
///
/// If the exchange sends too often, stalls, returns an output after its end, or returns an event that is not in its
/// answer.
pub fn check_exchange(bytes: &[u8]) {
    let [setup, inputs @ ..] = bytes else { return };
    let mut config = Config::default();
    config.retry.max_retries = u32::from(setup & 3);
    config.retry.ambiguous = setup & 4 != 0;
    config.timeouts.total = (setup & 8 != 0).then_some(Duration::from_secs(30));
    config.limits.answer = 64;
    config.limits.unknown_events = 64;
    let endpoint = Endpoint::new("http://api.example").expect("a legal URL");
    let (pieces, request) = match setup & 48 {
        0 => (PIECES, Request::create(&endpoint, &CreateInput::new("i", "m"))),
        16 => (PIECES, Request::continue_session(&endpoint, "s", &ContinueInput::new("i", "m"))),
        _ => (COMPLETION_PIECES, Request::complete(&endpoint, &CompletionInput::new("m", ["q"]))),
    };
    let mut exchange = Exchange::new(request.expect("a legal request"), &config, u64::from(*setup));
    let mut observer = Observer::default();
    let mut now = Elapsed::START;

    for input in inputs {
        let choice = usize::from(input >> 3);
        // Mostly the current attempt, sometimes the previous or the next one.
        let attempts = exchange.attempts();
        let attempt = Attempt::new(match choice {
            29 => attempts.saturating_sub(1),
            30 => attempts + 1,
            _ => attempts,
        });
        match input & 7 {
            0 => {
                let (status, content_type) = [
                    (200, "text/event-stream"),
                    (200, "application/json"),
                    (429, "application/json"),
                    (500, "text/plain"),
                    (302, ""),
                ][choice % 5];
                let head = http::Response::builder().status(status).header("content-type", content_type);
                exchange.handle_head(attempt, head.body(()).expect("a legal head").into_parts().0, now);
            }
            1 | 2 => exchange.handle_data(attempt, Bytes::from_static(pieces[choice % pieces.len()]), now),
            3 => exchange.handle_eof(attempt, now),
            4 => exchange.handle_error(attempt, ERRORS[choice % ERRORS.len()], now),
            5 => {
                now = exchange.poll_timeout().filter(|_| choice % 2 == 0).unwrap_or(now + Duration::from_millis(700));
                exchange.handle_timeout(now);
            }
            6 if choice == 31 => exchange.cancel(),
            6 => now = now + Duration::from_millis(250 * choice as u64),
            _ => {}
        }
        if input & 7 != 7 || choice % 2 == 0 {
            observer.poll(&mut exchange, now);
        }
    }
    assert!(observer.sends <= config.retry.max_retries + 1, "sent {} times", observer.sends);
    // A cancel ends the exchange in any state.
    exchange.cancel();
    observer.poll(&mut exchange, now);
    assert!(exchange.outcome().is_some(), "the exchange did not end after a cancel");
}

/// Checks the outputs of an exchange.
#[derive(Default)]
struct Observer {
    sends: u32,
    events: u64,
    text: String,
    end: Option<String>,
}

impl Observer {
    /// Polls until the exchange needs input.
    fn poll(&mut self, exchange: &mut Exchange, now: Elapsed) {
        for _ in 0..64 {
            match exchange.poll_output(now) {
                Output::Send(..) => {
                    assert_eq!(self.events, 0, "sent again after an event");
                    self.sends += 1;
                }
                Output::Event(event) => self.event(&event),
                Output::Read | Output::Wait => {
                    assert!(self.end.is_none(), "the exchange continued after its end");
                    return;
                }
                Output::Done => return self.done(exchange),
            }
            assert!(self.end.is_none(), "there was an output after the end");
        }
        panic!("64 outputs without an input between them");
    }

    fn event(&mut self, event: &Event) {
        self.events += 1;
        self.text += event.text().unwrap_or_default();
    }

    fn done(&mut self, exchange: &Exchange) {
        let outcome = exchange.outcome().expect("an outcome when done");
        if let Some(answer) = exchange.answer() {
            // The events of a JSON answer may be complete before they are taken.
            assert!(answer.text.starts_with(&self.text), "{:?} was delivered of {:?}", self.text, answer.text);
            assert!(answer.events >= self.events);
        }
        if let Ok(answer) = outcome {
            assert_eq!(
                (&answer.text, answer.events),
                (&self.text, self.events),
                "the answer is not the sum of the delivered events"
            );
        }
        assert_eq!(exchange.poll_timeout(), None, "a deadline after the end");
        let end = format!("{outcome:?} {:?}", exchange.answer());
        assert_eq!(self.end.get_or_insert(end.clone()), &end, "the end changed");
    }
}
