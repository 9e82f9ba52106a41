//! One hash table of all prefixes.

use bytes::Bytes;
use foldhash::HashMap;

use crate::wire::{self, Prefix};

/// A path: whose, with which attributes, and of which of its node's sessions.
struct Path {
    node: u32,
    session: u32,
    #[expect(dead_code, reason = "kept, as every table has to; asked for by nobody")]
    attributes: u32,
}

#[derive(Default)]
pub(super) struct Rib {
    prefixes: HashMap<Prefix, Vec<Path>>,
    attributes: HashMap<Bytes, u32>,
    /// The session that each node has, by the node's number.
    sessions: Vec<u32>,
    /// Whether some paths may be of sessions that ended.
    unswept: bool,
    /// Octets of UPDATEs.
    pub(super) octets: u64,
}

impl Rib {
    /// A new session of a node: its number.
    pub(super) fn begin(&mut self, node: u32) -> u32 {
        let node = node as usize;
        if self.sessions.len() <= node {
            self.sessions.resize(node + 1, 0);
        }
        self.sessions[node] += 1;
        self.sessions[node]
    }

    /// How many paths there are.
    pub(super) fn paths(&self) -> usize {
        self.prefixes.values().map(Vec::len).sum()
    }

    pub(super) fn update(&mut self, node: u32, session: u32, body: &[u8]) {
        let Some((withdrawn, attributes, announced)) = wire::fields(body) else { return };
        for prefix in wire::prefixes(withdrawn) {
            if let Some(paths) = self.prefixes.get_mut(&prefix) {
                paths.retain(|path| path.node != node);
                if paths.is_empty() {
                    self.prefixes.remove(&prefix);
                }
            }
        }
        if announced.is_empty() {
            // End-of-RIB of a node that was here before.
            self.unswept |= withdrawn.is_empty() && session > 1;
            return;
        }
        let attributes = self.intern(attributes);
        for prefix in wire::prefixes(announced) {
            let paths = self.prefixes.entry(prefix).or_default();
            let path = Path { node, session, attributes };
            match paths.iter_mut().find(|path| path.node == node) {
                Some(old) => *old = path,
                None => paths.push(path),
            }
        }
    }

    fn intern(&mut self, attributes: &[u8]) -> u32 {
        if let Some(number) = self.attributes.get(attributes) {
            return *number;
        }
        let number = u32::try_from(self.attributes.len()).expect("some thousands");
        self.attributes.insert(Bytes::copy_from_slice(attributes), number);
        number
    }

    /// Forgets what ended sessions left.
    pub(super) fn sweep(&mut self) {
        if !std::mem::take(&mut self.unswept) {
            return;
        }
        let sessions = &self.sessions;
        self.prefixes.retain(|_, paths| {
            paths.retain(|path| sessions[path.node as usize] == path.session);
            !paths.is_empty()
        });
    }
}
