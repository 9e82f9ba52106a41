//! Whom findings are told, beside who asks: Alertmanagers and webhooks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Secret, Trust};
use crate::config::shown;

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alerts {
    /// Where people reach this daemon: links in what is told.
    pub external_url: Option<Arc<str>>,
    /// Where the runbook is; `#` and the kind of the finding are appended.
    pub runbook_url: Arc<str>,
    /// `alertmanager`.
    pub alertmanager: Option<Alertmanager>,
    /// `[[alerts.webhooks]]`, in the file's order.
    pub webhooks: Vec<Webhook>,
}

impl Alerts {
    /// Where the runbook is unless the file says where they keep theirs.
    pub const RUNBOOK: &str = "runbook.md";

    /// Whether anybody is told.
    pub const fn are_sent(&self) -> bool {
        self.alertmanager.is_some() || !self.webhooks.is_empty()
    }
}

impl Default for Alerts {
    fn default() -> Self {
        let runbook_url = Self::RUNBOOK.into();
        Self { external_url: None, runbook_url, alertmanager: None, webhooks: Vec::new() }
    }
}

/// `alertmanager`: all members of one cluster of Alertmanagers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alertmanager {
    /// Each member's base URL, without a slash at its end. Every one gets every alert: they deduplicate.
    pub urls: Vec<Arc<str>>,
    /// Who we are there.
    #[serde(flatten)]
    pub credentials: Credentials,
    /// Who may answer.
    #[serde(flatten)]
    pub trust: Trust,
    /// Labels that every alert gets.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// How often what fires is sent again; what is not sent again for four times as long is over.
    #[serde(serialize_with = "shown::duration")]
    pub resend: Duration,
}

/// Who we are to a receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// Whoever has this bearer token.
    Token(Secret),
    /// A user with a password.
    Password {
        /// The user.
        user: Arc<str>,
        /// The password.
        password: Secret,
    },
}

impl Credentials {
    /// Whether something is sent that nobody else may read.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::None => {}
            Self::Token(token) => map.serialize_entry("token", token)?,
            Self::Password { user, password } => {
                map.serialize_entry("user", user)?;
                map.serialize_entry("password", password)?;
            }
        }
        map.end()
    }
}

/// `[[alerts.webhooks]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Webhook {
    /// Its name, unique.
    pub name: Arc<str>,
    /// Where it is.
    pub url: HiddenUrl,
    /// The key of the signature (HMAC with SHA-256); none: nothing is signed.
    pub secret: Option<Secret>,
    /// Who we are there.
    #[serde(flatten)]
    pub credentials: Credentials,
    /// Who may answer.
    #[serde(flatten)]
    pub trust: Trust,
    /// Headers that every request gets.
    pub headers: BTreeMap<Arc<str>, Arc<str>>,
    /// What is less severe is not told there.
    pub severity: LeastSeverity,
    /// Only these kinds of findings are told there; empty: all.
    pub kinds: Vec<Arc<str>>,
}

/// `severity` of a webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeastSeverity {
    /// Everything.
    #[default]
    Info,
    /// Warnings and what is critical.
    Warning,
    /// What is critical.
    Critical,
}

/// A URL whose path may be a secret, as those of chat systems are: only its scheme and host are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenUrl(Arc<str>);

impl HiddenUrl {
    /// Keeps what follows the host in `url` from being printed.
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self(url.into())
    }

    /// All of it, for the one who asks there.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.find("://").map_or(0, |scheme| scheme + 3);
        let (before, rest) = self.0.split_at(host);
        match rest.split_once(['/', '?']) {
            Some((host, path)) if !path.is_empty() => write!(f, "{before}{host}/********"),
            Some((host, _)) => write!(f, "{before}{host}"),
            None => write!(f, "{before}{rest}"),
        }
    }
}

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HiddenUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
