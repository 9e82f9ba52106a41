//! What to do about a finding: where to look, which object of Calico's to change, which verb of ours helps.

use super::key::About;
use super::{Capacity, Key, Kind, refused};
use crate::policy::Reason;

/// What to do about what `key` identifies.
pub(super) fn of(key: &Key) -> &'static str {
    match &key.about {
        About::Route { reason, .. } => route(*reason),
        About::Limit { above: true, .. } => {
            "`thirdleaf routes --node NODE` shows what it announces. If all of it is rightful, raise limits.prefixes \
             of its [[neighbors]] entry, and the prefix policy of the real leaves, before they end its session"
        }
        About::Capacity(what) => capacity(*what),
        About::Refused { why, .. } => refused::advice(why),
        _ => kind(key.kind),
    }
}

const fn route(reason: Reason) -> &'static str {
    match reason {
        Reason::Transit => "nothing: policy.transit says that nodes may hand on what the fabric gave them",
        Reason::DefaultRoute => {
            "no node has to announce a default route: look for the rule with action Accept that lets it out \
             (`calicoctl get bgpfilter -o yaml`), and take it away"
        }
        Reason::Martian => {
            "look for an IPPool or a service range that lies in reserved addresses (`calicoctl get ippool -o yaml`, \
             `calicoctl get bgpconfiguration -o yaml`), and for a BGPFilter that lets the route out"
        }
        Reason::NotAllowed => {
            "is it a new IPPool or service range? Then `thirdleaf suggest` prints the [[policy.allow]] entry that it \
             lacks. If it is not, find the BGPFilter that lets it out (`calicoctl get bgpfilter -o yaml`)"
        }
        Reason::TooBroad => {
            "compare it with the blockSize of the IPPool (`calicoctl get ippool -o yaml`) or with the service ranges of \
             BGPConfiguration: add the length to `lengths` of its [[policy.allow]] entry if it is rightful, else find \
             the BGPFilter that lets it out"
        }
        Reason::TooSpecific => {
            "was the blockSize of the IPPool changed (`calicoctl get ippool -o yaml`)? Then add the length to `lengths` \
             of its [[policy.allow]] entry; if it was not, look for what else put that route into the node \
             (`birdcl show route`)"
        }
        Reason::NotOwnNodeSubnet => {
            "Calico announces no node subnet of its own accord: narrow the BGPFilter that lets it out to the subnet of \
             the node itself"
        }
        Reason::AsPathTooLong => {
            "`thirdleaf why PREFIX` shows the path. If the node hands on what it learned, let the first export rule of \
             the BGPFilter of its BGPPeers be `source: RemotePeers, action: Reject`, and see whether \
             nodeToNodeMeshEnabled of BGPConfiguration is still true; if its own AS is repeated, look for prependASPath"
        }
        Reason::AsPathEmpty => {
            "only a peer within one AS may send this: compare the AS numbers of the node and of its BGPPeer \
             (`calicoctl get bgppeer -o yaml`), and see what speaker the node runs"
        }
        Reason::FirstAsMismatch => {
            "`thirdleaf why PREFIX` shows the path: look for a BGPFilter with prependASPath that puts the AS of \
             another in front, and for a speaker on the node that is not Calico's"
        }
        Reason::UnexpectedOriginAs => {
            "if the node may announce this for the AS at the end of the path, add that to policy.origin_as; else it \
             hands on what it learned: reject routes with `source: RemotePeers` in the export rules of its BGPFilter"
        }
        Reason::OwnAsInPath => {
            "let the first export rule of the BGPFilter of this leaf's BGPPeer be `source: RemotePeers, action: Reject`, \
             as in deploy/kubernetes/calico.yaml: the node then hands back nothing"
        }
        Reason::AsSet => {
            "find the speaker that aggregates the routes of others, as the path shows (`thirdleaf why PREFIX`): Calico \
             does not. It has to aggregate without AS_SET (RFC 9774)"
        }
        Reason::NextHopNotPeer => {
            "look at nextHopMode and keepOriginalNextHop of its BGPPeer (`calicoctl get bgppeer -o yaml`): the next hop \
             is to be the node. If third parties are meant to be announced, set policy.next_hop = \"any\""
        }
        Reason::Limit => {
            "`thirdleaf routes --node NODE --accepted` shows what filled the limit: take away what is not wanted, or \
             raise limits.prefixes of its [[neighbors]] entry"
        }
    }
}

const fn capacity(what: Capacity) -> &'static str {
    match what {
        Capacity::Lpm => {
            "look for what could be fewer: pod hosts beside their block, blocks that nodes hold and do not use \
             (`calicoctl ipam check`), small blocks. If the leaves hold more than limits.lpm says, correct that"
        }
        Capacity::LpmExceeded => {
            "find out which leaves are full and what they lack, and withdraw what can be spared; then give the leaves \
             a forwarding scale profile with more prefixes, or the IPPools larger blocks. If they hold more than \
             limits.lpm says, correct that"
        }
        Capacity::Ecmp => {
            "have fewer nodes announce the service: externalTrafficPolicy Local with its endpoints on fewer nodes does. \
             If the leaves spread over more than limits.ecmp says, correct that"
        }
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::RogueRoute => {
            "`thirdleaf routes --node NODE --rejected` shows them. As a node's first export rule in its BGPFilter, \
             `source: RemotePeers, action: Reject` keeps it from handing on what it learned; a policy that is too \
             narrow is widened by what `thirdleaf suggest` prints"
        }
        Kind::DuplicatePodBlock => {
            "`calicoctl ipam check` tells whose block it is; on the other node see where the route comes from \
             (`birdcl show route all`). If both are passing on what they learned, look at their BGPFilter"
        }
        Kind::DuplicateNodeSubnet => {
            "compare the addresses and masks of both nodes (`calicoctl get node -o wide`). If several nodes stand in \
             one subnet and all are to announce it, set policy.uniqueness.node_subnet = \"any\""
        }
        Kind::DuplicatePodHost => {
            "see where the pod runs (`kubectl get pods -A -o wide`); on the other node look for the route that it left \
             behind (`ip route`, `birdcl show route`)"
        }
        Kind::DuplicateServiceHost => {
            "policy.uniqueness.service_host = \"one_node\" says that one node announces a service: find out which is to, \
             or take that line away if services are to be spread"
        }
        Kind::MissingServiceCidr => {
            "see whether the node has the label node.kubernetes.io/exclude-from-external-load-balancers, and whether \
             BGPConfiguration still has the range. If the node is not to announce it, name it in `except` of the \
             [[policy.allow]] entry"
        }
        Kind::MissingNodeSubnet => {
            "Calico announces a node subnet only if a BGPFilter lets it out: add that rule for this node, or set \
             expect = \"none\" in the [[policy.allow]] entry"
        }
        Kind::LeafDisagreement => {
            "`thirdleaf why PREFIX` shows which leaf heard what: compare the filters of the node's BGPPeers \
             (`calicoctl get bgppeer -o yaml`) and what it exports to each (`birdcl show protocols all`)"
        }
        Kind::PeerDown => {
            "on the node, `birdcl show protocols` says what it makes of this session. If somebody works on it, \
             `thirdleaf maintenance start NODE` keeps it quiet; if it is gone for good, `thirdleaf peers forget NODE`"
        }
        Kind::RackDown => {
            "look at the power of the rack, at its leaf switches and at their uplinks. If this was planned, \
             `thirdleaf maintenance start RACK` keeps it quiet"
        }
        Kind::PeerFlapping => {
            "`thirdleaf peers` shows why the last session ended, the log of calico-node what the node saw. Where hold \
             timers expire, look at the load of the node and at lost packets"
        }
        Kind::StaleRoutes => {
            "find out whether the node is alive. If it is, see why its calico-node does not come back \
             (`kubectl get pods -A -o wide`); if it is not, the real leaves may hold its routes as long as is done here"
        }
        Kind::PrefixLimit => {
            "`thirdleaf routes --node NODE` shows what it announces. If that is to grow, raise limits.prefixes of its \
             [[neighbors]] entry and the prefix policy of the real leaves in time"
        }
        Kind::MalformedUpdates => {
            "compare the version of the node's speaker with that of others and update it. `thirdleaf run --record` \
             keeps what it sends, for a report to whoever makes it"
        }
        Kind::MeshLeftOn => {
            "once all nodes have their BGPPeers, set nodeToNodeMeshEnabled to false in the cluster's default \
             BGPConfiguration (`calicoctl get bgpconfiguration default -o yaml`)"
        }
        Kind::ObserverIsolated => {
            "look at the network of the host that thirdleaf runs on, and at its own log; then ask a real leaf whether \
             the nodes are there (`show ip bgp summary vrf VRF`)"
        }
        Kind::RecoveryWait => {
            "on one of the nodes, `birdcl show protocols all` names the peer that is down or sent no End-of-RIB: bring \
             it up, or delete its BGPPeer if it is not coming back soon"
        }
        Kind::PeerRefused => {
            "compare what was offered with `range`, `peer_as` and the password of [[neighbors]] on one side, and with \
             the BGPPeer on the other; correct whichever is wrong, or have the node stop trying"
        }
        Kind::DuplicateAs => {
            "give one of them another AS (spec.bgp.asNumber of the Node, as `calicoctl get node NODE -o yaml` shows it). \
             If nodes are to share one, set policy.uniqueness.as = \"any\""
        }
        Kind::DuplicateRouterId => {
            "the identifier is a node's IPv4 address unless CALICO_ROUTER_ID of its calico-node says otherwise: look \
             there, and for a machine that was cloned with its configuration"
        }
        Kind::AggregationMissing => {
            "look for a BGPFilter that accepts /32 or /128 (`calicoctl get bgpfilter -o yaml`), and whether the blocks \
             still belong to the nodes (`calicoctl ipam check`): one that is being released may no longer hold back its pods"
        }
        Kind::FabricCapacity => "compare limits.lpm and limits.ecmp with what the leaves can hold",
        Kind::TimerTrouble => {
            "raise the hold time on both sides, here hold_time = \"9s\" and the same in the BGP timers policy of the \
             leaves; look at CPU limits and throttling of calico-node, and for packet loss between node and leaf"
        }
        // What others find.
        _ => reported(kind),
    }
}

/// Of what others find, and say nothing of themselves.
const fn reported(kind: Kind) -> &'static str {
    match kind {
        Kind::EepgConflict => {
            "`thirdleaf why PREFIX` shows which route leads where: make the rules agree, or take the prefix out of the \
             EEPG that somebody else keeps"
        }
        Kind::EepgDrift => {
            "find out who else writes there (the APIC's audit log, aaaModLR); `thirdleaf eepg plan` shows what is to be \
             repaired"
        }
        Kind::EepgWriteFailing => {
            "`thirdleaf eepg plan` shows what is refused and the APIC's own words; look at the rights of our user and at \
             what the rule says"
        }
        Kind::HoldDown => {
            "nothing is deleted until you say so: `thirdleaf eepg plan` shows what waits. If the nodes are to come back, \
             do nothing; if they are gone for good, `thirdleaf eepg approve ID`"
        }
        Kind::ApicDown => {
            "members stay as they are until a controller answers: look at the controllers, at the way to them and at the \
             certificate (`urls`, `ca_file` and `pin_sha256` of [[apic]])"
        }
        Kind::JournalFailing => {
            "make room on the disk, or mend what the finding says of it: writing goes on by itself, and what was missed \
             of the routes is made good from what is there then"
        }
        Kind::AlertsFailing => {
            "`thirdleaf alerts` shows what went wrong last. Correct its entry in [alerts], or bring the receiver back; \
             `thirdleaf alerts test` sends one to try it"
        }
        _ => "make what is missing in the APIC, or correct the entry of the configuration that names it",
    }
}
