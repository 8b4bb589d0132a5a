//! A second driver: runs a scenario on the core alone, without the client, as a program with its own runtime would.
//!
//! Unlike the client, it also passes late input of closed attempts to the core, which must ignore it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use chat_client::Event;
use chat_client::driver::{Attempt, Elapsed, Endpoint, Exchange, Output, Request, TransportError};
use chat_client::sessions::{ContinueInput, CreateInput};

use super::run::completion_input;
use super::scenario::{Dialect, End, Pace, Reaction, Response, Scenario};
use super::transcript::{Outcome, Step, Transcript};
use super::transport::round_up;

/// Runs a scenario to its end. The consumer must not leave and must not be late.
///
/// # Panics
///
/// If the request is invalid, or the call does not end.
pub fn run_on_core(scenario: &Scenario) -> Transcript {
    let endpoint = Endpoint::new("https://api.example").expect("a legal URL");
    let request = if scenario.dialect == Dialect::Completions {
        Request::complete(&endpoint, &completion_input(scenario))
    } else if scenario.continues {
        Request::continue_session(&endpoint, "s", &ContinueInput::new("int", "Hi"))
    } else {
        Request::create(&endpoint, &CreateInput::new("int", "Hi"))
    };
    let exchange = Exchange::new(request.expect("a legal request"), &scenario.config, scenario.seed);
    let mut driver = Driver {
        scenario,
        exchange,
        now: Duration::ZERO,
        connection: None,
        late: VecDeque::new(),
        pauses: 0,
        transcript: Transcript::default(),
    };
    let outcome = driver.drive();
    driver.transcript.outcome = Some(outcome);
    driver.transcript
}

struct Driver<'a> {
    scenario: &'a Scenario,
    exchange: Exchange,
    now: Duration,
    connection: Option<Connection<'a>>,
    /// Late input of closed attempts, with its time.
    late: VecDeque<(Duration, Attempt, Input)>,
    pauses: usize,
    transcript: Transcript,
}

/// Connection of the current attempt.
struct Connection<'a> {
    attempt: Attempt,
    response: Option<&'a Response>,
    fault: Option<TransportError>,
    /// When the next input can be read. While `next` is `None`: when the previous input could be read.
    ready: Duration,
    next: Option<Next>,
    taken: Vec<Duration>,
    is_quiet: bool,
    trailed: bool,
}

#[derive(Clone, Copy)]
enum Next {
    Head,
    Piece(usize),
    End,
    /// No more input.
    Silence,
}

/// Late input of a closed attempt.
enum Input {
    Head,
    Data(Bytes),
    Eof,
    Error,
}

impl Driver<'_> {
    fn drive(&mut self) -> Outcome {
        for _ in 0..100_000 {
            while let Some(event) = self.exchange.poll_event() {
                self.take(event);
            }
            self.pass_late_input();
            match self.exchange.poll_output(Elapsed::from_start(self.now)) {
                Output::Event(event) => self.take(event),
                Output::Send(attempt, _) => self.send(attempt),
                Output::Read => {
                    if !self.read() && !self.sleep() {
                        return Outcome::Hangs;
                    }
                }
                Output::Wait => {
                    self.close();
                    if !self.sleep() {
                        return Outcome::Hangs;
                    }
                }
                Output::Done => {
                    self.close();
                    self.record(Step::Over);
                    return Outcome::Ended(self.exchange.take_outcome().expect("an outcome"));
                }
            }
        }
        panic!("the call does not end");
    }

    fn record(&mut self, step: Step) {
        self.transcript.record(self.now, step);
    }

    fn take(&mut self, event: Event) {
        self.record(Step::Event(event));
        if let Pace::Pausing(pauses) = &self.scenario.consumer.pace {
            let pause = pauses[self.pauses % pauses.len()];
            self.pauses += 1;
            if pause > Duration::ZERO {
                self.record(Step::Pause(pause));
                self.now += pause;
            }
        }
    }

    fn send(&mut self, attempt: Attempt) {
        self.record(Step::Sent(attempt.number() as usize));
        let script = self.scenario.attempts.get(attempt.number() as usize - 1);
        let mut connection = Connection {
            attempt,
            response: None,
            fault: None,
            ready: self.now + script.map_or(Duration::ZERO, |script| script.delay),
            next: Some(Next::Head),
            taken: Vec::new(),
            is_quiet: false,
            trailed: false,
        };
        match script.map(|script| &script.reaction) {
            Some(Reaction::Answer(response)) => connection.response = Some(response),
            Some(Reaction::Fault(fault)) => connection.fault = Some(*fault),
            Some(Reaction::Silence) | None => connection.next = Some(Next::Silence),
        }
        self.connection = Some(connection);
    }

    /// Closes the attempt and schedules its late input.
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.record(Step::Closed);
            let attempt = connection.attempt;
            let inputs = [Input::Head, Input::Data(Bytes::from_static(b"late")), Input::Error, Input::Eof];
            for (n, input) in inputs.into_iter().enumerate() {
                self.late.push_back((self.now + Duration::from_millis(7 * n as u64), attempt, input));
            }
        }
    }

    /// Passes the late input that is due to the core.
    fn pass_late_input(&mut self) {
        let now = Elapsed::from_start(self.now);
        while self.late.front().is_some_and(|(at, _, _)| *at <= self.now) {
            let (_, attempt, input) = self.late.pop_front().expect("checked above");
            match input {
                Input::Head => {
                    let head = http::Response::builder().header("content-type", "text/event-stream").body(());
                    self.exchange.handle_head(attempt, head.expect("a legal head").into_parts().0, now);
                }
                Input::Data(data) => self.exchange.handle_data(attempt, data, now),
                Input::Eof => self.exchange.handle_eof(attempt, now),
                Input::Error => self.exchange.handle_error(attempt, TransportError::MaybeSent, now),
            }
        }
    }

    /// Reads the next input if it is ready. Returns whether it was.
    fn read(&mut self) -> bool {
        let now = Elapsed::from_start(self.now);
        let Some(connection) = &mut self.connection else { return false };
        let attempt = connection.attempt;
        let next = connection.next();
        if matches!(next, Next::Silence) || connection.ready > self.now {
            if !std::mem::replace(&mut connection.is_quiet, true) {
                self.record(Step::Quiet);
            }
            return false;
        }
        connection.is_quiet = false;
        connection.next = None;
        let step = match (next, connection.response) {
            (Next::Head, None) => {
                let fault = connection.fault.expect("an answer or a fault");
                self.exchange.handle_error(attempt, fault, now);
                self.record(Step::Failed(fault));
                return true;
            }
            (Next::Head, Some(response)) => {
                let head = http::Response::builder().status(response.status);
                let head = response.headers.iter().fold(head, |head, (name, value)| head.header(*name, value));
                self.exchange.handle_head(attempt, head.body(()).expect("a legal head").into_parts().0, now);
                Step::Head(response.status)
            }
            (Next::Piece(index), Some(response)) => {
                connection.taken.push(self.now);
                let bytes = response.pieces[index].bytes.clone();
                let (length, ready) = (bytes.len(), connection.ready);
                self.exchange.handle_data(attempt, response.body.bytes.slice(bytes), now);
                self.record(Step::Bytes { length, ready });
                self.now += response.read_time;
                return true;
            }
            (Next::End, Some(response)) if response.end == End::Reset => {
                self.exchange.handle_error(attempt, TransportError::Body, now);
                Step::Reset
            }
            (Next::End, Some(response)) if response.trailers && !connection.trailed => {
                (connection.trailed, connection.next) = (true, Some(Next::End));
                self.exchange.handle_data(attempt, Bytes::new(), now);
                return true;
            }
            (Next::End, Some(_)) => {
                self.exchange.handle_eof(attempt, now);
                Step::End
            }
            (Next::Silence, _) | (_, None) => unreachable!("handled above"),
        };
        let is_end = matches!(step, Step::End | Step::Reset);
        self.record(step);
        if is_end {
            self.close();
        }
        true
    }

    /// Sleeps until the next input or timer. Returns false if there is neither.
    fn sleep(&mut self) -> bool {
        let deadline = self.exchange.poll_timeout().map(Elapsed::since_start);
        let fires = deadline.map(|at| round_up(at, self.scenario.tick));
        let ready = self.connection.as_ref().filter(|connection| !matches!(connection.next, Some(Next::Silence)));
        let ready = ready.map(|connection| connection.ready);
        let Some(wakes) = fires.into_iter().chain(ready).min() else { return false };
        if wakes > self.now {
            self.now = self.scenario.wakes(wakes);
        }
        // Input takes precedence over the timer.
        if fires.is_some_and(|at| at <= self.now) && ready.is_none_or(|ready| ready > self.now) {
            self.exchange.handle_timeout(Elapsed::from_start(self.now));
        }
        true
    }
}

impl Connection<'_> {
    /// Returns the next input and updates `ready`.
    fn next(&mut self) -> Next {
        if let Some(next) = self.next {
            return next;
        }
        let response = self.response.expect("a body belongs to an answer");
        let index = self.taken.len();
        let (next, delay) = match response.pieces.get(index) {
            Some(piece) => (Next::Piece(index), piece.delay),
            None if response.end == End::Silence => (Next::Silence, Duration::ZERO),
            None => (Next::End, response.end_delay),
        };
        if let Some(window) = response.window
            && index >= window
        {
            self.ready = self.ready.max(self.taken[index - window]);
        }
        self.ready += delay;
        *self.next.insert(next)
    }
}
