//! What it weighs.

use serde_json::json;
use thirdleaf::lab::node::Route;

use super::look;
use super::page::Page;
use super::site::Site;

/// A site with something to see in every section: a leak, a duplicate, a node that went.
fn troubled() -> Site {
    let site = Site::start();
    let service = "10.96.10.20".parse().unwrap();
    site.node("node-2", async |node| node.serve(service).await);
    site.node("node-3", async |node| node.announce([Route::kernel("0.0.0.0/0".parse().unwrap())]).await);
    site.node("node-1", async |node| node.announce([Route::fixed("10.244.5.0/26".parse().unwrap())]).await);
    site.node("node-6", async |node| node.lose_power().await);
    site.daemon.until("/api/v1/findings", "all of it is found", |findings| {
        let is_open = |kind: &str| {
            let items = findings["items"].as_array().unwrap();
            items.iter().any(|finding| finding["kind"] == kind && finding["state"] == "open")
        };
        ["rogue_route", "duplicate_pod_block", "peer_down"].into_iter().all(is_open)
    });
    site
}

#[test]
fn the_page_weighs_little() {
    let site = troubled();
    let page = Page::open(&site.daemon);
    let visit = look::visit(&page.browser);
    println!(
        "first visit: {:.1} kB in {} requests, painted after {:.0} ms, loaded after {:.0} ms",
        visit.weight / 1000.0,
        visit.requests,
        visit.first_paint,
        visit.loaded
    );
    assert!(visit.weight < 150_000.0, "{visit:?}");
    assert_eq!(page.browser.run("return document.querySelectorAll('[style], style').length", &json!([])), 0);
    page.assert_quiet();
}
