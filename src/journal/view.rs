//! What readers of the past see: the answers of the HTTP API, and of the command line that reads it.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::observer::view::{Event, Finding, Route};
use crate::time::Timestamp;

/// `GET /api/v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// What happened.
    pub items: Vec<Event>,
    /// Where the next page starts; none: this was the last.
    pub next_cursor: Option<String>,
    /// Not known.
    pub total: Option<u64>,
    /// The newest event that there was, wanted or not; 0 if there was none.
    pub last: u64,
    /// Where they come from: numbers of the one mean nothing in the other.
    pub source: Source,
}

/// Who remembers what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The journal, restarts included.
    Journal,
    /// The daemon, since it started.
    Memory,
}

/// `GET /api/v1/routes?at=`, and its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; none: this was the last.
    pub next_cursor: Option<String>,
    /// Not known.
    pub total: Option<u64>,
    /// The moment that is shown; none, if all times are.
    pub at: Option<Timestamp>,
    /// Why it may not be as it was.
    pub gaps: Vec<Gap>,
}

/// A time of which little is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Since when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// One sentence for people.
    pub text: String,
}

/// A route from when it was announced, or judged anew, until it went or was another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// The route.
    #[serde(flatten)]
    pub route: Route,
    /// Until when it was as it is shown; none: it is still.
    pub until: Option<Timestamp>,
}

/// `GET /api/v1/compare`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The earlier moment.
    pub from: Timestamp,
    /// The later one.
    pub to: Timestamp,
    /// When nobody listened in between.
    pub gaps: Vec<Gap>,
    /// How much differs in all.
    pub counts: Counts,
    /// What differs: routes, then verdicts, findings, members.
    pub items: Vec<Difference>,
    /// Where the next page starts; none: this was the last.
    pub next_cursor: Option<String>,
}

/// How much differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Routes that came, went or have other attributes.
    pub routes: Changes,
    /// Routes that are there at both times, and judged otherwise.
    pub verdicts: Changes,
    /// Open findings.
    pub findings: Changes,
    /// Members of EEPGs and redirect policies.
    pub members: Changes,
}

impl Counts {
    /// Everything that differs.
    pub const fn total(&self) -> u64 {
        self.routes.total() + self.verdicts.total() + self.findings.total() + self.members.total()
    }
}

/// How many of a kind differ, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// There later alone.
    pub new: u64,
    /// There earlier alone.
    pub gone: u64,
    /// There at both times, and not the same.
    pub changed: u64,
}

impl Changes {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.new + self.gone + self.changed
    }

    pub(super) const fn count(&mut self, change: Change) {
        match change {
            Change::New => self.new += 1,
            Change::Gone => self.gone += 1,
            Change::Changed => self.changed += 1,
        }
    }
}

/// How one thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// There later alone.
    New,
    /// There earlier alone.
    Gone,
    /// There at both times, and not the same.
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Changed => "changed",
        })
    }
}

/// One thing that differs, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Difference {
    /// A route came, went or has other attributes.
    Route(Pair<Route>),
    /// A route is judged otherwise; its attributes may be others, too.
    Verdict(Pair<Route>),
    /// An open finding.
    Finding(Box<Pair<Finding>>),
    /// A member.
    Member(Pair<Member>),
}

/// One thing at both times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair<T> {
    /// How it differs.
    pub change: Change,
    /// As it was; none, if it was not there.
    pub before: Option<T>,
    /// As it is later; none, if it is not there.
    pub after: Option<T>,
}

/// A member of an EEPG or redirect policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The prefix.
    pub prefix: IpNet,
    /// The fabric.
    pub apic: String,
    /// What it is a member of, by its distinguished name.
    pub container: String,
}
