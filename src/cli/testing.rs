//! Items to print, for the tests of several verbs.

use ipnet::IpNet;

use crate::observer::view::{Messages, Peer, Route, RouteCounts};
use crate::policy::Class;
use crate::time::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub(super) fn peer(address: &str) -> Peer {
    let count = |name: &str, count| (name.to_owned(), count);
    Peer {
        leaf: "rack1".into(),
        peer: address.parse().unwrap(),
        node: Some("node1".into()),
        rack: "r1".into(),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: Some(65102),
        local_as: 65101,
        state: "Established".into(),
        since: Some(NOW),
        hold_time: Some(3),
        families: vec!["ipv4".into()],
        capabilities: vec!["route refresh".into()],
        routes: RouteCounts { total: 1, accepted: 1, ..RouteCounts::default() },
        rejected_by_reason: [].into(),
        messages: Messages {
            received: [count("keepalive", 40), count("open", 1), count("update", 5)].into(),
            sent: [count("keepalive", 42), count("open", 1), count("update", 1)].into(),
        },
        resets: 0,
        last_error: None,
        maintenance: None,
    }
}

pub(super) fn route(prefix: &str) -> Route {
    Route {
        prefix: prefix.parse::<IpNet>().unwrap(),
        leaf: "rack1".into(),
        peer: "192.168.1.1".parse().unwrap(),
        node: Some("node1".into()),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: 65102,
        path_id: 0,
        class: Class::PodBlock,
        state: "accepted".into(),
        stale: false,
        reasons: vec![],
        as_path: "65102".into(),
        next_hop: Some("192.168.1.1".parse().unwrap()),
        communities: vec![],
        med: None,
        origin: Some("igp".into()),
        since: NOW,
        eepg: None,
    }
}
