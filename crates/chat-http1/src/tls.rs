//! TLS as it is without settings.

use std::sync::Arc;

use chat_client::{Error, Source};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{ClientConfig, RootCertStore};

/// TLS by rustls with ring, and the roots that the crate's features choose. The provider is named, so that no global choice
/// of the user's is needed or overridden.
///
/// # Errors
///
/// [`InvalidRequest`](chat_client::ErrorKind::InvalidRequest), naming `tls`, if the machine's roots can't be read.
pub fn default_tls() -> Result<ClientConfig, Error> {
    let build = || -> Result<ClientConfig, Source> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(roots()?).with_no_client_auth())
    };
    build().map_err(|error| Error::invalid_request("tls", "can't be set up").with_source(error))
}

#[cfg(feature = "native-roots")]
fn roots() -> Result<RootCertStore, Source> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    // A store with one odd file in it is common; one without any certificate is of no use.
    match found.errors.into_iter().next() {
        Some(error) if added == 0 => Err(Box::new(error)),
        None if added == 0 => Err("the machine has no certificate roots".into()),
        _ => Ok(roots),
    }
}

#[cfg(not(feature = "native-roots"))]
fn roots() -> Result<RootCertStore, Source> {
    Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}
