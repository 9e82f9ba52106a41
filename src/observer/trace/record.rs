//! What the core was told.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::base::Base;
use crate::bgp::{Batch, Negotiated};
use crate::observer::core::Errors;
use crate::observer::maintenance::{Whom, Window};
use crate::observer::{Reported, State};
use crate::speaker::{self, Event, PeerId, SessionId};
use crate::time::Timestamp;

/// One call of the core, or what a call of it read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Record<'a> {
    /// The first of a segment.
    Start(Start),
    /// Events were handled.
    Handled {
        /// What it was.
        event: Told<'a>,
        /// When it was taken in.
        now: Timestamp,
    },
    /// A slice of work was done.
    Worked(Timestamp),
    /// What the next tick finds counted.
    Errors(Errors),
    /// What was due was done.
    Ticked(Timestamp),
    /// A new configuration, as a file that says the same.
    Reloaded {
        /// The file.
        config: Cow<'a, str>,
        /// When.
        now: Timestamp,
    },
    /// Peers were forgotten.
    Forgot {
        /// On which leaf; all, if none.
        leaf: Option<Cow<'a, str>>,
        /// Which.
        peer: IpAddr,
        /// When.
        now: Timestamp,
    },
    /// What was known before the start was taken over.
    Restored {
        /// All of it.
        state: Cow<'a, State>,
        /// When.
        now: Timestamp,
    },
    /// The peers of a node were forgotten.
    ForgotNode {
        /// Its name.
        node: Cow<'a, str>,
        /// In which cluster; all, if none.
        cluster: Option<Cow<'a, str>>,
        /// When.
        now: Timestamp,
    },
    /// A window of maintenance was begun, or changed.
    MaintenanceStarted(Cow<'a, Window>),
    /// A window of maintenance was ended before its time.
    MaintenanceEnded {
        /// Which.
        scope: Cow<'a, Whom>,
        /// When.
        now: Timestamp,
    },
    /// A finding was acknowledged.
    Acknowledged {
        /// Which.
        id: Cow<'a, str>,
        /// Why.
        reason: Cow<'a, str>,
        /// When.
        now: Timestamp,
    },
    /// Somebody told all that it finds wrong.
    Reported {
        /// Who.
        source: Cow<'a, str>,
        /// What.
        found: Cow<'a, [Reported]>,
        /// When.
        now: Timestamp,
    },
}

/// How a segment begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// When the core was made that it is told to.
    pub(super) run: Timestamp,
    /// That of the segment, which its file is named by.
    pub(super) number: u64,
    /// Whether nothing is missing since the segment before.
    pub(super) continues: bool,
    /// How many inputs were lost since recording began.
    pub(super) lost: u64,
    /// When it was begun.
    pub(super) now: Timestamp,
    /// What there is to go on from; that of [`Base::Kept`] is the next frame.
    pub(super) base: Base,
}

/// An [`Event`], without what the configuration says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told<'a> {
    /// [`speaker::Established`].
    Established(Established<'a>),
    /// [`Event::Routes`].
    Routes {
        /// Whose.
        session: SessionId,
        /// When they were read.
        at: Timestamp,
        /// The routes.
        batch: Cow<'a, Batch>,
    },
    /// [`Event::Closed`].
    Closed(Cow<'a, speaker::Closed>),
    /// [`Event::Refused`].
    Refused(Cow<'a, speaker::Refused>),
    /// [`Event::Unsigned`].
    Unsigned(Cow<'a, speaker::Unsigned>),
}

/// [`speaker::Established`] without the entry that let it in, which may hold a secret, and counters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Established<'a> {
    pub(super) session: SessionId,
    pub(super) peer: PeerId,
    pub(super) local: IpAddr,
    pub(super) at: Timestamp,
    pub(super) negotiated: Arc<Negotiated>,
    pub(super) capabilities: Cow<'a, [String]>,
}

impl<'a> Told<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match event {
            Event::Established(news) => Self::Established(Established {
                session: news.session,
                peer: news.peer.clone(),
                local: news.local,
                at: news.at,
                negotiated: Arc::clone(&news.negotiated),
                capabilities: Cow::Borrowed(&news.capabilities),
            }),
            Event::Routes { session, at, batch } => {
                Self::Routes { session: *session, at: *at, batch: Cow::Borrowed(batch) }
            }
            Event::Closed(closed) => Self::Closed(Cow::Borrowed(closed)),
            Event::Refused(refused) => Self::Refused(Cow::Borrowed(refused)),
            Event::Unsigned(unsigned) => Self::Unsigned(Cow::Borrowed(unsigned)),
        }
    }
}
