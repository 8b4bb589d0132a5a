//! A pool of connections for each runtime.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use hyper_util::client::legacy::{self, ResponseFuture};
use tokio::runtime::{self, Handle};

use crate::asked::{Asked, RequestBody};
use crate::connect::Connector;
use crate::wire::Wired;

type Pool = legacy::Client<Wired<Connector>, RequestBody>;

/// How many runtimes have a pool at once. Past it, the one that was used the longest ago loses its idle connections.
const MAX_RUNTIMES: usize = 16;

/// The pools of all runtimes that use a transport.
///
/// The tasks of a connection live on the runtime that it was made on. A call on another runtime must not wait for them:
/// that one may be parked, or gone.
#[derive(Clone)]
pub(crate) struct Pools(Arc<Shared>);

struct Shared {
    builder: legacy::Builder,
    connector: Connector,
    is_http2_only: bool,
    /// The most recently used one last.
    pools: Mutex<Vec<(Option<runtime::Id>, Pool)>>,
}

impl Pools {
    pub(crate) fn new(builder: legacy::Builder, connector: Connector, is_http2_only: bool) -> Self {
        Self(Arc::new(Shared { builder, connector, is_http2_only, pools: Mutex::default() }))
    }

    /// Sends a request on a connection of the runtime that this is called in.
    pub(crate) fn request(&self, request: Request<Bytes>) -> (ResponseFuture, Asked) {
        let (request, asked) = Asked::new(request, self.0.is_http2_only);
        let id = Handle::try_current().ok().map(|handle| handle.id());
        // Nothing panics while it holds the lock.
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
                pools.push((id, self.0.builder.build(Wired(self.0.connector.clone()))));
            }
        }
        let (_, pool) = pools.last().expect("one was found or made");
        (pool.request(request), asked)
    }
}
