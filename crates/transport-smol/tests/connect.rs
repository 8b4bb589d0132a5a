//! A name with addresses that do not answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use async_net::TcpStream;
use bytes::Bytes;
use chat_http1::{Engine, Runtime};
use chat_mock::{Blackhole, ScriptServer, ScriptedReply as Reply};
use transport_smol::{AsyncIo, Connector, tls};

/// async-io, where every name has these addresses.
struct Named(Vec<SocketAddr>);

impl Runtime for Named {
    type Stream = TcpStream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        AsyncIo.connect(addr).await
    }

    async fn sleep(&self, time: Duration) {
        AsyncIo.sleep(time).await;
    }
}

#[test]
fn the_next_address_of_a_family_is_tried_beside_one_that_is_silent() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let _entered = servers.enter();
    let server = ScriptServer::start(vec![Reply::json(200, &[], "{}")]).unwrap();
    let holes = [Blackhole::open(Ipv4Addr::LOCALHOST).unwrap(), Blackhole::open(Ipv4Addr::LOCALHOST).unwrap()];
    let addresses = holes.iter().map(Blackhole::addr).chain([server.local_addr()]).collect();
    // Without a connect timeout: nothing but the next address ends the wait.
    let engine = Engine::new(Connector::new(Named(addresses), tls::config([], None).unwrap(), None));
    let begun = Instant::now();
    let request = http::Request::get("http://h.example/").body(Bytes::new()).unwrap();
    let answer = async_io::block_on(engine.send(request)).unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status(), 200);
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
}
