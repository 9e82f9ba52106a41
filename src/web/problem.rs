//! Errors, all in one form.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request failed: `{"error":{"code","message"}}`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    cause: Cause,
}

/// Why, for those who watch an answer pass.
#[derive(Clone, Debug)]
pub(super) struct Told(Arc<str>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A message may be as long as a request.
        let line = self.0.lines().next().unwrap_or_default();
        f.write_str(line.get(..line.floor_char_boundary(LONGEST)).unwrap_or_default())
    }
}

/// Octets of a message that are told to others.
const LONGEST: usize = 300;

#[derive(Debug, Serialize)]
struct Cause {
    code: &'static str,
    message: String,
}

impl Cause {
    fn told(&self) -> Told {
        Told(format!("{}: {}", self.code, self.message).into())
    }
}

#[derive(Serialize)]
struct Body {
    error: Cause,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, cause: Cause { code, message: message.into() } }
    }

    /// The request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// There is nothing of that name.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// As a number.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// For people.
    pub(super) fn message(&self) -> &str {
        &self.cause.message
    }

    /// For those who watch an answer pass that is not this one.
    pub(super) fn told(&self) -> Told {
        self.cause.told()
    }

    /// Not now.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, cause } = self;
        let told = cause.told();
        let mut response = (status, Json(Body { error: cause })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(told);
        response
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let message = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
