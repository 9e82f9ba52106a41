//! Everything can be done without a mouse.

use serde_json::{Value, json};
use thirdleaf::lab::node::Route;

use super::look;
use super::page::Page;
use super::site::Site;
use super::webdriver::{ENTER, SHIFT, TAB};

/// Tabs at most, before a page is called a trap.
const STOPS: usize = 500;

/// Remembers everything that can have the focus and is to be seen; answers what it is.
const MARK: &str = "const stops = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]';
    window.stops = [...document.querySelectorAll(stops)]
        .filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({visibilityProperty: true}));
    return window.stops.map(e => `${e.tagName}.${e.className} ${e.name ?? ''} ${e.textContent.trim().slice(0, 30)}`)";

/// What has the focus: its number, where it is, and whether that is shown and nothing lies upon it.
const STOP: &str = "const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    return {stop: window.stops?.indexOf(e) ?? -1, isPage: e === document.body,
        what: `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 30)}`,
        shown: e.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
        seen: [0.1, 0.5, 0.9].some(part => {
            const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height * part);
            return top && (e.contains(top) || top.contains(e));
        }), at: [box.left, box.top, box.right, box.bottom].map(Math.round)}";

fn focus(page: &Page) -> Value {
    page.browser.run(STOP, &json!([]))
}

/// Presses Tab until this has the focus.
fn tab_to(page: &Page, selector: &str) {
    let is_there = "return document.activeElement.matches(arguments[0])";
    while page.browser.run(is_there, &json!([selector])) != true {
        page.browser.press(&TAB.to_string());
        assert!(focus(page)["isPage"] != true, "{selector} is not come by");
    }
}

#[test]
fn tab_comes_by_everything_and_shows_where_it_is() {
    let site = Site::start();
    site.node("node-3", async |node| node.announce([Route::kernel("0.0.0.0/0".parse().unwrap())]).await);
    let page = Page::open(&site.daemon);
    page.until_state("critical", "1 critical");
    let Value::Array(stops) = page.browser.run(MARK, &json!([])) else { panic!("no list") };
    let mut reached = vec![false; stops.len()];
    let (mut hidden, mut order) = (Vec::new(), Vec::new());
    for _ in 0..STOPS {
        page.browser.press(&TAB.to_string());
        let at = focus(&page);
        // Behind the last one there is the browser's own, and then the first again.
        if at["isPage"] == true {
            break;
        }
        if at["shown"] != true || at["seen"] != true {
            hidden.push(at.clone());
        }
        // What can be scrolled is come by, too, and is not one of those.
        let Some(stop) = at["stop"].as_u64() else { continue };
        let stop = usize::try_from(stop).unwrap();
        if reached[stop] {
            break;
        }
        reached[stop] = true;
        order.push(stop);
    }
    let missed: Vec<&Value> =
        stops.iter().zip(&reached).filter(|(_, reached)| !**reached).map(|(stop, _)| stop).collect();
    assert!(missed.is_empty(), "Tab does not come by {missed:#?}");
    assert!(hidden.is_empty(), "not shown or not to be seen: {hidden:#?}");
    assert!(order.is_sorted(), "not in the order of the page: {order:?}");
    page.assert_quiet();
}

#[test]
fn a_reader_without_a_mouse_searches_and_looks_into_things() {
    let site = Site::start();
    let page = Page::open(&site.daemon);
    page.browser.press(&TAB.to_string());
    assert!(focus(&page)["what"].as_str().unwrap().starts_with("A.skip"), "{}", focus(&page));

    page.browser.press("/");
    let field = "return document.activeElement === document.querySelector('#routes input[name=prefix]')";
    assert_eq!(page.browser.run(field, &json!([])), true);
    // In a field a stroke is a character.
    page.browser.press(&format!("10.244.5.0/26{ENTER}"));
    page.until_count("#routes table tbody tr[data-state]", 1);
    page.until_says("#routes table tbody tr[data-state]", &["10.244.5.0/26", "node-5"]);

    tab_to(&page, "#routes table tbody a.why");
    page.browser.press(&ENTER.to_string());
    page.until_says("#routes table tbody tr[data-kept]", &["accepted", "node-5"]);
    page.browser.press(&ENTER.to_string());
    page.until_count("#routes table tbody tr[data-kept]", 0);

    // Back to the sessions, and into a rack.
    let rack = "#sessions details.rack[data-rack=rack2]";
    let is_open = format!("return document.querySelector({rack:?}).open");
    let before = page.browser.run(&is_open, &json!([]));
    let is_there = format!("return document.activeElement.matches('{rack} > summary')");
    while page.browser.run(&is_there, &json!([])) != true {
        page.browser.press_with(SHIFT, TAB);
        assert!(focus(&page)["isPage"] != true, "the rack is not come by");
    }
    page.browser.press(&ENTER.to_string());
    look::until_true(&page.browser, "Enter folds and unfolds", &format!("{is_open} !== {before}"));
    page.assert_quiet();
}
