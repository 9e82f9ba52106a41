//! What the core must know to go on: all of it, if it is not too much, written while the core is at rest.
//!
//! What follows from the rest (terms, judgements, what is owed) is found out again, so that a base is as
//! small as the routes are.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{LARGEST_BASE, MOST_IN_BASE, MOST_OF_ATTRIBUTES};
use crate::bgp::Family;
use crate::bgp::attribute::Set;
use crate::config::{self, Config, Environment};
use crate::observer::Settings;
use crate::observer::capacity::Fabric;
use crate::observer::core::{Clocks, Core};
use crate::observer::duplicates;
use crate::observer::findings::{Findings, Key};
use crate::observer::hosts::Twin;
use crate::observer::maintenance::Maintenance;
use crate::observer::peers::{Peer, Peers};
use crate::observer::refusals::Refusals;
use crate::observer::reports::Reports;
use crate::observer::timers::Expiries;
use crate::policy::{Class, Reason};
use crate::rib::PeerIndex;
use crate::time::Timestamp;

/// What a segment goes on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Base {
    /// Nothing: the core was made just then.
    New {
        /// The configuration, as a file that says the same.
        config: String,
        /// How patient it is.
        settings: Settings,
    },
    /// What the next frame holds.
    Kept,
    /// Too much was known.
    Omitted {
        /// Routes and findings.
        known: u64,
        /// Octets of attributes.
        attributes: usize,
    },
}

/// The core at rest. The kinds of its parts differ between writing, which borrows, and reading.
#[derive(Serialize, Deserialize)]
struct Kept<P, F, T, R, E, W> {
    config: String,
    settings: Settings,
    clocks: Clocks,
    peers: P,
    vacant: Vec<PeerIndex>,
    findings: F,
    duplicates: Vec<(duplicates::Place, Class)>,
    twins: T,
    racks_down: Vec<Key>,
    isolated: bool,
    meshes: Vec<Key>,
    maintenance: Maintenance,
    fabric: Fabric,
    refusals: R,
    expiries: E,
    reports: W,
    sets: Vec<Vec<u8>>,
    paths: Vec<Path>,
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "named as in RFC 7911")]
struct Path {
    peer: PeerIndex,
    prefix: IpNet,
    path_id: u32,
    /// Where in `sets`.
    set: u32,
    over_limit: bool,
    old: bool,
    since: Timestamp,
}

/// The frame of a core at rest; none if that is too much.
pub(super) fn kept(core: &Core, config: String) -> Option<Vec<u8>> {
    if known(core) > MOST_IN_BASE || core.rib.attribute_octets() > MOST_OF_ATTRIBUTES {
        return None;
    }
    let mut frame = Vec::new();
    put(core, config, &mut frame).ok()?;
    (frame.len() <= LARGEST_BASE).then_some(frame)
}

/// What is said instead.
pub(super) fn omitted(core: &Core) -> Base {
    Base::Omitted { known: known(core), attributes: core.rib.attribute_octets() }
}

fn known(core: &Core) -> u64 {
    let paths: u64 = Family::ALL.into_iter().map(|family| core.rib.counters(family).paths).sum();
    paths.saturating_add(core.findings.size())
}

fn put(core: &Core, config: String, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    let (slots, vacant) = core.peers.slots();
    let mut numbers: HashMap<_, u32, RandomState> = HashMap::default();
    let (mut sets, mut paths) = (Vec::new(), Vec::new());
    for (peer, _) in core.peers.iter() {
        for family in Family::ALL {
            let first = paths.len();
            for (_, prefix, path) in core.rib.paths_of(peer, family, None) {
                let set = *numbers.entry(path.attributes).or_insert_with(|| {
                    sets.push(core.rib.attributes(path.attributes).octets().to_vec());
                    u32::try_from(sets.len() - 1).unwrap_or(u32::MAX)
                });
                let over_limit = path.judgement.reasons().contains(Reason::Limit);
                let (path_id, old, since) = (path.path_id, path.old, path.since);
                paths.push(Path { peer, prefix, path_id, set, over_limit, old, since });
            }
            // They are walked from the last to the first; what is put in again is to be lost in the same order.
            paths.get_mut(first..).unwrap_or_default().reverse();
        }
    }
    let kept = Kept {
        config,
        settings: core.settings,
        clocks: core.clocks(),
        peers: slots,
        vacant: vacant.to_vec(),
        findings: &core.findings,
        duplicates: core.duplicates.found(),
        twins: &core.twins,
        racks_down: core.racks_down.iter().cloned().collect(),
        isolated: core.isolated,
        meshes: core.meshes.iter().cloned().collect(),
        maintenance: core.maintenance.clone(),
        fabric: core.fabric.clone(),
        refusals: &core.refusals,
        expiries: &core.expiries,
        reports: &core.reports,
        sets,
        paths,
    };
    super::frame::put(&kept, out)
}

/// The core that [`kept`] wrote, and its configuration; `None` if it makes no sense.
pub(super) fn read(frame: &[u8]) -> Option<(Core, Arc<Config>)> {
    let kept: Kept<Vec<Option<Peer>>, Findings, Vec<Twin>, Refusals, Expiries, Reports> =
        postcard::from_bytes(frame).ok()?;
    let config = Arc::new(configuration(&kept.config)?);
    let mut core = Core::new(Arc::clone(&config), kept.settings, kept.clocks.started);
    core.peers = Peers::of_slots(kept.peers, kept.vacant);
    core.findings = kept.findings;
    core.duplicates.set_found(kept.duplicates);
    core.twins = kept.twins;
    core.racks_down = kept.racks_down.into_iter().collect();
    core.isolated = kept.isolated;
    core.meshes = kept.meshes.into_iter().collect();
    core.maintenance = kept.maintenance;
    core.fabric = kept.fabric;
    (core.refusals, core.expiries, core.reports) = (kept.refusals, kept.expiries, kept.reports);
    for at in core.peers.indexes() {
        core.find_terms(at);
    }
    core.find_shared();
    put_paths(&mut core, &kept.paths, &kept.sets)?;
    for at in core.peers.indexes() {
        core.find_owed(at);
    }
    core.rest(kept.clocks);
    Some((core, config))
}

/// Puts all paths in, each in its place; none if one has no attributes.
fn put_paths(core: &mut Core, paths: &[Path], sets: &[Vec<u8>]) -> Option<()> {
    let set = |path: &Path| sets.get(usize::try_from(path.set).ok()?);
    for path in paths {
        put_path(core, path, Set::from_canonical(set(path)?));
    }
    let run = |path: &Path| (path.peer, Family::of(&path.prefix));
    let old: BTreeSet<_> = paths.iter().filter(|path| path.old).map(run).collect();
    for (peer, family) in &old {
        core.rib.outdate(*peer, *family);
    }
    // What was heard since is heard again, where it is.
    for path in paths.iter().filter(|path| !path.old && old.contains(&run(path))) {
        put_path(core, path, Set::from_canonical(set(path)?));
    }
    Some(())
}

fn put_path(core: &mut Core, path: &Path, set: Set<'_>) {
    let Some(terms) = core.peers.get(path.peer).and_then(|peer| peer.terms.clone()) else { return };
    let judgement = terms.judge(path.prefix, terms.path(set));
    let judgement = if path.over_limit { judgement.over_limit() } else { judgement };
    let attributes = core.rib.intern(set);
    core.rib.announce(path.peer, path.prefix, path.path_id, attributes, judgement, path.since);
    core.rib.release(attributes);
}

/// The configuration that a trace holds.
pub(super) fn configuration(text: &str) -> Option<Config> {
    config::parse(text, "trace".as_ref(), &Nothing).ok()
}

/// What a trace names is not looked for on the machine that replays it.
struct Nothing;

impl Environment for Nothing {
    fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn names(&self, _: &std::path::Path) -> std::io::Result<Vec<String>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        config::left_out(name)
    }
}
