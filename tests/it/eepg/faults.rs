//! What controllers and networks do to requests: the end is right all the same, and the operator is told.

use thirdleaf::lab::apic::{Dose, Only, Refusal, Refuse, Trouble};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_503_passes_by() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let node = site.node(1).await;
    settles(&daemon);
    site.apic.trouble(Dose::of(Trouble::Status(503)));
    node.serve(address("10.96.7.7")).await;
    let found = within(60, "it is found", || findings(&daemon, "apic_down").pop());
    assert!(found["evidence"].to_string().contains("503"), "{found}");
    assert!(!site.has("10.96.7.7/32"));
    site.apic.calm();
    within(120, "the member is there", || site.has("10.96.7.7/32").then_some(()));
    within(60, "that is over", || findings(&daemon, "apic_down").is_empty().then_some(()));
    assert_eq!(node.status()[0].sessions, 1, "one session all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_controller_takes_over_from_one_that_is_killed() {
    let site = Site::new(3).await;
    let _daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    site.becomes("10.96.7.7/32", true);
    site.apic.kill(1).await;
    node.serve(address("10.96.7.8")).await;
    site.becomes("10.96.7.8/32", true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ended_is_got_anew() {
    let site = Site::new(1).await;
    let daemon = site.start();
    let node = site.node(1).await;
    settles(&daemon);
    site.apic.drop_tokens();
    node.serve(address("10.96.7.7")).await;
    site.becomes("10.96.7.7/32", true);
    assert!(findings(&daemon, "aci_config").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_refused_keeps_no_other_out() {
    let site = Site::new(1).await;
    let refusal = Refusal { status: 400, code: 801, text: "property ip failed validation".to_owned() };
    site.apic.refuse(Refuse { dn: "10.96.7.13/32".to_owned(), refusal, times: None });
    let daemon = site.start();
    let node = site.node(1).await;
    for host in 1..=20 {
        node.serve(IpAddr::from([10, 96, 7, host])).await;
    }
    for host in (1..=20).filter(|host| *host != 13) {
        site.becomes(&format!("10.96.7.{host}/32"), true);
    }
    assert!(!site.has("10.96.7.13/32"));
    let plan = daemon.get("/api/v1/plan");
    assert_eq!(plan["total"], 1, "{plan}");
    assert_eq!(plan["changes"][0]["held_by"], "refused", "{plan}");
    let found = within(60, "it is found", || findings(&daemon, "eepg_write_failing").pop());
    assert!(found.to_string().contains("failed validation"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_certificate_is_told_and_nothing_is_sent() {
    let mut site = Site::new(1).await;
    site.trust = format!("pin_sha256 = [\"{}\"]", "ab".repeat(32));
    let daemon = site.start();
    let found = within(60, "it is found", || findings(&daemon, "aci_config").pop());
    assert!(found["summary"].as_str().unwrap().contains("who it is"), "{found}");
    assert!(found["evidence"].to_string().contains(&site.apic.digest().unwrap().to_string()), "{found}");
    assert_eq!(site.apic.counters().requests, 0);
    // Whoever corrects it need not restart.
    site.trust = format!("pin_sha256 = [\"{}\"]", site.apic.digest().unwrap());
    site.config();
    daemon.signal("HUP");
    within(60, "that is over", || findings(&daemon, "aci_config").is_empty().then_some(()));
    settles(&daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_and_do_not_lock_the_user_out() {
    let site = Site::new(1).await;
    let path = site.config();
    site.place.write("password", "close-sesame\n");
    let daemon = Daemon::start(&site.place, &path);
    let found = within(60, "it is found", || findings(&daemon, "aci_config").pop());
    assert!(found["summary"].as_str().unwrap().contains("credentials"), "{found}");
    assert!(!found.to_string().contains("sesame"), "{found}");
    let logins = site.apic.counters().statuses.get(&401).copied();
    assert_eq!(logins, Some(1), "one attempt a minute at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_carried_out_is_looked_at_and_sent_again_if_not() {
    for what in [Trouble::DropBefore, Trouble::DropAfter, Trouble::Cut] {
        let site = Site::new(1).await;
        let daemon = site.start();
        let node = site.node(1).await;
        settles(&daemon);
        site.apic.trouble(Dose::of(what).times(1).only(Only::Writes));
        node.serve(address("10.96.7.7")).await;
        site.becomes("10.96.7.7/32", true);
        settles(&daemon);
        let line = site.audit().into_iter().find(|line| line["event"] == "write").unwrap();
        assert!(line["body"].to_string().contains("10.96.7.7/32"), "{what:?}: {line}");
        let created = site.apic.counters().changed("l3extSubnet", "created");
        assert_eq!(created, 1, "{what:?}");
    }
}
