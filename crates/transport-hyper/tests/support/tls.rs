//! A name, `localhost`, and a private CA that vouches for it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use transport_hyper::{HyperTransport, TransportSettings, rustls};

use super::LONG;

pub(crate) struct Identity {
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) acceptor: TlsAcceptor,
}

impl Identity {
    /// An identity that speaks these protocols.
    pub(crate) fn new(protocols: &[&[u8]]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a private CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self { ca: ca.der().clone(), acceptor: TlsAcceptor::from(Arc::new(tls)) }
    }

    /// A transport that trusts this identity.
    pub(crate) fn transport(&self) -> HyperTransport {
        transport(&[&self.ca])
    }
}

/// A transport that trusts these roots and no others.
pub(crate) fn transport(roots: &[&CertificateDer<'static>]) -> HyperTransport {
    let mut store = rustls::RootCertStore::empty();
    roots.iter().for_each(|root| store.add((*root).clone()).unwrap());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let mut settings = TransportSettings::default();
    settings.connect_timeout = Some(LONG);
    HyperTransport::with_tls(&settings, tls).unwrap()
}
