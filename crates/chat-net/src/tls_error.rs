//! Classifies TLS errors, also if they are sources of other errors.

use std::error::Error;
use std::{io, iter};

use rustls::AlertDescription as Alert;

/// Returns whether a connection failed because the server's certificate is not trusted. Another attempt would fail too.
///
/// Checks the error and its sources.
pub fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// Returns whether the server ended the TLS handshake with an alert.
///
/// In TLS 1.3 the client may have written its request by then, but the server does not read it before it has accepted the
/// client. Checks the error and its sources.
pub fn is_refused(error: &(dyn Error + 'static)) -> bool {
    chain(error).filter_map(<dyn Error>::downcast_ref).any(|io: &io::Error| {
        // h2 keeps only the kind and the text of an error.
        io.kind() == io::ErrorKind::InvalidData && {
            let text = io.to_string();
            HANDSHAKE_ALERTS.iter().any(|&alert| text == rustls::Error::AlertReceived(alert).to_string())
        }
    })
}

/// Alerts that are sent only during a handshake.
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
        // `source` of an I/O error skips the error that it wraps.
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
    fn wrapped_errors_are_found() {
        let wrapped =
            |error: rustls::Error| Wrapper(io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)));
        let of_certificate = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(is_untrusted(&of_certificate) && is_untrusted(&wrapped(of_certificate.clone())));
        assert!(!is_refused(&wrapped(of_certificate)));
        let refusal = wrapped(rustls::Error::AlertReceived(Alert::UnknownCA));
        assert!(is_refused(&refusal) && !is_untrusted(&refusal));
        // A server may send this alert at any time.
        assert!(!is_refused(&wrapped(rustls::Error::AlertReceived(Alert::InternalError))));
        // Only the text, as from h2; and the text with another kind.
        let alert = rustls::Error::AlertReceived(Alert::AccessDenied);
        assert!(is_refused(&io::Error::new(io::ErrorKind::InvalidData, alert.to_string())));
        assert!(!is_refused(&io::Error::other(alert.to_string())));
    }
}
