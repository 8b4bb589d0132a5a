//! Errors of requests that got no response head, and their class.

use std::error::Error;
use std::fmt;

use chat_client::driver::TransportError;
use chat_net::{ConnectError, MAX_HEAD, MAX_HEADERS, ProxyError, tls};
use hyper_util::client::legacy;

/// A request failed before a response head arrived.
#[derive(Debug)]
pub struct SendError(pub(crate) Cause);

#[derive(Debug)]
pub(crate) enum Cause {
    /// hyper-util's client failed.
    Client(legacy::Error),
    /// A proxy did not forward the request.
    Proxy(ConnectError),
    /// The user's service failed.
    #[cfg(feature = "tower")]
    Service(chat_client::driver::BoxError),
}

impl SendError {
    /// The error with the most detail. For a failed connection, hyper-util's own error adds nothing to its source.
    fn cause(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Cause::Client(error) => error.source().unwrap_or(error),
            Cause::Proxy(error) => error,
            #[cfg(feature = "tower")]
            Cause::Service(error) => &**error,
        }
    }

    /// The proxy's error, if a proxy caused this one.
    pub fn proxy_error(&self) -> Option<&ProxyError> {
        ProxyError::of(self.cause())
    }

    /// The class of the error: whether the request may have been sent, and whether another attempt can help.
    pub(crate) fn class(&self) -> TransportError {
        let has = |is: fn(&(dyn Error + 'static)) -> bool| chain(self.cause()).any(is);
        match self.class_by_origin() {
            TransportError::MaybeSent | TransportError::Unsent if tls::is_refused(self.cause()) => {
                TransportError::Connect
            }
            TransportError::MaybeSent if has(is_unsent) => TransportError::Unsent,
            TransportError::MaybeSent if has(is_bad_head) => TransportError::BadHead,
            class => class,
        }
    }

    /// The class as far as the origin of the error determines it.
    fn class_by_origin(&self) -> TransportError {
        match &self.0 {
            Cause::Client(error) if error.is_connect() => connect_class(error),
            Cause::Client(_) => TransportError::MaybeSent,
            Cause::Proxy(error) => error.class(),
            #[cfg(feature = "tower")]
            Cause::Service(error) => chain(&**error).find_map(known_class).unwrap_or(TransportError::MaybeSent),
        }
    }
}

/// The class of an error below a service, if its type is known.
#[cfg(feature = "tower")]
fn known_class(cause: &(dyn Error + 'static)) -> Option<TransportError> {
    if let Some(error) = cause.downcast_ref::<legacy::Error>() {
        return error.is_connect().then(|| connect_class(error));
    }
    cause.downcast_ref().map(SendError::class)
}

/// The class of a failed connection. An error that the connector did not make comes from the HTTP/2 handshake.
fn connect_class(error: &legacy::Error) -> TransportError {
    ConnectError::of(error).map_or(TransportError::Connect, ConnectError::class)
}

/// For a rejected head, the message lists the limits: neither hyper nor h2 reports which one was exceeded.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())?;
        match self.class() {
            TransportError::BadHead => {
                write!(f, " (a head may have up to {} KiB and {MAX_HEADERS} headers)", MAX_HEAD >> 10)
            }
            _ => Ok(()),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().source()
    }
}

/// Whether the error proves that no server has read the request.
fn is_unsent(cause: &(dyn Error + 'static)) -> bool {
    // hyper reports "cancelled" only for a request that it has not started to send.
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return true;
    }
    #[cfg(feature = "http2")]
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        // h2 reports a `GOAWAY` only for streams whose ids are above the last one that the peer has processed.
        let refused = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        return error.is_remote() && refused;
    }
    false
}

/// Whether the head of the answer was rejected: it is malformed or exceeds a limit.
fn is_bad_head(cause: &(dyn Error + 'static)) -> bool {
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return true;
    }
    #[cfg(feature = "http2")]
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        // h2 resets a stream whose head is malformed or exceeds the limit. If the head is much larger than the limit, h2
        // closes the connection; only the text distinguishes this from other floods.
        let is_reset = error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR);
        return error.is_library() && (is_reset || error.to_string().contains("too_many_continuations"));
    }
    false
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
