//! What errors of TLS mean, wherever they are among the sources of others.

use std::error::Error;
use std::{io, iter};

use rustls::AlertDescription as Alert;

/// Whether a connection failed because the server's certificate is not trusted, by the error or its sources. It would be
/// refused again.
pub fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// Whether the server ended the TLS handshake, by the error or its sources. In TLS 1.3 the client has done its part by
/// then and has written its request, but a server reads nothing of it before it has accepted the client.
pub fn is_refused(error: &(dyn Error + 'static)) -> bool {
    chain(error).filter_map(<dyn Error>::downcast_ref).any(|io: &io::Error| {
        // h2 hands on no more of an error than its kind and its text.
        io.kind() == io::ErrorKind::InvalidData && {
            let text = io.to_string();
            HANDSHAKE_ALERTS.iter().any(|&alert| text == rustls::Error::AlertReceived(alert).to_string())
        }
    })
}

/// The alerts that are sent only during a handshake.
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

/// An error and its sources.
pub(crate) fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref().and_then(io::Error::get_ref) {
        // An I/O error does not name the error that it wraps as its source.
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use rustls::CertificateError;

    use super::*;

    #[derive(Debug)]
    struct Wrapper(io::Error);

    impl fmt::Display for Wrapper {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it failed")
        }
    }

    impl Error for Wrapper {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn errors_are_known_below_any_number_of_others() {
        let wrapped =
            |error: rustls::Error| Wrapper(io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)));
        let of_certificate = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(is_untrusted(&of_certificate) && is_untrusted(&wrapped(of_certificate.clone())));
        assert!(!is_refused(&wrapped(of_certificate)));
        let refusal = wrapped(rustls::Error::AlertReceived(Alert::UnknownCA));
        assert!(is_refused(&refusal) && !is_untrusted(&refusal));
        // This one may come at any time.
        assert!(!is_refused(&wrapped(rustls::Error::AlertReceived(Alert::InternalError))));
        // The words alone, as h2 hands them on, and of another kind.
        let alert = rustls::Error::AlertReceived(Alert::AccessDenied);
        assert!(is_refused(&io::Error::new(io::ErrorKind::InvalidData, alert.to_string())));
        assert!(!is_refused(&io::Error::other(alert.to_string())));
    }
}
