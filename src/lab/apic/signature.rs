//! Requests that are signed instead of carrying a token.

use aws_lc_rs::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::EndEntityCert;

use super::refusal::Refusal;
use super::session::cookies;
use super::target::decode;
use super::tree::Tree;
use crate::eepg::dn::rns;

/// What a signature is about.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Path and query as they came.
    pub(super) target: &'a str,
    pub(super) body: &'a [u8],
    /// The `Cookie` headers.
    pub(super) cookies: &'a [String],
}

/// The public key of a certificate; none, if it is none.
pub(super) fn public_key(pem: &str) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(EndEntityCert::try_from(&certificate).ok()?.subject_public_key_info())
}

impl Signed<'_> {
    fn cookie(&self, name: &str) -> Option<&str> {
        cookies(self.cookies, name).next()
    }

    /// Whether the request carries a signature at all.
    pub(super) fn is_signed(&self) -> bool {
        self.cookie("APIC-Request-Signature").is_some()
    }

    /// The user who signed, by a certificate in the tree.
    ///
    /// # Errors
    /// A signature that is not of this request by this certificate.
    pub(super) fn user(&self, tree: &Tree) -> Result<String, Refusal> {
        self.verified(tree).ok_or_else(Refusal::signature)
    }

    fn verified(&self, tree: &Tree) -> Option<String> {
        let algorithm = self.cookie("APIC-Certificate-Algorithm")?;
        self.cookie("APIC-Certificate-Fingerprint")?;
        let dn = self.cookie("APIC-Certificate-DN")?;
        let user = rns(dn).nth(2)?.strip_prefix("user-")?;
        let pem = tree.value(dn, "data").filter(|_| algorithm == "v1.0")?;
        let key = public_key(&pem)?;
        let signature = STANDARD.decode(self.cookie("APIC-Request-Signature")?).ok()?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &key);
        // Paths are signed as they read, not as they are encoded; a body of `{}` some clients leave out.
        let head = format!("{}{}", self.method, decode(self.target));
        let whole = [head.as_bytes(), self.body].concat();
        let fits = key.verify(&whole, &signature).is_ok()
            || (self.body == b"{}" && key.verify(head.as_bytes(), &signature).is_ok());
        fits.then(|| user.to_owned())
    }
}
