//! What happens to a site in its life, and what an operator should be told of it: one finding for one cause.

use std::ops::Range;

use ipnet::IpNet;
use thirdleaf::lab::node::Route;

use super::site::{List, block};
use super::{Ases, JOINING, NODES, PER_RACK};

/// Something that happens to a site, from a whole one to a whole one.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) ases: Ases,
    /// From the start, of the site as well.
    pub(super) installs: bool,
    /// What an operator should be told: kind, and how often.
    pub(super) told: &'static [(&'static str, usize)],
    pub(super) acts: Vec<Act>,
}

pub(super) enum Act {
    Do(Deed),
    /// The daemon must come to see this.
    See(Sight),
    /// All that is to be told so far is told, and nothing else will be.
    Settle,
    /// The daemon's own restart, on days that have them, and what it must come to see again.
    Restart(Sight),
}

pub(super) enum Deed {
    StartDaemon,
    /// Another allow-list, and a reload.
    Allow(List),
    Maintain(&'static str),
    /// An operator says that this node will not come back.
    Forget(usize),
    Join(Range<usize>),
    /// Their `BGPPeer`s are deleted.
    Leave(Range<usize>),
    LosePower(Range<usize>),
    Cut(Range<usize>),
    Mend(Range<usize>),
    Stop(Range<usize>),
    Boot(Range<usize>),
    /// What each announces besides, by its number.
    Announce(Range<usize>, fn(usize) -> Vec<Route>),
    Withdraw(Range<usize>, fn(usize) -> Vec<Route>),
    /// Every node passes on what others have, or no longer.
    Mesh(bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    /// So many sessions, exactly.
    Up(usize),
    /// So many known peers, exactly.
    Known(usize),
    /// So many routes more than the nodes have of their own, at least.
    Besides(u64),
    /// So many rejected routes, at least.
    Rejected(u64),
    /// Findings that another explains: so many, at least.
    Absorbed(usize),
    /// Findings that nobody is told of because somebody works there: so many, at least.
    InMaintenance(usize),
    /// Nothing wrong any more.
    NoFinding,
}

const ALL: Range<usize> = 0..NODES;

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = vec![install(), rack_without_power(), uplink_cut()];
    scenarios.extend([scale_out_and_in(), node_that_dies(), new_pool()]);
    scenarios.extend([leak_of_one_prefix(), leak_of_distinct_prefixes(), leak_of_many_prefixes()]);
    // The window of the upgrade does not end before the day does.
    scenarios.extend([mesh(Ases::OnePerNode), upgrade(), mesh(Ases::OnePerCluster)]);
    scenarios
}

/// One that starts with a whole site.
fn on_a_whole_site(name: &'static str, told: &'static [(&'static str, usize)], acts: Vec<Act>) -> Scenario {
    Scenario { name, ases: Ases::OnePerNode, installs: false, told, acts }
}

fn install() -> Scenario {
    Scenario {
        installs: true,
        ..on_a_whole_site(
            "install with an incomplete allow-list",
            &[("rogue_route", 1)],
            vec![
                Act::Do(Deed::Allow(List::Incomplete)),
                Act::Do(Deed::StartDaemon),
                Act::Do(Deed::Join(ALL)),
                Act::See(Sight::Up(NODES)),
                Act::See(Sight::Rejected(NODES as u64)),
                Act::Settle,
                Act::Restart(Sight::Rejected(NODES as u64)),
                Act::Do(Deed::Allow(List::Complete)),
            ],
        )
    }
}

fn rack_without_power() -> Scenario {
    let rack = PER_RACK..2 * PER_RACK;
    on_a_whole_site(
        "rack power loss and return",
        &[("rack_down", 1)],
        vec![
            Act::Do(Deed::LosePower(rack.clone())),
            Act::See(Sight::Up(NODES - PER_RACK)),
            Act::Settle,
            Act::See(Sight::Absorbed(PER_RACK)),
            Act::Restart(Sight::Up(NODES - PER_RACK)),
            Act::Do(Deed::Boot(rack)),
        ],
    )
}

fn uplink_cut() -> Scenario {
    on_a_whole_site(
        "our own uplink cut",
        &[("observer_isolated", 1)],
        vec![
            Act::Do(Deed::Cut(ALL)),
            Act::See(Sight::Up(0)),
            Act::Settle,
            Act::See(Sight::Absorbed(NODES)),
            Act::Restart(Sight::Up(0)),
            Act::Do(Deed::Mend(ALL)),
        ],
    )
}

fn scale_out_and_in() -> Scenario {
    let joining = NODES..NODES + JOINING;
    on_a_whole_site(
        "scale-out and scale-in",
        &[],
        vec![
            Act::Do(Deed::Join(joining.clone())),
            Act::See(Sight::Up(NODES + JOINING)),
            Act::Settle,
            Act::Restart(Sight::Up(NODES + JOINING)),
            Act::Do(Deed::Leave(joining)),
            Act::See(Sight::Known(NODES)),
            Act::Settle,
        ],
    )
}

fn node_that_dies() -> Scenario {
    let node = NODES + JOINING;
    on_a_whole_site(
        "a node gone for good, in silence",
        &[("peer_down", 1)],
        vec![
            Act::Do(Deed::Join(node..node + 1)),
            Act::See(Sight::Up(NODES + 1)),
            Act::Do(Deed::LosePower(node..node + 1)),
            Act::See(Sight::Up(NODES)),
            Act::Settle,
            Act::Restart(Sight::Up(NODES)),
            Act::See(Sight::Known(NODES + 1)),
            Act::Do(Deed::Forget(node)),
            Act::See(Sight::Known(NODES)),
        ],
    )
}

fn new_pool() -> Scenario {
    on_a_whole_site(
        "a new IP pool",
        &[("rogue_route", 1)],
        vec![
            Act::Do(Deed::Announce(ALL, second_pool)),
            Act::See(Sight::Rejected(NODES as u64)),
            Act::Settle,
            Act::Restart(Sight::Rejected(NODES as u64)),
            Act::Do(Deed::Allow(List::TwoPools)),
            Act::See(Sight::Besides(NODES as u64)),
            Act::See(Sight::NoFinding),
            Act::Do(Deed::Withdraw(ALL, second_pool)),
        ],
    )
}

fn leak(name: &'static str, leaked: fn(usize) -> Vec<Route>) -> Scenario {
    let routes: usize = ALL.map(|node| leaked(node).len()).sum();
    on_a_whole_site(
        name,
        &[("rogue_route", 1)],
        vec![
            Act::Do(Deed::Announce(ALL, leaked)),
            Act::See(Sight::Rejected(routes as u64)),
            Act::Settle,
            Act::Restart(Sight::Rejected(routes as u64)),
            Act::Do(Deed::Withdraw(ALL, leaked)),
        ],
    )
}

fn leak_of_one_prefix() -> Scenario {
    leak("a leak by one BGPFilter: one prefix", |_| leaked(1, 0))
}

fn leak_of_distinct_prefixes() -> Scenario {
    leak("a leak by one BGPFilter: one prefix a node", |node| leaked(1, node))
}

fn leak_of_many_prefixes() -> Scenario {
    leak("a leak by one BGPFilter: 40 prefixes a node", |node| leaked(40, node))
}

fn mesh(ases: Ases) -> Scenario {
    let (name, sight) = match ases {
        Ases::OnePerNode => {
            ("mesh left on, an AS for each node", Sight::Rejected((NODES * (NODES - 1)) as u64))
        }
        Ases::OnePerCluster => ("mesh left on, iBGP", Sight::Besides((NODES * (NODES - 1)) as u64)),
    };
    Scenario {
        ases,
        ..on_a_whole_site(
            name,
            &[("mesh_left_on", 1)],
            vec![
                Act::Do(Deed::Mesh(true)),
                Act::See(sight),
                Act::Settle,
                Act::Restart(sight),
                Act::Do(Deed::Mesh(false)),
            ],
        )
    }
}

/// One node in each of four racks at a time; the second rack had its share of trouble.
fn upgrade() -> Scenario {
    let mut acts = vec![Act::Do(Deed::Maintain("upgrade of the nodes' system"))];
    for wave in 0..3 {
        let nodes = [0, 2, 3, 4].map(|rack| rack * PER_RACK + wave..rack * PER_RACK + wave + 1);
        acts.extend(nodes.iter().map(|node| Act::Do(Deed::Stop(node.clone()))));
        let without = Sight::Up(NODES - nodes.len());
        acts.extend([Act::See(without), Act::See(Sight::InMaintenance(nodes.len())), Act::Settle]);
        if wave == 1 {
            acts.push(Act::Restart(without));
        }
        acts.extend(nodes.map(|node| Act::Do(Deed::Boot(node))));
        acts.push(Act::See(Sight::Up(NODES)));
    }
    on_a_whole_site("rolling OS upgrade in a maintenance window", &[], acts)
}

fn second_pool(node: usize) -> Vec<Route> {
    vec![Route::fixed(block(245, node))]
}

/// So many routes of the site's core that a node should not pass on; those of node 0 are one's for all.
fn leaked(count: u8, node: usize) -> Vec<Route> {
    let third = u8::try_from(node).unwrap();
    let prefix = |fourth: u8| IpNet::new([172, 20, third, fourth * 4].into(), 30).unwrap();
    (0..count).map(|number| Route::learned(prefix(number), &[64496])).collect()
}
