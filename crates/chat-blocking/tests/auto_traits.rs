//! Public types that are `Send` and `Sync`. The test is that this file compiles.

use chat_blocking::{AsyncIo, Canceller, Client, ClientBuilder, Connector, Proxy, Reply, Session, SmolTransport, Text};

fn send<T: Send>() {}
fn send_and_sync<T: Send + Sync>() {}

#[test]
fn public_types_are_send() {
    send_and_sync::<(Client, ClientBuilder<Client>, Session, Canceller)>();
    send_and_sync::<(SmolTransport, Connector<AsyncIo>, Proxy)>();
    send::<(Reply, Text)>();
}
