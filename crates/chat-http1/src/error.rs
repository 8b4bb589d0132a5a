//! Why there is no connection, or no answer.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use chat_client::{Source, TransportError};
#[cfg(feature = "net")]
use chat_net::{ProxyError, Via, tls};

use crate::connection::{MAX_HEAD, MAX_HEADERS};

/// Why no connection came about.
#[derive(Debug)]
pub struct ConnectError {
    what: What,
    source: Option<Source>,
}

#[derive(Debug)]
enum What {
    Resolve,
    Tcp,
    Tls,
    TimedOut {
        after: Duration,
        /// A proxy.
        through: Option<String>,
    },
    Wrapped,
    Other(&'static str),
}

impl ConnectError {
    /// The name has no address, or nobody could be asked.
    pub fn resolve(source: impl Into<Source>) -> Self {
        Self { what: What::Resolve, source: Some(source.into()) }
    }

    /// None of the addresses takes a connection; the error is the last one's.
    pub fn tcp(source: impl Into<Source>) -> Self {
        Self { what: What::Tcp, source: Some(source.into()) }
    }

    /// The two sides do not agree on TLS, or its certificate is no good.
    pub fn tls(source: impl Into<Source>) -> Self {
        Self { what: What::Tls, source: Some(source.into()) }
    }

    /// Not within this time.
    pub fn timed_out(after: Duration) -> Self {
        Self { what: What::TimedOut { after, through: None }, source: None }
    }

    /// Not within this time, through a proxy.
    #[cfg(feature = "net")]
    pub(crate) fn timed_out_through(after: Duration, via: &Via) -> Self {
        Self { what: What::TimedOut { after, through: Some(via.to_string()) }, source: None }
    }

    /// There is no way through a proxy; the error is a `ProxyError`.
    #[cfg(feature = "net")]
    pub(crate) fn proxy(source: ProxyError) -> Self {
        Self { what: What::Other("there is no way through the proxy"), source: Some(source.into()) }
    }

    /// What it is about, without its own words, which are about a server.
    #[cfg(feature = "net")]
    pub(crate) fn into_source(mut self) -> Source {
        let source = self.source.take();
        source.unwrap_or_else(|| self.into())
    }

    /// Something else.
    pub fn other(reason: &'static str) -> Self {
        Self { what: What::Other(reason), source: None }
    }

    /// What another connector says, in its own words, which are the source's too.
    pub fn wrap(source: impl Into<Source>) -> Self {
        Self { what: What::Wrapped, source: Some(source.into()) }
    }

    fn class(&self) -> TransportError {
        match (&self.what, self.source.as_deref()) {
            (What::TimedOut { .. }, _) => TransportError::ConnectTimeout,
            // The system's own time for an address ran out.
            (What::Tcp | What::Other(_), Some(error)) if is_timeout(error) => TransportError::ConnectTimeout,
            #[cfg(feature = "net")]
            (What::Tls, Some(error)) if tls::is_untrusted(error) => TransportError::Permanent,
            #[cfg(feature = "net")]
            (_, Some(error)) if ProxyError::of(error).is_some_and(ProxyError::is_final) => TransportError::Permanent,
            _ => TransportError::Connect,
        }
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.any(|cause| cause.downcast_ref().is_some_and(|io: &io::Error| io.kind() == io::ErrorKind::TimedOut))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Resolve => f.write_str("the server's name could not be resolved"),
            What::Tcp => f.write_str("the server takes no connection"),
            What::Tls => f.write_str("TLS failed"),
            What::TimedOut { after, through: None } => write!(f, "no connection within {after:?}"),
            What::TimedOut { after, through: Some(proxy) } => {
                write!(f, "no connection within {after:?} through the proxy {proxy}")
            }
            What::Wrapped => self.source.as_deref().map_or(Ok(()), |source| fmt::Display::fmt(source, f)),
            What::Other(reason) => f.write_str(reason),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct SendError(Why);

#[derive(Debug)]
enum Why {
    Connect(ConnectError),
    Unsent(hyper::Error),
    Lost(hyper::Error),
    BadHead(hyper::Error),
}

impl SendError {
    pub(crate) fn unsent(error: hyper::Error) -> Self {
        Self(Why::Unsent(error))
    }

    pub(crate) fn lost(error: hyper::Error) -> Self {
        Self(if error.is_parse() { Why::BadHead(error) } else { Why::Lost(error) })
    }

    /// What it means to the core.
    pub fn class(&self) -> TransportError {
        match &self.0 {
            Why::Connect(error) => error.class(),
            #[cfg(feature = "net")]
            Why::Unsent(error) | Why::Lost(error) if tls::is_refused(error) => TransportError::Connect,
            Why::Unsent(_) => TransportError::Unsent,
            Why::Lost(_) => TransportError::MaybeSent,
            Why::BadHead(_) => TransportError::BadHead,
        }
    }

    /// Why no connection came about, if that is it.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.0 {
            Why::Connect(error) => Some(error),
            Why::Unsent(_) | Why::Lost(_) | Why::BadHead(_) => None,
        }
    }
}

impl From<ConnectError> for SendError {
    fn from(error: ConnectError) -> Self {
        Self(Why::Connect(error))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Connect(error) => error.fmt(f),
            // hyper does not say which error is that of a limit.
            Why::BadHead(error) => write!(f, "{error} (limits: {} KiB, {MAX_HEADERS} headers)", MAX_HEAD >> 10),
            Why::Unsent(error) | Why::Lost(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Why::Connect(error) => error.source(),
            Why::Unsent(error) | Why::Lost(error) | Why::BadHead(error) => error.source(),
        }
    }
}
