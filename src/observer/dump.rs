//! The table, piece by piece, for who writes all of it down.
//!
//! A piece is what one turn of the observer may go through: no copy of a table exists, and no table is that of one
//! moment. What changes meanwhile is in it as it was when its piece was taken.

use std::sync::Arc;

use ipnet::IpNet;

use super::core::Core;
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::rib::Key;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// A piece of what one leaf heard, in the order of prefixes.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    routes: Vec<Held>,
    octets: Vec<u8>,
    /// After what the next piece begins; none: this was the last.
    next: Option<Place>,
}

/// A place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(Key);

/// A route of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who announced it.
    pub peer: PeerId,
    /// The prefix.
    pub prefix: IpNet,
    /// Its path identifier, where the session has them (RFC 7911).
    pub path_id: Option<u32>,
    /// Since when this announcement stands, to the second.
    pub since: Timestamp,
    /// How many octets its attributes have.
    attributes: usize,
}

impl Piece {
    /// The routes, with their attributes.
    pub fn routes(&self) -> impl Iterator<Item = (&Held, Set<'_>)> {
        let mut rest = &self.octets[..];
        self.routes.iter().map(move |held| {
            let (own, after) = rest.split_at_checked(held.attributes).unwrap_or((rest, &[]));
            rest = after;
            (held, Set::from_canonical(own))
        })
    }

    /// After what the next piece begins; none: this was the last.
    pub const fn next(&self) -> Option<Place> {
        self.next
    }
}

impl Core {
    /// The next piece of what this leaf heard: all that is shown as routes, whatever the verdict. It is found within
    /// so many routes of the table.
    pub(super) fn dump(&self, leaf: &Arc<str>, after: Option<Place>, steps: usize) -> Piece {
        let mut piece = Piece::default();
        let mut walk = self.rib.all(after.map(|Place(key)| key)).take(steps);
        let mut seen = 0;
        for (prefix, path) in walk.by_ref() {
            seen += 1;
            piece.next = Some(Place(Key { prefix, peer: path.peer, path_id: path.path_id }));
            let Some(peer) = self.peers.get(path.peer).filter(|peer| peer.id.leaf == *leaf) else { continue };
            let family = Family::of(&prefix);
            if peer.leaving || peer.is_lost(family, path.old) {
                continue;
            }
            let terms = peer.last.as_ref().map(|last| &last.negotiated);
            let has_ids = terms.is_some_and(|terms| terms.add_path.contains(family)) || path.path_id != 0;
            let path_id = has_ids.then_some(path.path_id);
            let attributes = self.rib.attributes(path.attributes).octets();
            piece.octets.extend_from_slice(attributes);
            let (peer, attributes) = (peer.id.clone(), attributes.len());
            piece.routes.push(Held { peer, prefix, path_id, since: path.since, attributes });
        }
        if seen < steps {
            piece.next = None;
        }
        piece
    }
}
