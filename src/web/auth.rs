//! Who may change something.

use std::hint::black_box;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::Shared;
use super::problem::Problem;

/// Proof that the request carries the token.
pub(super) struct Authorized;

impl FromRequestParts<Arc<Shared>> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let config = shared.config();
        let Some(token) = &config.http.token else {
            let message = "this daemon takes no changes over HTTP: its configuration has no http.token_file";
            return Err(Problem::new(StatusCode::FORBIDDEN, "no_token_configured", message));
        };
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let Some(given) = given else {
            let message = "this call needs \"Authorization: Bearer\" and the token of http.token_file";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "token_missing", message));
        };
        if same(given, token.expose().as_bytes()) {
            Ok(Self)
        } else {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "token_wrong", "this is not the token"))
        }
    }
}

/// The token of a header; the scheme's name is written in any case (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether both are equal, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_the_same() {
        assert!(same(b"secret", b"secret"));
        for wrong in ["", "secre", "secret1", "Secret", "secreu"] {
            assert!(!same(wrong.as_bytes(), b"secret"), "{wrong}");
        }
    }

    #[test]
    fn reads_the_token_of_the_header() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bear"), None);
    }
}
