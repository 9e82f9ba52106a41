//! Who may answer.

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::stub::{Heard, Reply, Stub};
use super::{config, settings};
use crate::apic::{Client, Error, Query, Unusable};
use crate::config::model::{Digest, Trust};
use crate::time::Clock;

fn query() -> Query {
    Query::class("l3extSubnet")
}

/// A controller with a certificate.
struct Server {
    stub: Stub,
    digest: Digest,
}

fn sha256(der: &[u8]) -> Digest {
    Digest(digest(&SHA256, der).as_ref().try_into().unwrap())
}

async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> Server {
    let digest = sha256(&certificate);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(std::sync::Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let answer = |heard: &Heard| match heard {
        _ if heard.is_login() => Reply::token("token-1"),
        _ => Reply::page_of(1, heard),
    };
    Server { stub: Stub::with_tls(tls, answer).await, digest }
}

/// As an APIC is delivered: signed by nobody, for another name.
async fn self_signed() -> Server {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["apic1".to_owned()]).unwrap();
    server(cert.der().clone(), &signing_key).await
}

/// An authority, and a controller with a certificate of it for `name`.
async fn signed(name: &str) -> (String, Server) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (authority.pem(), server(certificate.der().clone(), &key).await)
}

fn client(servers: &[&Server], trust: Trust) -> Client {
    let urls: Vec<_> = servers.iter().map(|server| &*server.stub.url).collect();
    let config = crate::config::model::Apic { trust, ..config(&urls) };
    Client::with(&config, Clock::start(), settings()).unwrap()
}

async fn refused(server: &Server, trust: Trust) -> String {
    let error = client(&[server], trust).list(&query()).await.unwrap_err();
    assert!(server.stub.heard().is_empty(), "nothing is sent to a stranger");
    let Error::Certificate { controller, presented, .. } = &error else { panic!("{error:?}") };
    assert_eq!(**controller, *server.stub.url);
    assert_eq!(*presented, Some(server.digest));
    error.to_string()
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_whoever_signed_it() {
    let server = self_signed().await;
    let other = Digest([7; 32]);
    client(&[&server], Trust::Pinned(vec![other, server.digest])).list(&query()).await.unwrap();
    let text = refused(&self_signed().await, Trust::Pinned(vec![other, server.digest])).await;
    assert!(text.contains("pin_sha256"), "{text}");
}

#[tokio::test]
async fn an_authority_vouches_for_the_names_in_what_it_signed() {
    let (authority, server) = signed("127.0.0.1").await;
    let trust = Trust::Authorities(authority.into());
    client(&[&server], trust.clone()).list(&query()).await.unwrap();
    let text = refused(&self_signed().await, trust).await;
    assert!(text.contains("ca_file"), "{text}");
    let (authority, elsewhere) = signed("apic.example").await;
    refused(&elsewhere, Trust::Authorities(authority.into())).await;
}

#[tokio::test]
async fn the_machine_does_not_trust_what_nobody_signed() {
    let server = self_signed().await;
    let config = crate::config::model::Apic { trust: Trust::System, ..config(&[&server.stub.url]) };
    match Client::with(&config, Clock::start(), settings()) {
        Ok(_) => assert!(refused(&server, Trust::System).await.contains("pin_sha256")),
        // A machine without any authority says so at once.
        Err(error) => assert!(matches!(error, Unusable::Tls { .. }), "{error}"),
    }
}

#[tokio::test]
async fn insecure_takes_anybody() {
    client(&[&self_signed().await], Trust::Insecure).list(&query()).await.unwrap();
}

/// Who shows a certificate must have its key.
#[tokio::test]
async fn a_stolen_certificate_is_not_enough() {
    let CertifiedKey { cert, .. } = generate_simple_self_signed(["apic1".to_owned()]).unwrap();
    let provider = default_provider();
    let key = provider
        .key_provider
        .load_private_key(PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap())
        .unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![cert.der().clone()], key);
    let tls = ServerConfig::builder_with_provider(std::sync::Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let server = Server { stub: Stub::with_tls(tls, |_| Reply::done()).await, digest: sha256(cert.der()) };
    for trust in [Trust::Pinned(vec![server.digest]), Trust::Insecure] {
        assert!(client(&[&server], trust).list(&query()).await.is_err());
        assert!(server.stub.heard().is_empty());
    }
}

#[tokio::test]
async fn a_controller_that_is_a_stranger_is_passed_over() {
    let (bad, good) = (self_signed().await, self_signed().await);
    let client = client(&[&bad, &good], Trust::Pinned(vec![good.digest]));
    client.list(&query()).await.unwrap();
    assert_eq!(*client.stats().snapshot().controller, *good.stub.url);
    assert!(bad.stub.heard().is_empty());
}

#[test]
fn a_file_without_authorities_is_of_no_use() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let trust = Trust::Authorities(pem.into());
        let config = crate::config::model::Apic { trust, ..config(&["https://apic"]) };
        let error = Client::new(&config, Clock::start()).unwrap_err();
        assert!(matches!(error, Unusable::Authorities { .. }), "{error}");
    }
}
