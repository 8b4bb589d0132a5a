//! `chat ask`: asks one question.

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
use crate::print::{Printer, note};
use crate::shell::{self, Shell};

/// Asks with the transport of `--transport`.
///
/// The transports that do not use tokio have their own thread for I/O, which wakes this one.
pub(crate) async fn run(args: Ask, interrupt: Interrupt) -> io::Result<u8> {
    match args.transport {
        Transport::Hyper => ask::<transport_hyper::HyperTransport>(args, interrupt).await,
        #[cfg(feature = "async-std")]
        Transport::AsyncStd => ask::<transport_async_std::AsyncStdTransport>(args, interrupt).await,
        #[cfg(feature = "smol")]
        Transport::Smol => ask::<transport_smol::SmolTransport>(args, interrupt).await,
        #[cfg(feature = "blocking")]
        Transport::Blocking => ask_blocking(args, interrupt).await,
        #[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
        transport => refuse(&args, transport),
    }
}

/// Reports a transport that was not compiled in.
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
fn refuse(args: &Ask, transport: Transport) -> io::Result<u8> {
    let value = clap::ValueEnum::to_possible_value(&transport).expect("no transport is hidden");
    let name = value.get_name();
    let reason = format!(
        "is not included in this build of chat; build it with `--features {name}` or `--features all-transports`"
    );
    Printer::new(args.json).outcome(&Err(Error::invalid_request(format!("--transport {name}"), reason)))
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

/// Asks with the blocking client. The call runs on its own thread, and Ctrl-C cancels it.
#[cfg(feature = "blocking")]
async fn ask_blocking(args: Ask, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut printer = Printer::new(args.json).with_names(names(&args));
    let started = async {
        let client = configure(chat_blocking::Client::builder(), &args)?.build()?;
        let prompt = Prompt::read(&args).await?;
        Ok(match &args.session {
            Some(id) => client.continue_session(id, &prompt.into_continue()),
            None => client.create(&prompt.into_create(&args)),
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

/// Prints the outcome. Without `--json`, adds notes on how the answer ended and how to continue.
fn finish(args: &Ask, printer: &mut Printer, outcome: &Result<Answer, Error>) -> io::Result<u8> {
    let status = printer.outcome(outcome)?;
    if args.json {
        return Ok(status);
    }
    match outcome {
        Ok(answer) => note_end(args, answer),
        // An answer may have a finish reason and be truncated after it. Without one, the error says enough.
        Err(error) => error
            .partial()
            .filter(|answer| answer.finish_reason.is_some())
            .iter()
            .for_each(|answer| note_end(args, answer)),
    }
    // A session can continue after an incomplete answer too.
    if let Some(answer) = outcome.as_ref().map_or_else(Error::partial, Some) {
        note_session(args, answer);
    }
    Ok(status)
}

async fn start<T: FromSettings>(args: &Ask) -> Result<Reply<T>, Error> {
    let client = configure(Client::<T>::builder(), args)?.build()?;
    let prompt = Prompt::read(args).await?;
    Ok(match &args.session {
        Some(id) => client.continue_session(id, &prompt.into_continue()),
        None => client.create(&prompt.into_create(args)),
    })
}

/// Applies the arguments to a client builder.
fn configure<T>(builder: ClientBuilder<T>, args: &Ask) -> Result<ClientBuilder<T>, Error> {
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

/// The names of the settings in error messages: the flag or the environment variable that set each.
fn names(args: &Ask) -> Names {
    let flags = Names::default();
    let name = |from_env, variable, flag| if from_env { variable } else { flag };
    Names {
        api_key: name(args.from_env.api_key, ENV_API_KEY, flags.api_key),
        base_url: name(args.from_env.server, ENV_BASE_URL, flags.base_url),
        integration_id: name(args.from_env.integration, ENV_INTEGRATION_ID, flags.integration_id),
    }
}

/// Treats an empty value as one that is not set.
fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

fn missing(field: &'static str, variable: &str) -> Error {
    Error::invalid_request(field, format!("is missing: add it, or set the environment variable {variable}"))
}

/// The question, with the settings that both operations share.
struct Prompt {
    integration_id: String,
    message: String,
    stream: bool,
}

impl Prompt {
    async fn read(args: &Ask) -> Result<Self, Error> {
        let integration_id =
            given(&args.integration).ok_or_else(|| missing("integration_id", ENV_INTEGRATION_ID))?.to_owned();
        let text = read_message(&args.message).await?;
        if text.trim_matches(|c: char| c.is_whitespace() || c == BOM).is_empty() {
            return Err(Error::invalid_request("message", "is empty"));
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

/// Byte order mark, which some programs write at the start of a text.
const BOM: char = '\u{feff}';

/// Returns the message, or if it is `-`, standard input without a byte order mark and line breaks at its end.
async fn read_message(message: &str) -> Result<String, Error> {
    if message != "-" {
        return Ok(message.to_owned());
    }
    let mut text = String::new();
    tokio::io::stdin().read_to_string(&mut text).await.map_err(|error| {
        Error::invalid_request("message", "could not be read from standard input").with_source(error)
    })?;
    Ok(text.strip_prefix(BOM).unwrap_or(&text).trim_end_matches(['\n', '\r']).to_owned())
}

/// Prints a note if the answer did not end with the finish reason `stop`.
fn note_end(args: &Ask, answer: &Answer) {
    let kind = answer.head.headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    let streamed = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    match &answer.finish_reason {
        Some(FinishReason::Stop) => {}
        Some(reason @ (FinishReason::Length | FinishReason::ContentFilter)) => {
            note_redacted(args, &format!("The server ended the answer early: {reason}."));
        }
        Some(reason) => note_redacted(args, &format!("The server ended the answer with an unknown reason: {reason}.")),
        None if streamed => note("The stream ended without a finish reason; the answer may be incomplete."),
        None => {}
    }
}

/// Prints the flag that continues the session, if this call created the session.
fn note_session(args: &Ask, answer: &Answer) {
    let Some(id) = answer.session_id.as_deref().filter(|_| args.session.is_none()) else { return };
    if key_of(args).is_some_and(|key| key.redact(id) != id) {
        return note("The session cannot be continued with this command: its id contains the API key.");
    }
    match shell::session_flag(id, Shell::NATIVE) {
        Some(flag) => note_redacted(args, &format!("To continue: {flag}")),
        None => note_redacted(args, &format!("The session cannot be continued with this command: its id is {id:?}.")),
    }
}

/// Prints a note that quotes the server, with the API key redacted.
fn note_redacted(args: &Ask, line: &str) {
    note(&key_of(args).map_or(line.into(), |key| key.redact(line)));
}

fn key_of(args: &Ask) -> Option<ApiKey> {
    given(&args.api_key).and_then(|key| ApiKey::new(key).ok())
}
