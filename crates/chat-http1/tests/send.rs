//! The public types are `Send` if the runtime's sockets and futures are.

#[path = "support/async_io.rs"]
mod runtime;

use async_net::TcpStream;
use bytes::Bytes;
use chat_http1::{
    AnswerBody, ConnectError, Connector, Engine, Origin, Proxy, ProxyError, ProxyServer, Scheme, SendError, Stream, tls,
};
use runtime::AsyncIo;

fn assert_send<T: Send>() {}
fn assert_send_and_sync<T: Send + Sync>() {}
fn assert_send_value<T: Send>(_: &T) {}

#[test]
fn public_types_are_send() {
    assert_send::<AnswerBody<Stream<TcpStream>>>();
    assert_send_and_sync::<Engine<Connector<AsyncIo>>>();
    assert_send_and_sync::<Connector<AsyncIo>>();
    assert_send_and_sync::<Stream<TcpStream>>();
    assert_send_and_sync::<SendError>();
    assert_send_and_sync::<ConnectError>();
    assert_send_and_sync::<Origin>();
    assert_send_and_sync::<Proxy>();
    assert_send_and_sync::<ProxyError>();
    assert_send_and_sync::<ProxyServer>();
    assert_send_and_sync::<Scheme>();

    let engine = Engine::new(Connector::new(AsyncIo, tls::config([], None).unwrap(), None));
    assert_send_value(&engine.send(http::Request::new(Bytes::new())));
    assert_send_value(&engine.close_idle(|time| async move { _ = async_io::Timer::after(time).await }));
}
