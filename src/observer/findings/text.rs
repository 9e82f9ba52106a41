//! A finding as readers see it: for somebody who was woken by it.

use std::collections::BTreeSet;

use super::key::{About, Capacity};
use super::{Cause, Findings, Kind, MAX_PROOFS, Muted, State, Witness, advice, refused, reported, view};
use crate::policy::Reason;
use crate::speaker::PeerId;
use crate::time::Timestamp;

/// How many nodes a sentence names.
const MAX_NAMES: usize = 3;
/// How many findings are named by one that explains them.
const MAX_IDS: usize = 100;

impl Findings {
    pub(super) fn view(&self, cause: &Cause) -> view::Finding {
        let key = &cause.key;
        let peer = key.peer().or_else(|| same(cause.witnesses.keys()));
        let leaf = key.leaf().or_else(|| same(cause.witnesses.keys().map(|peer| &peer.leaf)));
        let node = match &key.about {
            About::Node(node) => Some(node),
            _ => same(cause.witnesses.values().map(|witness| (&witness.cluster, witness.node.as_ref())))
                .and_then(|(_, node)| node),
        };
        let (state, opened) = match cause.state {
            State::Waiting | State::Pending => ("pending", None),
            State::Open(opened) => ("open", Some(opened)),
        };
        view::Finding {
            id: cause.id.as_ref().to_owned(),
            kind: key.kind.name().to_owned(),
            severity: cause.severity.unwrap_or_else(|| key.severity()).name().to_owned(),
            state: state.to_owned(),
            muted: self.muted(cause),
            muted_because: because(cause),
            cluster: clusters(cause),
            vrf: key.scope.vrf.as_ref().to_owned(),
            leaf: leaf.map(ToString::to_string),
            peer: peer.map(|peer| peer.address),
            node: node.map(ToString::to_string),
            prefix: key.prefix(),
            reason: key.reason(),
            identity: key.identity(),
            summary: self.summary(cause),
            advice: cause.advice.clone().unwrap_or_else(|| advice::of(key).to_owned()),
            evidence: self.evidence(cause),
            absorbs: cause.explains.iter().take(MAX_IDS).filter_map(|number| self.id(*number)).collect(),
            absorbs_total: cause.explains.len(),
            since: cause.since,
            opened,
            resolved: None,
        }
    }

    /// The same when it is over.
    pub(super) fn resolved_view(&self, cause: &Cause, now: Timestamp) -> view::Finding {
        let summary = if cause.unseen { self.summary(cause) } else { self.what(cause) };
        view::Finding { state: "resolved".into(), resolved: Some(now), summary, ..self.view(cause) }
    }

    fn muted(&self, cause: &Cause) -> Option<String> {
        match &cause.muted {
            Some(Muted::Absorbed(by)) => Some(format!("absorbed:{}", self.id(*by).unwrap_or_default())),
            Some(Muted::Maintenance(_)) => Some("maintenance".to_owned()),
            None => cause.acknowledged.as_ref().map(|_| "acknowledged".to_owned()),
        }
    }

    fn id(&self, number: u64) -> Option<String> {
        self.causes.get(&number).map(|cause| cause.id.as_ref().to_owned())
    }

    /// What is to be known of a cause when what it is told from is gone.
    pub(super) fn frozen(&self, cause: &Cause) -> (Option<String>, Vec<String>) {
        if cause.said.is_some() {
            return (cause.said.clone(), cause.facts.clone());
        }
        let rolled_up = cause.key.kind == Kind::RogueRoute && cause.key.reason().is_none();
        if cause.key.is_burst() || rolled_up {
            (Some(self.what(cause)), self.evidence(cause))
        } else {
            (None, cause.facts.clone())
        }
    }

    pub(super) fn evidence(&self, cause: &Cause) -> Vec<String> {
        if cause.said.is_some() {
            return cause.facts.clone();
        }
        if cause.key.is_burst() {
            let parts = cause.explains.iter().filter_map(|number| self.causes.get(number));
            return bounded(parts.map(|part| self.summary(part)), cause.explains.len() as u64);
        }
        if let (Kind::RogueRoute, Some(routes)) =
            (cause.key.kind, cause.key.peer().and_then(|peer| self.rogues.get(peer)))
        {
            return routes.lines();
        }
        // Where there were events, who they are about needs no line of its own.
        let told =
            cause.witnesses.iter().filter(|(_, witness)| cause.events == 0 || !witness.text.is_empty());
        let total = (cause.events + cause.facts.len() as u64).saturating_add(told.clone().count() as u64);
        let lines = told.map(|(peer, witness)| match witness {
            Witness { node, text, .. } if text.is_empty() => name(node.as_deref(), peer),
            Witness { node, text, .. } => format!("{}: {text}", name(node.as_deref(), peer)),
        });
        bounded(cause.facts.iter().cloned().chain(lines).chain(cause.notes.iter().cloned()), total)
    }

    fn summary(&self, cause: &Cause) -> String {
        let summary = self.what(cause);
        if cause.unseen && !cause.restored {
            return format!("{summary}; whether that is over cannot be seen while the session is down");
        }
        if let Some(over) = cause.lingers.filter(|_| !cause.restored) {
            return format!("{summary}; this is gone, and counts as over from {over} on if it stays away");
        }
        summary
    }

    /// The nodes that a cause is about, or the objects that it is made of.
    fn whom(&self, cause: &Cause) -> String {
        if !cause.key.is_burst() || !cause.witnesses.is_empty() {
            return who(cause);
        }
        let parts = cause.explains.iter().filter_map(|number| self.causes.get(number));
        let objects: BTreeSet<_> =
            parts.filter_map(|part| part.key.object()).map(ToString::to_string).collect();
        names(objects).unwrap_or_else(|| who(cause))
    }

    fn what(&self, cause: &Cause) -> String {
        if let Some(said) = &cause.said {
            return said.clone();
        }
        let key = &cause.key;
        let who = self.whom(cause);
        match (&key.about, key.kind) {
            (About::Burst(_), kind) => {
                let first = cause.explains.first().and_then(|number| self.causes.get(number));
                let first = first.map(|first| format!("; the first: {}", self.what(first))).unwrap_or_default();
                format!(
                    "{} findings {kind} began at the same moment, about {who}: most likely they have one cause{first}",
                    cause.explains.len()
                )
            }
            (About::Route { reason, prefix }, _) => {
                format!("{prefix} from {who} is rejected: {}", rejected(*reason))
            }
            (About::Prefix(prefix), kind) => format!("{prefix} comes from {who}: {}", duplicate(kind)),
            (About::Owed { prefix, .. }, Kind::MissingServiceCidr) => format!(
                "{who} does not announce the service range {prefix}: the fabric sends it no service traffic; \
                 with no other node announcing it, its services are unreachable from outside"
            ),
            (About::Owed { prefix, .. }, _) => format!(
                "{who} announces no subnet within {prefix} that holds its own address: \
                 hosts that rely on that route cannot reach the node"
            ),
            (About::Node(node), _) => format!(
                "{node} tells the leaves of its rack different things: which of its prefixes can be reached \
                 depends on the leaf that traffic passes"
            ),
            (About::Rack(rack), Kind::RackDown) => format!(
                "the known peers of rack {rack}, all or most of them, lost their sessions at once: the rack is down or \
                 cut off, and its pods and services cannot be reached if its other leaves see the same"
            ),
            (About::Peer(peer), Kind::RogueRoute) => {
                // None are known yet of a finding that was there before a restart.
                let (total, reasons) = self.rogues.get(peer).map_or_else(
                    || ("many".into(), String::new()),
                    |routes| (routes.total().to_string(), format!(" ({})", routes.reasons())),
                );
                let routes = if total == "1" { "route that is" } else { "routes that are" };
                format!(
                    "{who} announces {total} {routes} rejected{reasons}, as a node does that passes on what it \
                     learned; a leaf that accepts one of them sends its traffic to this node"
                )
            }
            (About::Limit { above: false, .. }, _) => format!(
                "{who} is near its prefix limit: nothing is lost yet, but a leaf with that limit refuses what is above \
                 it, or ends the session"
            ),
            (About::Limit { .. }, _) => format!(
                "{who} is above its prefix limit: a leaf with that limit refuses what is above it, or ends the session, \
                 and then nothing behind the node can be reached"
            ),
            (About::Peer(_), kind) => format!("{who} {}", trouble(kind)),
            (About::Rack(rack), _) => format!(
                "nodes of rack {rack} restarted and announce nothing ({who}): they wait, up to 240 s, for \
                 End-of-RIB from a peer that is configured on them and down or silent; until then no leaf can reach \
                 their pods, and they serve nothing"
            ),
            (About::As(asn), _) => format!(
                "AS {asn} is that of {who}, although most nodes of the cluster have one each: to a node, a route whose \
                 path holds its own AS is a loop, so where leaves hand routes on, these nodes cannot reach each \
                 other's pods"
            ),
            (About::Identifier(identifier), _) => format!(
                "BGP identifier {identifier} is that of {who}: it breaks ties between routes and tells \
                 routers of one AS apart, so that a router may refuse to peer with one of them or take one \
                 for the other"
            ),
            (About::Scope, Kind::MeshLeftOn) => {
                "most nodes of the cluster pass on each other's blocks: the node-to-node mesh is on beside the \
                 sessions with the fabric. A leaf that accepts this has as many ways to each block as there are nodes, \
                 and sends pods' traffic through nodes that only hand it on"
                    .to_owned()
            }
            (About::Scope, Kind::ObserverIsolated) => {
                "most peers of all racks lost their sessions at once: most likely it is this observer that is cut \
                 off. Traffic of the nodes is then untouched, but what happens to them meanwhile is not seen"
                    .to_owned()
            }
            (About::Scope, Kind::AggregationMissing) => format!(
                "{who} announce pods one by one although they lie within the node's own block, which is announced, \
                 too: traffic is not harmed, but each pod takes a place in the tables of the leaves, which fill up"
            ),
            (About::Capacity(what), _) => capacity(*what, cause.facts.first()),
            (About::Scope, Kind::TimerTrouble) => format!(
                "hold timers of {who} expired, more than once in 24 hours, although KEEPALIVEs had left here in \
                 time: their BGP daemons are not run in time, or packets are lost on the way; leaves with the \
                 same timers lose these sessions too, and each time traffic to the pods stops until they are back"
            ),
            (About::Refused { leaf, why }, _) => {
                // Of very many, the number is a fact.
                refused::sentence(leaf, why, cause.facts.first().unwrap_or(&who))
            }
            (About::Object { object, prefix }, kind) => reported::sentence(kind, object, *prefix),
            (about, kind) => format!("{kind}, {who}: {about:?} is in trouble of its kind"),
        }
    }
}

/// `lines`, of which there are `total`, cut to the number of proofs that are shown.
pub(super) fn bounded(lines: impl Iterator<Item = String>, total: u64) -> Vec<String> {
    let mut shown: Vec<_> = lines.take(MAX_PROOFS).collect();
    if total > shown.len() as u64 {
        shown.truncate(MAX_PROOFS - 1);
        shown.push(format!("and {} more", total.saturating_sub(shown.len() as u64)));
    }
    shown
}

fn rejected(reason: Reason) -> &'static str {
    match reason {
        Reason::Transit => "the node hands on what the fabric gave it, as it is meant to",
        Reason::DefaultRoute => {
            "a fabric that believed this default route would send everything it knows no better way for into the node"
        }
        Reason::Martian => "the range is reserved and must not be routed; no traffic can follow it",
        Reason::NotAllowed => {
            "this peer may announce nothing there; a fabric that believed it would draw that range's traffic to the node"
        }
        Reason::TooBroad => {
            "it is wider than allowed; a fabric that believed it would draw traffic of other nodes and of unused \
             addresses to this one"
        }
        Reason::TooSpecific => {
            "it is not of an allowed length; as the longer match it would take traffic away from the right route"
        }
        Reason::NotOwnNodeSubnet => {
            "the node does not stand in that subnet; traffic for the nodes that do would be misled"
        }
        Reason::AsPathTooLong => {
            "its AS path is too long, so the node passes on what others originated, or prepends; the leaves drop it, and \
             no traffic takes this way"
        }
        Reason::AsPathEmpty => {
            "it has no AS path, which eBGP forbids; the leaves drop it, and no traffic takes this way"
        }
        Reason::FirstAsMismatch => {
            "its AS path does not start with the peer's AS; the leaves drop it, and no traffic takes this way"
        }
        Reason::UnexpectedOriginAs => {
            "somebody else originated it; traffic that followed it would make a detour through this node"
        }
        Reason::OwnAsInPath => {
            "the leaf's own AS is in its path, so the node hands back what a leaf gave it; the leaves drop it, and no \
             traffic takes this way"
        }
        Reason::AsSet => {
            "there is an AS_SET in its path, so its origin cannot be told; leaves that follow RFC 9774 drop it"
        }
        Reason::NextHopNotPeer => "its next hop is not the peer; traffic would go to a third party",
        Reason::Limit => "its peer is above the prefix limit; nothing is known about what lies behind it",
    }
}

fn duplicate(kind: Kind) -> &'static str {
    match kind {
        Kind::DuplicateNodeSubnet => {
            "the fabric spreads that subnet's traffic over all of them, and what arrives at the wrong node is lost"
        }
        Kind::DuplicatePodHost => {
            "the fabric spreads the pod's traffic over all of them, for longer than a migration takes; what arrives at \
             the wrong node is lost"
        }
        Kind::DuplicateServiceHost => {
            "the fabric spreads the service's traffic over all of them, although one alone is to serve it"
        }
        _ => {
            "the fabric spreads the block's traffic over all of them, and pods lose what arrives at the wrong node"
        }
    }
}

/// The first fact says how much there is of how much.
fn capacity(what: Capacity, fact: Option<&String>) -> String {
    let fact = |unknown: &str| fact.map_or_else(|| unknown.to_owned(), Clone::clone);
    match what {
        Capacity::Lpm => format!(
            "{}: a leaf whose table is full installs no further prefix, and traffic to those that are missing \
             follows a wider route or is dropped",
            fact("the nodes announce most of the prefixes that a leaf's table can hold")
        ),
        Capacity::LpmExceeded => format!(
            "{}: leaves that hold all of them install no further prefix, and traffic to those that are missing \
             follows a wider route or is dropped",
            fact("the nodes announce more prefixes than a leaf's table can hold")
        ),
        Capacity::Ecmp => format!(
            "{}: leaves install that many and no more, without a word, so that the nodes beyond get none of the \
             traffic from outside",
            fact("a service is announced by more nodes than leaves spread traffic over")
        ),
    }
}

fn trouble(kind: Kind) -> &'static str {
    match kind {
        Kind::PeerFlapping => {
            "loses its session again and again: each time its routes may go, and traffic to its pods with them"
        }
        Kind::StaleRoutes => {
            "did not come back for its routes: they are kept as they were, and if the node is dead their traffic is lost"
        }
        Kind::MalformedUpdates => {
            "sends UPDATEs with errors: their routes count as withdrawn or lose attributes (RFC 7606)"
        }
        _ => {
            "has no session: if the other leaves see the same, its pods and services cannot be reached; if not, \
             it is this leaf that it cannot reach"
        }
    }
}

/// What was said when it was muted.
fn because(cause: &Cause) -> Option<String> {
    match &cause.muted {
        Some(Muted::Absorbed(_)) => None,
        Some(Muted::Maintenance(reason)) => Some(reason.clone()),
        None => cause.acknowledged.clone(),
    }
}

/// The clusters that a cause is about.
fn clusters(cause: &Cause) -> String {
    let own = std::iter::once(&cause.key.scope.cluster).filter(|own| !own.is_empty());
    let names: BTreeSet<_> = own.chain(cause.witnesses.values().map(|witness| &witness.cluster)).collect();
    names.into_iter().map(|name| &**name).collect::<Vec<_>>().join(", ")
}

/// The nodes that a cause is about.
fn who(cause: &Cause) -> String {
    let mut names: BTreeSet<_> =
        cause.witnesses.iter().map(|(peer, witness)| name(witness.node.as_deref(), peer)).collect();
    if names.len() > 1 {
        let several = same(cause.witnesses.values().map(|witness| &witness.cluster)).is_none();
        // Two sessions of one node are one node.
        names = cause
            .witnesses
            .iter()
            .map(|(peer, witness)| {
                let node = witness.node.as_ref().map_or_else(|| peer.to_string(), ToString::to_string);
                // Nodes of different clusters may have one name.
                if several { format!("{node} of {}", witness.cluster) } else { node }
            })
            .collect();
    }
    let nobody = || cause.key.peer().map_or_else(|| "somebody".to_owned(), ToString::to_string);
    self::names(names).unwrap_or_else(nobody)
}

/// Some of these names, and how many more there are; none, if there are none.
fn names(names: BTreeSet<String>) -> Option<String> {
    let total = names.len();
    let shown: Vec<_> = names.into_iter().take(MAX_NAMES).collect();
    match total {
        0 => None,
        1 => Some(shown.concat()),
        total if total > MAX_NAMES => Some(format!("{} and {} more", shown.join(", "), total - MAX_NAMES)),
        _ => Some(shown.join(" and ")),
    }
}

/// A node that nobody named has the name of its address, and that once is enough.
fn name(node: Option<&str>, peer: &PeerId) -> String {
    let named = node.filter(|node| *node != peer.address.to_string());
    named.map_or_else(|| peer.to_string(), |node| format!("{node} ({peer})"))
}

/// What all are, if they are all the same.
fn same<T: PartialEq>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.all(|item| item == first).then_some(first)
}
