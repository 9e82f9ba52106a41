//! `[http]`: where the server listens, and who may do what there.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use super::{Secret, Tls};

/// `[http]`: `listen` is restart-only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Http {
    /// Where to serve metrics and the API.
    pub listen: Vec<SocketAddr>,
    /// Who may do what; none: every call that changes something is refused. That of `token_file` is the first.
    pub tokens: Vec<Token>,
    /// Whether reading needs a token.
    pub read: Reading,
    /// Names that a request which carries no token may be for, beside addresses and `localhost`.
    pub hosts: Vec<Arc<str>>,
    /// TLS; none: plain HTTP.
    pub tls: Option<Tls>,
}

/// `[[http.tokens]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Token {
    /// Who uses it: the actor of what is done with it.
    pub name: Arc<str>,
    /// What may be done with it.
    pub scope: Scope,
    /// What a request carries.
    #[serde(rename = "token")]
    pub secret: Secret,
}

impl Token {
    /// The name of the token of `http.token_file`.
    pub const ADMIN: &str = "admin";
}

/// What a token is good for; each scope includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// Reload, reset and forget, acknowledge, maintain, pause and resume.
    Operate,
    /// Let the fabric be changed: apply, approve, adopt, release.
    Approve,
}

impl Scope {
    /// As the file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Approve => "approve",
        }
    }
}

/// `http.read`: where reading needs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Nowhere.
    #[default]
    Open,
    /// On connections that do not end at a loopback address of this machine.
    OffLoopback,
    /// Everywhere.
    Token,
}
