//! What to do about an error of a connection.

use std::error::Error as StdError;
use std::io;

use chat_net::ConnectError;
use rustls::{CertificateError, Error as TlsError};

/// What to do about an error of the connection to the server or its proxy.
pub(crate) fn of_connect(error: &ConnectError) -> &'static str {
    if let Some(tls) = find::<TlsError>(error) {
        return of_tls_error(tls);
    }
    match error {
        ConnectError::Setting(_) => "Correct the variable of the proxy.",
        ConnectError::Proxy(_) => "Check the proxy's address, user name and password, or add the host to NO_PROXY.",
        ConnectError::TimedOut { .. } => {
            "A firewall may drop the connection: check the port and whether a proxy is needed, or raise --connect-timeout."
        }
        ConnectError::Resolve { .. } => RESOLVE,
        _ => match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => {
                "Nothing listens there: check the host and port of the base URL, and that the server runs."
            }
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
                "There is no route: check the network or VPN, and whether a proxy is needed (HTTPS_PROXY)."
            }
            _ => "Check the network, and whether a proxy is needed (HTTPS_PROXY).",
        },
    }
}

/// What to do about a name that cannot be looked up.
pub(crate) const RESOLVE: &str = "Check the spelling of the host, the network and the DNS server.";

/// What to do about an error of TLS.
pub(crate) fn of_tls(error: &(dyn StdError + 'static)) -> &'static str {
    find(error)
        .map_or("Check that the port speaks TLS; if it does not, the base URL begins with http://.", of_tls_error)
}

fn of_tls_error(error: &TlsError) -> &'static str {
    use CertificateError as Certificate;

    match error {
        TlsError::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => {
                "If a company's proxy or a private CA issued the certificate, name the CA's file with --ca-cert."
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "Check this computer's clock; if it is right, the server's owner must renew the certificate."
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "Check this computer's clock.",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "The certificate is for another host: check the host of the base URL, and that no proxy answers for it."
            }
            Certificate::Revoked => "The server's owner must replace the certificate.",
            _ => "The server's owner must replace the certificate, or a proxy changes it.",
        },
        TlsError::AlertReceived(_) => {
            "The server refuses this client: it may need a client certificate or another proxy."
        }
        TlsError::PeerIncompatible(_) => "The server is too old: it needs TLS 1.2 or 1.3.",
        _ => "Check that the port speaks TLS; if it does not, the base URL begins with http://.",
    }
}

/// Finds an error of this type: the error itself or one of its sources.
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let next = |&error: &&'e (dyn StdError + 'static)| match error.downcast_ref().and_then(io::Error::get_ref) {
        // `source` of an I/O error skips the error that it wraps.
        Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
        None => error.source(),
    };
    std::iter::successors(Some(error), next).find_map(<dyn StdError>::downcast_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_certificate_has_its_own_advice() {
        let advice = |error| of_tls(&io::Error::other(TlsError::InvalidCertificate(error)));
        assert!(advice(CertificateError::UnknownIssuer).contains("--ca-cert"));
        assert!(advice(CertificateError::Expired).contains("clock"));
        assert!(advice(CertificateError::NotValidForName).contains("another host"));
        assert!(of_tls(&io::Error::other("reset")).contains("http://"));
    }

    #[test]
    fn a_refused_connection_has_its_own_advice() {
        let tcp = |kind: io::ErrorKind| ConnectError::Tcp { address: ([127, 0, 0, 1], 1).into(), source: kind.into() };
        assert!(of_connect(&tcp(io::ErrorKind::ConnectionRefused)).starts_with("Nothing listens"));
        assert!(of_connect(&tcp(io::ErrorKind::HostUnreachable)).starts_with("There is no route"));
    }
}
