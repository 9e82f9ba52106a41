//! Whether a server that is asked is who it should be.
//!
//! A factory-new APIC has a certificate that nobody signed, so operators need the pin; and when it does not
//! match, they need to see what was presented.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
};
use thiserror::Error;

use crate::config::model::{Digest, Trust};

/// TLS as `trust` wants it; none, where the machine's own trust decides.
pub(crate) fn tls(trust: &Trust) -> Result<Option<ClientConfig>, NoTls> {
    let judge = match trust {
        Trust::System => return Ok(None),
        Trust::Authorities(pem) => Judge::Signed(authorities(pem)?),
        Trust::Pinned(pins) => Judge::Pinned(pins.clone()),
        Trust::Insecure => Judge::Anybody,
    };
    with(judge).map(Some).map_err(|error| NoTls::Setup(error.to_string()))
}

/// Why there is no TLS as it was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoTls {
    /// What should be certificates of authorities is none.
    #[error("ca_file is no list of CA certificates in PEM form: {0}")]
    Authorities(String),
    /// It cannot be set up.
    #[error("{0}")]
    Setup(String),
}

/// TLS that trusts nobody, so that nothing is ever sent, and tells whom it met.
pub(crate) fn look() -> Option<ClientConfig> {
    with(Judge::Pinned(Vec::new())).ok()
}

fn with(judge: Judge) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = Arc::new(Verifier { judge, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn authorities(pem: &str) -> Result<Arc<WebPkiServerVerifier>, NoTls> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| NoTls::Authorities(error.to_string()))?;
        roots.add(certificate).map_err(|error| NoTls::Authorities(error.to_string()))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| NoTls::Authorities(error.to_string()))
}

/// What a refused certificate was.
#[derive(Clone, Debug, Error)]
#[error("{reason}")]
pub(crate) struct Stranger {
    /// SHA-256 of it.
    pub(crate) presented: Digest,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Who decides.
#[derive(Debug)]
enum Judge {
    /// An authority that signed it.
    Signed(Arc<WebPkiServerVerifier>),
    /// Its digest, whoever signed it and whatever name it bears.
    Pinned(Vec<Digest>),
    /// Nobody.
    Anybody,
}

#[derive(Debug)]
struct Verifier {
    judge: Judge,
    provider: Arc<CryptoProvider>,
}

/// Whoever is trusted has to own the certificate: signatures of the handshake are verified always.
impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let presented = sha256(certificate);
        let stranger = |reason: String| {
            let stranger = Stranger { presented, reason };
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(stranger))))
        };
        match &self.judge {
            Judge::Signed(webpki) => webpki
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| stranger(error.to_string())),
            Judge::Pinned(pins) if pins.contains(&presented) => Ok(ServerCertVerified::assertion()),
            Judge::Pinned(_) => Err(stranger("it is none of those in pin_sha256".to_owned())),
            Judge::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn sha256(certificate: &CertificateDer<'_>) -> Digest {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, certificate).as_ref());
    Digest(octets)
}

/// What went wrong with a certificate, if that is why a request failed.
pub(crate) fn refusal(error: &(dyn StdError + 'static)) -> Option<Refusal> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(TlsError::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(Refusal::of(reason));
        }
        // An error of IO passes over what it wraps, when it is asked for its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// Why a certificate was refused.
pub(crate) struct Refusal {
    pub(crate) presented: Option<Digest>,
    pub(crate) reason: String,
}

impl Refusal {
    fn of(error: &CertificateError) -> Self {
        if let CertificateError::Other(OtherError(other)) = error
            && let Some(stranger) = other.downcast_ref::<Stranger>()
        {
            return Self { presented: Some(stranger.presented), reason: stranger.reason.clone() };
        }
        Self { presented: None, reason: error.to_string() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
