//! The audit file: what it says of a write, and that none leaves without it.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_has_two_lines_that_say_who_asked_and_what_came_of_it() {
    let site = Site::new(1).await;
    let _daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    site.becomes("10.96.7.7/32", true);
    let lines = within(20, "the answer is in it", || Some(site.audit()).filter(|lines| lines.len() >= 2));
    let [asked, answered, ..] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&asked["event"], &answered["event"]), (&"write".into(), &"answer".into()));
    assert_eq!(asked["batch"], answered["batch"]);
    assert_eq!((&asked["apic"], &answered["outcome"]), (&"fabric1".into(), &"done".into()));
    let change = &asked["changes"][0];
    assert_eq!((&change["operation"], &change["prefix"]), (&"create".into(), &"10.96.7.7/32".into()));
    assert_eq!(change["because"]["peer"], site.place.host(8).to_string());
    assert_eq!(change["because"]["rule"], "web");
    assert_eq!(asked["instance"].as_str().unwrap().len(), 16);
    let text = format!("{lines:?}");
    assert!(!text.contains("open-sesame"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_while_the_disk_takes_no_line() {
    let site = Site::new(1).await;
    let state = site.config().with_file_name("state");
    let audit = state.join("audit.jsonl");
    std::fs::create_dir_all(&audit).unwrap();
    let daemon = site.start();
    let node = site.node(1).await;
    node.serve(address("10.96.7.7")).await;
    let found = within(60, "it is found", || findings(&daemon, "eepg_write_failing").pop());
    assert!(found["summary"].as_str().unwrap().contains("audit file"), "{found}");
    assert_eq!(site.apic.counters().all_writes(), 0);
    std::fs::remove_dir(&audit).unwrap();
    site.becomes("10.96.7.7/32", true);
    within(60, "that is over", || findings(&daemon, "eepg_write_failing").is_empty().then_some(()));
    assert_eq!(site.audit()[0]["event"], "write");
}
