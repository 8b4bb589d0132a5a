//! What an error in place of a head means to the core.

use std::error::Error;
use std::{fmt, io};

use chat_client::TransportError;
use hyper_util::client::legacy;
use rustls::AlertDescription as Alert;

use crate::connect::TimedOut;
use crate::tunnel::ProxyError;

/// Why there is no head.
#[derive(Debug)]
pub struct SendError(pub(crate) Reason);

#[derive(Debug)]
pub(crate) enum Reason {
    Pooled(legacy::Error),
    #[cfg(feature = "inline")]
    Inline(chat_http1::SendError),
    /// A proxy that forwards would not.
    Proxy(ProxyError),
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

    /// How far the request came, as far as the one who sent it knows.
    fn came_to(&self) -> TransportError {
        match &self.0 {
            Reason::Pooled(error) if error.is_connect() => TransportError::Connect,
            Reason::Pooled(_) => TransportError::MaybeSent,
            #[cfg(feature = "inline")]
            Reason::Inline(error) => error.class(),
            Reason::Proxy(_) => TransportError::Connect,
            #[cfg(feature = "tower")]
            Reason::Service(error) => chain(&**error).find_map(known).unwrap_or(TransportError::MaybeSent),
        }
    }
}

/// How far a request came by an error that is known, somewhere below a service.
#[cfg(feature = "tower")]
fn known(cause: &(dyn Error + 'static)) -> Option<TransportError> {
    if let Some(error) = cause.downcast_ref::<legacy::Error>() {
        return error.is_connect().then_some(TransportError::Connect);
    }
    cause.downcast_ref().map(classify)
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
        TransportError::Connect if has(was_too_slow) => TransportError::ConnectTimeout,
        TransportError::Connect if has(was_not_trusted) => TransportError::Untrusted,
        TransportError::MaybeSent | TransportError::Unsent if has(was_refused_by_tls) => TransportError::Connect,
        TransportError::MaybeSent if has(was_unsent) => TransportError::Unsent,
        sorted => sorted,
    }
}

/// Whether our own time for a connection ran out, or the time of one address.
fn was_too_slow(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<TimedOut>() || cause.downcast_ref().is_some_and(|io: &io::Error| io.kind() == io::ErrorKind::TimedOut)
}

/// Whether the server's certificate is no good.
fn was_not_trusted(cause: &(dyn Error + 'static)) -> bool {
    // rustls's errors come wrapped in those of I/O, once or twice, and these do not name what they wrap as their source.
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => was_not_trusted(wrapped),
        None => matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))),
    }
}

/// Whether the server ended the TLS handshake. In TLS 1.3 the client has done its part by then and has written its
/// request, but a server reads nothing of it before it has accepted the client.
fn was_refused_by_tls(cause: &(dyn Error + 'static)) -> bool {
    let Some(io) = cause.downcast_ref::<io::Error>().filter(|io| io.kind() == io::ErrorKind::InvalidData) else {
        return false;
    };
    // What h2 hands on of an error is its kind and its text.
    let text = io.to_string();
    HANDSHAKE_ALERTS.iter().any(|&alert| text == rustls::Error::AlertReceived(alert).to_string())
}

/// Those that are sent in a handshake alone.
const HANDSHAKE_ALERTS: [Alert; 9] = [
    Alert::HandshakeFailure,
    Alert::BadCertificate,
    Alert::UnsupportedCertificate,
    Alert::CertificateRevoked,
    Alert::CertificateExpired,
    Alert::CertificateUnknown,
    Alert::CertificateRequired,
    Alert::UnknownCA,
    Alert::AccessDenied,
];

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
