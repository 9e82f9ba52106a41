//! What can be asked of any page in a browser: what it says, asks for and weighs, whether it can be read, and a
//! picture of it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::site::PATIENCE;
use super::webdriver::{Browser, Line};
use crate::net::eventually;

/// Answers texts whose contrast with what they stand on is below what WCAG 2.2 asks for (1.4.3): 4.5, and 3 for large
/// ones. Colours are painted to learn what they are, whatever notation they are in.
const CONTRAST: &str = include_str!("contrast.js");

/// What stands below the elements that the selector names.
pub(crate) fn text(browser: &Browser, selector: &str) -> String {
    let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText ?? e.textContent).join('\\n')";
    browser.run(script, &json!([selector])).as_str().unwrap().to_owned()
}

/// How many elements the selector names.
pub(crate) fn count(browser: &Browser, selector: &str) -> u64 {
    browser.run("return document.querySelectorAll(arguments[0]).length", &json!([selector])).as_u64().unwrap()
}

/// Waits until what stands there is as wanted; answers it.
#[track_caller]
pub(crate) fn until(browser: &Browser, selector: &str, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    let wanted = || Some(text(browser, selector)).filter(|text| wanted(text));
    eventually(what, PATIENCE, wanted).0
}

/// Waits until the script's answer is true.
#[track_caller]
pub(crate) fn until_true(browser: &Browser, what: &str, script: &str) {
    eventually(what, PATIENCE, || (browser.run(script, &json!([])) == true).then_some(()));
}

/// What the page and the browser had to complain of, but for what `expected` says.
#[track_caller]
pub(crate) fn assert_quiet_but_for(browser: &Browser, expected: impl Fn(&Line) -> bool) {
    let complaints: Vec<Line> = browser.console().into_iter().filter(|line| !expected(line)).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// No error, no warning, no violation of the page's own policy; and nothing was asked of anybody else.
#[track_caller]
pub(crate) fn assert_quiet(browser: &Browser, origin: &str) {
    assert_quiet_but_for(browser, |_| false);
    assert_own_requests(browser, origin);
}

/// Nobody but `origin` was asked for anything.
#[track_caller]
pub(crate) fn assert_own_requests(browser: &Browser, origin: &str) {
    let asked = browser.requests();
    let foreign: Vec<&String> = asked.iter().filter(|url| !url.starts_with(&format!("{origin}/"))).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

/// Every text that is to be seen can be read.
#[track_caller]
pub(crate) fn assert_contrast(browser: &Browser, what: &str) {
    let Value::Array(faint) = browser.run(CONTRAST, &json!([])) else { panic!("no list") };
    assert!(faint.is_empty(), "{what}: {faint:#?}");
}

/// `light` or `dark`; and nothing moves, so that what is looked at is where it will be.
pub(crate) fn prefer(browser: &Browser, scheme: &str) {
    let feature = |name: &str, value: &str| json!({"name": name, "value": value});
    let features = [feature("prefers-color-scheme", scheme), feature("prefers-reduced-motion", "reduce")];
    browser.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
}

/// The window's size from now on.
pub(crate) fn resize(browser: &Browser, width: u32, height: u32) {
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", &metrics);
}

/// What a visit cost.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Octets that were transferred, with headers.
    pub(crate) weight: f64,
    pub(crate) requests: usize,
    /// Milliseconds from the start of the visit to the first thing painted, and until all was loaded.
    pub(crate) first_paint: f64,
    pub(crate) loaded: f64,
}

/// What the visit that the window shows cost.
pub(crate) fn visit(browser: &Browser) -> Visit {
    let entries = "const of = kind => performance.getEntriesByType(kind).map(entry => entry.toJSON());
        return {visit: of('navigation')[0], resources: of('resource'), paint: of('paint')}";
    until_true(browser, "something is painted", "return performance.getEntriesByType('paint').length > 0");
    let found = browser.run(entries, &json!([]));
    let resources = found["resources"].as_array().unwrap();
    let all = resources.iter().chain([&found["visit"]]);
    let weight = all.map(|entry| entry["transferSize"].as_f64().unwrap()).sum();
    let first_paint = found["paint"][0]["startTime"].as_f64().unwrap();
    Visit {
        weight,
        requests: resources.len() + 1,
        first_paint,
        loaded: found["visit"]["loadEventEnd"].as_f64().unwrap(),
    }
}

/// Keeps a picture of the whole page in `target/screenshots`.
pub(crate) fn keep_picture(browser: &Browser, name: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots"));
    std::fs::create_dir_all(&folder).unwrap();
    // What sticks to the top belongs there.
    let before = browser.run("const at = scrollY; scrollTo(0, 0); return at", &json!([]));
    std::fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
    browser.run("scrollTo(0, arguments[0])", &json!([before]));
}
