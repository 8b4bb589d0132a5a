//! `chat ask`: one question over a transport.

use std::io::{self, Write};

use tokio::io::AsyncReadExt;
use transport_hyper::{
    Answer, ChatMode, ChatSessionInput, Client, ContinueInput, CreateInput, Error, FinishReason, Message, Reply,
    RetryPolicy, Timeouts,
};

use crate::args::{Ask, Transport};
use crate::print::Printer;

pub(crate) async fn run(args: Ask) -> io::Result<u8> {
    let mut printer = Printer::new(args.json);
    printer.hide(args.api_key.clone());
    // Listening begins before anything else, so that Ctrl-C has its outcome line from here on.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let reply = tokio::select! {
        biased;
        _ = &mut interrupt => return printer.outcome(&Err(Error::cancelled())),
        reply = start(&args) => reply,
    };
    let mut reply = match reply {
        Ok(reply) => reply,
        Err(error) => return printer.outcome(&Err(error)),
    };
    loop {
        tokio::select! {
            biased;
            _ = &mut interrupt => return printer.outcome(&reply.cancel()),
            event = reply.next() => match event {
                Some(Ok(event)) => printer.event(&event)?,
                Some(Err(_)) | None => break,
            }
        }
    }
    let outcome = reply.finish().await;
    let status = printer.outcome(&outcome)?;
    if let Some(answer) = outcome.as_ref().ok().filter(|_| !args.json) {
        say_more(&args, answer);
    }
    Ok(status)
}

async fn start(args: &Ask) -> Result<Reply, Error> {
    let missing = |field, flag, variable| {
        Error::invalid_request(field, format!("is missing: give {flag} or set the environment variable {variable}"))
    };
    // A variable that is set to nothing is one that is not set.
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let key = given(&args.api_key).ok_or_else(|| missing("api_key", "--api-key", "INKEEP_API_KEY"))?;
    let integration_id =
        given(&args.integration).ok_or_else(|| missing("integration_id", "--integration", "INKEEP_INTEGRATION_ID"))?;

    let mut timeouts = Timeouts::default();
    timeouts.connect = args.connect_timeout.0;
    timeouts.head = args.head_timeout.0;
    timeouts.idle = args.idle_timeout.0;
    timeouts.content = args.content_timeout.0;
    timeouts.total = args.timeout.0;
    let mut retry = RetryPolicy::default();
    retry.max_retries = args.max_retries;
    let builder = match args.transport {
        Transport::Hyper => Client::builder(),
    };
    let client = builder.base_url(&args.server).api_key(key).timeouts(timeouts).retry(retry).build()?;

    let message = Message::user(read_message(&args.message).await?);
    let stream = !args.no_stream;
    Ok(match &args.session {
        Some(id) => client.continue_session(id, &ContinueInput { integration_id, message, stream }),
        None => {
            let mut chat_session = ChatSessionInput::new(message);
            chat_session.guidance.clone_from(&args.guidance);
            chat_session.context.clone_from(&args.context);
            chat_session.tags = Some(args.tags.clone()).filter(|tags| !tags.is_empty());
            let chat_mode = args.chat_mode.as_deref().map(ChatMode::from);
            client.create(&CreateInput { integration_id, chat_session, chat_mode, stream })
        }
    })
}

/// The message itself, or standard input without the line break at its end.
async fn read_message(message: &str) -> Result<String, Error> {
    if message != "-" {
        return Ok(message.to_owned());
    }
    let mut text = String::new();
    tokio::io::stdin()
        .read_to_string(&mut text)
        .await
        .map_err(|error| Error::invalid_request("message", "can't be read from standard input").with_source(error))?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// What a person may want to know beside the answer. Nobody can be told that standard error is gone.
fn say_more(args: &Ask, answer: &Answer) {
    let mut err = io::stderr();
    let kind = answer.head.headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    let streamed = kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    if streamed && answer.finish_reason.is_none() {
        let _ = writeln!(err, "The stream ended without a finish reason; the answer may not be whole.");
    }
    if let Some(reason @ (FinishReason::Length | FinishReason::ContentFilter)) = &answer.finish_reason {
        let _ = writeln!(err, "The server ended the answer early: {reason}.");
    }
    let id = answer.chat_session_id.as_ref().filter(|_| args.session.is_none());
    if let Some(flag) = id.and_then(|id| session_flag(id)) {
        let _ = writeln!(err, "To go on: {flag}");
    }
}

/// The flag that continues a session, to be pasted into a shell; none for an id that would steer the terminal. The id is
/// the server's word.
fn session_flag(id: &str) -> Option<String> {
    if id.contains(char::is_control) {
        return None;
    }
    // A dash would make it a flag of its own.
    let join = if id.starts_with('-') { '=' } else { ' ' };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    Some(if id.chars().all(plain) {
        format!("--session{join}{id}")
    } else {
        format!("--session{join}'{}'", id.replace('\'', r"'\''"))
    })
}
