//! On compio, a dropped call closes its connection, although the kernel still reads from it.

#[path = "../examples/compio/runtime.rs"]
mod runtime;
#[path = "../examples/compio/socket.rs"]
mod socket;
#[path = "../examples/compio/transport.rs"]
mod transport;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use chat_client::Client;
use chat_http1::{Connector, tls};
use chat_mock::faults::FIRST;
use chat_mock::{ScriptServer, ScriptedReply, Step};
use compio::driver::ProactorBuilder;
use compio::runtime::RuntimeBuilder;

use runtime::Compio;
use transport::CompioTransport;

/// More calls than the queue of the runtime has places, so that it can't hold a cancellation for each of them.
const CALLS: usize = 64;
const QUEUE: u32 = 8;

#[test]
fn dropped_calls_close_their_connections_at_once() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let _entered = servers.enter();
    let head = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")];
    let stalled = ScriptedReply::head(200, &head).chunk(FIRST).then(Step::Stall);
    let server = ScriptServer::start(vec![stalled; CALLS]).unwrap();

    let mut queue = ProactorBuilder::new();
    queue.capacity(QUEUE);
    let runtime = RuntimeBuilder::new().with_proactor(queue).build().unwrap();
    let (client, replies) = runtime.block_on(async {
        let transport = CompioTransport::new(Connector::new(Compio, tls::config([], None).unwrap(), None));
        let client = Client::builder().base_url(server.url()).api_key("k").build_on(transport).unwrap();
        let mut replies = Vec::new();
        for _ in 0..CALLS {
            let mut reply = client.session("i").ask("What is a chunk?");
            reply.next().await.unwrap().unwrap();
            // The first poll starts a read, which does not end.
            let read = poll_fn(|cx| Poll::Ready(pin!(reply.next()).poll(cx).is_pending()));
            assert!(read.await);
            replies.push(reply);
        }
        (client, replies)
    });
    assert_eq!(server.open_connections(), CALLS);
    drop(replies);
    // The runtime does not run meanwhile.
    let begun = Instant::now();
    while server.open_connections() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} connections stay open", server.open_connections());
        thread::sleep(Duration::from_millis(1));
    }
    drop(client);
}
