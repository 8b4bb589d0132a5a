//! Who is trusted.

use std::sync::Arc;

use chat_proto::Source;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// TLS by rustls with ring. The provider is named, so that no global choice of the user's is needed or overridden.
pub(crate) fn config(more_roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<ClientConfig, Source> {
    let mut roots = default_roots()?;
    for root in more_roots {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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

#[cfg(all(feature = "webpki-roots", not(feature = "native-roots")))]
#[allow(clippy::unnecessary_wraps, reason = "the machine's roots may be missing")]
fn default_roots() -> Result<RootCertStore, Source> {
    Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}
