//! A server's name, and a private CA that vouches for it.

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate for `localhost` and `127.0.0.1`, and the private CA that vouches for it: made anew each time.
#[derive(Clone)]
pub struct Identity {
    ca: CertificateDer<'static>,
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
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If the system gives no randomness.
    pub fn new() -> Self {
        let sound = "names and keys made here are sound";
        let mut params = CertificateParams::new(Vec::new()).expect(sound);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a private CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect(sound)).expect(sound);
        let key = KeyPair::generate().expect(sound);
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let certificate = CertificateParams::new(names).expect(sound).signed_by(&key, &ca).expect(sound);
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect(sound);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect(sound)
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect(sound);
        Self { ca: ca.der().clone(), config }
    }

    /// The CA's certificate, for clients to trust.
    pub fn ca(&self) -> CertificateDer<'static> {
        self.ca.clone()
    }

    /// The server's side of TLS, with these protocols for ALPN.
    pub fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
