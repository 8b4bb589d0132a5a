//! What an error of hyper's means to the core.

use std::error::Error;

use chat_client::TransportError;
use hyper_util::client::legacy;

use crate::connect::TimedOut;

/// Sorts an error that came in place of a head.
pub(crate) fn classify(error: &legacy::Error) -> TransportError {
    if error.is_connect() {
        return if chain(error).any(<dyn Error>::is::<TimedOut>) {
            TransportError::ConnectTimeout
        } else {
            TransportError::Connect
        };
    }
    if chain(error).any(was_unsent) { TransportError::Unsent } else { TransportError::MaybeSent }
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
