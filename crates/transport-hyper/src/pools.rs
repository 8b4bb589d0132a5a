//! One connection pool per runtime.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use hyper_util::client::legacy::{self, ResponseFuture};
use tokio::runtime::{self, Handle};

use crate::connector::Connector;
use crate::in_flight::{InFlight, RequestBody};
use crate::pooled_stream::PooledConnector;

type Pool = legacy::Client<PooledConnector<Connector>, RequestBody>;

/// Maximum number of pools. When a further runtime needs one, the least recently used pool is dropped with its idle
/// connections.
const MAX_RUNTIMES: usize = 16;

/// The pools of a transport, one per runtime.
///
/// A connection's tasks run on the runtime that opened it. A call on another runtime must not depend on them, because that
/// runtime may be parked or shut down.
#[derive(Clone)]
pub(crate) struct Pools(Arc<Shared>);

struct Shared {
    builder: legacy::Builder,
    connector: Connector,
    is_http2_only: bool,
    /// Ordered by last use, the most recent one last.
    pools: Mutex<Vec<(Option<runtime::Id>, Pool)>>,
}

impl Pools {
    pub(crate) fn new(builder: legacy::Builder, connector: Connector, is_http2_only: bool) -> Self {
        Self(Arc::new(Shared { builder, connector, is_http2_only, pools: Mutex::default() }))
    }

    /// Sends a request on a connection of the current runtime.
    pub(crate) fn request(&self, request: Request<Bytes>) -> (ResponseFuture, InFlight) {
        let (request, in_flight) = InFlight::new(request, self.0.is_http2_only);
        let id = Handle::try_current().ok().map(|handle| handle.id());
        // No code here panics while it holds the lock.
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        match pools.iter().position(|(of, _)| *of == id) {
            Some(at) => {
                if at + 1 < pools.len() {
                    pools[at..].rotate_left(1);
                }
            }
            None => {
                if pools.len() == MAX_RUNTIMES {
                    pools.remove(0);
                }
                pools.push((id, self.0.builder.build(PooledConnector(self.0.connector.clone()))));
            }
        }
        let (_, pool) = pools.last().expect("a pool was found or added");
        (pool.request(request), in_flight)
    }
}
