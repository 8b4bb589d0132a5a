//! Resolves host names.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

pub(crate) type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

type Lookup = dyn Fn(&str) -> LookupFuture + Send + Sync;

/// The user's resolver, or the system's if not set.
#[derive(Clone, Default)]
pub(crate) struct Resolver(Option<Arc<Lookup>>);

impl Resolver {
    pub(crate) fn new<F>(lookup: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Some(Arc::new(move |host: &str| Box::pin(lookup(host)) as LookupFuture)))
    }

    pub(crate) fn resolve(&self, host: &str) -> LookupFuture {
        if let Some(lookup) = &self.0 {
            return lookup(host);
        }
        let host = host.to_owned();
        // tokio calls getaddrinfo on a blocking thread.
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "custom" } else { "system" })
    }
}
