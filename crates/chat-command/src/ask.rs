//! `chat ask`: asks one question.

use std::io;
use std::sync::Arc;

use chat_client::completions::Tool;
use chat_client::driver::{FromSettings, TransportSettings};
use chat_client::{Answer, Client, Error, FinishReason, Reply, Transport};

use crate::args::{self, Api, Ask, Options};
#[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
use crate::connect::not_included;
use crate::connect::{configure, key_of, names};
use crate::interrupt::Interrupt;
#[cfg(feature = "store")]
use crate::print::NOT_STORED;
use crate::print::{Printer, note};
#[cfg(any(not(feature = "store"), feature = "blocking"))]
use crate::question::Question;
use crate::record::{Recorder, start_log};
#[cfg(feature = "store")]
use crate::request::read_message;
use crate::shell::{self, Shell};

/// Asks with the transport of `--transport`.
///
/// The transports that do not use tokio have their own thread for I/O, which wakes this one.
pub(crate) async fn run(args: Ask, interrupt: Interrupt) -> io::Result<u8> {
    match args.options.connection.transport {
        args::Transport::Hyper => ask::<transport_hyper::HyperTransport>(args, interrupt).await,
        #[cfg(feature = "async-std")]
        args::Transport::AsyncStd => ask::<transport_async_std::AsyncStdTransport>(args, interrupt).await,
        #[cfg(feature = "smol")]
        args::Transport::Smol => ask::<transport_smol::SmolTransport>(args, interrupt).await,
        #[cfg(feature = "blocking")]
        args::Transport::Blocking => ask_blocking(args, interrupt).await,
        #[cfg(not(all(feature = "async-std", feature = "smol", feature = "blocking")))]
        transport => printer(&args.options).outcome(&Err(not_included(transport))),
    }
}

/// The printer of an answer.
pub(crate) fn printer(args: &Options) -> Printer {
    Printer::new(args.connection.json)
        .with_output(args.output, args.connection.verbose)
        .with_api(args.api)
        .with_names(names(&args.connection))
}

/// Asks, and records the call if that is wanted.
async fn ask<T: FromSettings>(args: Ask, interrupt: Interrupt) -> io::Result<u8> {
    let Some(file) = &args.record else { return ask_on(args, T::from_settings, interrupt).await };
    let log = match start_log(file, &args.options.connection, T::PRODUCT) {
        Ok(log) => Arc::new(log),
        Err(error) => return printer(&args.options).outcome(&Err(error)),
    };
    let recorded = Arc::clone(&log);
    let record = move |settings: &TransportSettings| Ok(Recorder::new(T::from_settings(settings)?, recorded));
    let status = ask_on(args, record, interrupt).await?;
    log.outcome(status);
    Ok(status)
}

/// Asks on the transport that `make` makes.
#[cfg(not(feature = "store"))]
async fn ask_on<T: Transport>(
    args: Ask,
    make: impl FnOnce(&TransportSettings) -> Result<T, Error>,
    interrupt: Interrupt,
) -> io::Result<u8> {
    let reply = async {
        let client = configure(Client::<T>::builder(), &args.options.connection)?.build_with(make)?;
        Ok(match Question::read(&args).await? {
            Question::Create(input) => client.create(&input),
            Question::Continue(id, input) => client.continue_session(&id, &input),
            Question::Complete(input) => client.complete(&input),
        })
    };
    show(&args.options, reply, interrupt).await
}

/// Asks in a stored conversation on the transport that `make` makes, and stores the turn.
#[cfg(feature = "store")]
async fn ask_on<T: Transport>(
    mut args: Ask,
    make: impl FnOnce(&TransportSettings) -> Result<T, Error>,
    mut interrupt: Interrupt,
) -> io::Result<u8> {
    use crate::stored;

    let started = async {
        let client = configure(Client::<T>::builder(), &args.options.connection)?.build_with(make)?;
        let store = stored::store_or_memory(&mut args.options.stored).await?;
        let conversation = stored::conversation(&client, &store, &args.options).await?;
        Ok((conversation, read_message(&args.message).await?))
    };
    let started = tokio::select! {
        biased;
        () = interrupt.wait() => Err(Error::cancelled()),
        started = started => started,
    };
    let (mut conversation, question) = match started {
        Ok(started) => started,
        Err(error) => return printer(&args.options).outcome(&Err(error)),
    };
    args.options.api = stored::api(&conversation);
    let mut printer = printer(&args.options);
    let reply = conversation.ask(question);
    let (outcome, unsaved) = stored::read(reply, &mut printer, &mut interrupt).await?;
    if args.options.stored.place.is_memory() {
        return finish(&args.options, &mut printer, &outcome);
    }
    let status = outcome_with_notes(&args.options, &mut printer, &outcome)?;
    if stored::has_lost_session(&outcome, &conversation) {
        note("The server may have forgotten this session. Ask without --last and --resume to start another one.");
    }
    let is_new = !args.options.continues();
    match unsaved {
        None if is_new && !conversation.turns().is_empty() && !args.options.connection.json => {
            note("To continue: --last");
        }
        None => {}
        Some(error) => {
            note(&stored::not_stored(&error));
            return Ok(if status == 0 { NOT_STORED } else { status });
        }
    }
    Ok(status)
}

/// Prints the reply to a question.
pub(crate) async fn show<T: Transport>(
    args: &Options,
    reply: impl Future<Output = Result<Reply<T>, Error>>,
    mut interrupt: Interrupt,
) -> io::Result<u8> {
    let mut printer = printer(args);
    let reply = tokio::select! {
        biased;
        () = interrupt.wait() => Err(Error::cancelled()),
        reply = reply => reply,
    };
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => return printer.outcome(&Err(error)),
    };
    let outcome = match stream(&mut reply, &mut printer, &mut interrupt).await? {
        End::Interrupted => reply.cancel(),
        End::Complete => reply.finish().await,
    };
    finish(args, &mut printer, &outcome)
}

/// Why a reply is not read any more.
pub(crate) enum End {
    /// It has no more events.
    Complete,
    /// The user has pressed Ctrl-C.
    Interrupted,
}

/// Prints the events of a reply until its end, or until Ctrl-C.
pub(crate) async fn stream<T: Transport>(
    reply: &mut Reply<T>,
    printer: &mut Printer,
    interrupt: &mut Interrupt,
) -> io::Result<End> {
    printer.wait();
    loop {
        tokio::select! {
            biased;
            () = interrupt.wait() => return Ok(End::Interrupted),
            event = reply.next() => match event {
                Some(Ok(event)) => printer.event(&event)?,
                Some(Err(_)) | None => return Ok(End::Complete),
            }
        }
    }
}

/// Asks with the blocking client. The call runs on its own thread, and Ctrl-C cancels it.
#[cfg(feature = "blocking")]
async fn ask_blocking(args: Ask, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut printer = printer(&args.options);
    if args.record.is_some() {
        let reason = "cannot be used with --transport blocking; use --transport smol, which has the same connections";
        return printer.outcome(&Err(Error::invalid_request("--record", reason)));
    }
    #[cfg(feature = "store")]
    if args.options.stored.last || args.options.stored.resume.is_some() || args.options.stored.place.is_given() {
        let reason = "stores no conversation; use --transport smol, which has the same connections";
        return printer.outcome(&Err(Error::invalid_request("--transport blocking", reason)));
    }
    let started = async {
        let client = configure(chat_blocking::Client::builder(), &args.options.connection)?.build()?;
        Ok(match Question::read(&args).await? {
            Question::Create(input) => client.create(&input),
            Question::Continue(id, input) => client.continue_session(&id, &input),
            Question::Complete(input) => client.complete(&input),
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
        finish(&args.options, &mut printer, &reply.finish())
    });
    tokio::select! {
        biased;
        () = interrupt.wait() => canceller.cancel(),
        status = &mut asking => return status?,
    }
    asking.await?
}

/// Prints the outcome. Without `--json`, adds notes on how the answer ended and how to continue.
fn finish(args: &Options, printer: &mut Printer, outcome: &Result<Answer, Error>) -> io::Result<u8> {
    let status = outcome_with_notes(args, printer, outcome)?;
    if let Some(answer) = outcome.as_ref().map_or_else(Error::partial, Some).filter(|_| !args.connection.json) {
        // A session can continue after an incomplete answer too.
        note_session(args, answer);
    }
    Ok(status)
}

/// Prints the outcome. Without `--json`, adds notes on how the answer ended.
pub(crate) fn outcome_with_notes(
    args: &Options,
    printer: &mut Printer,
    outcome: &Result<Answer, Error>,
) -> io::Result<u8> {
    let status = printer.outcome(outcome)?;
    if args.connection.json {
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
    if let Some(answer) = outcome.as_ref().map_or_else(Error::partial, Some) {
        note_refusal_and_calls(args, answer);
    }
    Ok(status)
}

/// Prints a note if the answer did not end with the finish reason `stop`.
fn note_end(args: &Options, answer: &Answer) {
    let kind = answer.head.headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    let streamed = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    match &answer.finish_reason {
        Some(FinishReason::Stop) => {}
        Some(FinishReason::ToolCalls) if args.api == Api::Completions => {}
        Some(reason @ (FinishReason::Length | FinishReason::ContentFilter)) => {
            note_redacted(args, &format!("The server ended the answer early: {reason}."));
        }
        Some(reason) => note_redacted(args, &format!("The server ended the answer with an unknown reason: {reason}.")),
        None if streamed && args.api == Api::Sessions => {
            note("The stream ended without a finish reason; the answer may be incomplete.");
        }
        None => {}
    }
}

/// Prints the refusal of the model and its tool calls. Calls of the service's own tools are left out.
fn note_refusal_and_calls(args: &Options, answer: &Answer) {
    if let Some(refusal) = &answer.refusal {
        note_redacted(args, &format!("The model refused: {refusal}"));
    }
    for call in answer.tool_calls.iter().filter(|call| !Tool::is_provided(&call.name)) {
        note_redacted(args, &format!("The model calls {}: {}", call.name, call.arguments));
    }
}

/// Prints the flag that continues the session, if this call created the session.
fn note_session(args: &Options, answer: &Answer) {
    let Some(id) = answer.session_id.as_deref().filter(|_| !args.continues()) else { return };
    if key_of(&args.connection).is_some_and(|key| key.redact(id) != id) {
        return note("The session cannot be continued with this command: its id contains the API key.");
    }
    match shell::session_flag(id, Shell::NATIVE) {
        Some(flag) => note_redacted(args, &format!("To continue: {flag}")),
        None => note_redacted(args, &format!("The session cannot be continued with this command: its id is {id:?}.")),
    }
}

/// Prints a note that quotes the server, with the API key redacted.
fn note_redacted(args: &Options, line: &str) {
    note(&key_of(&args.connection).map_or(line.into(), |key| key.redact(line)));
}
