//! TLS configuration and errors for all transports.

use std::sync::Arc;

use chat_proto::{BoxError, Error};
use rustls::client::{ResolvesClientCert, Resumption};
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as crypto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};

pub use crate::roots::pem_file;
use crate::roots::{ENV_CERT_DIR, ENV_CERT_FILE, default_roots};
pub use crate::tls_error::{is_refused, is_untrusted};

/// A certificate chain, which starts with the client's own certificate, and the private key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Creates a rustls configuration for TLS 1.2 and 1.3.
///
/// It trusts the default roots and `more_roots`. The default roots are those of the environment: the certificates in the
/// file `SSL_CERT_FILE` and in the directories `SSL_CERT_DIR`. If neither is set, the features select the roots. `identity`
/// is the client certificate, for servers that request one. The transport sets the ALPN protocols.
///
/// The system's roots (feature `native-roots`) are loaded once per process, and its clients share them: a change of the
/// system's roots takes effect in a new process. The files of the environment are read for each configuration.
///
/// The features also select the cryptography provider. The process-wide default provider of rustls is neither used nor
/// changed.
///
/// ```
/// let tls = chat_net::tls::config([], None)?;
/// assert!(tls.alpn_protocols.is_empty());
/// # Ok::<(), chat_net::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidRequest`](chat_proto::ErrorKind::InvalidRequest). It names `SSL_CERT_FILE` or `SSL_CERT_DIR` and the path, if
/// no certificate can be read there. It names `tls` if a certificate is not valid, the key does not match the
/// certificate, or the system's roots can't be read.
pub fn config(
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, Error> {
    let file_and_dirs = [ENV_CERT_FILE, ENV_CERT_DIR].map(std::env::var_os);
    let roots = default_roots(file_and_dirs)?;
    build(roots, more_roots, identity)
        .map_err(|error| Error::invalid_request("tls", "could not be configured").with_source(error))
}

fn build(
    mut roots: Arc<RootCertStore>,
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, BoxError> {
    for root in more_roots {
        Arc::make_mut(&mut roots).add(root)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    })
}

/// Derives the configuration for an `https://` proxy from the one for servers. It has no ALPN protocols, no client
/// certificate, and its own session cache.
pub fn for_proxy(tls: &ClientConfig) -> ClientConfig {
    let mut tls = tls.clone();
    tls.alpn_protocols.clear();
    tls.resumption = Resumption::default();
    tls.client_auth_cert_resolver = Arc::new(NoCertificate);
    tls
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_selects_the_cryptography() {
        let random = format!("{:?}", config([], None).unwrap().crypto_provider().secure_random);
        assert_eq!(random, if cfg!(feature = "aws-lc-rs") { "AwsLcRs" } else { "Ring" });
    }

    #[test]
    fn configurations_share_the_roots_unless_they_add_some() {
        let roots = Arc::new(RootCertStore::clone(&default_roots([None, None]).unwrap()));
        let count = roots.len();
        let shared = build(Arc::clone(&roots), [], None).unwrap();
        assert_eq!(Arc::strong_count(&roots), 2);
        let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        let more = build(Arc::clone(&roots), [ca.cert.der().clone()], None).unwrap();
        assert_eq!((Arc::strong_count(&roots), roots.len()), (2, count), "it has its own copy");
        drop((shared, more));
        assert_eq!(Arc::strong_count(&roots), 1);
    }

    #[test]
    fn an_invalid_certificate_is_an_error_of_the_setting() {
        let error = config([CertificateDer::from_slice(b"no DER")], None).unwrap_err();
        assert_eq!(error.to_string(), "tls could not be configured");
        assert!(std::error::Error::source(&error).is_some());
    }
}
