//! What happens is seen without anybody asking for it.

use serde_json::json;
use thirdleaf::lab::node::Route;

use super::look::{assert_contrast, assert_quiet_but_for, keep_picture};
use super::page::{Page, SECTIONS};
use super::site::Site;

const ROGUE: &str = "#glance [data-tile=rogue]";

fn leak() -> ipnet::IpNet {
    "0.0.0.0/0".parse().unwrap()
}

#[test]
fn a_leak_turns_the_page_and_its_end_turns_it_back() {
    let site = Site::start();
    let page = Page::open(&site.daemon);
    page.until_state("ok", "ok");
    assert_eq!(page.text(&format!("{ROGUE} .value")).trim(), "0");
    page.note_visit();

    site.node("node-3", async |node| node.announce([Route::kernel(leak())]).await);
    page.until_state("critical", "1 critical");
    page.until_is(ROGUE, "state", "critical");
    page.until_says(&format!("{ROGUE} .value"), &["1"]);
    page.look_at("#findings");
    let finding = "#findings article.finding[data-kind=rogue_route][data-severity=critical][data-state=open]";
    page.until_says(finding, &["0.0.0.0/0", "node-3"]);
    page.unfold(&format!("{finding} details.why"));
    page.until_says(&format!("{finding} details.why"), &["default_route", "rejected"]);
    keep_picture(&page.browser, "leak-open");
    page.look_at("#timeline");
    page.until_says("#timeline", &["rogue_route", "0.0.0.0/0"]);

    site.node("node-3", async |node| node.withdraw([leak()]).await);
    page.until_state("ok", "ok");
    page.until_is(ROGUE, "state", "ok");
    page.look_at("#findings");
    page.until_count("#findings article.finding[data-state=open]", 0);
    page.until_count("#resolved article.finding[data-state=resolved]", 1);
    page.unfold("#resolved");
    page.until_says("#resolved", &["0.0.0.0/0"]);
    page.assert_stayed();
    page.assert_quiet();
}

#[test]
fn a_page_says_that_it_is_cut_off_and_makes_up_for_it() {
    let mut site = Site::start();
    let page = Page::open(&site.daemon);
    page.until_state("ok", "ok");
    page.note_visit();

    site.daemon.end();
    page.until_is("#live", "live", "lost");
    assert!(page.text("#live").contains("connection lost"), "{}", page.text("#live"));
    page.until_told("unknown", "connection lost");
    keep_picture(&page.browser, "disconnected");
    assert_contrast(&page.browser, "cut off");
    // What is shown is of another time now, and so is what happens meanwhile.
    site.node("node-3", async |node| node.announce([Route::kernel(leak())]).await);
    site.daemon.begin();
    page.until_is("#live", "live", "on");
    page.until_state("critical", "1 critical");
    page.look_at("#findings");
    page.until_says("#findings article.finding", &["0.0.0.0/0", "node-3"]);
    page.assert_stayed();
    // That nobody answered, the browser says by itself.
    assert_quiet_but_for(&page.browser, |line| line.source == "network" && line.text.contains("net::ERR_"));
}

#[test]
fn what_somebody_does_on_the_page_stays_while_it_changes() {
    let site = Site::start();
    site.node("node-3", async |node| node.announce([Route::kernel(leak())]).await);
    let page = Page::open(&site.daemon);
    page.until_state("critical", "1 critical");
    page.look_at("#findings");
    page.unfold("#findings details.why");
    page.until_says("#findings details.why", &["default_route"]);
    page.look_at("#routes");
    page.browser.press("/10.244.");
    let state = "return [document.activeElement.name, document.activeElement.value, scrollY,
        document.querySelector('#findings details.why').open]";
    let before = page.browser.run(state, &json!([]));
    assert_eq!((&before[0], &before[1]), (&json!("prefix"), &json!("10.244.")));

    // A pod comes and goes: each time, what is looked at is fetched again.
    let pod = "10.244.1.7".parse().unwrap();
    let row = "#routes table tbody tr[data-key^='10.244.1.7/32']";
    for _ in 0..2 {
        site.node("node-2", async |node| node.borrow(pod).await);
        page.until_count(row, 1);
        site.node("node-2", async |node| node.release(pod).await);
        page.until_count(row, 0);
    }
    assert_eq!(page.browser.run(state, &json!([])), before);
    page.assert_quiet();
}

#[test]
fn a_page_that_was_left_holds_no_connection_and_makes_up_for_it_when_it_is_back() {
    let site = Site::start();
    let page = Page::open(&site.daemon);
    page.until_state("ok", "ok");
    // A browser has six connections for all pages of one place, and keeps pages for who goes back.
    for section in SECTIONS.iter().chain(&SECTIONS) {
        page.go(&format!("/{section}"));
    }
    page.go("/");
    page.browser.open("about:blank");
    site.node("node-3", async |node| node.announce([Route::kernel(leak())]).await);
    site.daemon.until("/api/v1/summary", "it is found", |summary| summary["findings"]["open"] == 1);
    page.browser.back();
    page.ready();
    page.until_state("critical", "1 critical");
    page.assert_quiet();
}
