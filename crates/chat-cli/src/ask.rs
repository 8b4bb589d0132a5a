//! `chat ask`: one question over a transport.

use std::io;

use chat_client::driver::{ApiKey, FromSettings};
use chat_client::sessions::{ChatMode, ContinueInput, CreateInput};
use chat_client::{
    Answer, Client, ClientBuilder, ENV_API_KEY, ENV_BASE_URL, ENV_INTEGRATION_ID, Error, FinishReason, KeySource,
    Reply, RetryPolicy, Timeouts,
};
use tokio::io::AsyncReadExt;
use transport_hyper::tls;

use crate::args::{Ask, Transport};
use crate::interrupt::Interrupt;
use crate::message::Names;
use crate::print::{Printer, say};
use crate::shell::{self, Shell};

/// Asks over the transport that was named. Those that are not tokio's have a thread of their own which wakes this one.
pub(crate) async fn run(args: Ask, interrupt: Interrupt) -> io::Result<u8> {
    match args.transport {
        Transport::Hyper => ask::<transport_hyper::HyperTransport>(args, interrupt).await,
        #[cfg(feature = "async-std")]
        Transport::AsyncStd => ask::<transport_async_std::AsyncStdTransport>(args, interrupt).await,
        #[cfg(feature = "smol")]
        Transport::Smol => ask::<transport_smol::SmolTransport>(args, interrupt).await,
        #[cfg(feature = "blocking")]
        Transport::Blocking => ask_blocking(args, interrupt).await,
    }
}

async fn ask<T: FromSettings>(args: Ask, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut printer = Printer::new(args.json).with_names(names(&args));
    let reply = tokio::select! {
        biased;
        () = interrupt.wait() => return printer.outcome(&Err(Error::cancelled())),
        reply = start::<T>(&args) => reply,
    };
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => return printer.outcome(&Err(error)),
    };
    loop {
        tokio::select! {
            biased;
            () = interrupt.wait() => return finish(&args, &mut printer, &reply.cancel()),
            event = reply.next() => match event {
                Some(Ok(event)) => printer.event(&event)?,
                Some(Err(_)) | None => break,
            }
        }
    }
    finish(&args, &mut printer, &reply.finish().await)
}

/// The same without an executor: the call has a thread of its own, and Ctrl-C ends its wait.
#[cfg(feature = "blocking")]
async fn ask_blocking(args: Ask, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut printer = Printer::new(args.json).with_names(names(&args));
    let started = async {
        let client = set_up(chat_blocking::Client::builder(), &args)?.build()?;
        let question = Question::read(&args).await?;
        Ok(match &args.session {
            Some(id) => client.continue_session(id, &question.into_continue()),
            None => client.create(&question.into_create(&args)),
        })
    };
    let reply = tokio::select! {
        biased;
        () = interrupt.wait() => return printer.outcome(&Err(Error::cancelled())),
        reply = started => reply,
    };
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => return printer.outcome(&Err(error)),
    };
    let canceller = reply.canceller();
    let mut asking = tokio::task::spawn_blocking(move || {
        while let Some(Ok(event)) = reply.next() {
            printer.event(&event)?;
        }
        finish(&args, &mut printer, &reply.finish())
    });
    tokio::select! {
        biased;
        () = interrupt.wait() => canceller.cancel(),
        status = &mut asking => return status?,
    }
    asking.await?
}

/// Prints the end, and what a person may want to know beside it.
fn finish(args: &Ask, printer: &mut Printer, outcome: &Result<Answer, Error>) -> io::Result<u8> {
    let status = printer.outcome(outcome)?;
    if args.json {
        return Ok(status);
    }
    match outcome {
        Ok(answer) => say_more(args, answer),
        // Why an answer ended is said though it was cut after that. That it has no reason is no news then.
        Err(error) => error
            .partial()
            .filter(|answer| answer.finish_reason.is_some())
            .iter()
            .for_each(|answer| say_more(args, answer)),
    }
    // A session whose first answer broke off can go on too.
    if let Some(answer) = outcome.as_ref().map_or_else(Error::partial, Some) {
        say_how_to_go_on(args, answer);
    }
    Ok(status)
}

async fn start<T: FromSettings>(args: &Ask) -> Result<Reply<T>, Error> {
    let client = set_up(Client::<T>::builder(), args)?.build()?;
    let question = Question::read(args).await?;
    Ok(match &args.session {
        Some(id) => client.continue_session(id, &question.into_continue()),
        None => client.create(&question.into_create(args)),
    })
}

/// The settings that the arguments make.
fn set_up<T>(builder: ClientBuilder<T>, args: &Ask) -> Result<ClientBuilder<T>, Error> {
    let timeouts = Timeouts::default()
        .with_connect(args.connect_timeout.0)
        .with_head(args.head_timeout.0)
        .with_idle(args.idle_timeout.0)
        .with_content(args.content_timeout.0)
        .with_total(args.timeout.0);
    let retry = RetryPolicy::default().with_max_retries(args.max_retries);
    let key = given(&args.api_key).ok_or_else(|| missing("api_key", ENV_API_KEY))?;
    let origin = if args.from_env.api_key { "the environment variable INKEEP_API_KEY" } else { "--api-key" };
    let key = KeySource::Fixed { key: ApiKey::new(key)?, origin };
    let mut builder = builder.key_source(key).timeouts(timeouts).retry(retry);
    if let Some(file) = &args.ca_cert {
        builder = builder.root_certificates(tls::pem_file("--ca-cert", file)?);
    }
    Ok(match given(&args.server) {
        Some(server) => builder.base_url(server),
        None => builder,
    })
}

/// Where the values came from.
fn names(args: &Ask) -> Names {
    let flags = Names::default();
    let name = |from_env, variable, flag| if from_env { variable } else { flag };
    Names {
        api_key: name(args.from_env.api_key, ENV_API_KEY, flags.api_key),
        base_url: name(args.from_env.server, ENV_BASE_URL, flags.base_url),
        integration_id: name(args.from_env.integration, ENV_INTEGRATION_ID, flags.integration_id),
    }
}

/// A flag that is set to nothing is one that is not set.
fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

fn missing(field: &'static str, variable: &str) -> Error {
    Error::invalid_request(field, format!("is missing: give it, or set the environment variable {variable}"))
}

/// What is asked, and whom.
struct Question {
    integration_id: String,
    message: String,
    stream: bool,
}

impl Question {
    async fn read(args: &Ask) -> Result<Self, Error> {
        let integration_id =
            given(&args.integration).ok_or_else(|| missing("integration_id", ENV_INTEGRATION_ID))?.to_owned();
        let text = read_message(&args.message).await?;
        if text.trim_matches(|c: char| c.is_whitespace() || c == BOM).is_empty() {
            return Err(Error::invalid_request("message", "is empty: there is nothing to ask"));
        }
        Ok(Self { integration_id, message: text, stream: !args.no_stream })
    }

    fn into_continue(self) -> ContinueInput {
        let mut input = ContinueInput::new(self.integration_id, self.message);
        input.stream = self.stream;
        input
    }

    fn into_create(self, args: &Ask) -> CreateInput {
        let mut input = CreateInput::new(self.integration_id, self.message);
        input.chat_session.guidance.clone_from(&args.guidance);
        input.chat_session.context.clone_from(&args.context);
        input.chat_session.tags = Some(args.tags.clone()).filter(|tags| !tags.is_empty());
        input.chat_mode = args.chat_mode.as_deref().map(ChatMode::from);
        input.stream = self.stream;
        input
    }
}

/// A byte order mark, which some programs write before all text.
const BOM: char = '\u{feff}';

/// The message itself, or standard input without the mark at its start and the line break at its end.
async fn read_message(message: &str) -> Result<String, Error> {
    if message != "-" {
        return Ok(message.to_owned());
    }
    let mut text = String::new();
    tokio::io::stdin()
        .read_to_string(&mut text)
        .await
        .map_err(|error| Error::invalid_request("message", "can't be read from standard input").with_source(error))?;
    Ok(text.strip_prefix(BOM).unwrap_or(&text).trim_end_matches(['\n', '\r']).to_owned())
}

/// What a person may want to know beside the answer.
fn say_more(args: &Ask, answer: &Answer) {
    let say = |line: &str| tell(args, line);
    let kind = answer.head.headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    let streamed = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    match &answer.finish_reason {
        Some(FinishReason::Stop) => {}
        Some(reason @ (FinishReason::Length | FinishReason::ContentFilter)) => {
            say(&format!("The server ended the answer early: {reason}."));
        }
        Some(reason) => say(&format!("The server ended the answer for a reason of its own: {reason}.")),
        None if streamed => say("The stream ended without a finish reason; the answer may not be whole."),
        None => {}
    }
}

fn say_how_to_go_on(args: &Ask, answer: &Answer) {
    let Some(id) = answer.session_id.as_deref().filter(|_| args.session.is_none()) else { return };
    if key_of(args).is_some_and(|key| key.redact(id) != id) {
        return say("The session can't be continued from here: its id has the API key in it.");
    }
    match shell::session_flag(id, Shell::HERE) {
        Some(flag) => tell(args, &format!("To go on: {flag}")),
        None => tell(args, &format!("The session can't be continued from here: the server gave it the id {id:?}.")),
    }
}

/// Says a line that has the server's words in it, and not the key.
fn tell(args: &Ask, line: &str) {
    say(&key_of(args).map_or(line.into(), |key| key.redact(line)));
}

fn key_of(args: &Ask) -> Option<ApiKey> {
    given(&args.api_key).and_then(|key| ApiKey::new(key).ok())
}
