//! The other speakers of Kubernetes: BIRD 2, GoBGP (Cilium, kube-router), ExaBGP.

use std::time::Duration;

use crate::daemons::{bird2, exabgp, gobgp, gobgpd};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{Row, Thirdleaf};

#[test]
fn bird2_speaks_both_families_on_one_session_with_extended_messages() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let config = "router id 172.16.1.1;\nlog stderr all;\nprotocol device { }\n\
         protocol static { ipv4; route 10.244.1.0/26 blackhole; route 10.96.0.0/12 blackhole; }\n\
         protocol static { ipv6; route fd00:10:244:1::/122 blackhole; }\n\
         protocol bgp Thirdleaf { local 172.16.1.1 as 65102; neighbor 172.16.1.4 as 65199; graceful restart; enable extended messages;\n\
         \x20 ipv4 { import none; export all; }; ipv6 { import none; export all; }; }\n";
    let _bird = bird2(&fabric, &wire, "node", config);
    let peer = "172.16.1.1";
    let mut expected = vec![
        Row::new(peer, "10.244.1.0/26", "pod_block", "accepted"),
        Row::new(peer, "10.96.0.0/12", "service_cidr", "accepted"),
        Row::new(peer, "fd00:10:244:1::/122", "pod_block", "accepted"),
    ];
    expected.sort();
    // The next hop of the IPv6 route cannot be compared with the session's IPv4 address: that is no fault of it.
    let (routes, _) = eventually("all routes", Duration::from_secs(30), || {
        let routes = thirdleaf.routes();
        (routes.len() == 3).then_some(routes)
    });
    assert_eq!(routes, expected);
    thirdleaf.stop();
}

#[test]
fn a_passive_node_is_dialled_within_one_hop() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let config = "router id 172.16.1.1;\nlog stderr all;\nprotocol device { }\n\
         protocol static { ipv4; route 10.244.1.0/26 blackhole; }\n\
         protocol bgp Thirdleaf { local 172.16.1.1 as 65102; neighbor 172.16.1.4 as 65199; passive; ttl security on;\n\
         \x20 ipv4 { import none; export all; }; }\n";
    let _bird = bird2(&fabric, &wire, "node", config);
    let dialled = "[[neighbors]]\nleaf = \"rack1\"\nrange = \"172.16.1.1/32\"\npeer_as = [65102]\n\
         passive = false\nttl_security_hops = 1\n";
    let thirdleaf = Thirdleaf::start_with(&fabric, "", dialled);
    eventually("the route", Duration::from_secs(30), || (thirdleaf.routes().len() == 1).then_some(()));
    thirdleaf.stop();
}

#[test]
fn gobgp_announces_withdraws_and_comes_back() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let config = "[global.config]\nas = 65102\nrouter-id = \"172.16.1.1\"\n\
         [[neighbors]]\n[neighbors.config]\nneighbor-address = \"172.16.1.4\"\npeer-as = 65199\n\
         [neighbors.timers.config]\nhold-time = 3\nkeepalive-interval = 1\nconnect-retry = 2\n\
         [neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 20\nnotification-enabled = true\n\
         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
         [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n";
    let process = gobgpd(&fabric, &wire, config);
    let announce = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        eventually("gobgpd takes commands", Duration::from_secs(20), || gobgp(&wire, &words).then_some(()));
    };
    announce("global rib add 10.244.1.0/26");
    announce("global rib add 10.244.9.7/32");
    thirdleaf.wait_established(&["172.16.1.1"]);
    let count = |wanted: usize| {
        eventually(&format!("{wanted} routes"), Duration::from_secs(20), || {
            (thirdleaf.routes().iter().filter(|row| !row.stale && row.verdict == "accepted").count()
                == wanted)
                .then_some(())
        });
    };
    count(2);
    announce("global rib del 10.244.9.7/32");
    count(1);
    process.kill();
    eventually("the route is stale", Duration::from_secs(10), || {
        let routes = thirdleaf.routes();
        (routes.len() == 1 && routes[0].stale).then_some(())
    });
    let _process = gobgpd(&fabric, &wire, config);
    announce("global rib add 10.244.1.0/26");
    thirdleaf.wait_established(&["172.16.1.1"]);
    count(1);
    thirdleaf.stop();
}

#[test]
fn exabgp_with_add_path_communities_and_a_third_partys_next_hop() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "add_path = true");
    let config = "neighbor 172.16.1.4 {\n  router-id 172.16.1.1;\n  local-address 172.16.1.1;\n  local-as 65102;\n  peer-as 65199;\n  hold-time 9;\n\
         \x20 capability { add-path send/receive; graceful-restart 20; }\n\
         \x20 family { ipv4 unicast; }\n\
         \x20 static {\n\
         \x20   route 10.244.1.0/26 next-hop self path-information 1.2.3.4 community [ 65102:100 ] large-community [ 65102:1:2 ] med 50;\n\
         \x20   route 10.244.2.0/26 next-hop 172.16.1.3;\n  }\n}\n";
    let mut process = exabgp(&fabric, &wire, config);
    let (routes, _) = eventually("both routes", Duration::from_secs(30), || {
        assert!(!process.has_ended(), "exabgp ended; see its log");
        let routes = thirdleaf.items(&["routes"]);
        (routes.len() == 2).then_some(routes)
    });
    let own = routes.iter().find(|route| route["prefix"] == "10.244.1.0/26").unwrap();
    assert_eq!(own["state"], "accepted");
    assert_eq!(own["path_id"], 0x0102_0304);
    assert_eq!(own["med"], 50);
    assert_eq!(own["communities"], serde_json::json!(["65102:100", "65102:1:2"]));
    let other = routes.iter().find(|route| route["prefix"] == "10.244.2.0/26").unwrap();
    assert_eq!(other["reasons"], serde_json::json!(["next_hop_not_peer"]));
    thirdleaf.stop();
}
