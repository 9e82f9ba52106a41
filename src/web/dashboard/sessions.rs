//! The session matrix: nodes by leaf, a rack at a time, worst first.
//!
//! A rack is one line with a cell for each session; what is well is not told at length. Its table is fetched when
//! it is opened, so that thousands of peers weigh no more than their cells.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::Stage;
use super::query::Query;
use super::words::{ago, count, counted, link, name as called, natural, or_dash, text};
use crate::observer::{PeerSnapshot, Snapshot};
use crate::time::Timestamp;
use crate::web::problem::Problem;

/// Racks on a page.
const RACKS: usize = 40;
/// Cells on a page: above that, racks say in numbers alone how they do.
const CELLS: usize = 6_000;
/// Nodes that open racks show on the page itself, together and each.
const OPEN: usize = 24;
const EACH: usize = 8;
/// Rows of a table.
const ROWS: usize = 100;

/// How a session does, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Down,
    Rejecting,
    Stale,
    Maintenance,
    Up,
}

impl Health {
    fn of(peer: &PeerSnapshot) -> Self {
        match (peer.up, &peer.maintenance) {
            (false, Some(_)) => Self::Maintenance,
            (false, None) => Self::Down,
            _ if rejected(peer) > 0 => Self::Rejecting,
            _ if stale(peer) > 0 => Self::Stale,
            _ => Self::Up,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Rejecting => "rejected",
            Self::Stale => "stale",
            Self::Maintenance => "maintenance",
            Self::Up => "up",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Down => "✕",
            Self::Rejecting => "!",
            Self::Stale => "~",
            Self::Maintenance => "m",
            Self::Up => "■",
        }
    }

    const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Rejecting, Self::Stale, Self::Maintenance];
}

/// The sessions of a rack, by node.
#[derive(Default)]
struct Rack<'a> {
    cluster: &'a str,
    name: &'a str,
    leaves: BTreeSet<&'a str>,
    /// In their natural order.
    nodes: BTreeMap<(String, String), Vec<&'a PeerSnapshot>>,
    known: usize,
    up: usize,
    accepted: u64,
    rejected: u64,
    stale: u64,
    worst: BTreeMap<Health, usize>,
}

impl<'a> Rack<'a> {
    fn take(&mut self, peer: &'a PeerSnapshot) {
        (self.cluster, self.name) = (&peer.cluster, &peer.rack);
        self.leaves.insert(&peer.id.leaf);
        self.known += 1;
        self.up += usize::from(peer.up);
        self.accepted += accepted(peer);
        self.rejected += rejected(peer);
        self.stale += stale(peer);
        *self.worst.entry(Health::of(peer)).or_default() += 1;
        let name = node(peer);
        self.nodes.entry((natural(&name), name)).or_default().push(peer);
    }

    fn count(&self, health: Health) -> usize {
        self.worst.get(&health).copied().unwrap_or_default()
    }

    fn is_well(&self) -> bool {
        self.count(Health::Up) + self.count(Health::Maintenance) == self.known
    }

    /// What is worst stands first.
    fn order(&self) -> impl Ord + use<'a> {
        let of = |health| Reverse(self.count(health));
        (of(Health::Down), of(Health::Rejecting), of(Health::Stale), self.cluster, natural(self.name))
    }

    /// Nodes, the worst first.
    fn rows(&self) -> Vec<(&String, &Vec<&'a PeerSnapshot>)> {
        let mut rows: Vec<_> = self.nodes.iter().map(|((_, name), peers)| (name, peers)).collect();
        // Those that are alike stay in their order.
        rows.sort_by_key(|(_, peers)| peers.iter().map(|peer| Health::of(peer)).min());
        rows
    }

    fn link(&self) -> String {
        link("rack", &[("cluster", self.cluster), ("rack", self.name)])
    }
}

// Of thousands of peers: no map by class is made for these.

fn accepted(peer: &PeerSnapshot) -> u64 {
    peer.accepted.iter().flatten().sum()
}

fn rejected(peer: &PeerSnapshot) -> u64 {
    peer.rejected.iter().flatten().sum::<u64>() + peer.not_kept
}

fn stale(peer: &PeerSnapshot) -> u64 {
    peer.stale.iter().sum()
}

/// The node's name, or what else there is.
fn node(peer: &PeerSnapshot) -> String {
    peer.node.as_deref().map_or_else(|| peer.id.address.to_string(), str::to_owned)
}

fn racks(snapshot: &Snapshot) -> Vec<Rack<'_>> {
    let mut racks: BTreeMap<(&str, &str), Rack<'_>> = BTreeMap::new();
    for peer in &snapshot.peers {
        racks.entry((&*peer.cluster, &*peer.rack)).or_default().take(peer);
    }
    let mut racks: Vec<_> = racks.into_values().collect();
    racks.sort_by_cached_key(Rack::order);
    racks
}

pub(super) async fn draw(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let snapshot = stage.shared.snapshot().await?;
    page(&snapshot, query, stage.now)
}

fn page(snapshot: &Snapshot, query: &Query, now: Timestamp) -> Result<Markup, Problem> {
    query.only(&["node", "state", "from"])?;
    let state = match query.get("state") {
        None => None,
        Some("up") => Some(true),
        Some("down") => Some(false),
        Some(other) => {
            let message = format!("parameter \"state\": {other:?} is not one of up, down");
            return Err(Problem::bad_request(message));
        }
    };
    let filtered = query.get("node").is_some() || state.is_some();
    Ok(html! {
        form method="get" action="sessions" role="search" {
            label { "Node" input type="search" name="node" value=[query.get("node")] maxlength="200" placeholder="name or address"; }
            label {
                "State"
                select name="state" {
                    option value="" { "all" }
                    @for name in ["up", "down"] { option selected[query.get("state") == Some(name)] { (name) } }
                }
            }
            button { "Show" }
            @if filtered { a href="sessions" { "all racks" } }
        }
        @if snapshot.peers.is_empty() {
            p .empty { "No peer is known. A peer is known once it is pinned in [[nodes]], or was Established." }
        } @else if filtered {
            (list(snapshot, query.get("node"), state, now))
        } @else {
            (overview(snapshot, query, now)?)
        }
    })
}

/// What a page has room for.
struct Room {
    cells: usize,
    rows: usize,
}

impl Room {
    /// Takes room for all of it, or for nothing.
    fn take(of: &mut usize, wanted: usize) -> bool {
        let left = of.checked_sub(wanted);
        *of = left.unwrap_or(*of);
        left.is_some()
    }
}

fn overview(snapshot: &Snapshot, query: &Query, now: Timestamp) -> Result<Markup, Problem> {
    let from = super::offset(query)?;
    let all = racks(snapshot);
    let mut room = Room { cells: CELLS, rows: OPEN };
    let clusters: BTreeSet<_> = all.iter().map(|rack| rack.cluster).collect();
    let is_small = snapshot.peers.len() <= OPEN;
    let shown = all.iter().skip(from).take(RACKS).map(|rack| {
        let rows = if is_small { rack.nodes.len() } else { rack.nodes.len().min(EACH) };
        let is_open = (is_small || !rack.is_well()) && Room::take(&mut room.rows, rows);
        let has_cells = Room::take(&mut room.cells, rack.known);
        let line = line(rack, has_cells, clusters.len() > 1);
        entry(rack, &line, is_open.then_some(rows), now)
    });
    let shown: Vec<_> = shown.collect();
    Ok(html! {
        p .legend {
            @for health in Health::ALL {
                span { i data-session=(health.name()) aria-hidden="true" { (health.sign()) } " " (health.name()) }
            }
        }
        @for entry in shown { (entry) }
        (super::pages(query, "sessions", from, RACKS, all.len(), "rack"))
    })
}

/// A rack that opens; with its first `rows`, if it is open already.
fn entry(rack: &Rack<'_>, line: &Markup, rows: Option<usize>, now: Timestamp) -> Markup {
    let nodes = counted(rack.nodes.len(), "node");
    html! {
        details .rack #{ "rack-" (rack.cluster) "-" (rack.name) } data-rack=(rack.name) open[rows.is_some()] {
            summary { (line) }
            @if let Some(rows) = rows {
                (matrix(rack, 0, rows, now))
                @if rows < rack.nodes.len() {
                    p .more { a href=(rack.link()) { "all " (nodes) " of " (text(rack.name)) } }
                }
            } @else {
                div data-src={ "fragment/" (rack.link()) } { a href=(rack.link()) { (nodes) " of " (text(rack.name)) } }
            }
        }
    }
}

/// A rack in a line.
fn line(rack: &Rack<'_>, strip: bool, several: bool) -> Markup {
    html! {
        span .title { (called(rack.name)) @if several { " " small { (called(rack.cluster)) } } }
        @if strip { (cells(rack)) } @else { span .cells {} }
        span .number { b { (count(rack.up)) "/" (count(rack.known)) } " established" }
        span .number { b { (count(rack.accepted)) } " accepted" }
        span .number data-state=[(rack.rejected > 0).then_some("critical")] { b { (count(rack.rejected)) } " rejected" }
        span .number data-state=[(rack.stale > 0).then_some("warning")] { b { (count(rack.stale)) } " stale" }
    }
}

/// A sign for each session, by node.
fn cells(rack: &Rack<'_>) -> Markup {
    let told = Health::ALL.into_iter().filter(|health| rack.count(*health) > 0);
    let words: Vec<_> = told.map(|health| format!("{} {}", rack.count(health), health.name())).collect();
    let sessions: Vec<_> = rack.nodes.values().flatten().map(|peer| Health::of(peer)).collect();
    html! {
        span .cells role="img" aria-label=(words.join(", ")) {
            @for run in sessions.chunk_by(|a, b| a == b) {
                @let signs = run.iter().map(|health| health.sign()).collect::<String>();
                @match run.first() {
                    Some(Health::Up) | None => (signs),
                    Some(other) => i data-session=(other.name()) { (signs) },
                }
            }
        }
    }
}

/// Nodes by leaf.
fn matrix(rack: &Rack<'_>, from: usize, rows: usize, now: Timestamp) -> Markup {
    html! {
        div .scroll {
            table .matrix {
                caption .hidden { "Sessions of rack " (text(rack.name)) ", nodes by leaf, worst first" }
                thead { tr {
                    th scope="col" { "Node" }
                    @for leaf in &rack.leaves { th scope="col" { "Leaf " (called(leaf)) } }
                    th .number scope="col" { "AS" }
                    th .number scope="col" { "Accepted" }
                    th .number scope="col" { "Rejected" }
                    th .number scope="col" { "Stale" }
                } }
                tbody {
                    @for (name, peers) in rack.rows().into_iter().skip(from).take(rows) {
                        @let sum = |of: fn(&PeerSnapshot) -> u64| peers.iter().map(|peer| of(peer)).sum::<u64>();
                        tr data-key=(name) {
                            th scope="row" { a href=(link("sessions", &[("node", name)])) { (called(name)) } }
                            @for leaf in &rack.leaves { (cell(peers, leaf, now)) }
                            td .number { (or_dash(peers.iter().find_map(|peer| peer.peer_as))) }
                            td .number { (count(sum(accepted))) }
                            (counter(sum(rejected), "rejected", name))
                            (counter(sum(stale), "stale", name))
                        }
                    }
                }
            }
        }
    }
}

/// The sessions of a node with a leaf.
fn cell(peers: &[&PeerSnapshot], leaf: &str, now: Timestamp) -> Markup {
    let of: Vec<_> = peers.iter().filter(|peer| *peer.id.leaf == *leaf).collect();
    let worst = of.iter().map(|peer| Health::of(peer)).min();
    html! {
        td data-session=[worst.map(Health::name)] {
            @if of.is_empty() { span .none { "-" } }
            @for peer in of { (session(peer, now)) }
        }
    }
}

/// The state of a session, and since when.
fn session(peer: &PeerSnapshot, now: Timestamp) -> Markup {
    let health = Health::of(peer);
    html! {
        span .session {
            i data-session=(health.name()) aria-hidden="true" { (health.sign()) } " "
            @if peer.up { "up " } @else { (peer.state().name()) " " }
            @match peer.since { Some(since) => (ago(since, now)), None => "never" }
            @if health == Health::Maintenance { " maintenance" }
        }
    }
}

fn counter(number: u64, state: &str, node: &str) -> Markup {
    html! {
        td .number data-state=[(number > 0).then_some(if state == "stale" { "warning" } else { "critical" })] {
            @if number == 0 { "0" } @else {
                a href=(link("routes", &[("node", node), ("state", state)])) { (count(number)) }
            }
        }
    }
}

/// Peers of a node, or in a state, with what there is to know of them.
fn list(snapshot: &Snapshot, wanted: Option<&str>, up: Option<bool>, now: Timestamp) -> Markup {
    let is_called =
        |peer: &&PeerSnapshot, wanted: &str| node(peer) == wanted || peer.id.address.to_string() == wanted;
    let is_exact = wanted.is_some_and(|wanted| snapshot.peers.iter().any(|peer| is_called(&peer, wanted)));
    let found = snapshot.peers.iter().filter(|peer| {
        up.is_none_or(|up| peer.up == up)
            && wanted
                .is_none_or(|wanted| is_called(peer, wanted) || (!is_exact && node(peer).contains(wanted)))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_cached_key(|peer| (Health::of(peer), natural(&node(peer))));
    let more = found.len().saturating_sub(ROWS);
    html! {
        @if found.is_empty() { p .empty { "No peer is like that." } } @else {
            div .scroll { table .peers {
                caption .hidden { "Peers, worst first" }
                thead { tr {
                    th scope="col" { "Peer" }
                    th scope="col" { "Node" }
                    th scope="col" { "Rack" }
                    th scope="col" { "Leaf" }
                    th scope="col" { "State" }
                    th .number scope="col" { "AS" }
                    th .number scope="col" { "Hold time" }
                    th .number scope="col" { "Accepted" }
                    th .number scope="col" { "Rejected" }
                    th .number scope="col" { "Stale" }
                    th .number scope="col" { "Resets" }
                    th scope="col" { "Last error" }
                } }
                tbody { @for peer in found.into_iter().take(ROWS) {
                    @let name = node(peer);
                    tr data-key={ (peer.id.leaf) " " (peer.id.address) } {
                        th scope="row" { code { (peer.id.address) } }
                        td { (called(&name)) }
                        td { (called(&peer.rack)) }
                        td { (called(&peer.id.leaf)) }
                        td data-session=(Health::of(peer).name()) { (session(peer, now)) }
                        td .number { (or_dash(peer.peer_as)) }
                        td .number { @match peer.hold_time { Some(time) => { (time) " s" }, None => span .none { "-" } } }
                        td .number { a href=(link("routes", &[("node", &name)])) { (count(accepted(peer))) } }
                        (counter(rejected(peer), "rejected", &name))
                        (counter(stale(peer), "stale", &name))
                        td .number { (count(peer.resets())) }
                        td .prose { (or_dash(peer.last_error.as_deref().map(text))) }
                    }
                } }
            } }
            @if more > 0 { p .more { "and " (counted(more, "more peer")) } }
        }
    }
}

/// All nodes of one rack.
pub(super) async fn rack(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    let snapshot = stage.shared.snapshot().await?;
    query.only(&["cluster", "rack", "from"])?;
    let (cluster, name) = (query.need("cluster")?, query.need("rack")?);
    let from = super::offset(query)?;
    let all = racks(&snapshot);
    let rack = all.iter().find(|rack| rack.cluster == cluster && rack.name == name);
    let rack =
        rack.ok_or_else(|| Problem::not_found(format!("there is no rack {name:?} in cluster {cluster:?}")))?;
    Ok(html! {
        (matrix(rack, from, ROWS, stage.now))
        (super::pages(query, "rack", from, ROWS, rack.nodes.len(), "node"))
    })
}

#[cfg(test)]
mod tests;
