//! What readers see: the items of the HTTP API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// `GET /api/v1/alerts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// What fires now and is pushed: at most 200, and one that says how many more there are.
    pub alerts: Vec<Alert>,
    /// Who is told, Alertmanagers first.
    pub receivers: Vec<Receiver>,
}

/// An alert that is pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its name.
    pub alertname: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// What it is known by; labels that the configuration adds are not among them.
    pub labels: BTreeMap<String, String>,
    /// One sentence.
    pub summary: String,
    /// Since when it fires.
    pub since: Timestamp,
}

/// A receiver, and how it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// An Alertmanager's URL, a webhook's name.
    pub name: String,
    /// `alertmanager` or `webhook`.
    pub integration: String,
    /// `ok`, `failing`, or `idle` before anything was sent.
    pub state: String,
    /// Since when it has taken nothing, if it fails.
    pub failing_since: Option<Timestamp>,
    /// When it last took something.
    pub last_success: Option<Timestamp>,
    /// When it last took nothing.
    pub last_failure: Option<Timestamp>,
    /// Why.
    pub last_error: Option<String>,
    /// What waits for it: notifications of a webhook, alerts that an Alertmanager does not hold as they are.
    pub queue: u64,
    /// Notifications that were dropped: because too many waited, or after too many tries.
    pub dropped: u64,
    /// Requests that it took.
    pub succeeded: u64,
    /// Requests that failed and were, or will be, tried again.
    pub failed: u64,
    /// Requests that it refused for good.
    pub rejected: u64,
}

/// What a receiver made of a test, an item of `POST /api/v1/alerts/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub receiver: String,
    /// `alertmanager` or `webhook`.
    pub integration: String,
    /// Whether it took it.
    pub delivered: bool,
    /// Why not.
    pub error: Option<String>,
}
