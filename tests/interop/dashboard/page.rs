//! The dashboard in a window, as its reader sees it.

use serde_json::json;

use super::look::{self, until_true};
use super::site::{Daemon, Folder};
use super::webdriver::Browser;

/// The parts of the page, from the top; each has a page of its own, too.
pub(crate) const SECTIONS: [&str; 6] =
    ["sessions", "findings", "routes", "eepgs", "timeline", "configuration"];

/// A browser that looks at a daemon.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    pub(crate) origin: String,
}

impl Page {
    /// Starts a browser for the daemon, and shows nothing yet.
    pub(crate) fn new(daemon: &Daemon) -> Self {
        Self::of(daemon.url(), daemon.folder())
    }

    /// The same for whoever answers there; the browser keeps what it writes in `folder`.
    pub(crate) fn of(origin: String, folder: &Folder) -> Self {
        let browser = Browser::start(folder.path());
        look::prefer(&browser, "light");
        look::resize(&browser, 1280, 900);
        Self { browser, origin }
    }

    /// Opens the dashboard, and waits until its script is at work and hears what happens.
    pub(crate) fn open(daemon: &Daemon) -> Self {
        let page = Self::new(daemon);
        page.go("/");
        page
    }

    /// Goes to an address of the dashboard where its script runs.
    #[track_caller]
    pub(crate) fn go(&self, path: &str) {
        self.go_plainly(path);
        self.ready();
    }

    /// Goes there, and expects no script to run.
    #[track_caller]
    pub(crate) fn go_plainly(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.origin));
    }

    /// Waits until the script is at work and hears what happens.
    #[track_caller]
    pub(crate) fn ready(&self) {
        until_true(
            &self.browser,
            "the script is ready",
            "return document.documentElement.dataset.script === 'ready'",
        );
        self.until_is("#live", "live", "on");
    }

    /// Waits until `data-NAME` of the element is this.
    #[track_caller]
    pub(crate) fn until_is(&self, selector: &str, name: &str, value: &str) {
        let is = format!("return document.querySelector({selector:?})?.dataset[{name:?}] === {value:?}");
        until_true(&self.browser, &format!("{selector} has data-{name}={value}"), &is);
    }

    /// `data-NAME` of the element; empty if it has none.
    #[track_caller]
    pub(crate) fn is(&self, selector: &str, name: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.dataset[arguments[1]] ?? ''";
        self.browser.run(script, &json!([selector, name])).as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        look::text(&self.browser, selector)
    }

    #[track_caller]
    pub(crate) fn count(&self, selector: &str) -> u64 {
        look::count(&self.browser, selector)
    }

    /// Waits until so many elements are there.
    #[track_caller]
    pub(crate) fn until_count(&self, selector: &str, count: usize) {
        let script = format!("return document.querySelectorAll({selector:?}).length === {count}");
        until_true(&self.browser, &format!("{count} of {selector}"), &script);
    }

    /// Waits until the text of the elements holds all of these.
    #[track_caller]
    pub(crate) fn until_says(&self, selector: &str, words: &[&str]) -> String {
        let what = format!("{selector} says {words:?}");
        look::until(&self.browser, selector, &what, |text| words.iter().all(|word| text.contains(word)))
    }

    /// Opens a `details`, unless it is open.
    #[track_caller]
    pub(crate) fn unfold(&self, selector: &str) {
        let is_open = "return document.querySelector(arguments[0]).open";
        if self.browser.run(is_open, &json!([selector])) != true {
            self.browser.click(&format!("{selector} > summary"));
        }
        until_true(&self.browser, "it is open", &format!("return document.querySelector({selector:?}).open"));
    }

    /// Brings it into the window: what nobody looks at is not kept up to date.
    #[track_caller]
    pub(crate) fn look_at(&self, selector: &str) {
        self.browser.run("document.querySelector(arguments[0]).scrollIntoView()", &json!([selector]));
    }

    /// Unfolds everything, and waits until what was to be fetched for that is there.
    #[track_caller]
    pub(crate) fn unfold_all(&self) {
        let script = "for (const link of document.querySelectorAll('a[data-below]:not([aria-expanded=true])')) link.click();
            for (const at of document.querySelectorAll('details')) at.open = true";
        self.browser.run(script, &json!([]));
        let all =
            "return [...document.querySelectorAll('details[open] > [data-src], tr[data-kept] [data-src]')]
            .every(at => at.querySelector('.piece, .problem'))";
        until_true(&self.browser, "all that was unfolded is there", all);
    }

    /// The whole page shall stay: what [`Self::assert_stayed`] looks for is lost with it.
    pub(crate) fn note_visit(&self) {
        self.browser.run("window.visit = 'this one'", &json!([]));
    }

    /// It is still the page that was loaded when [`Self::note_visit`] was called.
    #[track_caller]
    pub(crate) fn assert_stayed(&self) {
        assert_eq!(
            self.browser.run("return window.visit ?? ''", &json!([])),
            "this one",
            "the page was loaded anew"
        );
    }

    /// The bar, the page, its title and its icon say the same.
    #[track_caller]
    pub(crate) fn until_state(&self, state: &str, title: &str) {
        self.until_is("#glance", "state", state);
        self.until_told(state, title);
    }

    /// Waits until the page, its title and its icon say so.
    #[track_caller]
    pub(crate) fn until_told(&self, state: &str, title: &str) {
        self.until_is("html", "state", state);
        let begins = format!("return document.title.startsWith({title:?})");
        until_true(&self.browser, &format!("the title begins with {title:?}"), &begins);
        let icon =
            format!("return document.querySelector('link[rel=icon]').href.includes('favicon-{state}.svg')");
        until_true(&self.browser, &format!("the icon is that of {state}"), &icon);
    }

    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        look::assert_quiet(&self.browser, &self.origin);
    }

    /// Nothing is wider than the window.
    #[track_caller]
    pub(crate) fn assert_fits(&self, what: &str) {
        // What lies in something that can be scrolled may be wider.
        let widest = "const width = document.documentElement.clientWidth;
            const isLoose = e => { while ((e = e.parentElement) && getComputedStyle(e).overflowX === 'visible') ; return !e || e === document.documentElement };
            const wide = [...document.querySelectorAll('body *')]
                .filter(e => e.getBoundingClientRect().right > width + 1 && isLoose(e))
                .map(e => `${e.tagName}#${e.id}.${e.className} ${Math.round(e.getBoundingClientRect().right)} ${e.textContent.trim().slice(0, 40)}`);
            return [document.documentElement.scrollWidth, width, wide.slice(0, 10)]";
        let found = self.browser.run(widest, &json!([]));
        assert!(found[0].as_u64() <= found[1].as_u64(), "{what}: {found}");
    }
}
