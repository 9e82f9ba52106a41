//! Maintenance: what is found in what somebody works on is kept, and nobody is told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Rack(name) => write!(f, "rack {name}"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
        }
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

/// All windows, at most one for each [`Whom`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Maintenance(Vec<Window>);

impl Maintenance {
    /// Begins a window, or changes the one there is; `false`: there are too many.
    pub(super) fn start(&mut self, window: Window) -> bool {
        if let Some(other) = self.0.iter_mut().find(|other| other.scope == window.scope) {
            (other.until, other.reason) = (window.until, window.reason);
            return true;
        }
        let room = self.0.len() < MAX_WINDOWS;
        if room {
            self.0.push(window);
        }
        room
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
