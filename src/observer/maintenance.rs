//! Maintenance: what is found in what somebody works on is kept, and nobody is told of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::core::Core;
use crate::config;
use crate::time::Timestamp;

/// No window is longer, so that what was forgotten ends some day.
pub const LONGEST: Duration = Duration::from_hours(30 * 24);
/// At most so many windows at once.
pub const MAX_WINDOWS: usize = 1_000;

/// What is worked on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A node, by its name.
    Node(Arc<str>),
    /// A rack.
    Rack(Arc<str>),
    /// A cluster.
    Cluster(Arc<str>),
}

impl Whom {
    /// What sort of thing it is, as in `scope`.
    pub const fn sort(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Rack(_) => "rack",
            Self::Cluster(_) => "cluster",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::Rack(name) | Self::Cluster(name) => name,
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sort(), self.name())
    }
}

/// A time during which somebody works on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// On what.
    pub scope: Whom,
    /// Since when.
    pub since: Timestamp,
    /// Until when: it ends by itself.
    pub until: Timestamp,
    /// Why, as whoever began it said.
    pub reason: String,
}

/// Why there is no maintenance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMaintenance {
    /// Nobody knows what is to be worked on.
    #[error("there is no {scope}{}", did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// What was named.
        scope: Whom,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// There are too many windows.
    #[error("there are {MAX_WINDOWS} windows of maintenance already; end some")]
    TooMany,
}

/// A hint for who named something that nobody knows.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

impl Core {
    /// Begins a window on what is known, or changes the one there is.
    pub(super) fn start_maintenance(&mut self, window: Window) -> Result<Window, NoMaintenance> {
        let (scope, now) = (window.scope.clone(), window.since);
        let names = self.names(&scope);
        if !names.contains(scope.name()) {
            let nearest = config::nearest(scope.name(), names.into_iter()).map(str::to_owned);
            return Err(NoMaintenance::Unknown { scope, nearest });
        }
        let Some(window) = self.maintenance.start(window).cloned() else {
            return Err(NoMaintenance::TooMany);
        };
        self.chronicle.maintenance_started(&window, now);
        self.maintenance_changed();
        Ok(window)
    }

    /// Ends a window before its time; none: there was none.
    pub(super) fn end_maintenance(&mut self, scope: &Whom, now: Timestamp) -> Option<Window> {
        let window = self.maintenance.end(scope)?;
        self.chronicle.maintenance_ended(&window, now);
        self.maintenance_changed();
        Some(window)
    }

    /// Ends the windows whose time is over.
    pub(super) fn expire_maintenance(&mut self, now: Timestamp) {
        for window in self.maintenance.expire(now) {
            self.chronicle.maintenance_ended(&window, now);
            self.maintenance_changed();
        }
    }

    const fn maintenance_changed(&mut self) {
        self.muting_dirty = true;
        self.known_revision += 1;
    }

    /// All names of the sort that `scope` has.
    fn names(&self, scope: &Whom) -> BTreeSet<&str> {
        let config = &self.config;
        let pinned = config.nodes.iter();
        match scope {
            Whom::Node(_) => {
                let seen = self.peers.iter().filter_map(|(_, peer)| peer.name.as_deref());
                seen.chain(pinned.map(|node| &*node.name)).collect()
            }
            Whom::Rack(_) => {
                let leaves = config.leaves.iter().map(|leaf| &*leaf.rack);
                leaves.chain(pinned.filter_map(|node| node.rack.as_deref())).collect()
            }
            Whom::Cluster(_) => {
                let leaves = config.leaves.iter().map(|leaf| &*leaf.cluster);
                leaves.chain(config.neighbors.iter().map(|entry| &*entry.cluster)).collect()
            }
        }
    }
}

/// All windows, at most one for each [`Whom`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Maintenance(Vec<Window>);

impl Maintenance {
    /// Begins a window, or changes the one there is; none: there are too many.
    pub(super) fn start(&mut self, window: Window) -> Option<&Window> {
        if let Some(place) = self.0.iter().position(|other| other.scope == window.scope) {
            let other = self.0.get_mut(place)?;
            (other.until, other.reason) = (window.until, window.reason);
            return Some(other);
        }
        if self.0.len() >= MAX_WINDOWS {
            return None;
        }
        self.0.push(window);
        self.0.last()
    }

    /// Ends a window; none: there was none.
    pub(super) fn end(&mut self, scope: &Whom) -> Option<Window> {
        let place = self.0.iter().position(|window| window.scope == *scope)?;
        Some(self.0.remove(place))
    }

    /// Takes over what was begun before a restart. However wrong a clock was, it ends in time.
    pub(super) fn restore(&mut self, windows: Vec<Window>, now: Timestamp) {
        for mut window in windows {
            window.since = window.since.min(now);
            window.until = window.until.min(now.after(LONGEST));
            self.start(window);
        }
    }

    /// Takes out what is over.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Window> {
        self.0.extract_if(.., |window| window.until <= now).collect()
    }

    /// When the next one ends.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|window| window.until).min()
    }

    /// The window that a peer is in.
    pub(super) fn covering(&self, node: Option<&str>, rack: &str, cluster: &str) -> Option<&Window> {
        self.0.iter().find(|window| match &window.scope {
            Whom::Node(name) => node == Some(&**name),
            Whom::Rack(name) => rack == &**name,
            Whom::Cluster(name) => cluster == &**name,
        })
    }

    /// All of them.
    pub(super) fn windows(&self) -> &[Window] {
        &self.0
    }
}
