//! Public types that are `Send` and `Sync`. The test is that this file compiles.

use transport_hyper::{
    AnswerBody, Client, ClientBuilder, HyperTransport, HyperTransportBuilder, Proxy, Reply, ResponseFuture, SendError,
    Session, Text,
};

fn send<T: Send>() {}
fn send_and_sync<T: Send + Sync>() {}

#[test]
fn public_types_are_send() {
    send_and_sync::<(Client, ClientBuilder<HyperTransport>, Session)>();
    send_and_sync::<(HyperTransport, HyperTransportBuilder, Proxy, SendError)>();
    send::<(Reply, Text<HyperTransport>, ResponseFuture, AnswerBody)>();
}
