//! The public types can be sent to other threads.

use transport_smol::{
    AnswerBody, AsyncIo, Client, Connector, Proxy, ProxyError, Reply, SendError, Sending, Session, Sleep, SmolTransport,
};

fn assert_send<T: Send>() {}
fn assert_send_and_sync<T: Send + Sync>() {}

#[test]
fn public_types_are_send() {
    assert_send_and_sync::<Client>();
    assert_send_and_sync::<SmolTransport>();
    assert_send_and_sync::<AsyncIo>();
    assert_send_and_sync::<Connector<AsyncIo>>();
    assert_send_and_sync::<Proxy>();
    assert_send_and_sync::<ProxyError>();
    assert_send_and_sync::<SendError>();
    assert_send_and_sync::<Sleep>();
    assert_send::<AnswerBody>();
    assert_send::<Reply>();
    assert_send::<Sending>();
    assert_send::<Session>();
}
