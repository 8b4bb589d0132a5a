//! TLS as all transports set it up, and what its errors mean.

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

/// A certificate, followed by the intermediate ones, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// TLS 1.2 and 1.3 by rustls, with the cryptography that the features choose, the default roots, these roots beside them,
/// and a certificate to show to servers that ask for one. Its ALPN protocols are for the transport to set.
///
/// The default roots are those that the environment names: the certificates of the file in `SSL_CERT_FILE` and of the
/// files in the directories in `SSL_CERT_DIR`. If neither is set, they are the ones that the features choose. `more_roots`
/// are always added.
///
/// The provider of the cryptography is named, so the program's global choice is neither needed nor overridden.
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
/// no certificate can be read there. It names `tls` if one of the certificates is not valid, the key does not match its
/// certificate, or the system's roots can't be read.
pub fn config(
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, Error> {
    let file_and_dirs = [ENV_CERT_FILE, ENV_CERT_DIR].map(std::env::var_os);
    let roots = default_roots(file_and_dirs)?;
    build(roots, more_roots, identity)
        .map_err(|error| Error::invalid_request("tls", "can't be set up").with_source(error))
}

fn build(
    mut roots: RootCertStore,
    more_roots: impl IntoIterator<Item = CertificateDer<'static>>,
    identity: Option<Identity>,
) -> Result<ClientConfig, BoxError> {
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

/// The TLS to an `https://` proxy: as to the server, but without its ALPN protocols, its sessions and its client
/// certificate, which is not the proxy's concern.
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
    fn the_cryptography_is_the_one_that_was_chosen() {
        let random = format!("{:?}", config([], None).unwrap().crypto_provider().secure_random);
        assert_eq!(random, if cfg!(feature = "aws-lc-rs") { "AwsLcRs" } else { "Ring" });
    }

    #[test]
    fn a_certificate_that_is_not_valid_is_refused_by_name() {
        let error = config([CertificateDer::from_slice(b"no DER")], None).unwrap_err();
        assert_eq!(error.to_string(), "tls can't be set up");
        assert!(std::error::Error::source(&error).is_some());
    }
}
