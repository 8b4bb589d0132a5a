//! Whom TLS trusts, who we are, and what its errors mean.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use chat_proto::{Error, Source};
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as crypto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription as Alert, ClientConfig, RootCertStore};

use crate::error::chain;

/// A certificate with the ones that vouch for it behind it, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// TLS 1.2 and 1.3 by rustls, with the cryptography and the certificate roots that the features choose, these roots
/// beside them, and a certificate to show to servers that ask for one. Its ALPN protocols are for the transport to set.
///
/// The provider of the cryptography is named, so that no global choice of the program's is needed or overridden.
///
/// ```
/// let tls = chat_net::tls::config([], None)?;
/// assert!(tls.alpn_protocols.is_empty());
/// # Ok::<(), chat_net::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest), naming `tls`: one of the certificates is none, the key
/// does not go with its certificate, or the machine's roots are wanted and can't be had.
pub fn config(
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, Error> {
    build(more_roots, identity).map_err(|error| Error::invalid_request("tls", "can't be set up").with_source(error))
}

fn build(
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, Source> {
    let mut roots = default_roots()?;
    for root in more_roots {
        roots.add(root)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    })
}

#[cfg(feature = "native-roots")]
fn default_roots() -> Result<RootCertStore, Source> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Machines have odd certificates among good ones.
    if roots.add_parsable_certificates(found.certs).0 > 0 {
        return Ok(roots);
    }
    Err(found.errors.into_iter().next().map_or_else(|| "the machine has no certificate roots".into(), Source::from))
}

#[cfg(not(feature = "native-roots"))]
#[allow(clippy::unnecessary_wraps, reason = "the machine's roots may be missing")]
fn default_roots() -> Result<RootCertStore, Source> {
    Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

/// Whether a connection failed because the server's certificate is no good, by the error or what lies beneath it. It
/// would be refused again.
pub fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// Whether the server ended the TLS handshake, by the error or what lies beneath it. In TLS 1.3 the client has done its
/// part by then and has written its request, but a server reads nothing of it before it has accepted the client.
pub fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    chain(error).filter_map(<dyn StdError>::downcast_ref).any(|io: &io::Error| {
        // h2 hands on no more of an error than its kind and its text.
        io.kind() == io::ErrorKind::InvalidData && {
            let text = io.to_string();
            HANDSHAKE_ALERTS.iter().any(|&alert| text == rustls::Error::AlertReceived(alert).to_string())
        }
    })
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

#[cfg(test)]
mod tests {
    use std::fmt;

    use rustls::CertificateError;

    use super::*;

    #[test]
    fn the_cryptography_is_the_one_that_was_chosen() {
        let random = format!("{:?}", config([], None).unwrap().crypto_provider().secure_random);
        assert_eq!(random, if cfg!(feature = "aws-lc-rs") { "AwsLcRs" } else { "Ring" });
    }

    #[test]
    fn what_is_no_certificate_is_refused_by_name() {
        let error = config([CertificateDer::from_slice(b"no DER")], None).unwrap_err();
        assert_eq!(error.to_string(), "tls can't be set up");
        assert!(StdError::source(&error).is_some());
    }

    #[derive(Debug)]
    struct Wrapper(io::Error);

    impl fmt::Display for Wrapper {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it failed")
        }
    }

    impl StdError for Wrapper {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
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
