//! The story that the demo tells, as data.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::lab::fabric::{SERVICE_RANGE, default_route};
use crate::lab::node::Route;
use crate::policy::{Class, Reason};

/// A part of the story.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) title: &'static str,
    pub(super) acts: Vec<Act>,
}

/// A step of a scene.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A line for the reader.
    Say(&'static str),
    /// A node does something.
    Do(&'static str, Deed),
    /// thirdleaf must come to see this.
    See(Sight),
    /// This EEPG must come to have this member.
    Member(&'static str, IpNet),
    /// This EEPG must come to lack this member.
    NoMember(&'static str, IpNet),
    /// Somebody deletes this member of this EEPG behind our back.
    Tamper(&'static str, IpNet),
    /// What an operator types, without the program's name.
    Type(&'static str),
    /// An operator lets through what the plan holds back.
    Approve,
    /// This finding must open; what it means to traffic.
    Open(Expected, &'static str),
    /// This finding must resolve.
    Resolve(Expected),
}

/// What a node does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Announce(Route),
    Withdraw(IpNet),
    Serve(Ipv4Addr),
    Borrow(Ipv4Addr),
    Release(Ipv4Addr),
    Drain(Ipv4Addr),
    Crash,
    LosePower,
    Boot,
}

/// What thirdleaf must come to see.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// So many sessions, and so many routes accepted.
    Fabric { sessions: usize, accepted: u64 },
    /// This route of this node, accepted and not stale, with this class.
    Accepted(&'static str, IpNet, Class),
    /// This route of this node, stale.
    Stale(&'static str, IpNet),
    /// This route of this node no more.
    Gone(&'static str, IpNet),
    /// A plan of so many deletes and nothing else, all held back by this brake.
    Held(&'static str, usize),
}

/// A finding that the story causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) kind: &'static str,
    pub(super) node: Option<&'static str>,
    pub(super) prefix: Option<IpNet>,
    pub(super) reason: Option<Reason>,
}

impl Deed {
    /// What it looks like.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Announce(route) if route.attributes.path.is_empty() => {
                format!("announces {}", route.prefix)
            }
            Self::Announce(route) => {
                format!("announces {} behind AS {:?}", route.prefix, route.attributes.path)
            }
            Self::Withdraw(prefix) => format!("withdraws {prefix}"),
            Self::Serve(service) => format!("runs the service {service}"),
            Self::Borrow(pod) => format!("starts the pod {pod}"),
            Self::Release(pod) => format!("ends the pod {pod}"),
            Self::Drain(service) => format!("is drained, and no longer runs the service {service}"),
            Self::Crash => "loses its BGP daemon".to_owned(),
            Self::LosePower => "loses power".to_owned(),
            Self::Boot => "starts its BGP daemon".to_owned(),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if let Some(prefix) = self.prefix {
            write!(f, " {prefix}")?;
        }
        match self.node {
            Some(node) => write!(f, " of {node}"),
            None => Ok(()),
        }
    }
}

/// Findings open sooner here than by default, so that the story is short: kind, seconds.
pub(super) const OPEN_AFTER: [(&str, u64); 5] = [
    ("rogue_route", 1),
    ("duplicate_pod_block", 1),
    ("missing_service_cidr", 1),
    ("stale_routes", 1),
    ("rack_down", 1),
];

/// The story.
pub(super) fn scenes() -> Vec<Scene> {
    vec![
        come_up(),
        two_clusters(),
        borrow(),
        leak_default(),
        leak_path(),
        two_owners(),
        restart(),
        drain(),
        follow(),
        go_dark(),
        tidy_up(),
    ]
}

/// The service that runs on node-2 and node-5 alone (`externalTrafficPolicy: Local`).
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 10, 20);
/// A pod on node-2 with an address of node-1's block.
const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 7);

/// A pod address of node-3's block that pods of node-1 and then of node-4 have.
const MOVING: Ipv4Addr = Ipv4Addr::new(10, 244, 3, 9);
/// A pod of node-2 that stays.
const STAYING: Ipv4Addr = Ipv4Addr::new(10, 244, 3, 10);
/// A service of web that runs for a moment.
const BRIEF: Ipv4Addr = Ipv4Addr::new(10, 96, 10, 30);
/// Services of web that run on rack2 alone.
const OF_RACK2: [(&str, Ipv4Addr); 3] = [
    ("node-4", Ipv4Addr::new(10, 96, 10, 41)),
    ("node-5", Ipv4Addr::new(10, 96, 10, 42)),
    ("node-6", Ipv4Addr::new(10, 96, 10, 43)),
];

fn come_up() -> Scene {
    Scene {
        title: "The nodes come up",
        acts: vec![
            Act::Say(
                "Eight nodes dial the third leaf of their rack, as they dial the other two. Each announces",
            ),
            Act::Say("its block of pod addresses (/26) and the range of all services (/12)."),
            Act::See(Sight::Fabric { sessions: 8, accepted: 16 }),
            Act::Do("node-2", Deed::Serve(SERVICE)),
            Act::Do("node-5", Deed::Serve(SERVICE)),
            Act::See(Sight::Accepted("node-2", host(SERVICE), Class::ServiceHost)),
            Act::See(Sight::Accepted("node-5", host(SERVICE), Class::ServiceHost)),
            Act::Say("A service that runs on two nodes only is announced by these two, as a /32."),
            Act::Say(
                "Traffic: leaves balance a /12 over all nodes, and the /32 over the two. Nothing is wrong.",
            ),
        ],
    }
}

fn two_clusters() -> Scene {
    Scene {
        title: "Two clusters have the same addresses",
        acts: vec![
            Act::Say(
                "Cluster prod (node-1 to node-6) and cluster test (node-7, node-8) were set up alike: the",
            ),
            Act::Say("same addresses for pods, the same for services. Two nodes announce one block:"),
            Act::See(Sight::Accepted("node-1", pods(1), Class::PodBlock)),
            Act::See(Sight::Accepted("node-7", pods(1), Class::PodBlock)),
            Act::Say(
                "That is no duplicate: the racks of test are in a VRF of their own, and a leaf has a table for",
            ),
            Act::Say(
                "each. Traffic: stays in the VRF that it came in. Nothing is wrong; in one VRF, it would be.",
            ),
        ],
    }
}

fn borrow() -> Scene {
    Scene {
        title: "A pod host is borrowed",
        acts: vec![
            Act::Say("node-2 has no free address left and takes one of node-1's block for a new pod."),
            Act::Do("node-2", Deed::Borrow(POD)),
            Act::See(Sight::Accepted("node-2", host(POD), Class::PodHost)),
            Act::Say("Traffic: the /32 wins over node-1's /26; the pod is reached. Nothing is wrong."),
            Act::Do("node-2", Deed::Release(POD)),
            Act::See(Sight::Gone("node-2", host(POD))),
        ],
    }
}

fn leak_default() -> Scene {
    let leak = rogue("node-3", default_route(), Reason::DefaultRoute);
    Scene {
        title: "A node leaks a default route",
        acts: vec![
            Act::Say("A careless BGPFilter on node-3 exports what it should not."),
            Act::Do("node-3", Deed::Announce(Route::kernel(default_route()))),
            Act::Open(
                leak.clone(),
                "a leaf without an import filter sends all that it has no route for into node-3",
            ),
            Act::Do("node-3", Deed::Withdraw(default_route())),
            Act::Resolve(leak),
        ],
    }
}

fn leak_path() -> Scene {
    let leak = rogue("node-3", pods(2), Reason::AsPathTooLong);
    Scene {
        title: "A node announces an AS path that is too long",
        acts: vec![
            Act::Say("node-3 peers with node-2 as well (the mesh was left on) and passes node-2's block on."),
            Act::Do("node-3", Deed::Announce(Route::learned(pods(2), &[65103]))),
            Act::Open(
                leak.clone(),
                "the leaf counts three ASes and refuses it; one without that limit would go to node-2 through node-3",
            ),
            Act::Do("node-3", Deed::Withdraw(pods(2))),
            Act::Resolve(leak),
        ],
    }
}

fn two_owners() -> Scene {
    let twice = Expected { kind: "duplicate_pod_block", node: None, prefix: Some(pods(5)), reason: None };
    Scene {
        title: "Two nodes announce one block",
        acts: vec![
            Act::Say("After a repair of the datastore node-1 believes that node-5's block is its own."),
            Act::Do("node-1", Deed::Announce(Route::fixed(pods(5)))),
            Act::Open(
                twice.clone(),
                "leaves balance over both nodes: half of the connections reach the wrong one and die",
            ),
            Act::Do("node-1", Deed::Withdraw(pods(5))),
            Act::Resolve(twice),
        ],
    }
}

fn restart() -> Scene {
    let stale = Expected { kind: "stale_routes", node: Some("node-6"), prefix: None, reason: None };
    Scene {
        title: "A node restarts gracefully",
        acts: vec![
            Act::Say(
                "calico-node on node-6 is killed: its connection closes without a word. Pods still run.",
            ),
            Act::Do("node-6", Deed::Crash),
            Act::See(Sight::Stale("node-6", pods(6))),
            Act::Open(
                stale.clone(),
                "leaves that help keep forwarding to node-6, for 120 s at most; what moves away meanwhile is not followed",
            ),
            Act::Do("node-6", Deed::Boot),
            Act::See(Sight::Accepted("node-6", pods(6), Class::PodBlock)),
            Act::Resolve(stale),
            Act::Say(
                "It came back with its restart bit set and announced the same again: no route was lost.",
            ),
        ],
    }
}

fn drain() -> Scene {
    let range = IpNet::V4(SERVICE_RANGE);
    let missing =
        Expected { kind: "missing_service_cidr", node: Some("node-2"), prefix: Some(range), reason: None };
    Scene {
        title: "A node is drained",
        acts: vec![
            Act::Say("The pods of node-2 leave; with the last ready one of the service goes its /32."),
            Act::Do("node-2", Deed::Drain(SERVICE)),
            Act::See(Sight::Gone("node-2", host(SERVICE))),
            Act::Say("Then it is excluded from load balancers by its label, and the service range goes too."),
            Act::Do("node-2", Deed::Withdraw(range)),
            Act::Open(
                missing.clone(),
                "leaves balance services over the other nodes; during a drain that is the wish, else it is capacity lost",
            ),
            Act::Say("Later it is uncordoned."),
            Act::Do("node-2", Deed::Announce(Route::fixed(range))),
            Act::Resolve(missing),
            Act::Do("node-2", Deed::Serve(SERVICE)),
            Act::See(Sight::Accepted("node-2", host(SERVICE), Class::ServiceHost)),
        ],
    }
}

fn follow() -> Scene {
    Scene {
        title: "Contracts follow the application",
        acts: vec![
            Act::Say(
                "Rules make what is announced members of external EPGs (EEPGs) of the APIC, tenant k8s, L3Out calico:",
            ),
            Act::Say(
                "services of 10.96.10.0/24 of web, the range of all others of services, pods of one EEPG a rack.",
            ),
            Act::Member("web", host(SERVICE)),
            Act::Member("services", IpNet::V4(SERVICE_RANGE)),
            Act::Do("node-1", Deed::Borrow(MOVING)),
            Act::Do("node-2", Deed::Borrow(STAYING)),
            Act::Member("pods-rack1", host(MOVING)),
            Act::Member("pods-rack1", host(STAYING)),
            Act::Say("Nobody had made pods-rack1: the rule says create, and which contracts it has."),
            Act::Type("eepg list"),
            Act::Say("The pod ends, and one on rack2 gets its address: the member moves, in one request."),
            Act::Do("node-1", Deed::Release(MOVING)),
            Act::Do("node-4", Deed::Borrow(MOVING)),
            Act::Member("pods-rack2", host(MOVING)),
            Act::NoMember("pods-rack1", host(MOVING)),
            Act::Do("node-1", Deed::Serve(BRIEF)),
            Act::Member("web", host(BRIEF)),
            Act::Do("node-1", Deed::Withdraw(host(BRIEF))),
            Act::NoMember("web", host(BRIEF)),
            Act::Say("What is withdrawn goes after safety.delete_after: 2 s here, 10 min by default."),
        ],
    }
}

fn go_dark() -> Scene {
    let each = |act: fn((&'static str, Ipv4Addr)) -> Act| OF_RACK2.into_iter().map(act);
    let rack = finding("rack_down");
    let hold = finding("hold_down");
    let mut acts = vec![Act::Say("Three services of web run on rack2 alone.")];
    acts.extend(each(|(node, service)| Act::Do(node, Deed::Serve(service))));
    acts.extend(each(|(_, service)| Act::Member("web", host(service))));
    acts.push(Act::Say("Then the power of rack2 fails. Nobody withdraws anything: all is silent."));
    acts.extend(each(|(node, _)| Act::Do(node, Deed::LosePower)));
    acts.extend([
        Act::Open(rack.clone(), "what runs on rack2 is not reached; services that run elsewhere, too, go on there"),
        Act::Open(hold.clone(), "contracts hold as before; if the rack is fine and only BGP is gone, nobody notices"),
        Act::See(Sight::Held("peer_loss", OF_RACK2.len() + 1)),
        Act::Type("eepg plan"),
        Act::Say("Without that brake, a cable could take the policy of a whole rack away. But you know better: the rack"),
        Act::Say("was sold. An approval lets through what this very plan holds, and nothing that joins it later."),
        Act::Approve,
    ]);
    acts.extend(each(|(_, service)| Act::NoMember("web", host(service))));
    acts.extend([
        Act::NoMember("pods-rack2", host(MOVING)),
        Act::Resolve(hold),
        Act::Say(
            "It was another rack. This one comes back, and its members at once: additions wait for nothing.",
        ),
    ]);
    acts.extend(each(|(node, _)| Act::Do(node, Deed::Boot)));
    acts.extend(each(|(_, service)| Act::Member("web", host(service))));
    acts.extend([Act::Member("pods-rack2", host(MOVING)), Act::Resolve(rack)]);
    Scene { title: "A rack goes dark", acts }
}

fn tidy_up() -> Scene {
    Scene {
        title: "Somebody tidies up in the APIC",
        acts: vec![
            Act::Say("An administrator finds a subnet in web that he did not make."),
            Act::Tamper("web", host(SERVICE)),
            Act::Say("Traffic: falls through to services, whose contracts are not those of web."),
            Act::Member("web", host(SERVICE)),
            Act::Say(
                "Everything is compared every 10 s here, every 5 min by default, or by `thirdleaf eepg apply --yes`,",
            ),
            Act::Say("and what is ours is repaired; what others made is left alone."),
            Act::Type("eepg show web"),
        ],
    }
}

/// One that no route shows.
fn finding(kind: &'static str) -> Expected {
    Expected { kind, node: None, prefix: None, reason: None }
}

fn rogue(node: &'static str, prefix: IpNet, reason: Reason) -> Expected {
    Expected { kind: "rogue_route", node: Some(node), prefix: Some(prefix), reason: Some(reason) }
}

/// The block of node `number`.
fn pods(number: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, number, 0), 26))
}

fn host(address: Ipv4Addr) -> IpNet {
    IpNet::V4(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Fabric;

    #[test]
    fn everything_that_opens_resolves_in_its_own_scene() {
        for scene in scenes() {
            let mut open = Vec::new();
            for act in scene.acts {
                match act {
                    Act::Open(expected, _) => open.push(expected),
                    Act::Resolve(expected) => open.retain(|other| *other != expected),
                    _ => {}
                }
            }
            assert!(open.is_empty(), "{}: {open:?}", scene.title);
        }
    }

    #[test]
    fn it_speaks_of_the_fabric_that_it_runs_on() {
        let fabric = Fabric::white_paper();
        for number in 1..=6 {
            let host = fabric.host(&format!("node-{number}")).unwrap();
            assert_eq!(IpNet::V4(host.block), pods(number));
        }
        let [one, other] = ["node-1", "node-7"].map(|name| fabric.host(name).unwrap());
        assert_eq!(one.block, other.block);
        assert_eq!([one, other].map(|host| fabric.racks[host.rack].cluster.as_str()), ["prod", "test"]);
        assert_eq!(fabric.host("node-2").unwrap().asn, 65103);
        for act in scenes().into_iter().flat_map(|scene| scene.acts) {
            if let Act::Do(node, _) = act {
                assert!(fabric.host(node).is_some(), "{node}");
            }
        }
    }
}
