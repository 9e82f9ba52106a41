//! Counters and snapshots -> Prometheus text.
//!
//! Nothing is counted here: a scrape turns one [`Snapshot`] and what stands beside it into families. Only
//! those of the process are collected by others: a model of each sample, as they make it first, would take
//! tens of megabytes for thousands of peers. The text is written piece by piece instead, and nobody waits for
//! the whole of it.
//!
//! Series of single peers can be left out (`metrics.per_peer`), those of leaves and of the whole cannot.
//! No series carries the prefix of an accepted route. An EEPG is named `tenant/l3out/eepg` and a redirect policy
//! `tenant/policy`, for names are unique within these alone and hold no `/`.

mod alerts;
mod apics;
mod eepgs;
mod journals;
mod leaves;
mod peers;
mod samples;
mod whole;

use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use crate::alert::Counts;
use crate::config::model::Metrics;
use crate::journal::archive;
use crate::observer::{Snapshot, view};
use crate::speaker::{PeerStats, Signature};
use crate::time::Timestamp;
use crate::{journal, sync};

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
    /// How many refusals the observer was not told of, because there was no room.
    pub untold_refusals: u64,
    /// What the kernel dropped for its TCP-MD5 signature, if it says so.
    pub signatures: Option<Signatures>,
    /// What was read of the configuration file, and when.
    pub reload: Reload,
    /// How the file does that keeps what must survive a restart; none, if none is configured.
    pub state: Option<StateFile>,
    /// When the daemon started.
    pub started: Timestamp,
    /// Names of the configured leaves: each has its series even before its first peer.
    pub leaves: Vec<Arc<str>>,
    /// Which series are wanted.
    pub config: Metrics,
    /// How clients follow events.
    pub streams: Streams,
    /// Connections to the HTTP server.
    pub http: Http,
    /// How the EEPG controller does; none, if there is none, or if it did not say in time.
    pub sync: Option<sync::Status>,
    /// How the journal does; none, if none is kept.
    pub journal: Option<journal::Status>,
    /// How the MRT archive does; none, if none is written.
    pub archive: Option<archive::Status>,
    /// What is pushed, and how receivers do; none, if that was not said in time.
    pub alerts: Option<Counts>,
}

/// Connections to the HTTP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// How many there are.
    pub connections: u64,
    /// How many were closed at once: their client had its share.
    pub rejected: u64,
    /// Requests to change something that were answered with an error.
    pub refused: u64,
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

/// How clients follow events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Streams that are open.
    pub open: usize,
    /// How many there may be.
    pub limit: usize,
    /// Events that clients missed, because the ring let go of them before they came for them.
    pub missed: u64,
}

/// Segments that the kernel dropped, by what was wrong with their TCP-MD5 signature.
pub type Signatures = [(Signature, u64); Signature::ALL.len()];

/// How the last attempt to read the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the last attempt succeeded.
    pub successful: bool,
    /// When an attempt last succeeded.
    pub succeeded: Timestamp,
}

/// How the file does that keeps what must survive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFile {
    /// How often it could not be written.
    pub failures: u64,
    /// When it was written last, by this process.
    pub written: Option<Timestamp>,
}

impl Report {
    /// The media type of [`pieces`](Self::pieces).
    pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// The text exposition, the process' own families included, in pieces that end with a line.
    ///
    /// # Errors
    /// None is known to happen; the encoder of the process' families has one.
    pub fn pieces(self) -> Result<Pieces, prometheus::Error> {
        let process = ProcessCollector::for_self().collect();
        Ok(self.pieces_after(TextEncoder::new().encode_to_string(&process)?))
    }

    fn pieces_after(self, mut text: String) -> Pieces {
        whole::write(&self, &mut text);
        leaves::write(&self, &mut text);
        if let Some(status) = &self.sync {
            apics::write(status, &mut text);
            eepgs::write(status, &mut text);
        }
        if let Some(status) = &self.journal {
            journals::write(status, &mut text);
        }
        if let Some(counts) = &self.alerts {
            alerts::write(counts, &mut text);
        }
        let wanted = peers::Wanted::of(&self);
        Pieces { report: self, wanted, place: peers::Place::default(), text }
    }
}

/// The text of a [`Report`], written as it is asked for.
pub struct Pieces {
    report: Report,
    wanted: peers::Wanted,
    place: peers::Place,
    text: String,
}

impl Pieces {
    /// From so many octets on, a piece is large enough.
    const ENOUGH: usize = 32 * 1024;
}

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = std::mem::take(&mut self.text);
        while text.len() < Self::ENOUGH
            && peers::write(&self.report, &self.wanted, &mut self.place, &mut text)
        {}
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests;
