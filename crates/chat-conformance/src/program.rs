#![doc = include_str!("../PROTOCOL.md")]
//! # A program in Rust
//!
//! It reads lines, and passes each to [`CallLine`]:
//!
//! ```
//! use chat_client::{Client, Error, Transport};
//! use chat_conformance::program::CallLine;
//!
//! async fn answer<T: Transport>(line: &str, client: &mut Option<Client<T>>, new_transport: impl Fn() -> T) {
//!     let call = CallLine::parse(line).expect("the harness sends valid calls");
//!     let client = client.get_or_insert_with(|| {
//!         let builder = call.configure(Client::builder());
//!         builder.build_on(new_transport()).expect("the settings are valid")
//!     });
//!     call.run(client, |line| println!("{line}")).await;
//! }
//! # #[allow(unused)] use answer as _;
//! ```

use std::time::Duration;

use chat_client::completions::{CompletionInput, Message};
use chat_client::proto::lines::{EventLine, OutcomeLine, write_line};
use chat_client::sessions::{ContinueInput, CreateInput};
use chat_client::{Answer, Client, ClientBuilder, Error, Limits, Reply, RetryPolicy, Timeouts, Transport};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A call that the harness asks for, on one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallLine {
    pub(crate) id: u64,
    pub(crate) operation: OperationName,
    /// The session to continue.
    pub(crate) session: Option<String>,
    /// The body of the request.
    pub(crate) input: Value,
    pub(crate) cancel_after: Option<usize>,
    pub(crate) base_url: String,
    pub(crate) api_key: Option<String>,
    pub(crate) api_key_header: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeouts: TimeoutsLine,
    pub(crate) retry: RetryLine,
    pub(crate) limits: LimitsLine,
    pub(crate) accept_unfinished: bool,
}

/// An operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperationName {
    Create,
    Continue,
    Complete,
    Models,
}

/// Timeouts in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TimeoutsLine {
    pub(crate) connect: Option<f64>,
    pub(crate) head: Option<f64>,
    pub(crate) idle: Option<f64>,
    pub(crate) content: Option<f64>,
    pub(crate) total: Option<f64>,
}

/// A retry policy, with times in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RetryLine {
    pub(crate) max_retries: u32,
    pub(crate) base: f64,
    pub(crate) max_backoff: f64,
    pub(crate) max_total_wait: f64,
    pub(crate) ambiguous: bool,
}

/// Limits in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LimitsLine {
    pub(crate) event: usize,
    pub(crate) json_body: usize,
    pub(crate) error_body: usize,
    pub(crate) answer: usize,
}

/// The part of a chat completion's body that the harness uses.
#[derive(Deserialize)]
struct Completion {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

impl CallLine {
    /// Parses a line.
    ///
    /// # Errors
    ///
    /// The line is not a call.
    pub fn parse(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }

    /// Applies the settings of the call to a client. They are the same in all calls of a process.
    pub fn configure<T>(&self, builder: ClientBuilder<T>) -> ClientBuilder<T> {
        let builder = builder.base_url(&self.base_url).accept_unfinished(self.accept_unfinished);
        let builder = builder.timeouts(self.timeouts.read()).retry(self.retry.read()).limits(self.limits.read());
        let builder = match &self.api_key {
            Some(key) => builder.api_key(key),
            None => builder.no_api_key(),
        };
        let builder = match &self.api_key_header {
            Some(name) => builder.api_key_header(name),
            None => builder,
        };
        self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value))
    }

    /// Makes the call, and passes each line that the program must print to `print`, without the line break.
    pub async fn run<T: Transport>(&self, client: &Client<T>, mut print: impl FnMut(&str)) {
        if self.operation == OperationName::Models {
            return print(&match client.list_models().await {
                Ok(models) => {
                    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
                    self.line(&json!({ "outcome": "models", "models": ids }))
                }
                Err(error) => self.line(&OutcomeLine::new(&Err(error))),
            });
        }
        let outcome = match self.start(client) {
            Ok(reply) => self.read(reply, &mut print).await,
            Err(error) => Some(Err(Error::invalid_request("input", error.to_string()))),
        };
        print(&match (&outcome, self.operation) {
            (None, _) => self.line(&json!({ "outcome": "dropped" })),
            (Some(outcome), OperationName::Complete) => self.line(&OutcomeLine::completion(outcome)),
            (Some(outcome), _) => self.line(&OutcomeLine::new(outcome)),
        });
    }

    /// Returns the line of an error that prevents the call, such as an invalid setting.
    pub fn error_line(&self, error: Error) -> String {
        self.line(&OutcomeLine::new(&Err(error)))
    }

    fn start<T: Transport>(&self, client: &Client<T>) -> serde_json::Result<Reply<T>> {
        Ok(match self.operation {
            OperationName::Complete => {
                let Completion { model, messages, stream } = Completion::deserialize(&self.input)?;
                client.complete(&CompletionInput::new(model, messages).with_stream(stream))
            }
            OperationName::Continue => {
                let session = self.session.as_deref().unwrap_or_default();
                client.continue_session(session, &ContinueInput::deserialize(&self.input)?)
            }
            _ => client.create(&CreateInput::deserialize(&self.input)?),
        })
    }

    /// Reads the reply, and prints its events. Returns `None` if the call is cancelled.
    async fn read<T: Transport>(
        &self,
        mut reply: Reply<T>,
        print: &mut impl FnMut(&str),
    ) -> Option<Result<Answer, Error>> {
        let mut events = 0;
        while let Some(Ok(event)) = reply.next().await {
            if let Some(line) = EventLine::new(&event) {
                print(&self.line(&line));
                events += 1;
            }
            if self.cancel_after.is_some_and(|limit| events >= limit) {
                return None;
            }
        }
        Some(reply.finish().await)
    }

    /// Returns a JSON object on a line, with the id of the call as its first member, `call`.
    fn line(&self, object: &impl Serialize) -> String {
        let mut line = Vec::new();
        write_line(&mut line, object).expect("memory takes all");
        let line = String::from_utf8(line).expect("JSON is UTF-8");
        format!("{{\"call\":{},{}", self.id, line[1..].trim_end())
    }
}

impl TimeoutsLine {
    fn read(&self) -> Timeouts {
        let time = |seconds: Option<f64>| seconds.map(Duration::from_secs_f64);
        Timeouts::default()
            .with_connect(time(self.connect))
            .with_head(time(self.head))
            .with_idle(time(self.idle))
            .with_content(time(self.content))
            .with_total(time(self.total))
    }
}

impl RetryLine {
    fn read(&self) -> RetryPolicy {
        RetryPolicy::default()
            .with_max_retries(self.max_retries)
            .with_base(Duration::from_secs_f64(self.base))
            .with_max_backoff(Duration::from_secs_f64(self.max_backoff))
            .with_max_total_wait(Duration::from_secs_f64(self.max_total_wait))
            .with_ambiguous(self.ambiguous)
    }
}

impl LimitsLine {
    fn read(&self) -> Limits {
        Limits::default()
            .with_event(self.event)
            .with_json_body(self.json_body)
            .with_error_body(self.error_body)
            .with_answer(self.answer)
    }
}
