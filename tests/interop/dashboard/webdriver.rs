//! Drives a browser: as much of W3C `WebDriver`, spoken to chromedriver, as the tests need.
//!
//! Commands that Chromium has beyond the standard (`goog:`) are those of chromedriver: its log, and the
//! `DevTools` protocol.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::net::{Process, eventually};

/// How long a browser may take to start on a busy machine, and any command.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a page may take to load: less than a browser waits for a connection that it has none left for.
const PAGE: Duration = Duration::from_secs(30);

/// Of the browser's own accord nothing leaves it.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
];

/// How an element is named in answers (`WebDriver`, 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that have no character (`WebDriver`, 15.4.2).
pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';
pub(crate) const SHIFT: char = '\u{e008}';

/// A browser with one window. Ends when dropped.
pub(crate) struct Browser {
    runtime: Runtime,
    http: Client,
    session: String,
    _driver: Process,
}

/// A line of the browser's console.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What says so: `network`, `security`, `javascript`, `console-api` and others.
    pub(crate) source: String,
    pub(crate) text: String,
}

impl Browser {
    /// Starts one that keeps what it writes in `directory`.
    pub(crate) fn start(directory: &Path) -> Self {
        let log = directory.join("chromedriver.log");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", directory).env("TMPDIR", directory);
        let driver = Process::start(command, &log);
        let (port, _) = eventually("chromedriver listens", PATIENCE, || {
            let told = std::fs::read_to_string(&log).unwrap();
            let (_, rest) = told.split_once("started successfully on port ")?;
            rest.split_once('.')?.0.parse::<u16>().ok()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let mut browser =
            Self { runtime, http, session: format!("http://127.0.0.1:{port}/session"), _driver: driver };
        let profile = format!("--user-data-dir={}", directory.join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({
            "browserName": "chrome",
            "timeouts": {"pageLoad": PAGE.as_millis()},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        });
        let session = browser.ask(&Method::POST, "", &json!({"capabilities": {"alwaysMatch": wanted}}));
        let session = session.unwrap_or_else(|error| panic!("no browser: {error}"));
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        // What its first window shows, and asks for, is not ours.
        browser.open("about:blank");
        browser.requests();
        browser
    }

    /// Carries out a command; answers its value, or the error's name and what it says.
    fn ask(&self, method: &Method, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.session));
        if *method == Method::POST {
            request = request.json(body);
        }
        let answered = self.runtime.block_on(async { request.send().await?.json::<Value>().await });
        let mut answer = answered.map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(&Method::POST, path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.ask(&Method::GET, path, &Value::Null).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Goes to an address, and returns once it is loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    #[track_caller]
    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    #[track_caller]
    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    #[track_caller]
    pub(crate) fn address(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn title(&self) -> String {
        self.get("/title").as_str().unwrap().to_owned()
    }

    /// What a function with this body returns; it finds `arguments` as `arguments`. An open dialog fails it.
    #[track_caller]
    pub(crate) fn run(&self, body: &str, arguments: &Value) -> Value {
        self.post("/execute/sync", &json!({"script": body, "args": arguments}))
    }

    /// The same where what it resolves with matters.
    #[track_caller]
    pub(crate) fn run_async(&self, body: &str, arguments: &Value) -> Value {
        let script =
            format!("const done = arguments[arguments.length - 1]; (async () => {{ {body} }})().then(done)");
        self.post("/execute/async", &json!({"script": script, "args": arguments}))
    }

    /// A command of the `DevTools` protocol; what it sets holds until another one sets it.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Clicks on the first element that the selector names, as with a mouse: it must be there to be hit. Tries again
    /// if the page put another in its place meanwhile.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.with_element(selector, |element| {
            self.ask(&Method::POST, &format!("/element/{element}/click"), &json!({}))
        });
    }

    /// Types into a field what it shall hold instead of what it holds.
    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.with_element(selector, |element| {
            self.ask(&Method::POST, &format!("/element/{element}/clear"), &json!({}))?;
            self.ask(&Method::POST, &format!("/element/{element}/value"), &json!({"text": text}))
        });
    }

    #[track_caller]
    fn with_element(&self, selector: &str, act: impl Fn(&str) -> Result<Value, String>) {
        let mut last = String::new();
        for _ in 0..50 {
            let found =
                self.ask(&Method::POST, "/element", &json!({"using": "css selector", "value": selector}));
            match found.and_then(|element| act(element[ELEMENT].as_str().unwrap())) {
                Ok(_) => return,
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{selector}: {last}");
    }

    /// Presses keys one after the other, whatever has the focus.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let strokes =
            keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})));
        self.keys(&strokes.collect::<Vec<_>>());
    }

    /// Presses a key while another one is held.
    #[track_caller]
    pub(crate) fn press_with(&self, held: char, key: char) {
        let stroke = |kind: &str, key: char| json!({"type": kind, "value": key});
        let (down, up) = ("keyDown", "keyUp");
        self.keys(&[stroke(down, held), stroke(down, key), stroke(up, key), stroke(up, held)]);
    }

    #[track_caller]
    fn keys(&self, strokes: &[Value]) {
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// What the console has had to say since it was last asked.
    #[track_caller]
    pub(crate) fn console(&self) -> Vec<Line> {
        let Value::Array(lines) = self.post("/se/log", &json!({"type": "browser"})) else {
            panic!("no list")
        };
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let line = |line: &Value| Line { source: text(line, "source"), text: text(line, "message") };
        lines.iter().map(line).collect()
    }

    /// The addresses of everything that was asked for since this was last asked, whether it came or not.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        let Value::Array(lines) = self.post("/se/log", &json!({"type": "performance"})) else {
            panic!("no list")
        };
        let event = |line: &Value| serde_json::from_str::<Value>(line["message"].as_str().unwrap()).unwrap();
        let asked =
            lines.iter().map(event).filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        asked.map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The whole page as a PNG, whatever of it fits into the window.
    #[track_caller]
    pub(crate) fn picture(&self) -> Vec<u8> {
        let layout = self.devtools("Page.getLayoutMetrics", &json!({}));
        let size = &layout["cssContentSize"];
        // What is too high is not looked at to its end.
        let height = size["height"].as_f64().unwrap().min(6000.0);
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let taken = json!({"captureBeyondViewport": true, "clip": clip});
        let shot = self.devtools("Page.captureScreenshot", &taken);
        BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session, chromedriver as any process of a test does.
        let _ = self.ask(&Method::DELETE, "", &Value::Null);
    }
}
