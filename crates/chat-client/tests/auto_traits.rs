//! Public types that are `Send` and `Sync`. The test is that this file compiles.

use chat_client::driver::{
    Attempt, BoxError, Call, ChatHistory, Config, Conversation, Defaults, Elapsed, Endpoint, Exchange, KeyFuture,
    Output, PendingTurn, Request, Settings, TransportError, TransportSettings,
};
use chat_client::{
    Answer, Chat, ChatTurn, Client, ClientBuilder, Error, ErrorKind, Event, Head, KeySource, Limits, Reply,
    RetryPolicy, Session, Text, Timeouts, ToolResult, Transport, Turn,
};

fn send<T: Send>() {}
fn send_and_sync<T: Send + Sync>() {}
fn unpin<T: Unpin>() {}

/// Of a transport whose parts are `Send`.
#[allow(dead_code, reason = "only type-checked")]
fn with_a_transport<T>()
where
    T: Transport<Send: Send, Body: Send, Sleep: Send> + Send + Sync,
{
    send_and_sync::<Client<T>>();
    send_and_sync::<Session<T>>();
    send_and_sync::<Chat<T>>();
    send::<Reply<T>>();
    send::<Text<T>>();
    unpin::<Reply<T>>();
}

#[test]
fn public_types_are_send() {
    // A builder has no transport yet.
    send_and_sync::<ClientBuilder<*const ()>>();
    send::<KeyFuture>();
    send_and_sync::<(KeySource, Settings, Defaults, TransportSettings, Config, Endpoint)>();
    send_and_sync::<(Conversation, Turn, ChatHistory, ChatTurn, ToolResult, PendingTurn)>();
    send_and_sync::<(Call, Exchange, Request, Output, Attempt, Elapsed, TransportError, BoxError)>();
    send_and_sync::<(Answer, Event, Head, Error, ErrorKind)>();
    send_and_sync::<(Limits, RetryPolicy, Timeouts)>();
}
