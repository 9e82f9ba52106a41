//! Requests that prove by themselves who sent them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use webpki::EndEntityCert;
use webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256;

use super::stub::{Heard, Reply, Stub, dn};
use super::{config, settings};
use crate::apic::target::decoded;
use crate::apic::{Client, Error, Filter, Query, Unusable};
use crate::config::model::{Apic, Auth, Secret};
use crate::eepg::Mo;
use crate::time::Clock;

/// A certificate with its key, PKCS#8.
fn certificate() -> (CertificateDer<'static>, Vec<u8>) {
    let key = RsaKey::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap().as_ref().to_vec();
    let pair =
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.clone()), &PKCS_RSA_SHA256)
            .unwrap();
    let certificate = CertificateParams::new(["tl".to_owned()]).unwrap().self_signed(&pair).unwrap();
    (certificate.der().clone(), pkcs8)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// PKCS#1 is what PKCS#8 of an RSA key has in its one OCTET STRING at the end.
fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
    let start =
        pkcs8.windows(4).skip(4).position(|octets| octets[0] == 0x30 && octets[1] == 0x82).unwrap() + 4;
    pkcs8[start..].to_vec()
}

fn signing(url: &str, key: &str) -> Apic {
    let auth = Auth::Certificate { user: "tl".into(), cert_name: "tl.crt".into(), key: Secret::new(key) };
    Apic { auth, ..config(&[url]) }
}

fn client(url: &str, key: &str) -> Client {
    Client::with(&signing(url, key), Clock::start(), settings()).unwrap()
}

/// As the APIC does it: method, decoded target, body.
fn verify(heard: &Heard, certificate: &CertificateDer<'_>) {
    let [cookies] = &heard.cookies[..] else { panic!("{:?}", heard.cookies) };
    let cookie = |name: &str| {
        let found = cookies.split("; ").find_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(cookies.split("; ").count(), 4);
    assert_eq!(cookie("APIC-Certificate-Algorithm"), "v1.0");
    assert_eq!(cookie("APIC-Certificate-Fingerprint"), "fingerprint");
    assert_eq!(cookie("APIC-Certificate-DN"), "uni/userext/user-tl/usercert-tl.crt");
    let signature = STANDARD.decode(cookie("APIC-Request-Signature")).unwrap();
    let mut message = heard.method.clone().into_bytes();
    message.extend(decoded(&heard.target).unwrap());
    message.extend(heard.body.as_bytes());
    let certificate = EndEntityCert::try_from(certificate).unwrap();
    certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, &message, &signature).unwrap();
    assert!(certificate.verify_signature(RSA_PKCS1_2048_8192_SHA256, b"GET/", &signature).is_err());
}

#[tokio::test]
async fn method_decoded_target_and_body_are_signed() {
    let (certificate, pkcs8) = certificate();
    let stub = Stub::start(|heard| match &*heard.method {
        "GET" => Reply::subnets(1, [7]),
        _ => Reply::done(),
    })
    .await;
    for key in [pem("PRIVATE KEY", &pkcs8), pem("RSA PRIVATE KEY", &pkcs1(&pkcs8))] {
        let client = client(&stub.url, &key);
        let filter = Filter::eq("l3extSubnet", "annotation", "orchestrator:thirdleaf").and(Filter::wcard(
            "l3extSubnet",
            "descr",
            "a 100% 'b' +c|d {e}",
        ));
        client.list(&Query::of(dn(7)).filter(filter)).await.unwrap();
        client.post(&dn(7), &Mo::new("l3extSubnet").with("descr", "\u{fc}\"")).await.unwrap();
        client.post("uni/tn-a b?c=d", &Mo::new("fvTenant")).await.unwrap();
    }
    let heard = stub.heard();
    assert_eq!(heard.len(), 6, "no login");
    for heard in &heard {
        verify(heard, &certificate);
    }
}

#[tokio::test]
async fn roles_are_read_where_the_user_stands() {
    let (_, pkcs8) = certificate();
    let stub = Stub::start(|_| {
        let user = "uni/userext/user-tl";
        let domain = format!(r#"{{"aaaUserDomain":{{"attributes":{{"dn":"{user}/userdomain-all"}}}}}}"#);
        let role = format!(
            r#"{{"aaaUserRole":{{"attributes":{{"dn":"{user}/userdomain-all/role-ops","name":"ops","privType":"writePriv"}}}}}}"#
        );
        Reply::of(200, format!(r#"{{"totalCount":"2","imdata":[{domain},{role}]}}"#))
    })
    .await;
    let roles = client(&stub.url, &pem("PRIVATE KEY", &pkcs8)).login().await.unwrap();
    assert_eq!(roles.write().collect::<Vec<_>>(), ["ops"]);
    assert!(stub.heard()[0].target.starts_with("/api/mo/uni/userext/user-tl.json?query-target=subtree"));
}

/// There is no session to renew.
#[tokio::test]
async fn a_signature_that_is_not_taken_is_not_sent_again() {
    let (_, pkcs8) = certificate();
    let key = pem("PRIVATE KEY", &pkcs8);
    let stub = Stub::start(|_| Reply::error(403, "403", "certificate authentication failed")).await;
    let error = client(&stub.url, &key).list(&Query::class("fvCtx")).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    assert_eq!(stub.heard().len(), 1);
    let stub = Stub::start(|_| Reply::error(401, "401", "no")).await;
    let client = client(&stub.url, &key);
    for _ in 0..5 {
        let error = client.list(&Query::class("fvCtx")).await.unwrap_err();
        assert!(matches!(error, Error::BadCredentials { .. }), "{error:?}");
    }
    assert_eq!(stub.heard().len(), 1);
}

#[test]
fn keys_that_the_apic_does_not_take_are_refused() {
    let unusable = |key: &str| Client::new(&signing("https://apic", key), Clock::start()).unwrap_err();
    let elliptic = KeyPair::generate().unwrap();
    assert!(matches!(unusable(&elliptic.serialize_pem()), Unusable::NotRsa { .. }));
    assert!(matches!(unusable(&pem("RSA PRIVATE KEY", b"junk")), Unusable::NotRsa { .. }));
    for junk in ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(unusable(junk), Unusable::Key { .. }));
    }
}
