use std::time::Duration;

use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::bgp::Families;
use crate::policy::{Class, Reason};
use crate::speaker::PeerId;
use crate::web::params::Params;

const NOW: Timestamp = Timestamp::from_micros(1_763_760_000_000_000);

fn peer(rack: &str, node: &str, number: u32) -> PeerSnapshot {
    PeerSnapshot {
        id: PeerId {
            leaf: format!("leaf-{rack}").into(),
            address: std::net::Ipv4Addr::from(0x0a00_0000 + number).into(),
        },
        node: Some(node.into()),
        router_id: None,
        rack: rack.into(),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: Some(65_102),
        local_as: 65_101,
        up: true,
        since: Some(NOW),
        hold_time: Some(3),
        families: Families::NONE,
        capabilities: [].into(),
        stats: None,
        last_error: None,
        accepted: [[0; Class::ALL.len()]; 2],
        rejected: [[0; Reason::ALL.len()]; 2],
        noted: [0; 2],
        noted_not_kept: 0,
        stale: [0; 2],
        not_kept: 0,
        announced: [0; 2],
        withdrawn: [0; 2],
        prefix_limit: 10_000,
        missing_service_cidrs: 0,
        missing_node_subnets: 0,
        maintenance: None,
    }
}

fn fabric(racks: u32, nodes: u32) -> Snapshot {
    let of = |rack| {
        (0..nodes).map(move |node| {
            peer(&format!("rack{rack}"), &format!("node-{rack}-{node}"), rack * nodes + node)
        })
    };
    let mut peers: Vec<_> = (0..racks).flat_map(of).collect();
    peers.sort_by(|a, b| a.id.cmp(&b.id));
    Snapshot { peers, ..Snapshot::default() }
}

fn query(pairs: &[(&str, &str)]) -> Query {
    Query::new(Params::of(
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    ))
}

fn drawn(snapshot: &Snapshot, pairs: &[(&str, &str)]) -> String {
    page(snapshot, &query(pairs), NOW.after(Duration::from_secs(723))).unwrap().into_string()
}

#[test]
fn thousands_of_sessions_weigh_little_and_each_has_a_cell() {
    for (racks, nodes) in [(12, 400), (120, 40)] {
        let mut snapshot = fabric(racks, nodes);
        let whole = drawn(&snapshot, &[]);
        let cells = whole.matches('■').count();
        assert!(cells > 4_700 || racks > 40, "{cells}");
        assert!(whole.len() < 45_000, "{} octets", whole.len());
        // When everything is down, it is no heavier.
        for peer in &mut snapshot.peers {
            peer.up = false;
        }
        let dark = drawn(&snapshot, &[]);
        assert!(dark.len() < 60_000, "{} octets", dark.len());
        assert!(dark.contains("<i data-session=\"down\">✕✕✕"), "runs of one sign are one element");
    }
}

#[test]
fn what_is_worst_stands_first_and_is_open() {
    let mut snapshot = fabric(30, 10);
    let at = |name: &str, snapshot: &Snapshot| {
        snapshot.peers.iter().position(|peer| peer.node.as_deref() == Some(name)).unwrap()
    };
    let (down, rejecting, maintained) =
        (at("node-7-3", &snapshot), at("node-9-1", &snapshot), at("node-5-5", &snapshot));
    snapshot.peers[down].up = false;
    snapshot.peers[rejecting].rejected[0][0] = 4;
    snapshot.peers[maintained].up = false;
    snapshot.peers[maintained].maintenance =
        Some(crate::observer::view::Maintenance { reason: "disk".into(), until: NOW });
    let whole = drawn(&snapshot, &[]);
    let racks: Vec<_> =
        whole.split("data-rack=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(&racks[..3], ["rack7", "rack9", "rack0"]);
    assert_eq!(whole.matches("<details").count(), 30);
    assert_eq!(whole.matches(" open>").count(), 2, "only what is in trouble is open");
    let first_row = whole.split("<tbody>").nth(1).unwrap();
    assert!(first_row.contains("data-key=\"node-7-3\"") && first_row.contains("data-session=\"down\""));
    assert!(whole.contains("Idle <time"), "{whole}");
    assert!(whole.contains("aria-label=\"9 up, 1 down\""), "what is seen is said");
    assert!(whole.contains("<a href=\"routes?node=node-9-1&amp;state=rejected\">4</a>"));
}

#[test]
fn a_small_fabric_is_seen_whole() {
    let whole = drawn(&fabric(3, 3), &[]);
    assert_eq!(whole.matches(" open>").count(), 3);
    assert_eq!(whole.matches("up <time").count(), 9);
    assert!(whole.contains(">00:12:03</time>"));
}

#[test]
fn peers_are_found_by_name_and_state() {
    let mut snapshot = fabric(3, 20);
    snapshot.peers[0].up = false;
    snapshot.peers[0].last_error = Some("hold timer expired".into());
    let rows = |pairs: &[(&str, &str)]| drawn(&snapshot, pairs).matches("<tr data-key").count();
    assert_eq!(rows(&[("node", "node-1-1")]), 1, "the very name");
    assert_eq!(rows(&[("node", "node-1-")]), 20);
    assert_eq!(rows(&[("node", "10.0.0.3")]), 1);
    assert_eq!(rows(&[("state", "down")]), 1);
    assert_eq!(rows(&[("node", "nobody")]), 0);
    assert!(drawn(&snapshot, &[("state", "down")]).contains("hold timer expired"));
    assert!(page(&snapshot, &query(&[("state", "x")]), NOW).is_err());
    assert!(page(&snapshot, &query(&[("from", "x")]), NOW).is_err());
}

#[test]
fn names_of_others_are_text() {
    for hostile in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(10_000)]) {
        let mut snapshot = fabric(1, 3);
        for peer in &mut snapshot.peers {
            (peer.node, peer.rack, peer.cluster) =
                (Some(hostile.as_str().into()), hostile.as_str().into(), hostile.as_str().into());
            (peer.up, peer.last_error) = (false, Some(hostile.as_str().into()));
        }
        for pairs in [&[][..], &[("state", "down")]] {
            let whole = drawn(&snapshot, pairs);
            assert!(is_clean(&whole), "{whole}");
        }
    }
}

#[test]
fn without_peers_it_says_what_would_make_one() {
    assert!(drawn(&Snapshot::default(), &[]).contains("No peer is known"));
}
