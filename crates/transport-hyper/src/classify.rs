//! What an error in place of a head means to the core.

use std::error::Error;
use std::fmt;

use chat_client::driver::TransportError;
use chat_net::{ConnectError, MAX_HEAD, ProxyError, tls};
use hyper_util::client::legacy;

/// How many headers hyper takes over HTTP/1.1.
const MAX_HEADERS: usize = 100;

/// Why there is no head.
#[derive(Debug)]
pub struct SendError(pub(crate) Reason);

#[derive(Debug)]
pub(crate) enum Reason {
    Pooled(legacy::Error),
    /// A proxy did not forward the request.
    Proxy(ConnectError),
    /// Somebody else's service failed.
    #[cfg(feature = "tower")]
    Service(chat_client::driver::BoxError),
}

impl SendError {
    /// The error that says the most: what hyper-util puts around the errors of connecting says less.
    fn cause(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Reason::Pooled(error) => error.source().unwrap_or(error),
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

/// A head that was rejected says what else may be the cause: neither hyper nor h2 tells which limit was passed.
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())?;
        match classify(self) {
            TransportError::BadHead => write!(f, " (a head may have {} KiB and {MAX_HEADERS} headers)", MAX_HEAD >> 10),
            _ => Ok(()),
        }
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
        TransportError::MaybeSent if has(was_rejected) => TransportError::BadHead,
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

/// Whether it was the head of the answer, as it came, that was not taken.
fn was_rejected(cause: &(dyn Error + 'static)) -> bool {
    if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return true;
    }
    #[cfg(feature = "http2")]
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        // Before there is a head, h2 itself resets a stream whose head is malformed or past its limit. A head far past the
        // limit ends the connection; only the text tells that from other floods.
        let is_reset = error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR);
        return error.is_library() && (is_reset || error.to_string().contains("too_many_continuations"));
    }
    false
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
