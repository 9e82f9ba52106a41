//! What stays although nothing announces it, and who stops the writing.

use super::*;
use crate::run::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_no_withdrawal() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let (stopped, alive) = (site.node(1).await, site.node(2).await);
    stopped.serve(address("10.96.7.7")).await;
    alive.serve(address("10.96.7.8")).await;
    site.becomes("10.96.7.7/32", true);
    site.becomes("10.96.7.8/32", true);
    // After a NOTIFICATION nothing of it is kept as stale.
    stopped.stop().await;
    eventually("the node is down", || {
        let down = |peer: &&Value| peer["state"] != "Established";
        (daemon.items(&["peers"]).iter().filter(down).count() == 1).then_some(())
    });
    // By the time that a withdrawn one is gone, the silent one would be too.
    alive.withdraw(["10.96.7.8/32".parse().unwrap()]).await;
    site.becomes("10.96.7.8/32", false);
    settles(&daemon);
    assert!(site.has("10.96.7.7/32"));
    let plan = daemon.get("/api/v1/plan");
    assert_eq!(plan["changes"][0]["held_by"], "peer_loss", "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_state_while_a_node_is_dark_deletes_nothing() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    site.becomes("10.96.7.7/32", true);
    daemon.signal("KILL");
    daemon.wait();
    drop(node);
    std::fs::remove_dir_all(site.config().with_file_name("state")).unwrap();
    let daemon = site.start();
    let other = site.node(2).await;
    other.serve(address("10.96.7.8")).await;
    site.becomes("10.96.7.8/32", true);
    settles(&daemon);
    assert!(site.has("10.96.7.7/32"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_survives_a_restart() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let node = site.node(1).await;
    let pause = r#"{"for": "1h", "reason": "an upgrade"}"#;
    assert_eq!(daemon.post("/api/v1/sync/pause", "open-sesame", pause), 200);
    daemon.signal("KILL");
    daemon.wait();
    let daemon = site.start();
    node.established().await;
    node.serve(address("10.96.7.7")).await;
    let plan = within(60, "the plan has it", || {
        let plan = daemon.get("/api/v1/plan");
        (plan["total"] == 1).then_some(plan)
    });
    assert_eq!(plan["paused"]["reason"], "an upgrade");
    settles(&daemon);
    assert_eq!(site.apic.counters().all_writes(), 0);
    assert_eq!(daemon.post("/api/v1/sync/resume", "open-sesame", "{}"), 200);
    site.becomes("10.96.7.7/32", true);
}
