//! What the demo asks of the HTTP API, as any client would.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::story::{Expected, Sight};
use crate::eepg::view::{Change, Plan};
use crate::observer::view::{Finding, Page, Route, Summary};

/// The daemon's API.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
}

impl Api {
    pub(super) fn new(http: SocketAddr) -> Result<Self, reqwest::Error> {
        // Whatever proxy the environment names, loopback is not behind it.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { client, base: format!("http://{http}/api/v1") })
    }

    pub(super) async fn summary(&self) -> Result<Summary, reqwest::Error> {
        self.get("summary", &[]).await
    }

    /// All findings: pending, open and resolved.
    pub(super) async fn findings(&self) -> Result<Vec<Finding>, reqwest::Error> {
        let page: Page<Finding> = self.get("findings", &[("state", "all"), ("limit", "1000")]).await?;
        Ok(page.items)
    }

    /// What is to be changed in the fabric.
    pub(super) async fn plan(&self) -> Result<Plan, reqwest::Error> {
        self.get("plan", &[]).await
    }

    /// The route of this node to this prefix.
    async fn route(&self, node: &str, prefix: &IpNet) -> Result<Option<Route>, reqwest::Error> {
        let prefix = prefix.to_string();
        let query = [("prefix", prefix.as_str()), ("match", "exact"), ("node", node)];
        let page: Page<Route> = self.get("routes", &query).await?;
        Ok(page.items.into_iter().next())
    }

    /// Whether this can be seen now.
    pub(super) async fn sees(&self, sight: &Sight) -> Result<bool, reqwest::Error> {
        Ok(match sight {
            Sight::Fabric { sessions, accepted } => {
                let summary = self.summary().await?;
                summary.peers.established == *sessions && summary.routes.accepted == *accepted
            }
            Sight::Accepted(node, prefix, class) => self
                .route(node, prefix)
                .await?
                .is_some_and(|route| route.state == "accepted" && !route.stale && route.class == *class),
            Sight::Stale(node, prefix) => self.route(node, prefix).await?.is_some_and(|route| route.stale),
            Sight::Gone(node, prefix) => self.route(node, prefix).await?.is_none(),
            Sight::Held(brake, deletes) => {
                let plan = self.plan().await?;
                let held = |change: &Change| {
                    change.operation == "delete" && change.held_by.as_deref() == Some(brake)
                };
                plan.changes.len() == *deletes && plan.changes.iter().all(held)
            }
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, reqwest::Error> {
        let request = self.client.get(format!("{}/{path}", self.base)).query(query);
        request.send().await?.error_for_status()?.json().await
    }
}

impl Expected {
    /// Whether `finding` is this one.
    pub(super) fn is(&self, finding: &Finding) -> bool {
        self.kind == finding.kind
            && self.prefix == finding.prefix
            && self.reason.is_none_or(|reason| finding.reason == Some(reason))
            && self.node.is_none_or(|node| finding.node.as_deref() == Some(node))
    }
}

impl Sight {
    /// For the one who waits for it in vain.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Fabric { sessions, accepted } => {
                format!("{sessions} sessions and {accepted} accepted routes")
            }
            Self::Accepted(node, prefix, class) => format!("{prefix} of {node} accepted as {class}"),
            Self::Stale(node, prefix) => format!("{prefix} of {node} kept, but stale"),
            Self::Gone(node, prefix) => format!("{prefix} of {node} gone"),
            Self::Held(brake, deletes) => format!("{deletes} deletes held by {brake}"),
        }
    }
}
