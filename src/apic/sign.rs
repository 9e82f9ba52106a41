//! X.509 request signatures: every request proves who sent it, and no session is needed.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderValue;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::error::Unusable;
use super::target::Target;
use crate::config::model::Secret;

/// Signs as a local user of the APIC.
pub(super) struct Signer {
    key: RsaKeyPair,
    dn: String,
}

impl Signer {
    /// Of the user's certificate with this name and private key.
    pub(super) fn new(apic: &Arc<str>, user: &str, cert_name: &str, key: &Secret) -> Result<Self, Unusable> {
        let of = |reason: String| Unusable::Key { apic: apic.clone(), reason };
        let der =
            PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|error| of(error.to_string()))?;
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(Unusable::NotRsa { apic: apic.clone() }),
        };
        let key = key.map_err(|_| Unusable::NotRsa { apic: apic.clone() })?;
        let dn = format!("uni/userext/user-{user}/usercert-{cert_name}");
        if HeaderValue::from_str(&dn).is_err() || dn.contains([';', ' ']) {
            return Err(Unusable::Name { apic: apic.clone() });
        }
        Ok(Self { key, dn })
    }

    /// The cookies of one request, in one header: method, decoded path and query, and body are signed, with
    /// nothing between them.
    pub(super) fn cookies(&self, method: &Method, target: &Target, body: &[u8]) -> Option<HeaderValue> {
        let message = [method.as_str().as_bytes(), target.text().as_bytes(), body].concat();
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature).ok()?;
        let cookies = format!(
            "APIC-Request-Signature={}; APIC-Certificate-Algorithm=v1.0; \
             APIC-Certificate-Fingerprint=fingerprint; APIC-Certificate-DN={}",
            STANDARD.encode(signature),
            self.dn
        );
        secret_header(&cookies)
    }
}

/// A header that nobody prints.
pub(super) fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
