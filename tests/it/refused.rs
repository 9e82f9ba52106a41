//! Nodes that want to peer and are refused: told until somebody mends it.

use serde_json::Value;

use crate::daemon::node;
use crate::run::{Daemon, Place, eventually};

fn config(place: &Place) -> String {
    place.config() + "[findings.open_after]\npeer_refused = \"0s\"\n"
}

/// The finding on who is refused, once it is open.
fn refused(daemon: &Daemon) -> Value {
    eventually("it is told who is refused", || {
        let found = daemon.items(&["findings"]);
        let mut refused = found
            .into_iter()
            .filter(|finding| finding["kind"] == "peer_refused" && finding["state"] == "open");
        let first = refused.next();
        assert!(refused.next().is_none(), "one finding for one cause");
        first
    })
}

/// With this configuration the node comes in, and nothing is left of the finding.
fn mend(place: &Place, daemon: &Daemon, config: &str) {
    place.write("thirdleaf.toml", config);
    daemon.signal("HUP");
    eventually("the node is a peer", || {
        let peers = daemon.items(&["peers"]);
        peers.iter().any(|peer| peer["state"] == "Established").then_some(())
    });
    eventually("the finding is resolved", || {
        let found = daemon.items(&["findings", "--state", "all"]);
        let refused: Vec<_> = found.iter().filter(|finding| finding["kind"] == "peer_refused").collect();
        (refused.len() == 1 && refused[0]["state"] == "resolved").then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_an_as_that_may_not_peer_is_told_until_it_may() {
    let place = Place::new();
    let narrow = config(&place).replace("65102-65199", "65150-65199");
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &narrow));
    let _node = node(&place, 1);
    let finding = refused(&daemon);
    assert_eq!((&finding["leaf"], &finding["peer"]), (&"rack1".into(), &place.host(8).to_string().into()));
    let evidence = finding["evidence"][0].as_str().unwrap();
    assert!(evidence.contains(": AS 65102 offered, AS 65150-65199 expected, "), "{evidence}");
    assert!(evidence.contains(" tries since 20"), "{evidence}");
    mend(&place, &daemon, &config(&place));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_outside_every_range_is_told_with_its_as_until_a_range_holds_it() {
    let place = Place::new();
    let range = format!("{}/24", place.host(0));
    let elsewhere = format!("{}/25", place.host(128));
    let narrow = config(&place).replace(&range, &elsewhere);
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &narrow));
    let _node = node(&place, 1);
    let finding = refused(&daemon);
    assert_eq!(finding["cluster"], "default");
    let evidence = finding["evidence"][0].as_str().unwrap();
    assert!(evidence.contains(": AS 65102 offered, an address in "), "{evidence}");
    assert!(evidence.contains(&elsewhere), "{evidence}");
    let metrics = daemon.text("/metrics");
    assert!(metrics.contains("thirdleaf_bgp_refusals_untold_total 0\n"), "{metrics}");
    #[cfg(target_os = "linux")]
    assert!(metrics.contains("thirdleaf_tcp_md5_failures_total{kind=\"wrong\"} "), "{metrics}");
    mend(&place, &daemon, &config(&place));
}
