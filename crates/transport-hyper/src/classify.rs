//! What an error in place of a head means to the core.

use std::error::Error;
use std::fmt;

use chat_client::TransportError;
use chat_net::{ConnectError, ProxyError, tls};
use hyper_util::client::legacy;

/// Why there is no head.
#[derive(Debug)]
pub struct SendError(pub(crate) Reason);

#[derive(Debug)]
pub(crate) enum Reason {
    Pooled(legacy::Error),
    #[cfg(feature = "inline")]
    Inline(chat_http1::SendError),
    /// A proxy did not forward the request.
    Proxy(ConnectError),
    /// Somebody else's service failed.
    #[cfg(feature = "tower")]
    Service(chat_client::Source),
}

impl SendError {
    /// The error that says the most: what hyper-util and the engine put around the errors of connecting says less.
    fn cause(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Reason::Pooled(error) => error.source().unwrap_or(error),
            #[cfg(feature = "inline")]
            Reason::Inline(error) => error.connect_error().and_then(Error::source).unwrap_or(error),
            Reason::Proxy(error) => error,
            #[cfg(feature = "tower")]
            Reason::Service(error) => &**error,
        }
    }

    /// Why there is no way through a proxy, if that is it.
    pub fn proxy_error(&self) -> Option<&ProxyError> {
        ProxyError::of(self.cause())
    }

    /// How far the request came, as far as the one who sent it knows.
    fn came_to(&self) -> TransportError {
        match &self.0 {
            Reason::Pooled(error) if error.is_connect() => connecting(error),
            Reason::Pooled(_) => TransportError::MaybeSent,
            #[cfg(feature = "inline")]
            Reason::Inline(error) => error.class(),
            Reason::Proxy(error) => error.class(),
            #[cfg(feature = "tower")]
            Reason::Service(error) => chain(&**error).find_map(known).unwrap_or(TransportError::MaybeSent),
        }
    }
}

/// How far a request came by an error that is known, somewhere below a service.
#[cfg(feature = "tower")]
fn known(cause: &(dyn Error + 'static)) -> Option<TransportError> {
    if let Some(error) = cause.downcast_ref::<legacy::Error>() {
        return error.is_connect().then(|| connecting(error));
    }
    cause.downcast_ref().map(classify)
}

/// What an error of connecting means. One that is not the connector's own comes from HTTP/2's handshake.
fn connecting(error: &legacy::Error) -> TransportError {
    ConnectError::of(error).map_or(TransportError::Connect, ConnectError::class)
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().source()
    }
}

/// Sorts an error.
pub(crate) fn classify(error: &SendError) -> TransportError {
    let has = |what: fn(&(dyn Error + 'static)) -> bool| chain(error.cause()).any(what);
    match error.came_to() {
        TransportError::MaybeSent | TransportError::Unsent if tls::is_refused(error.cause()) => TransportError::Connect,
        TransportError::MaybeSent if has(was_unsent) => TransportError::Unsent,
        sorted => sorted,
    }
}

/// Whether the request certainly reached nobody who read it.
fn was_unsent(cause: &(dyn Error + 'static)) -> bool {
    // hyper says "cancelled" only of a request that it still had in hand.
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return true;
    }
    #[cfg(feature = "http2")]
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        // A `GOAWAY` becomes the error of those streams alone whose ids are above the last one that the peer looked at.
        let refused = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        return error.is_remote() && refused;
    }
    false
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
