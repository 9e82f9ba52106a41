//! The demo tells its story to whoever looks at the page meanwhile.

use std::process::Command;

use super::look::keep_picture;
use super::page::Page;
use super::site::{Folder, PATIENCE};
use crate::net::{Process, eventually};

#[test]
fn the_story_of_the_demo_is_seen_on_the_page() {
    let folder = Folder::new();
    let log = folder.file("demo.log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thirdleaf"));
    command.arg("demo");
    let mut demo = Process::start(command, &log);
    let told = || std::fs::read_to_string(&log).unwrap();
    let (origin, _) = eventually("the demo says where to look", PATIENCE, || {
        let told = told();
        let address = told.split_once("THIRDLEAF_SERVER=")?.1;
        Some(address.split_once(' ')?.0.to_owned())
    });
    let page = Page::of(origin, &folder);
    page.go("/");
    page.until_is("#glance [data-tile=rogue]", "state", "critical");
    page.look_at("#findings");
    page.until_says("#findings article.finding[data-kind=rogue_route]", &["node-3"]);
    keep_picture(&page.browser, "demo-leak");
    page.look_at("#eepgs");
    page.until_says("#plan table.diff tbody tr[data-held=peer_loss]", &["10.96.10.4"]);
    // What nobody looked at is not kept up to date, and is in the picture all the same.
    page.go("/");
    keep_picture(&page.browser, "demo-held");

    eventually("the story is over", PATIENCE, || told().contains("The end").then_some(()));
    page.until_state("ok", "ok");
    let kinds = [
        "rogue_route",
        "duplicate_pod_block",
        "stale_routes",
        "missing_service_cidr",
        "rack_down",
        "hold_down",
    ];
    page.go("/timeline?kind=finding_open");
    page.until_says("table.events", &kinds);
    page.go("/");
    keep_picture(&page.browser, "demo-end");
    page.assert_quiet();
    demo.signal("INT");
    assert!(demo.wait().success());
}
