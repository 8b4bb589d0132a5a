//! Answers that arrive while the question is still being sent.

use std::sync::atomic::Ordering;

use super::early_server::{BODY, Then};
use super::harness::{Caller, TestCall};
use super::row::{Context, Row, RowResult, describe, ensure};
use super::wire::Wire;

/// The size of the question, more than the socket buffers of both sides.
const QUESTION: usize = 6 << 20;

/// The number of calls. All of them must receive the answer.
const CALLS: usize = 10;

pub(crate) fn rows<'c, C: Caller + 'c>(wire: Wire) -> Vec<Row<'c, C>> {
    if wire.is_http2() {
        return vec![Row::new("413 and a reset while the question is sent", |context| play(context, Then::Close))];
    }
    vec![
        Row::new("413 and a close while the question is sent", |context| play(context, Then::Close)),
        Row::new("413 while the question is sent and not read", |context| play(context, Then::StopReading)),
        Row::new("413 and half a close while the question is sent", |context| play(context, Then::HalfClose)),
    ]
}

fn play<C: Caller>(context: &Context<'_, C>, then: Then) -> RowResult {
    let fixture = context.servers.early(context.wire, then).map_err(describe)?;
    let client = context.caller.client(&fixture.setup).map_err(describe)?;
    let call = TestCall::with_text("x".repeat(QUESTION));
    for number in 1..=CALLS {
        let result = context.caller.call(&client, &call).finished()?;
        let error = result.err().ok_or("an answer")?;
        let is_answer = error.status == Some(413) && error.body.as_deref() == Some(BODY);
        ensure(is_answer, || format!("call {number} of {CALLS}: {}", describe(error)))?;
    }
    if !context.wire.is_http2() {
        // The client must close each connection by itself, instead of sending the rest of the question.
        fixture.server.read_on.notify_waiters();
        fixture.wait_closed(context.caller)?;
        let taken = fixture.server.taken.load(Ordering::SeqCst);
        ensure(taken < CALLS * QUESTION, || "all questions were sent to their end".to_owned())?;
    }
    fixture.finish(context.caller, client)?;
    Ok(format!("{CALLS} of {CALLS}"))
}
