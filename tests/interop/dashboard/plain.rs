//! The page where no script runs: plain pages and forms.

use serde_json::json;
use thirdleaf::lab::node::Route;

use super::approve;
use super::look::{assert_own_requests, assert_quiet_but_for};
use super::page::{Page, SECTIONS};
use super::site::{PATIENCE, Site, TOKEN};
use crate::net::eventually;

/// A browser in which no script of a page runs.
fn without_scripts(site: &Site) -> Page {
    let page = Page::new(&site.daemon);
    page.browser.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    page
}

#[test]
fn without_scripts_everything_can_be_read_and_searched() {
    let site = Site::start();
    site.node("node-3", async |node| node.announce([Route::kernel("0.0.0.0/0".parse().unwrap())]).await);
    site.daemon.until("/api/v1/summary", "it is found", |summary| summary["findings"]["open"] == 1);
    let page = without_scripts(&site);
    page.go_plainly("/");
    assert_eq!(page.is("html", "script"), "", "a script ran");
    assert_eq!(page.is("#live", "live"), "plain");
    assert_eq!(page.is("#glance", "state"), "critical");
    assert!(page.browser.title().starts_with("1 critical"), "{}", page.browser.title());
    page.until_says("#findings article.finding", &["0.0.0.0/0", "node-3"]);
    for section in SECTIONS {
        page.go_plainly(&format!("/{section}"));
        assert_eq!(page.count(&format!("#glance, #{section}")), 2, "/{section}");
    }

    page.go_plainly("/");
    page.browser.fill("#routes form.search input[name$=prefix]", "10.244.0.0/16");
    page.browser
        .run("document.querySelector('#routes form.search [name$=match]').value = 'longer'", &json!([]));
    page.browser.click("#routes form.search button");
    page.until_count("#routes table tbody tr[data-state=accepted]", 8);
    assert!(page.browser.address().contains("longer"), "{}", page.browser.address());
    page.browser.back();

    page.go_plainly("/routes?limit=5");
    let mut seen = page.count("#routes table tbody tr[data-state]");
    while page.count("#routes a.next") > 0 {
        page.browser.click("#routes a.next");
        seen += page.count("#routes table tbody tr[data-state]");
    }
    assert_eq!(seen, 17, "routes of all pages");

    // What a script would unfold in place is behind a link.
    page.go_plainly("/findings");
    page.unfold("#findings article.finding details.why");
    page.browser.click("#findings article.finding details.why a");
    page.until_says("main", &["0.0.0.0/0", "default_route"]);
    page.assert_quiet();
}

#[test]
fn without_scripts_a_plan_is_approved_by_a_form() {
    let site = approve::dark();
    let page = without_scripts(&site);
    page.go_plainly("/eepgs");
    approve::fill_in(&page, "open-sesam");
    page.until_says(".notice[data-state=refused]", &["token"]);
    assert!(approve::has_member(&site), "it was done though it was refused");

    page.go_plainly("/eepgs");
    approve::fill_in(&page, TOKEN);
    page.until_count(".notice[data-state=ok]", 1);
    eventually("the member is gone", PATIENCE, || (!approve::has_member(&site)).then_some(()));
    assert_quiet_but_for(&page.browser, |line| line.source == "network" && line.text.contains("401"));
    assert_own_requests(&page.browser, &page.origin);
}
