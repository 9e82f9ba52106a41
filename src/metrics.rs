//! Counters and snapshots -> Prometheus text.
//!
//! Nothing is counted here: a scrape turns one [`Snapshot`] and what stands beside it into families.
//! Series of single peers can be left out (`metrics.per_peer`), those of leaves and of the whole cannot.
//! No series carries the prefix of an accepted route.

mod peers;
mod samples;
mod whole;

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use crate::config::model::Metrics;
use crate::observer::{Snapshot, view};
use crate::speaker::PeerStats;
use crate::time::Timestamp;

/// The revision of the source that this was built from.
pub const REVISION: &str = match option_env!("THIRDLEAF_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Everything that a scrape shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// Peers, findings and counters.
    pub snapshot: Arc<Snapshot>,
    /// Counters by leaf, those of forgotten peers included.
    pub counters: Vec<(Arc<str>, Arc<PeerStats>)>,
    /// Rejected routes that get a series of their own: at most `metrics.rogue_routes_max`.
    pub rogues: Vec<view::Route>,
    /// Connections that leaves refused.
    pub refusals: Vec<Refusal>,
    /// What was read of the configuration file, and when.
    pub reload: Reload,
    /// When the daemon started.
    pub started: Timestamp,
    /// Names of the configured leaves: each has its series even before its first peer.
    pub leaves: Vec<Arc<str>>,
    /// Which series are wanted.
    pub config: Metrics,
}

/// Connections that a leaf refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The leaf's name.
    pub leaf: Arc<str>,
    /// The reason, as a label's value.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// How the last attempt to read the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the last attempt succeeded.
    pub successful: bool,
    /// When an attempt last succeeded.
    pub succeeded: Timestamp,
}

impl Report {
    /// The media type of [`text`](Self::text).
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// The text exposition, the process' own families included.
    ///
    /// # Errors
    /// None is known to happen; the encoder's type has one.
    pub fn text(self) -> Result<String, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        self.encode(&registry)
    }

    fn encode(self, registry: &Registry) -> Result<String, prometheus::Error> {
        registry.register(Box::new(self))?;
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

impl Collector for Report {
    /// None: which families there are depends on what happened.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = whole::collect(self);
        families.extend(peers::collect(self));
        families
    }
}

#[cfg(test)]
mod tests;
