//! Which routes a query wants.

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;

use crate::bgp::Family;
use crate::observer::core::Core;
use crate::observer::peers::Peer;
use crate::observer::query::{Match, RouteQuery, StateFilter};
use crate::policy::Judgement;
use crate::rib::{AttributesId, Hint, Path};

/// Whether more is asked than where a prefix is.
pub(super) const fn is_narrow(query: &RouteQuery) -> bool {
    query.class.is_some()
        || query.state.is_some()
        || query.reason.is_some()
        || query.community.is_some()
        || query.leaf.is_some()
        || query.cluster.is_some()
        || query.vrf.is_some()
        || query.peer.is_some()
        || query.node.is_some()
}

/// Whether routes of this peer are asked for.
pub(super) fn is_of(query: &RouteQuery, peer: &Peer) -> bool {
    fn fits(asked: Option<&String>, is: &Arc<str>) -> bool {
        asked.is_none_or(|asked| **asked == **is)
    }
    let address = |asked: IpAddr| asked == peer.id.address;
    fits(query.leaf.as_ref(), &peer.id.leaf)
        && fits(query.cluster.as_ref(), &peer.place.scope.cluster)
        && fits(query.vrf.as_ref(), &peer.place.scope.vrf)
        && query.peer.is_none_or(address)
        && query.node.as_ref().is_none_or(|asked| peer.name.as_deref() == Some(asked))
}

/// Whether the prefix of a route is asked for.
pub(super) fn is_within(query: &RouteQuery, prefix: &IpNet) -> bool {
    query.prefix.is_none_or(|asked| {
        let asked = asked.trunc();
        match query.matching {
            Match::Exact => *prefix == asked,
            Match::Longer => asked.contains(prefix),
            Match::Covering => prefix.contains(&asked),
        }
    })
}

/// Of which peers how many routes can be wanted at most, as their counters have it.
pub(super) fn most_of(query: &RouteQuery, core: &Core, at: crate::rib::PeerIndex, family: Family) -> u64 {
    let Some(peer) = core.peers.get(at).filter(|peer| !peer.leaving && is_of(query, peer)) else { return 0 };
    let rejected: u64 = peer.tally.rejected.of(family).iter().sum();
    let noted = *peer.tally.noted.of(family);
    let accepted = peer.tally.accepted.of(family);
    let accepted: u64 = match query.class {
        Some(class) => accepted.get(class as usize).copied().unwrap_or_default(),
        None => accepted.iter().sum(),
    };
    match query.state {
        _ if query.reason.is_some() => rejected + noted,
        Some(StateFilter::Accepted) => accepted,
        Some(StateFilter::Rejected) => rejected,
        Some(StateFilter::Noted) => noted,
        Some(StateFilter::Stale) if !peer.family(family).is_stale() => 0,
        Some(StateFilter::Stale) => core.rib.old_count(at, family),
        None => accepted + rejected + noted,
    }
}

/// A query, and what is known of attributes. It goes with the slice: when a set is given up, its number may
/// come to stand for another.
pub(super) struct Filter<'a> {
    query: &'a RouteQuery,
    community: Option<(&'a str, Hint)>,
    /// Sets that were looked into, and whether they have the community.
    pub(super) known: HashMap<AttributesId, bool, RandomState>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(query: &'a RouteQuery) -> Self {
        let community = query.community.as_deref().map(|asked| (asked, Hint::of(asked)));
        Self { query, community, known: HashMap::default() }
    }

    /// Whether this route is asked for, but for its prefix.
    pub(super) fn wants(&mut self, core: &Core, peer: &Peer, prefix: &IpNet, path: &Path) -> bool {
        !peer.leaving
            && self.counts(peer, Family::of(prefix), path.old)
            && is_of(self.query, peer)
            && self.says(core, path.attributes, path.judgement)
    }

    /// Whether a path of this generation is there at all, and of the right one.
    pub(super) fn counts(&self, peer: &Peer, family: Family, old: bool) -> bool {
        let stale = self.query.state == Some(StateFilter::Stale);
        !peer.is_lost(family, old) && (!stale || peer.is_stale(family, old))
    }

    /// Whether what is said of a route, and how it was judged, is asked for.
    pub(super) fn says(&mut self, core: &Core, attributes: AttributesId, judgement: Judgement) -> bool {
        let query = self.query;
        let state = match query.state {
            None | Some(StateFilter::Stale) => true,
            Some(StateFilter::Accepted) => judgement.accepted().is_some(),
            Some(StateFilter::Rejected) => judgement.accepted().is_none() && !judgement.is_noted(),
            Some(StateFilter::Noted) => judgement.is_noted(),
        };
        state
            && query.class.is_none_or(|class| judgement.class() == class)
            && query.reason.is_none_or(|reason| judgement.reasons().contains(reason))
            && self.has_community(core, attributes)
    }

    fn has_community(&mut self, core: &Core, id: AttributesId) -> bool {
        let Some((asked, hint)) = self.community else { return true };
        if !core.rib.may_have(id, hint) {
            return false;
        }
        let is_asked_for = |community| is_written(&community, asked);
        let look = || core.rib.attributes(id).communities().any(is_asked_for);
        *self.known.entry(id).or_insert_with(look)
    }
}

/// Whether this is how something is written, without writing it.
fn is_written(what: &impl fmt::Display, text: &str) -> bool {
    struct Rest<'a>(&'a str);
    impl Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    write!(rest, "{what}").is_ok() && rest.0.is_empty()
}
