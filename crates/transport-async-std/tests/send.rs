//! The public types can be sent to other threads.

use transport_async_std::{
    AnswerBody, AsyncStd, AsyncStdTransport, Backend, Client, Connector, Proxy, ProxyError, Reply, SendError, Session,
    Transport,
};

fn assert_send<T: Send>() {}
fn assert_send_and_sync<T: Send + Sync>() {}

#[test]
fn public_types_are_send() {
    assert_send_and_sync::<Client>();
    assert_send_and_sync::<AsyncStdTransport>();
    assert_send_and_sync::<AsyncStd>();
    assert_send_and_sync::<Backend>();
    assert_send_and_sync::<Connector<AsyncStd>>();
    assert_send_and_sync::<Proxy>();
    assert_send_and_sync::<ProxyError>();
    assert_send_and_sync::<SendError>();
    assert_send_and_sync::<AnswerBody>();
    assert_send::<Reply>();
    assert_send::<Session>();
    assert_send::<<AsyncStdTransport as Transport>::Send>();
    assert_send::<<AsyncStdTransport as Transport>::Sleep>();
}
