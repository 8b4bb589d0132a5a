//! A second driver of the core, with an exchange and a loop and nothing of the client between: what a program with a runtime
//! of its own writes. It is sloppy in one way that the core allows: what an attempt that is over still brings is handed in.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use chat_client::Event;
use chat_client::driver::{Attempt, Elapsed, Endpoint, Exchange, Output, Request, TransportError};
use chat_client::sessions::{ContinueInput, CreateInput};

use super::scenario::{End, Pace, Reaction, Response, Scenario};
use super::transcript::{Outcome, Step, Transcript};
use super::transport::ceil;

/// Runs a call of a consumer who stays, prompt or with pauses, to its end.
///
/// # Panics
///
/// If the request is refused, or the call does not end.
pub fn run_by_hand(scenario: &Scenario) -> Transcript {
    let endpoint = Endpoint::new("https://api.example").expect("a legal URL");
    let request = if scenario.continues {
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
    /// What attempts that are over still bring, and when.
    late: VecDeque<(Duration, Attempt, Input)>,
    pauses: usize,
    transcript: Transcript,
}

/// The newest attempt on its way.
struct Connection<'a> {
    attempt: Attempt,
    response: Option<&'a Response>,
    fault: Option<TransportError>,
    /// When the next thing can be read, or the last thing could be if `next` is none.
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
    /// Nothing comes any more.
    Silence,
}

/// What is handed in of an attempt that is over.
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
            self.hand_in_late();
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
                    self.note(Step::Over);
                    return Outcome::Ended(self.exchange.take_outcome().expect("an outcome"));
                }
            }
        }
        panic!("it never ends");
    }

    fn note(&mut self, step: Step) {
        self.transcript.note(self.now, step);
    }

    fn take(&mut self, event: Event) {
        self.note(Step::Event(event));
        if let Pace::Pausing(pauses) = &self.scenario.consumer.pace {
            let pause = pauses[self.pauses % pauses.len()];
            self.pauses += 1;
            if pause > Duration::ZERO {
                self.note(Step::Pause(pause));
                self.now += pause;
            }
        }
    }

    fn send(&mut self, attempt: Attempt) {
        self.note(Step::Sent(attempt.number() as usize));
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

    /// Lets go of the attempt, though what it still brings is handed in.
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.note(Step::Closed);
            let attempt = connection.attempt;
            let inputs = [Input::Head, Input::Data(Bytes::from_static(b"late")), Input::Error, Input::Eof];
            for (n, input) in inputs.into_iter().enumerate() {
                self.late.push_back((self.now + Duration::from_millis(7 * n as u64), attempt, input));
            }
        }
    }

    /// Hands in what has come by now of attempts that are over.
    fn hand_in_late(&mut self) {
        let now = Elapsed::from_start(self.now);
        while self.late.front().is_some_and(|(at, _, _)| *at <= self.now) {
            let (_, attempt, input) = self.late.pop_front().expect("looked at above");
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

    /// Reads what is ready. Whether anything was.
    fn read(&mut self) -> bool {
        let now = Elapsed::from_start(self.now);
        let Some(connection) = &mut self.connection else { return false };
        let attempt = connection.attempt;
        let next = connection.next();
        if matches!(next, Next::Silence) || connection.ready > self.now {
            if !std::mem::replace(&mut connection.is_quiet, true) {
                self.note(Step::Quiet);
            }
            return false;
        }
        connection.is_quiet = false;
        connection.next = None;
        let step = match (next, connection.response) {
            (Next::Head, None) => {
                let fault = connection.fault.expect("an answer or a fault");
                self.exchange.handle_error(attempt, fault, now);
                self.note(Step::Failed(fault));
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
                self.note(Step::Bytes { length, ready });
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
            (Next::Silence, _) | (_, None) => unreachable!("looked at above"),
        };
        let is_end = matches!(step, Step::End | Step::Reset);
        self.note(step);
        if is_end {
            self.close();
        }
        true
    }

    /// Sleeps until something happens. Whether anything does.
    fn sleep(&mut self) -> bool {
        let deadline = self.exchange.poll_timeout().map(Elapsed::since_start);
        let fires = deadline.map(|at| ceil(at, self.scenario.tick));
        let ready = self.connection.as_ref().filter(|connection| !matches!(connection.next, Some(Next::Silence)));
        let ready = ready.map(|connection| connection.ready);
        let Some(wakes) = fires.into_iter().chain(ready).min() else { return false };
        if wakes > self.now {
            self.now = self.scenario.wakes(wakes);
        }
        // What is ready comes before the timer.
        if fires.is_some_and(|at| at <= self.now) && ready.is_none_or(|ready| ready > self.now) {
            self.exchange.handle_timeout(Elapsed::from_start(self.now));
        }
        true
    }
}

impl Connection<'_> {
    /// What comes next, and when it is ready.
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
