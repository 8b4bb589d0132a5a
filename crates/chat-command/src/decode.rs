//! `chat decode`: decodes a saved answer.

use std::io;

use chat_client::proto::{Config, Receiver};
use chat_client::{Answer, Error, ErrorKind, Head, Limits};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::args::{Api, Decode};
use crate::input;
use crate::interrupt::Interrupt;
use crate::print::Printer;

pub(crate) async fn run(args: &Decode, mut interrupt: Interrupt) -> io::Result<u8> {
    let mut printer = Printer::new(true).with_api(args.api);
    let mut receiver = match head(args) {
        Ok(head) => match args.api {
            Api::Sessions => Receiver::new(head, &Limits::default()),
            Api::Completions => Receiver::completions(head, &Config::default()),
        },
        Err(error) => return printer.outcome(&Err(error)),
    };
    let mut failed = None;
    let feeding = input::feed(&args.file, args.chunk, |mut input| {
        failed = print_events(&mut receiver, &mut input, &mut printer)?;
        Ok(failed.is_none() && receiver.wants_more())
    });
    let fed = tokio::select! {
        biased;
        () = interrupt.wait() => None,
        fed = feeding => Some(fed?),
    };
    if fed.is_none() {
        let success = receiver.is_success();
        let error = if success { receiver.interrupt(ErrorKind::Cancelled) } else { Error::cancelled() };
        return printer.outcome(&Err(error));
    }
    let outcome = match failed {
        Some(error) => Err(error),
        None => end(receiver, &mut printer)?,
    };
    printer.outcome(&outcome)
}

fn head(args: &Decode) -> Result<Head, Error> {
    let status = StatusCode::from_u16(args.status)
        .map_err(|error| Error::invalid_request("--status", "is not a valid HTTP status").with_source(error))?;
    let mut head = Head::new(status, http::HeaderMap::new());
    let content_type = args.content_type.as_ref().map(|value| ("content-type", value.as_str()));
    let headers = args.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in content_type.into_iter().chain(headers) {
        let refuse = |reason: &'static str| Error::invalid_request(format!("header {name:?}"), reason);
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("is not a valid header name"))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refuse("has a value that is not valid in a header"))?;
        head.headers.append(parsed, value);
    }
    Ok(head)
}

fn print_events(receiver: &mut Receiver, input: &mut &[u8], printer: &mut Printer) -> io::Result<Option<Error>> {
    while let Some(event) = receiver.next(input) {
        match event {
            Ok(event) => printer.event(&event)?,
            Err(error) => return Ok(Some(error)),
        }
    }
    Ok(None)
}

/// Handles the end of the body.
fn end(mut receiver: Receiver, printer: &mut Printer) -> io::Result<Result<Answer, Error>> {
    if let Err(error) = receiver.end() {
        return Ok(Err(error));
    }
    match print_events(&mut receiver, &mut &[][..], printer)? {
        Some(error) => Ok(Err(error)),
        None => Ok(receiver.into_answer()),
    }
}
