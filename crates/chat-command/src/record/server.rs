//! A recording as the replies of a server.

use std::time::Duration;

use chat_mock::{ScriptedReply, Step};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode};

use super::recording::{Attempt, End, Recording};

/// Headers of the framing, which is made anew.
const FRAMING: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];

/// The replies of a server that answers with the attempts of a recording, with their timing.
///
/// Where a connection failed, the server closes it without a response. Where the client closed it, the server sends nothing
/// more.
pub(crate) fn replies(recording: &Recording) -> Vec<ScriptedReply> {
    recording.attempts.iter().map(reply).collect()
}

fn reply(attempt: &Attempt) -> ScriptedReply {
    let end = attempt.end.as_ref().map_or(&End::Dropped, |ended| &ended.end);
    let mut now = attempt.start;
    let mut pause = |reply: ScriptedReply, at: Duration| {
        let time = at.saturating_sub(std::mem::replace(&mut now, at));
        if time.is_zero() { reply } else { reply.then(Step::Pause(time)) }
    };
    let nothing = ScriptedReply::raw("");
    let Some(head) = &attempt.head else {
        return match (&attempt.end, end) {
            (Some(ended), End::Failed(..)) => pause(nothing, ended.at),
            _ => nothing.then(Step::Stall),
        };
    };
    let has_length = attempt.is_complete() && head.headers.contains_key(CONTENT_LENGTH);
    let framing = match head.status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => None,
        _ if has_length => Some(("content-length".to_owned(), attempt.length().to_string().into_bytes())),
        _ => Some(("transfer-encoding".to_owned(), b"chunked".to_vec())),
    };
    let own = head.headers.iter().filter(|(name, _)| !FRAMING.contains(name));
    let headers = own.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).chain(framing.clone());
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in headers {
        bytes.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let mut reply = pause(nothing, head.at).then(Step::Write(bytes.into()));
    if framing.is_none() {
        return reply.then(Step::KeepAlive);
    }
    for (at, chunk) in &attempt.chunks {
        reply = pause(reply, *at);
        reply = if has_length { reply.then(Step::Write(chunk.clone())) } else { reply.chunk(chunk) };
    }
    if let Some(ended) = &attempt.end {
        reply = pause(reply, ended.at);
    }
    match end {
        End::Complete if has_length => reply.then(Step::KeepAlive),
        End::Complete => reply.last_chunk(),
        End::Failed(..) => reply.then(Step::Close),
        End::Dropped => reply.then(Step::Stall),
    }
}
