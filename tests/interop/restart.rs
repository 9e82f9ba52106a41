//! What thirdleaf costs a node that restarts: nothing, as long as it is up.

use std::time::{Duration, Instant};

use crate::daemons::{CalicoNode, bird2, birdc2};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::Thirdleaf;

/// How long after its start a node's routes reach a healthy leaf (BIRD 2), with thirdleaf as a second peer or without.
fn routes_reach_the_leaf_after(with_thirdleaf: bool) -> Duration {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let hub = fabric.hub().clone();
    hub.ip(&["addr", "add", "172.16.1.5/29", "dev", "node1"]);
    let _leaf = bird2(
        &fabric,
        &hub,
        "leaf",
        "router id 172.16.1.5;\nlog stderr all;\nprotocol device { }\n\
         protocol bgp Node { local 172.16.1.5 port 1179 as 65101; neighbor 172.16.1.1 as 65102; passive; hold time 3; graceful restart;\n\
         \x20 ipv4 { import all; export none; }; }\n",
    );
    let thirdleaf = with_thirdleaf.then(|| Thirdleaf::start(&fabric, ""));
    let mut node = CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12"]);
    node.others = vec![("Leaf", "172.16.1.5 port 1179".to_owned(), 65101)];
    node.peered = with_thirdleaf;
    let routes = || birdc2(&fabric, "leaf", &["show", "route", "protocol", "Node"]).contains("10.244.1.0/26");
    let bird = node.start(&fabric, &wire);
    eventually("the leaf has the routes", Duration::from_mins(1), || routes().then_some(()));
    if let Some(thirdleaf) = &thirdleaf {
        eventually("thirdleaf has them too", Duration::from_secs(20), || {
            (thirdleaf.routes().len() == 2).then_some(())
        });
    }
    bird.process.kill();
    // The leaf forgets what it knew, so that only a new announcement can bring it back.
    eventually("the leaf has lost the node", Duration::from_secs(20), || {
        birdc2(&fabric, "leaf", &["restart", "Node"]);
        (!routes()).then_some(())
    });
    let start = Instant::now();
    let _bird = node.start(&fabric, &wire);
    eventually("the leaf has the routes again", Duration::from_mins(2), || routes().then_some(()));
    let after = start.elapsed();
    if let Some(thirdleaf) = thirdleaf {
        thirdleaf.stop();
    }
    after
}

#[test]
fn a_restarting_nodes_routes_reach_its_leaf_no_later_with_thirdleaf() {
    let without = routes_reach_the_leaf_after(false);
    let with = routes_reach_the_leaf_after(true);
    println!("routes at the leaf after a restart: {without:?} without thirdleaf, {with:?} with");
    // A peer that sends no End-of-RIB would cost 240 s; the bound leaves room for a slow machine.
    assert!(with < without + Duration::from_secs(6), "{with:?} with, {without:?} without");
}
