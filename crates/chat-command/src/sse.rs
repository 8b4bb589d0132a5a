//! `chat sse`: decodes a stream of server-sent events.

use std::borrow::Cow;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use chat_client::proto::lines::write_line;
use chat_client::proto::sse::{Decoder, LimitExceeded};
use serde::Serialize;

use crate::input;
use crate::print::{BAD_ANSWER, json_line, report};

#[derive(Serialize)]
struct EventLine<'a> {
    event: Cow<'a, str>,
    data: Cow<'a, str>,
    id: Cow<'a, str>,
}

#[derive(Serialize)]
struct LimitLine {
    error: &'static str,
    limit: usize,
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: End<'a>,
}

#[derive(Serialize)]
struct End<'a> {
    last_event_id: Cow<'a, str>,
    retry_ms: Option<u64>,
    incomplete: bool,
}

pub(crate) async fn run(file: &Path, chunk: Option<NonZeroUsize>) -> io::Result<u8> {
    let mut decoder = Decoder::new();
    let mut exceeded = None;
    let mut out = io::BufWriter::new(io::stdout());
    input::feed(file, chunk, |mut input| {
        exceeded = print_events(&mut decoder, &mut input, &mut out)?;
        Ok(exceeded.is_none())
    })
    .await?;
    if let Some(error) = &exceeded {
        json_line(&mut out, &LimitLine { error: "limit", limit: error.limit })?;
        report(
            &error.to_string(),
            "Check that the input is a stream of server-sent events, and that no event is larger than the limit.",
        );
    }
    let (last_event_id, retry_ms) = (decoder.last_event_id(), decoder.retry_ms());
    json_line(&mut out, &EndLine { end: End { last_event_id, retry_ms, incomplete: decoder.is_incomplete() } })?;
    Ok(if exceeded.is_some() { BAD_ANSWER } else { 0 })
}

fn print_events(
    decoder: &mut Decoder,
    input: &mut &[u8],
    out: &mut impl io::Write,
) -> io::Result<Option<LimitExceeded>> {
    while let Some(event) = decoder.next(input) {
        match event {
            Ok(event) => {
                let line = EventLine { event: event.event_type(), data: event.data(), id: event.id() };
                write_line(out, &line)?;
            }
            Err(error) => return Ok(Some(error)),
        }
    }
    // Print the events of this chunk before the next read, which may block.
    out.flush()?;
    Ok(None)
}
