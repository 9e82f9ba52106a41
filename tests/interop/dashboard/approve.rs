//! A human approves what a brake holds.

use serde_json::{Value, json};
use thirdleaf::lab::node::Node;

use super::look::{assert_own_requests, assert_quiet_but_for, keep_picture};
use super::page::Page;
use super::site::{ACTOR, PATIENCE, Site, TOKEN, member};
use crate::net::eventually;

/// A service that runs on rack2 alone, and what holds it there.
const SERVICE: &str = "10.96.10.41";
const OF_RACK2: [&str; 3] = ["node-4", "node-5", "node-6"];

/// A site whose second rack went dark with a service; its plan is held.
pub(crate) fn dark() -> Site {
    let site = Site::start();
    let address = SERVICE.parse().unwrap();
    site.node("node-4", async |node| node.serve(address).await);
    eventually("the service is a member", PATIENCE, || has_member(&site).then_some(()));
    for node in OF_RACK2 {
        site.node(node, async |node: &Node| node.lose_power().await);
    }
    site.daemon.until("/api/v1/plan", "its member is held", |plan| {
        plan["changes"].as_array().unwrap().iter().any(|change| change["held_by"] == "peer_loss")
    });
    site
}

pub(crate) fn has_member(site: &Site) -> bool {
    site.apic.tree(|tree, _| tree.has(&member("web", &format!("{SERVICE}/32"))))
}

/// Types the plan that is shown and a token into the form for its approval.
pub(crate) fn fill_in(page: &Page, token: &str) {
    page.unfold("#plan details.act:has(form.approve)");
    page.browser.fill("#plan form.approve input[name=plan]", &page.is("#plan", "plan"));
    page.browser.fill("#plan form.approve input[name=token]", token);
    page.browser.click("#plan form.approve button");
}

#[test]
fn what_a_brake_holds_leaves_with_the_right_token_alone() {
    let site = dark();
    let page = Page::open(&site.daemon);
    page.look_at("#eepgs");
    let held = "#plan table.diff tbody tr[data-operation=delete]";
    page.until_says(held, &[SERVICE, "peer_loss"]);
    keep_picture(&page.browser, "plan-held");
    page.note_visit();

    fill_in(&page, "open-sesam");
    page.until_says("#plan form.approve .notice[data-state=refused]", &["token"]);
    assert!(has_member(&site), "it was done though it was refused");
    page.until_says(held, &[SERVICE]);
    keep_picture(&page.browser, "plan-refused");

    fill_in(&page, TOKEN);
    page.until_count("#said .notice[data-state=ok]", 1);
    eventually("the member is gone", PATIENCE, || (!has_member(&site)).then_some(()));
    page.until_count(held, 0);
    page.assert_stayed();
    // The token is not where it could be found later, or by others.
    let kept = "return [location.href, document.documentElement.outerHTML, JSON.stringify(localStorage), document.cookie].join()";
    let kept = page.browser.run(kept, &json!([]));
    assert!(!kept.as_str().unwrap().contains(TOKEN), "{kept}");
    assert_quiet_but_for(&page.browser, |line| line.source == "network" && line.text.contains("401"));
    assert_own_requests(&page.browser, &page.origin);
    // Who did it is on record.
    let events = site.daemon.get("/api/v1/events?limit=1000");
    let by = |item: &&Value| item["actor"] == ACTOR;
    let done = events["items"].as_array().unwrap().iter().find(by).unwrap_or_else(|| panic!("{events}"));
    assert!(done["kind"].as_str().unwrap().contains("approve"), "{done}");
    page.look_at("#timeline");
    page.until_says("#timeline table.events", &[ACTOR]);
    let audit = std::fs::read_to_string(site.daemon.folder().file("state/audit.jsonl")).unwrap();
    let by = format!("\"by\":\"{ACTOR}\"");
    let line = audit.lines().find(|line| line.contains(&by)).unwrap_or_else(|| panic!("{audit}"));
    assert!(line.contains("approve"), "{line}");
}
