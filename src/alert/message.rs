//! What leaves: JSON for Alertmanagers (API v2) and for webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::board::Entry;
use super::book::Change;
use super::name;
use super::notice::{Labels, Notice};
use super::sign;
use crate::config::Config;
use crate::observer::view::Finding;
use crate::time::Timestamp;

/// What does not come from findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    instance: Option<Arc<str>>,
    external_url: Option<Arc<str>>,
    runbook_url: Arc<str>,
}

impl Terms {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            instance: config.global.name.as_deref().map(Into::into),
            external_url: config.alerts.external_url.clone(),
            runbook_url: Arc::clone(&config.alerts.runbook_url),
        }
    }

    fn runbook(&self, alertname: &str, kind: &str) -> String {
        format!("{}#{}", self.runbook_url, name::in_runbook(alertname, kind))
    }
}

/// An item of `POST /api/v2/alerts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "generatorURL")]
    generator_url: Option<&'a str>,
}

/// The body for an Alertmanager: what fires ends by itself after `lifetime`. It judges by its own clock what is over, so
/// times are such as `wall` makes of ours.
pub(super) fn alerts(
    entries: &[Entry],
    terms: &Terms,
    labels: &BTreeMap<Arc<str>, Arc<str>>,
    now: Timestamp,
    lifetime: Duration,
    wall: impl Fn(Timestamp) -> Timestamp,
) -> Bytes {
    let posted = |entry: &Entry| {
        let alert = &entry.alert;
        let of_all = labels.iter().map(|(name, value)| (&**name, &**value));
        let instance = terms.instance.as_deref().map(|instance| ("instance", instance));
        let own = alert.labels.iter().map(|(name, value)| (&**name, value.as_str()));
        let mut annotations: BTreeMap<_, _> =
            alert.annotations.iter().map(|(name, text)| (*name, text.clone())).collect();
        let alertname = alert.labels.get("alertname").map_or("", String::as_str);
        annotations.insert("runbook_url", terms.runbook(alertname, &alert.kind));
        serde_json::json!(Posted {
            labels: of_all.chain(instance).chain(own).collect(),
            annotations,
            starts_at: wall(alert.starts),
            // An end before the beginning would have all of them refused.
            ends_at: wall(entry.over.unwrap_or_else(|| now.after(lifetime)).max(alert.starts)),
            generator_url: terms.external_url.as_deref(),
        })
    };
    let posted: Vec<_> = entries.iter().map(posted).collect();
    serde_json::to_vec(&posted).unwrap_or_default().into()
}

/// What a webhook is sent, once for each thing that happens.
///
/// `id` is the same whenever the same is told again, after a restart, too. A gap in `sequence`, which begins with 1 at
/// each start, shows what was dropped.
#[derive(Serialize)]
struct Message<'a> {
    version: &'static str,
    id: &'a str,
    sequence: u64,
    /// `firing`, `resolved` or `test`.
    event: &'a str,
    /// When it happened.
    time: Timestamp,
    instance: Option<&'a str>,
    alertname: &'a str,
    labels: &'a Labels,
    runbook_url: String,
    external_url: Option<&'a str>,
    /// As `GET /api/v1/findings` shows it.
    finding: &'a Finding,
}

/// A notification on its way to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) event: &'static str,
    pub(super) body: Bytes,
}

/// What a webhook is told of a change.
pub(super) fn change(change: &Change, terms: &Terms, sequence: u64) -> Delivery {
    delivery(&change.notice, change.event.name(), change.at, terms, sequence)
}

/// What a webhook is told by a test.
pub(super) fn test(notice: &Notice, terms: &Terms) -> Delivery {
    delivery(notice, "test", notice.fired, terms, 0)
}

fn delivery(notice: &Notice, event: &'static str, time: Timestamp, terms: &Terms, sequence: u64) -> Delivery {
    let instance = terms.instance.as_deref();
    let finding = &notice.finding;
    // What is kept over a restart is kept to the millisecond.
    let known = format!("{}|{}|{event}|{}", instance.unwrap_or_default(), finding.id, notice.fired);
    let id = sign::digest(&known, 16);
    let body = serde_json::to_vec(&Message {
        version: "1",
        id: &id,
        sequence,
        event,
        time,
        instance,
        alertname: name::of(finding),
        labels: &notice.labels,
        runbook_url: terms.runbook(name::of(finding), &finding.kind),
        external_url: terms.external_url.as_deref(),
        finding,
    });
    Delivery { id, event, body: body.unwrap_or_default().into() }
}
