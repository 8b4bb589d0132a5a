//! A server certificate and the private CA that signs it.

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate for `localhost` and `127.0.0.1`, signed by a private CA.
#[derive(Clone)]
pub struct Identity {
    ca: CertificateDer<'static>,
    ca_pem: String,
    config: ServerConfig,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Generates a CA and a certificate.
    ///
    /// # Panics
    ///
    /// If the system has no source of randomness.
    pub fn new() -> Self {
        let valid = "the generated names and keys are valid";
        let mut params = CertificateParams::new(Vec::new()).expect(valid);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a private CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect(valid)).expect(valid);
        let key = KeyPair::generate().expect(valid);
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let certificate = CertificateParams::new(names).expect(valid).signed_by(&key, &ca).expect(valid);
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect(valid);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect(valid)
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect(valid);
        Self { ca: ca.der().clone(), ca_pem: ca.pem(), config }
    }

    /// Returns the certificate of the CA, for clients to trust.
    pub fn ca(&self) -> CertificateDer<'static> {
        self.ca.clone()
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.ca_pem.clone()
    }

    /// Returns the server side of TLS, with these ALPN protocols.
    pub fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
