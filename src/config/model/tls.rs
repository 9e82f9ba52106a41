//! `http.tls`: who we are over TLS, and which clients we take.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Serialize;

use super::Secret;

/// `http.tls`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tls {
    /// Our certificate and those between it and its authority, PEM.
    pub cert: Arc<str>,
    /// Its private key, PEM.
    pub key: Secret,
    /// Authorities that must have signed a client's certificate, PEM; none: clients need none.
    pub client_ca: Option<Arc<str>>,
}

/// What cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The certificate.
    #[error("this is no certificate in PEM: {0}")]
    Certificate(String),
    /// The key.
    #[error("this is no private key in PEM: {0}")]
    Key(String),
    /// The certificate and the key together.
    #[error("this key and the certificate do not belong together: {0}")]
    Pair(String),
    /// The authorities of clients.
    #[error("this holds no certificate of an authority: {0}")]
    ClientAuthority(String),
}

impl Tls {
    /// TLS of a server by these.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn server(&self) -> Result<ServerConfig, Unfit> {
        let chain = certificates(&self.cert).map_err(Unfit::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())
            .map_err(|error| Unfit::Key(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Unfit::Pair(error.to_string()))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(authorities).map_err(Unfit::ClientAuthority)? {
                    roots.add(certificate).map_err(|error| Unfit::ClientAuthority(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|error| Unfit::ClientAuthority(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| Unfit::Pair(error.to_string()))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(server)
    }
}

/// One certificate at least.
fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|error| error.to_string())?;
    if read.is_empty() { Err("there is no -----BEGIN CERTIFICATE-----".to_owned()) } else { Ok(read) }
}
