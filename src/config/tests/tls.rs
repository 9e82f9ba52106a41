//! `http.tls`.

use std::sync::LazyLock;

use super::carets::brief;
use super::{Fake, and, read, read_in};

/// A certificate and its key, PEM.
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

pub(super) static OURS: LazyLock<Pair> = LazyLock::new(pair);

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Pair { cert: made.cert.pem().trim().to_owned(), key: made.signing_key.serialize_pem().trim().to_owned() }
}

fn machine() -> Fake {
    let other = pair();
    Fake::default()
        .file("/t/cert", &OURS.cert)
        .file("/t/key", &OURS.key)
        .file("/t/other.key", other.key)
        .file("/t/text", "nothing")
}

#[test]
fn says_who_we_are_and_whom_we_take() {
    let text = "[http]\ntls = { cert_file = \"/t/cert\", key_file = \"/t/key\" }\n";
    let config = read_in(&and(text), &machine()).unwrap();
    let tls = config.http.tls.clone().unwrap();
    assert_eq!((&*tls.cert, tls.key.expose(), tls.client_ca), (&*OURS.cert, &*OURS.key, None));
    let shown = [format!("{config:?}"), serde_json::to_string(&config).unwrap()];
    for shown in shown.into_iter().chain([super::super::text(&config).unwrap()]) {
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
    assert_eq!(read(&super::super::text(&config).unwrap()).unwrap().http.tls, None);
}

#[test]
fn what_does_not_fit_is_told_at_its_place() {
    for (keys, place, message) in [
        ("cert_file = \"/t/text\"\nkey_file = \"/t/key\"", "25:13 [\"/t/text\"]", "no certificate in PEM"),
        ("cert_file = \"/t/cert\"\nkey_file = \"/t/text\"", "26:12 [\"/t/text\"]", "no private key in PEM"),
        ("cert_file = \"/t/cert\"\nkey_file = \"/t/other.key\"", "26:12 [\"/t/other.key\"]", "do not belong"),
        ("cert_file = \"/t/cert\"", "24:1 [[http.tls]]", "there is no private key"),
        ("key_file = \"/t/key\"", "24:1 [[http.tls]]", "`cert_file` is missing"),
        (
            "cert_file = \"/t/cert\"\nkey_file = \"/t/key\"\nclient_ca_file = \"/t/text\"",
            "27:18 [\"/t/text\"]",
            "no certificate of an authority",
        ),
    ] {
        let errors = brief(&read_in(&and(&format!("[http.tls]\n{keys}")), &machine()).unwrap_err());
        let [error] = &errors[..] else { panic!("{keys}: {errors:?}") };
        assert!(error.starts_with(place) && error.contains(message), "{keys}: {error}");
    }
}
