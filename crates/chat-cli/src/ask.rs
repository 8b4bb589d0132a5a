//! `chat ask`: one question over a transport.

use std::io::{self, Write};

use tokio::io::AsyncReadExt;
use transport_hyper::{
    ChatMode, ChatSessionInput, Client, ContinueInput, CreateInput, Error, Message, Reply, RetryPolicy, Timeouts,
};

use crate::args::{Ask, Transport};
use crate::print::Printer;

pub(crate) async fn run(args: Ask) -> io::Result<u8> {
    let mut printer = Printer::new(args.json);
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
    if !args.json {
        say_more(&args, outcome.as_ref().ok())?;
    }
    Ok(status)
}

async fn start(args: &Ask) -> Result<Reply, Error> {
    let missing = |field, flag, variable| {
        Error::invalid_request(field, format!("is missing: give {flag} or set the environment variable {variable}"))
    };
    let key = args.api_key.as_ref().ok_or_else(|| missing("api_key", "--api-key", "INKEEP_API_KEY"))?;
    let integration_id =
        args.integration.clone().ok_or_else(|| missing("integration_id", "--integration", "INKEEP_INTEGRATION_ID"))?;

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

/// What a person may want to know beside the answer.
fn say_more(args: &Ask, answer: Option<&transport_hyper::Answer>) -> io::Result<()> {
    let Some(answer) = answer else { return Ok(()) };
    let mut err = io::stderr();
    let streamed = answer.head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/"));
    if streamed && answer.finish_reason.is_none() {
        writeln!(err, "The stream ended without a finish reason; the answer may not be whole.")?;
    }
    if let Some(id) = answer.chat_session_id.as_ref().filter(|_| args.session.is_none()) {
        writeln!(err, "To go on: --session {id}")?;
    }
    Ok(())
}
