//! Replies of a client without sockets.

use std::hint::black_box;

use chat_bench::memory::Memory;
use chat_client::completions::CompletionInput;
use chat_client::sessions::CreateInput;
use chat_client::{Client, Reply};

use crate::input::{Dialect, Input};
use crate::run::run;
use crate::sum::Sum;

fn client(input: &Input) -> Client<Memory> {
    Client::builder().api_key("k").build_on(Memory { chunks: input.chunks, ends: true }).expect("a client")
}

/// A call without a history.
fn call(input: &Input) -> Reply<Memory> {
    match input.dialect {
        Dialect::Sessions => client(input).create(&CreateInput::new("i", "How?")),
        Dialect::Completions => client(input).complete(&CompletionInput::new("m", ["How?"])),
    }
}

fn read(mut reply: Reply<Memory>) -> Sum {
    let mut sum = Sum::default();
    while let Some(event) = run(reply.next()) {
        sum.event(&black_box(event.expect("a complete answer")));
    }
    sum
}

/// `Reply::next`.
pub(crate) fn next(input: &Input) -> Sum {
    read(call(input))
}

/// `Reply::try_next` for what has arrived, and `Reply::next` for the rest.
pub(crate) fn try_next(input: &Input) -> Sum {
    let mut reply = call(input);
    let mut sum = Sum::default();
    while let Some(event) = run(reply.next()) {
        sum.event(&black_box(event.expect("a complete answer")));
        while let Some(event) = reply.try_next() {
            sum.event(&black_box(event));
        }
    }
    sum
}

/// `Reply::next_text`.
pub(crate) fn next_text(input: &Input) -> Sum {
    let mut reply = call(input);
    let mut sum = Sum::default();
    while let Some(text) = run(reply.next_text()) {
        sum.more_text(black_box(text.expect("a complete answer")));
    }
    sum
}

/// The same in a session or a chat, which keeps the turn.
pub(crate) fn session(input: &Input) -> Sum {
    match input.dialect {
        Dialect::Sessions => read(client(input).session("i").ask("How?")),
        Dialect::Completions => read(client(input).chat("m").ask("How?")),
    }
}
