//! That the other tests would notice: each check is shown what it must not let pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

use super::look::{self, assert_contrast};
use super::page::Page;
use super::site::Site;

/// Whether a check lets the page pass as it is now.
fn passes(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_ok()
}

#[test]
fn what_is_wrong_with_a_page_is_noticed() {
    let site = Site::start();
    let page = Page::new(&site.daemon);
    page.go_plainly("/");
    let (browser, origin) = (&page.browser, page.origin.clone());
    page.assert_quiet();
    for (what, script) in [
        ("an error", "console.error('said')"),
        (
            "a script in the text",
            "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
        ),
        (
            "a foreign picture",
            "document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.2:1/x.png'}))",
        ),
    ] {
        browser.run(script, &json!([]));
        assert!(!passes(|| look::assert_quiet(browser, &origin)), "{what} is not noticed");
    }
    let text = "const text = document.body.appendChild(document.createElement('p'));
        text.textContent = 'hardly to be seen, or much too wide';";
    assert!(passes(|| assert_contrast(browser, "as it is")));
    browser.run(&format!("{text} text.style.cssText = 'color: #999; background: #eee'"), &json!([]));
    assert!(!passes(|| assert_contrast(browser, "faint")), "faint text is not noticed");
    assert!(passes(|| page.assert_fits("as it is")));
    browser.run(&format!("{text} text.style.width = '3000px'"), &json!([]));
    assert!(!passes(|| page.assert_fits("wide")), "what is too wide is not noticed");
}
