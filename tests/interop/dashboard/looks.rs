//! How it looks: in light and dark, wide and narrow; and what it weighs.

use serde_json::json;
use thirdleaf::lab::node::Route;

use super::look::{self, assert_contrast, keep_picture, prefer, resize};
use super::page::{Page, SECTIONS};
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

/// What those who do not see the page could not make sense of.
const UNSAID: &str = "const unsaid = [], ids = new Set();
    const say = (what, e) => unsaid.push(`${what}: ${e.outerHTML.slice(0, 200)}`);
    for (const e of document.querySelectorAll('[id]')) ids.has(e.id) ? say('twice', e) : ids.add(e.id);
    for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
        if (!e.labels.length && !e.ariaLabel) say('no label', e);
    for (const e of document.querySelectorAll('a[href], button, summary, [role=img], svg:not([aria-hidden=true])'))
        if (!(e.ariaLabel || e.textContent.trim() || e.querySelector('title'))) say('no name', e);
    for (const e of document.querySelectorAll('table'))
        if (!e.caption || !e.querySelector('th[scope=col]')) say('no caption or no heads', e);
    for (const e of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
        for (const id of `${e.getAttribute('aria-labelledby') ?? ''} ${e.getAttribute('aria-describedby') ?? ''}`.trim().split(/ +/))
            if (!document.getElementById(id)) say('nothing says it', e);
    let level = 0;
    for (const e of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
        if (e.tagName[1] > level + 1) say('a level is left out', e);
        level = Number(e.tagName[1]);
    }
    if (document.querySelectorAll('h1').length !== 1 || document.querySelectorAll('main').length !== 1) unsaid.push('one h1, one main');
    if (!document.documentElement.lang) unsaid.push('no language');
    return unsaid";

#[track_caller]
fn assert_said(page: &Page, what: &str) {
    assert_eq!(page.browser.run(UNSAID, &json!([])), json!([]), "{what}");
}

/// Keeps a picture, and looks for what is wrong in it.
#[track_caller]
fn look_at(page: &Page, what: &str) {
    keep_picture(&page.browser, what);
    assert_contrast(&page.browser, what);
    page.assert_fits(what);
    assert_said(page, what);
}

#[test]
fn texts_can_be_read_in_both_schemes_and_nothing_is_wider_than_the_window() {
    let site = troubled();
    let page = Page::open(&site.daemon);
    page.until_is("#glance", "state", "critical");
    for scheme in ["light", "dark"] {
        prefer(&page.browser, scheme);
        for (width, name) in [(1280, "wide"), (400, "narrow")] {
            resize(&page.browser, width, 900);
            page.go("/");
            look_at(&page, &format!("overview-{scheme}-{name}"));
            page.unfold_all();
            look_at(&page, &format!("unfolded-{scheme}-{name}"));
            for section in SECTIONS {
                page.go(&format!("/{section}"));
                look_at(&page, &format!("{section}-{scheme}-{name}"));
            }
        }
    }
    page.assert_quiet();
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
