//! Nodes as Calico makes them: what they announce, what they leak, what happens when they go.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::daemons::{CalicoNode, unpacked};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{Row, Thirdleaf};

const NODE1: [&str; 3] = ["10.244.1.0/26", "10.96.0.0/12", "10.96.10.20/32"];
const NODE2: [&str; 3] = ["10.244.2.0/26", "10.96.0.0/12", "10.96.10.21/32"];

fn rows_of_two_nodes() -> Vec<Row> {
    let (one, two) = ("172.16.1.1", "172.16.2.1");
    let mut rows = vec![
        Row::new(one, "10.96.0.0/12", "service_cidr", "accepted"),
        Row::new(one, "10.96.10.20/32", "service_host", "accepted"),
        Row::new(one, "10.244.1.0/26", "pod_block", "accepted"),
        Row::new(one, "10.244.9.7/32", "pod_host", "accepted"),
        Row::new(two, "10.96.0.0/12", "service_cidr", "accepted"),
        Row::new(two, "10.96.10.21/32", "service_host", "accepted"),
        Row::new(two, "10.244.2.0/26", "pod_block", "accepted"),
    ];
    rows.sort();
    rows
}

/// Two nodes as Calico configures them, then one that leaks.
#[test]
fn two_nodes_are_seen_as_configured_and_a_leak_is_told_before_it_opens() {
    let mut fabric = Fabric::new();
    let (first, second) = (fabric.node(1), fabric.node(2));
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let mut one = CalicoNode::new(1, &NODE1);
    one.borrowed = vec!["10.244.9.7/32"];
    let mut two = CalicoNode::new(2, &NODE2);
    let _one = one.start(&fabric, &first);
    let bird = two.start(&fabric, &second);
    thirdleaf.wait_established(&["172.16.1.1", "172.16.2.1"]);
    eventually("every route is there", Duration::from_secs(10), || {
        (thirdleaf.routes() == rows_of_two_nodes()).then_some(())
    });

    let summary = thirdleaf.summary();
    assert_eq!(summary["peers"]["established"], 2);
    assert_eq!(summary["routes"]["total"], 7);
    assert_eq!(summary["routes"]["accepted"], 7);
    assert_eq!(summary["routes"]["by_class"]["service_cidr"], 2);
    let metrics = thirdleaf.metrics();
    for line in [
        r#"thirdleaf_bgp_session_up{leaf="rack1",peer="172.16.1.1"} 1"#,
        r#"thirdleaf_bgp_routes{afi="ipv4",class="pod_host",leaf="rack1",peer="172.16.1.1"} 1"#,
        r#"thirdleaf_bgp_routes{afi="ipv4",class="pod_block",leaf="rack1",peer="172.16.2.1"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert_eq!(thirdleaf.findings(), []);

    // A BGPFilter that accepts too much: the default route, and a prepended path.
    let quiet = two.clone();
    two.statics.push("0.0.0.0/0");
    two.export = "  if net = 0.0.0.0/0 then accept;\n  if net = 10.96.10.21/32 then { bgp_path.prepend(65102); bgp_path.prepend(65102); accept; }\n";
    two.reconfigure(&fabric, &bird);
    let leaks = [("0.0.0.0/0", "default_route"), ("10.96.10.21/32", "as_path_too_long")]
        .map(|(prefix, reason)| ["rogue_route", "pending", prefix, reason].map(str::to_owned).into());
    let ((), told) = eventually("the leak is told", Duration::from_secs(5), || {
        let mut found = thirdleaf.findings();
        found.sort();
        (found == leaks).then_some(())
    });
    let why = thirdleaf.json(&["why", "10.96.10.21/32"]).to_string();
    assert!(why.contains("received 3 + leaf 1 = 4 > 2"), "{why}");
    assert_eq!(thirdleaf.summary()["routes"]["rejected"], 2);

    quiet.reconfigure(&fabric, &bird);
    let ((), gone) = eventually("the leak is over", Duration::from_secs(5), || {
        thirdleaf.findings().is_empty().then_some(())
    });
    assert_eq!(thirdleaf.routes(), rows_of_two_nodes());
    println!("leak: told {told:?} after the node was told to, gone {gone:?} after it was mended");
    thirdleaf.stop();
}

/// The white paper's graceful restart: a node that dies keeps its routes, stale, until it is back.
#[test]
fn a_killed_node_keeps_its_routes_and_what_does_not_come_back_is_swept() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let mut node = CalicoNode::new(1, &NODE1);
    let bird = node.start(&fabric, &wire);
    eventually("three routes", Duration::from_secs(20), || (thirdleaf.routes().len() == 3).then_some(()));

    bird.process.kill();
    eventually("every route is stale", Duration::from_secs(5), || {
        let routes = thirdleaf.routes();
        (routes.len() == 3 && routes.iter().all(|row| row.stale)).then_some(())
    });
    node.statics.retain(|prefix| *prefix != "10.96.10.20/32");
    let _bird = node.start(&fabric, &wire);
    eventually("what did not come back is swept", Duration::from_secs(20), || {
        let routes = thirdleaf.routes();
        (routes.len() == 2 && routes.iter().all(|row| !row.stale)).then_some(())
    });
    thirdleaf.stop();
}

/// `birdc down`, and Calico's confd on SIGTERM: the node says goodbye, nothing stays.
#[test]
fn a_node_that_says_goodbye_takes_its_routes_with_it() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let node = CalicoNode::new(1, &NODE1);
    let bird = node.start(&fabric, &wire);
    eventually("three routes", Duration::from_secs(20), || (thirdleaf.routes().len() == 3).then_some(()));
    bird.process.signal("TERM");
    eventually("no route is left", Duration::from_secs(5), || thirdleaf.routes().is_empty().then_some(()));
    eventually("the goodbye is on record", Duration::from_secs(5), || {
        let peers = thirdleaf.items(&["peers"]);
        peers[0]["last_error"].as_str().is_some_and(|error| error.contains("dministrative")).then_some(())
    });
    thirdleaf.stop();
}

/// Route changes while the session stays: a pod comes and goes, confd reloads the filter.
#[test]
fn changes_of_a_node_are_followed_without_flaps() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let mut node = CalicoNode::new(1, &NODE1);
    let bird = node.start(&fabric, &wire);
    eventually("three routes", Duration::from_secs(20), || (thirdleaf.routes().len() == 3).then_some(()));
    let before = thirdleaf.items(&["routes", "10.244.1.0/26"])[0]["since"].clone();

    wire.ip(&["route", "add", "10.244.9.7/32", "dev", "lo"]);
    let borrowed = |there: bool| thirdleaf.routes().iter().any(|row| row.prefix == "10.244.9.7/32") == there;
    eventually("the borrowed pod is seen", Duration::from_secs(5), || borrowed(true).then_some(()));
    wire.ip(&["route", "del", "10.244.9.7/32", "dev", "lo"]);
    eventually("the borrowed pod is gone", Duration::from_secs(5), || borrowed(false).then_some(()));

    // A filter change: BIRD withdraws what it never announced and announces again what it had.
    node.export = "  if net = 10.96.10.20/32 then reject;\n";
    node.reconfigure(&fabric, &bird);
    eventually("the service is withdrawn", Duration::from_secs(5), || {
        (thirdleaf.routes().len() == 2).then_some(())
    });
    assert_eq!(thirdleaf.items(&["routes", "10.244.1.0/26"])[0]["since"], before, "no flap");
    assert_eq!(thirdleaf.state_of("172.16.1.1"), "Established");
    assert_eq!(thirdleaf.items(&["peers"])[0]["resets"], 0);
    thirdleaf.stop();
}

/// `BGPPeer` deleted and made again: the node says that it is meant, and is forgotten until it is back.
#[test]
fn a_node_that_no_longer_peers_is_forgotten_until_it_does() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let mut node = CalicoNode::new(1, &NODE1);
    let bird = node.start(&fabric, &wire);
    eventually("three routes", Duration::from_secs(20), || (thirdleaf.routes().len() == 3).then_some(()));
    node.peered = false;
    node.reconfigure(&fabric, &bird);
    eventually("nobody is known", Duration::from_secs(5), || {
        thirdleaf.items(&["peers"]).is_empty().then_some(())
    });
    assert_eq!(thirdleaf.routes(), []);
    assert_eq!(thirdleaf.findings(), []);
    node.peered = true;
    node.reconfigure(&fabric, &bird);
    eventually("three routes again", Duration::from_secs(20), || {
        (thirdleaf.routes().len() == 3).then_some(())
    });
    thirdleaf.stop();
}

/// Both daemons of a dual-stack node, a 4-octet AS, and TCP-MD5 on everything.
#[test]
fn a_dual_stack_node_with_passwords_and_a_large_as_is_one_node() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let secret = fabric.file("secret");
    std::fs::write(&secret, "third leaf\n").unwrap();
    let thirdleaf = Thirdleaf::start(&fabric, &format!("password_file = \"{}\"", secret.display()));
    let mut node = CalicoNode::new(1, &["10.244.1.0/26", "fd00:10:244:1::/122", "fd00:10:96::/112"]);
    node.asn = 4_200_065_102;
    node.options = "password \"third leaf\";".to_owned();
    let _v4 = node.start(&fabric, &wire);
    let _v6 = node.start_v6(&fabric, &wire);
    thirdleaf.wait_established(&["172.16.1.1", "fd00:16:1::1"]);
    let expected = vec![
        Row::new("172.16.1.1", "10.244.1.0/26", "pod_block", "accepted"),
        Row::new("fd00:16:1::1", "fd00:10:244:1::/122", "pod_block", "accepted"),
        Row::new("fd00:16:1::1", "fd00:10:96::/112", "service_cidr", "accepted"),
    ];
    let (routes, _) = eventually("both families", Duration::from_secs(10), || {
        let routes = thirdleaf.routes();
        (routes.len() == 3).then_some(routes)
    });
    assert_eq!(routes, {
        let mut rows = expected;
        rows.sort();
        rows
    });
    let peers = thirdleaf.items(&["peers"]);
    assert_eq!(peers[0]["node"], peers[1]["node"], "two daemons, one node: {peers:?}");
    assert_eq!(peers[0]["peer_as"], 4_200_065_102_u32);
    assert_eq!(peers[0]["hold_time"], 3);
    thirdleaf.stop();
}

/// A wrong password never gets as far as TCP.
#[test]
fn a_wrong_password_is_no_peer() {
    let mut fabric = Fabric::new();
    let wires = (fabric.node(1), fabric.node(2));
    let secret = fabric.file("secret");
    std::fs::write(&secret, "third leaf").unwrap();
    let thirdleaf = Thirdleaf::start(&fabric, &format!("password_file = \"{}\"", secret.display()));
    let mut right = CalicoNode::new(1, &NODE1);
    right.options = "password \"third leaf\";".to_owned();
    let mut wrong = CalicoNode::new(2, &NODE2);
    wrong.options = "password \"fourth leaf\";".to_owned();
    let _wrong = wrong.start(&fabric, &wires.1);
    eventually("the wrong one has tried", Duration::from_secs(20), || {
        wrong.birdc(&fabric, &["show", "protocols", "all", "Thirdleaf"]).contains("Connect").then_some(())
    });
    let _right = right.start(&fabric, &wires.0);
    thirdleaf.wait_established(&["172.16.1.1"]);
    assert!(!thirdleaf.items(&["peers"]).iter().any(|peer| peer["peer"] == "172.16.2.1"));
    thirdleaf.stop();
}

/// A live scrape, as Prometheus' own linter reads it.
#[test]
fn metrics_lint_clean() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let mut node = CalicoNode::new(1, &[&NODE1[..], &["0.0.0.0/0"]].concat());
    node.export = "  if net = 0.0.0.0/0 then accept;\n";
    let _bird = node.start(&fabric, &wire);
    eventually("four routes", Duration::from_secs(20), || (thirdleaf.routes().len() == 4).then_some(()));
    let mut promtool = std::process::Command::new(unpacked("prometheus", "usr/bin/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(thirdleaf.metrics().as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.trim().is_empty(), "{said}");
    thirdleaf.stop();
}
