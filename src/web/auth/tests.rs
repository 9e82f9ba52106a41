use axum::http::HeaderName;

use super::*;
use crate::config::model::Secret;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn http(read: Reading, hosts: &[&str]) -> Http {
    let token = |name: &str, scope, secret| Token { name: name.into(), scope, secret: Secret::new(secret) };
    Http {
        tokens: vec![
            token("prometheus", Scope::Read, "reads-only"),
            token("ci", Scope::Operate, "operates-too"),
            token("alice", Scope::Approve, "approves-all"),
        ],
        read,
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
        ..Http::default()
    }
}

#[test]
fn only_the_very_token_is_the_same() {
    assert!(same(b"secret", b"secret"));
    for wrong in ["", "secre", "secret1", "Secret", "secreu"] {
        assert!(!same(wrong.as_bytes(), b"secret"), "{wrong}");
    }
}

#[test]
fn reads_the_token_of_the_header() {
    for (header, expected) in [
        ("Bearer abc", Some(&b"abc"[..])),
        ("bearer  abc ", Some(b"abc")),
        ("Basic OmFiYw==", None),
        ("Bear", None),
    ] {
        assert_eq!(bearer(&headers(&[("authorization", header)])), expected, "{header}");
    }
    // ":abc", "me:a:bc" and what is none.
    for (header, expected) in [
        ("Basic OmFiYw==", Some("abc")),
        ("basic bWU6YTpiYw==", Some("a:bc")),
        ("Basic %", None),
        ("Bearer abc", None),
    ] {
        let found = basic(&headers(&[("authorization", header)]));
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{header}");
    }
}

#[test]
fn each_scope_includes_the_lower_ones() {
    let http = http(Reading::Open, &[]);
    for (token, read, operate, approve) in [
        (Some("reads-only"), 200, 403, 403),
        (Some("operates-too"), 200, 200, 403),
        (Some("approves-all"), 200, 200, 200),
        (Some("approves-al"), 401, 401, 401),
        (Some(""), 401, 401, 401),
        (None, 401, 401, 401),
    ] {
        for (scope, expected) in [(Scope::Read, read), (Scope::Operate, operate), (Scope::Approve, approve)] {
            let given = permitted(&http, token.map(str::as_bytes), scope);
            let status = given.map_or_else(|problem| problem.into_response().status().as_u16(), |_| 200);
            assert_eq!(status, expected, "{token:?} {scope:?}");
        }
    }
}

#[test]
fn reading_needs_a_token_where_the_configuration_says_so() {
    let ends = |local: &str| Ends::new(local.parse().unwrap(), [127, 0, 0, 1].into());
    let with = headers(&[("authorization", "Bearer reads-only")]);
    let wrong = headers(&[("authorization", "Bearer reads-onlx")]);
    for (read, local, needed) in [
        (Reading::Open, "127.0.0.1", false),
        (Reading::Open, "10.0.0.1", false),
        (Reading::OffLoopback, "127.0.0.2", false),
        (Reading::OffLoopback, "::1", false),
        (Reading::OffLoopback, "10.0.0.1", true),
        (Reading::OffLoopback, "0.0.0.0", true),
        (Reading::Token, "127.0.0.1", true),
    ] {
        let http = http(read, &[]);
        assert!(may_read(&http, &ends(local), &with).is_ok());
        // What a proxy may say of the client is no reason to believe it.
        let forwarded = headers(&[("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")]);
        for headers in [&wrong, &forwarded, &HeaderMap::new()] {
            assert_eq!(may_read(&http, &ends(local), headers).is_err(), needed, "{read:?} {local}");
        }
    }
}

#[test]
fn a_name_that_is_not_ours_reads_nothing_from_loopback() {
    let ends = |local: &str| Ends::new(local.parse().unwrap(), [127, 0, 0, 1].into());
    for (local, hosts, host, expected) in [
        ("127.0.0.1", &[][..], "localhost:9179", true),
        ("127.0.0.1", &[], "LOCALHOST", true),
        ("127.0.0.1", &[], "127.0.0.1:9179", true),
        ("::1", &[], "[::1]:9179", true),
        ("::1", &[], "[::1]", true),
        ("127.0.0.1", &[], "10.1.2.3", true),
        ("127.0.0.1", &[], "evil.example", false),
        ("127.0.0.1", &[], "127.0.0.1.evil.example:9179", false),
        ("127.0.0.1", &[], "", false),
        ("127.0.0.1", &["tl.example"], "TL.example:80", true),
        ("10.0.0.1", &[], "tl.example", true),
        ("10.0.0.1", &["tl.example"], "evil.example", false),
        ("10.0.0.1", &["tl.example"], "10.0.0.1:9179", true),
    ] {
        let http = http(Reading::Open, hosts);
        let given = may_read(&http, &ends(local), &headers(&[("host", host)]));
        assert_eq!(given.is_ok(), expected, "{local} {host}");
        // Who has a token is no page of somebody else.
        let with = headers(&[("host", host), ("authorization", "Bearer reads-only")]);
        assert!(may_read(&http, &ends(local), &with).is_ok());
    }
    assert!(may_read(&http(Reading::Open, &[]), &ends("127.0.0.1"), &HeaderMap::new()).is_ok());
}

#[test]
fn pages_of_other_sites_change_nothing() {
    for (pairs, expected) in [
        (&[][..], true),
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], false),
        (&[("origin", "http://a:1"), ("host", "a:1")], true),
        (&[("origin", "http://a:2"), ("host", "a:1")], false),
        (&[("origin", "null"), ("host", "a:1")], false),
        (&[("origin", "null")], false),
    ] {
        assert_eq!(same_site(&headers(pairs)).is_ok(), expected, "{pairs:?}");
    }
}
