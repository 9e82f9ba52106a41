//! What a new configuration would make of what the daemon heard: no session is touched for it, and the file
//! is sent nowhere.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;

use super::shadow::{Said, Shadow};
use super::verdicts::{self, Turned};
use crate::cli::Error;
use crate::cli::client::Client;
use crate::config::Config;
use crate::observer::view::{Finding, Peer, Route};
use crate::policy::Reason;
use crate::time::Timestamp;

/// Both sides, told all that the daemon knows.
pub(super) struct Forecast {
    old: Shadow,
    new: Shadow,
    peers_not_kept: u64,
    not_kept: u64,
    unreadable: u64,
}

/// Findings that only one side has.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) open: Vec<Finding>,
    pub(super) close: Vec<Finding>,
}

impl Forecast {
    pub(super) async fn ask(
        client: &Client,
        old: &Config,
        new: &Config,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (old, new) = (Shadow::new(old, now), Shadow::new(new, now));
        let mut forecast = Self { old, new, peers_not_kept: 0, not_kept: 0, unreadable: 0 };
        let mut pages = client.pages::<Peer>("/api/v1/peers", &[], None);
        while let Some(peers) = pages.next().await? {
            for peer in &peers {
                forecast.peer(peer);
            }
        }
        let mut pages = client.pages::<Route>("/api/v1/routes", &[], None);
        while let Some(routes) = pages.next().await? {
            forecast.routes(&routes);
        }
        forecast.old.settle();
        forecast.new.settle();
        Ok(forecast)
    }

    fn peer(&mut self, peer: &Peer) {
        let not_kept = peer.routes.rejected_not_kept + peer.routes.noted_not_kept;
        self.not_kept += not_kept;
        self.peers_not_kept += u64::from(not_kept > 0);
        self.old.peer(peer);
        self.new.peer(peer);
    }

    fn routes(&mut self, routes: &[Route]) {
        let said = Said::of(routes);
        self.unreadable += said.unreadable;
        self.old.routes(&said);
        self.new.routes(&said);
    }

    /// Routes that would be judged otherwise.
    pub(super) fn turned(&self, each: impl FnMut(Turned) -> io::Result<()>) -> io::Result<()> {
        verdicts::turned(self.old.walk(), self.new.walk(), each)
    }

    /// What would open and close; to be asked last, for time passes.
    pub(super) fn outcome(&mut self) -> Outcome {
        let mut before: BTreeMap<_, _> =
            self.old.findings().into_iter().map(|finding| (about(&finding), finding)).collect();
        let mut outcome = Outcome::default();
        for finding in self.new.findings() {
            if before.remove(&about(&finding)).is_none() {
                outcome.open.push(finding);
            }
        }
        outcome.close.extend(before.into_values());
        outcome
    }

    /// What cannot be known, a sentence each.
    pub(super) fn unknown(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.not_kept > 0 {
            lines.push(format!(
                "{} of {} were not kept, and what would become of them is not known: if the policy widens, their \
                 peers will be asked to send them again",
                super::count(self.not_kept, "rejected or noted route"),
                super::count(self.peers_not_kept, "peer"),
            ));
        }
        if self.unreadable > 0 {
            lines.push(format!(
                "{} not compared: no path or next hop that could be judged again is shown of them",
                super::count(self.unreadable, "route")
            ));
        }
        lines
    }
}

/// What a finding is about, whoever proves it on either side.
type About = (String, String, Option<IpNet>, Option<Reason>, Option<String>);

fn about(finding: &Finding) -> About {
    let one = |leaf: &Option<String>, peer: Option<IpAddr>| {
        peer.map(|peer| format!("{peer} on {}", leaf.as_deref().unwrap_or_default()))
    };
    // Of a prefix that a kind is about whoever announces it, the announcers are evidence.
    let is_shared = finding.prefix.is_some() && !finding.kind.starts_with("missing_");
    let whose =
        if is_shared { None } else { one(&finding.leaf, finding.peer).or_else(|| finding.node.clone()) };
    let whose = whose.or_else(|| (!is_shared).then(|| finding.cluster.clone()));
    (finding.kind.clone(), finding.vrf.clone(), finding.prefix, finding.reason, whose)
}
