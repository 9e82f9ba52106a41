//! A table, from the observer to the thread that writes, piece by piece.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::queue::{Part, Piece, Queue};
use crate::config::model::Leaf;
use crate::mrt::Peer;
use crate::mrt::write::{Routes, put_peers};
use crate::observer::{Observer, PeerSnapshot, dump};
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// Writes all that each leaf holds.
///
/// # Errors
/// It cannot be written, or nobody answers any more.
pub(super) async fn write(
    observer: &Observer,
    queue: &Queue,
    leaves: &[Leaf],
    at: Timestamp,
) -> io::Result<()> {
    hand_over(queue, Piece::Begin(at)).await?;
    for leaf in leaves {
        let snapshot = observer.snapshot().await.ok_or_else(gone)?;
        let known = snapshot.peers.iter().filter(|peer| peer.id.leaf == leaf.name);
        let (mut table, begin) = Table::begin(leaf, at, known);
        hand_over(queue, Piece::Records(begin)).await?;
        let mut after = None;
        loop {
            let piece = observer.dump(Arc::clone(&leaf.name), after).await.ok_or_else(gone)?;
            hand_over(queue, Piece::Records(table.records(&piece))).await?;
            after = piece.next();
            if after.is_none() {
                break;
            }
        }
        hand_over(queue, Piece::Records(table.end())).await?;
    }
    hand_over(queue, Piece::End(at)).await
}

/// Waits until it is written: one piece at a time is on its way.
async fn hand_over(queue: &Queue, piece: Piece) -> io::Result<()> {
    let (answer, written) = oneshot::channel();
    // Sessions have filled the queue: whatever is in the table, they have more to say.
    queue.send(Part::Table(piece, answer)).map_err(|_| io::Error::other("the queue is full"))?;
    written.await.map_err(|_| gone())?
}

fn gone() -> io::Error {
    io::Error::other("thirdleaf is stopping")
}

/// A table that is being written.
struct Table {
    at: Timestamp,
    /// Places in the index.
    places: HashMap<PeerId, u16>,
    /// Of the prefix that is gone through: routes without path identifiers, and with them.
    routes: [Option<Routes>; 2],
    sequence: u32,
}

impl Table {
    /// Also its first record. A peer of whom no AS is known has no routes.
    fn begin<'a>(
        leaf: &Leaf,
        at: Timestamp,
        known: impl Iterator<Item = &'a PeerSnapshot>,
    ) -> (Self, Vec<u8>) {
        let (mut places, mut peers) = (HashMap::new(), Vec::new());
        for peer in known {
            if let (Some(asn), Ok(place)) = (peer.peer_as, u16::try_from(peers.len())) {
                places.insert(peer.id.clone(), place);
                peers.push(Peer { address: peer.id.address, asn, identifier: peer.router_id });
            }
        }
        let mut begin = Vec::new();
        put_peers(at, leaf.router_id, &leaf.name, peers.iter(), &mut begin);
        (Self { at, places, routes: [None, None], sequence: 0 }, begin)
    }

    /// Records of prefixes that are complete.
    fn records(&mut self, piece: &dump::Piece) -> Vec<u8> {
        let mut out = Vec::new();
        for (held, attributes) in piece.routes() {
            // One that came since the table was begun: it is in the messages from its time on.
            let Some(place) = self.places.get(&held.peer).copied() else { continue };
            let add_path = held.path_id.is_some();
            let takes = |routes: &Routes| routes.takes(held.prefix, add_path);
            let [plain, with_ids] = &self.routes;
            let same = if add_path { with_ids } else { plain };
            if !same.as_ref().is_some_and(takes) {
                let is_same_prefix = |routes: &Option<Routes>| {
                    routes.as_ref().is_none_or(|routes| routes.prefix() == held.prefix)
                };
                if self.routes.iter().all(is_same_prefix) {
                    self.put(usize::from(add_path), &mut out);
                } else {
                    (0..2).for_each(|sort| self.put(sort, &mut out));
                }
            }
            if let Some(routes) = self.routes.get_mut(usize::from(add_path)) {
                let routes = routes.get_or_insert_with(|| Routes::new(held.prefix, add_path));
                routes.add(place, held.since, held.path_id.unwrap_or_default(), attributes);
            }
        }
        out
    }

    /// What is left.
    fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        (0..2).for_each(|sort| self.put(sort, &mut out));
        out
    }

    fn put(&mut self, sort: usize, out: &mut Vec<u8>) {
        if let Some(routes) = self.routes.get_mut(sort).and_then(Option::take) {
            routes.put(self.at, self.sequence, out);
            self.sequence = self.sequence.wrapping_add(1);
        }
    }
}
