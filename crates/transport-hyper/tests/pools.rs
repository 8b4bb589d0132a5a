//! Connection pools: which connections are kept, for how long, and on which runtime.

mod common;

use std::time::{Duration, Instant};

use chat_mock::Server;
use common::{ask, builder, client, wait_until};
use tokio::runtime::{Builder, Runtime};
use transport_hyper::HyperTransportBuilder;

fn multi() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One client serves two runtimes. The runtime of the first connection is parked in between.
fn serves_two_runtimes(builder: HyperTransportBuilder) {
    let servers = multi();
    let server = servers.block_on(Server::builder().bind()).unwrap();
    let [one, two] = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
    let client = client(builder, &server.url());
    one.block_on(ask(&client)).unwrap();
    for _ in 0..3 {
        two.block_on(ask(&client)).unwrap();
    }
    one.block_on(ask(&client)).unwrap();
    assert_eq!(server.accepted_connections(), 2);
    // The connections of a runtime end with it.
    drop(one);
    two.block_on(ask(&client)).unwrap();
    assert_eq!(server.accepted_connections(), 2);
}

#[test]
fn a_client_serves_two_runtimes() {
    serves_two_runtimes(builder());
}

#[test]
#[cfg(feature = "http2")]
fn a_client_serves_two_runtimes_over_http2() {
    serves_two_runtimes(builder().http2(transport_hyper::Http2::PriorKnowledge));
}

#[test]
fn the_number_of_idle_connections_is_limited() {
    const MAX_IDLE: usize = 32;
    multi().block_on(async {
        let server = Server::builder().chunk_delay(Duration::from_millis(20)).bind().await.unwrap();
        let client = client(builder(), &server.url());
        let calls: Vec<_> = (0..MAX_IDLE + 8)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { ask(&client).await.map(|_| ()) })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(server.accepted_connections(), MAX_IDLE + 8);
        wait_until("the others' end", || server.open_connections() <= MAX_IDLE).await;
    });
}

#[test]
fn an_idle_connection_is_closed_on_time() {
    const IDLE: Duration = Duration::from_secs(2);
    multi().block_on(async {
        let server = Server::builder().bind().await.unwrap();
        let client = client(builder().pool_idle_timeout(IDLE), &server.url());
        ask(&client).await.unwrap();
        tokio::time::sleep(IDLE / 4).await;
        ask(&client).await.unwrap();
        let begun = Instant::now();
        wait_until("its close", || server.open_connections() == 0).await;
        let took = begun.elapsed();
        assert!(took > IDLE * 3 / 4 && took < IDLE * 7 / 4, "{took:?}");
        assert_eq!(server.accepted_connections(), 1);
    });
}
