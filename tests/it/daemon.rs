//! A running daemon with simulated nodes: what an operator does to it, day by day.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use thirdleaf::lab::node::{Node, Peering, RESTART_TIME, Route, Settings, Timers};

use crate::run::{Daemon, Place, eventually, stderr, stdout};

/// Node `n` of `place`: AS 65101 + n, one block, the service range.
pub(crate) fn node(place: &Place, n: u8) -> Node {
    node_of(place, 4, n)
}

/// The same with the leaf that listens on another host.
fn node_of(place: &Place, leaf: u8, n: u8) -> Node {
    let (leaf, own) = (SocketAddr::from((place.host(leaf), 1790)), place.host(n * 8));
    Node::start(Settings {
        name: format!("node-{n}"),
        asn: 65101 + u32::from(n),
        identifier: own,
        peerings: vec![Peering { source: own.into(), leaf, leaf_as: None }],
        routes: vec![Route::fixed(block(n)), Route::fixed("10.96.0.0/12".parse().unwrap())],
        hidden: Vec::new(),
        restart_time: RESTART_TIME,
        timers: Timers::BIRD.faster(10),
    })
}

fn block(n: u8) -> IpNet {
    format!("10.244.{n}.0/26").parse().unwrap()
}

fn accepted(daemon: &Daemon) -> usize {
    daemon.items(&["routes"]).iter().filter(|route| route["state"] == "accepted").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_judges_again_and_touches_no_session() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let daemon = Daemon::start(&place, &path);
    let node = node(&place, 1);
    eventually("two routes are accepted", || (accepted(&daemon) == 2).then_some(()));

    place.write("thirdleaf.toml", &place.config().replace("10.244.0.0/16", "10.245.0.0/16"));
    daemon.signal("HUP");
    let routes = eventually("the block is rejected", || {
        let routes = daemon.items(&["routes", &block(1).to_string()]);
        (routes[0]["state"] == "rejected").then_some(routes)
    });
    assert_eq!(routes[0]["reasons"][0], "not_allowed");

    place.write("thirdleaf.toml", &place.config());
    daemon.signal("HUP");
    eventually("the block is accepted again", || (accepted(&daemon) == 2).then_some(()));
    assert_eq!(node.status()[0].sessions, 1, "one session all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_file_changes_nothing_and_is_told() {
    let place = Place::new();
    let token = place.write("token", "open-sesame\n");
    let config =
        format!("{}\n", place.config()).replace("[http]", &format!("[http]\ntoken_file = {token:?}"));
    let path = place.write("thirdleaf.toml", &config);
    let daemon = Daemon::start(&place, &path);

    let refused = daemon.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    assert!(stderr(&refused).contains("token"), "{}", stderr(&refused));

    place.write("thirdleaf.toml", &config.replace("lengths = [26, 32]", "lenghts = [26, 32]"));
    let token = token.to_str().unwrap();
    let wrong = daemon.ask(&["reload", "--token-file", token]);
    assert_ne!(wrong.status.code(), Some(0));
    assert!(stderr(&wrong).contains("`lengths`") && stderr(&wrong).contains("^^^^^^^"), "{}", stderr(&wrong));

    place.write("thirdleaf.toml", &config);
    let right = daemon.ask(&["reload", "--token-file", token]);
    assert_eq!(right.status.code(), Some(0), "{}", stderr(&right));
    let restart = config.replace("[[leaf]]", "[global]\nlog = { level = \"debug\" }\n[[leaf]]");
    place.write("thirdleaf.toml", &restart);
    let restart = daemon.ask(&["reload", "--token-file", token]);
    assert!(stderr(&restart).contains("global.log"), "{}", stderr(&restart));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_says_goodbye_to_every_node() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    let nodes = [node(&place, 1), node(&place, 2)];
    eventually("four routes are accepted", || (accepted(&daemon) == 4).then_some(()));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    for node in &nodes {
        let told = eventually("the node was told", || node.status()[0].told.clone());
        assert_eq!((told.code, told.subcode), (6, 2), "administrative shutdown: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_findings() {
    let place = Place::new();
    let config = format!("{}[findings.open_after]\nduplicate_pod_block = \"0s\"\n", place.config());
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &config));
    let (first, second) = (node(&place, 1), node(&place, 2));
    eventually("four routes are accepted", || (accepted(&daemon) == 4).then_some(()));
    let health = daemon.ask(&["check-health"]);
    assert_eq!(health.status.code(), Some(0), "{}", stdout(&health));
    assert!(stdout(&health).starts_with("THIRDLEAF OK"), "{}", stdout(&health));
    assert_eq!(daemon.ask(&["findings"]).status.code(), Some(0));

    second.add_block(block(1)).await;
    let found = eventually("one block on two nodes is found", || {
        daemon.items(&["findings"]).into_iter().find(|finding| finding["state"] == "open")
    });
    assert_eq!((&found["kind"], &found["prefix"]), (&"duplicate_pod_block".into(), &"10.244.1.0/26".into()));
    assert_eq!(daemon.ask(&["findings"]).status.code(), Some(1));
    let health = daemon.ask(&["check-health"]);
    assert_eq!(health.status.code(), Some(2), "{}", stdout(&health));

    second.remove_block(block(1)).await;
    eventually("it is resolved", || (daemon.ask(&["findings"]).status.code() == Some(0)).then_some(()));
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_with_the_same_addresses_do_not_meet_in_two_vrfs() {
    let place = Place::new();
    let (leaf, range) = (place.host(5), place.host(0));
    let config = format!(
        r#"{}
[[leaf]]
name = "rack2"
local_as = 65101
router_id = "{leaf}"
listen = ["{leaf}:1790"]
cluster = "test"
vrf = "test"
[[neighbors]]
leaf = "rack2"
range = "{range}/24"
peer_as = ["65102-65199"]
[findings.open_after]
duplicate_pod_block = "0s"
"#,
        place.config()
    );
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &config));
    let (one, two, other) = (node(&place, 1), node(&place, 2), node_of(&place, 5, 3));
    other.add_block(block(1)).await;
    eventually("seven routes are accepted", || (accepted(&daemon) == 7).then_some(()));
    // What comes within a cluster is found, and whatever was to be found before was by then.
    two.add_block(block(1)).await;
    let found = eventually("one block on two nodes of a cluster is found", || {
        let found = daemon.items(&["findings", "--state", "all"]);
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let scope = ["kind", "cluster", "vrf", "prefix"].map(|key| found[0][key].as_str().unwrap().to_owned());
    assert_eq!(scope, ["duplicate_pod_block", "default", "default", "10.244.1.0/26"]);
    assert_eq!(found[0]["evidence"].as_array().unwrap().len(), 2, "{found:?}");
    drop((one, other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    let node = node(&place, 1);
    let pods = (0..2_000).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0af4_0200 + n)));
    node.announce(pods.map(|pod| Route::kernel(pod.into()))).await;
    eventually("they are there", || (accepted(&daemon) > 2_000).then_some(()));
    let shell = format!("{} routes | head -n 1", env!("CARGO_BIN_EXE_thirdleaf"));
    let output = std::process::Command::new("sh")
        .args(["-c", &shell])
        .env("THIRDLEAF_SERVER", place.server())
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    tokio::time::timeout(Duration::from_secs(5), node.finish()).await.unwrap();
}

#[test]
fn a_new_file_is_compared_with_the_daemons_from_anywhere() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    let same = place.write("same.toml", &place.config());
    let same = daemon.ask(&["diff", same.to_str().unwrap()]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    let other = place.write("other.toml", &place.config().replace("65102-65199", "65102-65299"));
    let other = daemon.ask(&["diff", other.to_str().unwrap()]);
    assert_eq!(other.status.code(), Some(1), "{}", stderr(&other));
}

#[test]
fn a_reload_that_changes_nothing_is_no_event() {
    let place = Place::new();
    let token = place.write("token", "open-sesame");
    let config = place.config().replace("[http]", &format!("[http]\ntoken_file = {token:?}"));
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &config));
    let answer = daemon.ask(&["reload", "--token-file", token.to_str().unwrap()]);
    assert_eq!(stdout(&answer), "nothing changed\n");
    let events = daemon.items(&["events", "--kind", "reload"]);
    assert!(events.is_empty(), "{events:?}");
}
