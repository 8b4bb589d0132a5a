//! A name with several addresses, some of which do not answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use async_std::task;
use bytes::Bytes;
use chat_http1::{Engine, Runtime};
use chat_mock::{Blackhole, ScriptServer, ScriptedReply as Reply};
use transport_async_std::{AsyncStd, Connector, tls};

/// async-std with a resolver that returns these addresses for every name.
struct FixedResolver(Vec<SocketAddr>);

impl Runtime for FixedResolver {
    type Stream = <AsyncStd as Runtime>::Stream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Self::Stream> {
        AsyncStd.connect(addr).await
    }

    async fn sleep(&self, time: Duration) {
        AsyncStd.sleep(time).await;
    }
}

#[test]
fn a_silent_address_does_not_delay_the_next_one() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let _entered = servers.enter();
    let server = ScriptServer::start(vec![Reply::json(200, &[], "{}")]).unwrap();
    let holes = [Blackhole::open(Ipv4Addr::LOCALHOST).unwrap(), Blackhole::open(Ipv4Addr::LOCALHOST).unwrap()];
    let addresses = holes.iter().map(Blackhole::addr).chain([server.local_addr()]).collect();
    // There is no connect timeout, so only the next address can end the wait.
    let engine = Engine::new(Connector::new(FixedResolver(addresses), tls::config([], None).unwrap(), None));
    let begun = Instant::now();
    let request = http::Request::get("http://h.example/").body(Bytes::new()).unwrap();
    let answer = task::block_on(engine.send(request)).unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status(), 200);
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
}
