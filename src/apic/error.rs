//! What can go wrong between the APIC and us, by what there is to do about it.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::config::model::Digest;

/// Why a request did not do what it was for. No variant holds a secret, and what came from the APIC is short
/// and printable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// It refused the request, and would again.
    #[error("the APIC refused the request ({}): {text}", numbers(*.status, .code))]
    Refused {
        /// Of HTTP.
        status: u16,
        /// The APIC's own, as text; empty if it gave none.
        code: String,
        /// What it said.
        text: String,
    },
    /// What the request is about, or what should contain it, is not there (code 102).
    #[error("the APIC does not have the object, or its parent: {text}")]
    NotFound {
        /// What it said.
        text: String,
    },
    /// The request, or what it asks for, is too much at once.
    #[error("too much for one request: {text}")]
    TooLarge {
        /// What was said.
        text: String,
    },
    /// It is busy, or starting: later.
    #[error("the APIC asks us to wait (HTTP {status}): {text}")]
    Throttled {
        /// Of HTTP.
        status: u16,
        /// What it said.
        text: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It knows us, and we may not; with certificates, or it does not take our signature.
    #[error("the APIC does not let us: {text}; look at the roles and security domains of the user")]
    Denied {
        /// What it said.
        text: String,
    },
    /// It does not know us. Nothing is sent for a while, lest the user be locked out.
    #[error(
        "the APIC does not take our credentials: {text}; correct `auth`, or unlock the user; the next attempt is in {} s",
        again_in.as_secs()
    )]
    BadCredentials {
        /// What it said.
        text: String,
        /// When we ask again.
        again_in: Duration,
    },
    /// No answer came, or not all of it.
    #[error("controller {controller}: {text}{}", if *.outcome_unknown { "; the request may have been carried out" } else { "" })]
    Connection {
        /// Which controller.
        controller: Arc<str>,
        /// Whether the request may have reached it.
        outcome_unknown: bool,
        /// What happened.
        text: String,
    },
    /// A controller did not prove who it is. Nothing was sent to it.
    #[error("controller {controller} presents {}, which is not trusted: {text}", shown(*.presented))]
    Certificate {
        /// Which controller.
        controller: Arc<str>,
        /// SHA-256 of its certificate, if it could be seen.
        presented: Option<Digest>,
        /// What is wrong with it, and what to do.
        text: String,
    },
    /// An answer that is none to what was asked.
    #[error("the APIC's answer makes no sense: {text}")]
    Nonsense {
        /// What is wrong with it.
        text: String,
    },
    /// Whoever wanted it took it back before it had its turn. Nothing was sent.
    #[error("not sent: it was taken back before its turn came")]
    TakenBack,
    /// No URL can carry this name; nothing was sent.
    #[error("{dn:?} cannot be asked for")]
    Target {
        /// The name, or the condition.
        dn: String,
    },
}

impl Error {
    /// Whether the same request would fail again, so that only a part of it, or another, can succeed.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NotFound { .. } | Self::Target { .. })
    }

    /// Whether the APIC is of no use at the moment, whatever it is asked.
    pub(super) const fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::BadCredentials { .. }
                | Self::Connection { .. }
                | Self::Certificate { .. }
                | Self::Nonsense { .. }
        )
    }

    /// One word for it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::NotFound { .. } => "not_found",
            Self::TooLarge { .. } => "too_large",
            Self::Throttled { .. } => "throttled",
            Self::Denied { .. } => "denied",
            Self::BadCredentials { .. } => "bad_credentials",
            Self::Connection { .. } => "connection",
            Self::Certificate { .. } => "certificate",
            Self::Nonsense { .. } => "nonsense",
            Self::TakenBack => "taken_back",
            Self::Target { .. } => "target",
        }
    }

    /// The same of what went before the request itself: that one was not sent.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::Connection { controller, text, .. } => {
                Self::Connection { controller, outcome_unknown: false, text }
            }
            other => other,
        }
    }
}

fn numbers(status: u16, code: &str) -> String {
    if code.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}, code {code}") }
}

fn shown(presented: Option<Digest>) -> String {
    presented
        .map_or_else(|| "a certificate".to_owned(), |digest| format!("the certificate with SHA-256 {digest}"))
}

/// Why no client can be made of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// `auth.key_file` holds no private key, PEM.
    #[error("apic {apic}: the key is no private key in PEM form: {reason}")]
    Key {
        /// Of which APIC.
        apic: Arc<str>,
        /// What is wrong.
        reason: String,
    },
    /// The APIC takes RSA keys alone.
    #[error(
        "apic {apic}: the key is no RSA key of 2048 bits or more, PKCS#1 or PKCS#8, and the APIC takes no other"
    )]
    NotRsa {
        /// Of which APIC.
        apic: Arc<str>,
    },
    /// The user or password cannot be sent.
    #[error("apic {apic}: the user or the certificate's name has characters that no header can carry")]
    Name {
        /// Of which APIC.
        apic: Arc<str>,
    },
    /// `ca_file` holds no certificates, PEM.
    #[error("apic {apic}: ca_file is no list of CA certificates in PEM form: {reason}")]
    Authorities {
        /// Of which APIC.
        apic: Arc<str>,
        /// What is wrong.
        reason: String,
    },
    /// A URL is none.
    #[error("apic {apic}: {url:?} is no https://host[:port]")]
    Url {
        /// Of which APIC.
        apic: Arc<str>,
        /// What stands there.
        url: Arc<str>,
    },
    /// There is no controller.
    #[error("apic {apic}: no controller is given")]
    NoController {
        /// Of which APIC.
        apic: Arc<str>,
    },
    /// TLS cannot be set up, as on a machine that trusts no authority at all.
    #[error("apic {apic}: {reason}; set ca_file or pin_sha256, or install the machine's CA certificates")]
    Tls {
        /// Of which APIC.
        apic: Arc<str>,
        /// What is wrong.
        reason: String,
    },
}
