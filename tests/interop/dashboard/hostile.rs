//! What others say is text, whatever it looks like.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use thirdleaf::lab::apic::{Refusal, Refuse};

use super::look::{assert_own_requests, assert_quiet_but_for, keep_picture, resize, until_true};
use super::page::{Page, SECTIONS};
use super::site::Site;
use super::speaker::{Said, Speaker, host_name, shutdown};

/// What a page could take for more than text.
const TEXTS: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover=alert(3) x='",
    "javascript:alert(4)",
    "</title></script><svg onload=alert(5)>",
    "&lt;b&gt;&amp;amp;{{7*7}}${7*7}",
];

/// What turns around what is read beside it.
const TURNED: &str = "node\u{202e}txet eht si siht\u{2066}";

const FIRST_AS: u16 = 64_900;

/// The names of nodes: all of the above, and one that is too long for anything.
fn names() -> Vec<String> {
    TEXTS.into_iter().map(str::to_owned).chain([TURNED.to_owned(), "long".repeat(2_500)]).collect()
}

fn neighbors() -> String {
    let mut text = format!(
        "\n[[neighbors]]\nleaf = \"rack1\"\nrange = \"127.2.1.0/24\"\npeer_as = [\"{FIRST_AS}-64999\"]\nhold_time = \"90s\"\n"
    );
    for (number, name) in (1..).zip(names()) {
        let name = Value::from(name);
        let _ =
            write!(text, "[[nodes]]\nname = {name}\nrack = \"rack1\"\naddress = [\"127.2.1.{number}\"]\n");
    }
    text
}

/// A speaker for each name, that leaks behind a path of a thousand ASes, or one.
fn speak(site: &Site) -> Vec<Said> {
    let leaf = site.daemon.leaves[0];
    let _runtime = site.runtime.enter();
    let start = |(number, text): (u8, String)| {
        let mut speaker = Speaker::new(Ipv4Addr::new(127, 2, 1, number), leaf, FIRST_AS + u16::from(number));
        let host: Vec<u8> = text.bytes().take(60).collect();
        speaker.capabilities = host_name(&host, b"<i>example</i>");
        let path = vec![4_200_000_000; if number == 1 { 980 } else { 3 }];
        speaker.first = speaker.announce(&path, [format!("203.0.113.{number}/32").parse().unwrap()]);
        speaker.start()
    };
    (1..).zip(names()).map(start).collect()
}

/// A page that shows what others say in this many ways at least once each.
fn fed() -> (Site, Vec<Said>) {
    let site = Site::start_with(&neighbors());
    let sessions = speak(&site);
    let count = site.nodes.len() + sessions.len();
    site.daemon
        .until("/api/v1/summary", "everybody is up", |summary| summary["peers"]["established"] == count);
    let leaks = |findings: &Value| {
        findings["items"].as_array().unwrap().iter().filter(|it| it["node"].is_string()).count()
    };
    site.daemon
        .until("/api/v1/findings", "all leaks are found", |findings| leaks(findings) == sessions.len());
    // Some of them leave with a word.
    for (said, text) in sessions.iter().zip(TEXTS).skip(1) {
        said.say(shutdown(text.as_bytes()));
    }
    // The APIC has something to say, too.
    let refusal = Refusal { status: 400, code: 801, text: format!("{}{}", TEXTS[0], "fault".repeat(2_000)) };
    site.apic.refuse(Refuse { dn: "extsubnet".to_owned(), refusal, times: None });
    let service = "10.96.10.20".parse().unwrap();
    site.node("node-1", async |node| node.serve(service).await);
    site.daemon.until("/api/v1/peers", "they are gone", |peers| {
        let told: Vec<&str> =
            peers["items"].as_array().unwrap().iter().filter_map(|it| it["last_error"].as_str()).collect();
        TEXTS[1..].iter().all(|text| told.iter().any(|told| told.contains(text)))
    });
    let is = |kind: &'static str| move |finding: &&Value| finding["kind"] == kind;
    let findings = site.daemon.until("/api/v1/findings", "the APIC refuses", |findings| {
        findings["items"].as_array().unwrap().iter().any(|finding| is("eepg_write_failing")(&finding))
    });
    // And people.
    let items = findings["items"].as_array().unwrap();
    let finding = items.iter().find(is("rogue_route")).unwrap();
    site.daemon.post("/api/v1/findings/ack", &json!({"id": finding["id"], "reason": TEXTS[1]}));
    site.daemon
        .post("/api/v1/maintenance", &json!({"scope": {"rack": "rack3"}, "for": "1h", "reason": TEXTS[0]}));
    (site, sessions)
}

/// What on the page is more than it should be, and direction marks that reach beyond their text.
const MORE: &str = "const more = [];
    for (const script of document.scripts)
        if (!script.src.startsWith(location.origin + '/assets/') || script.text) more.push('script ' + script.text);
    for (const image of document.images) more.push('image ' + image.src);
    for (const element of document.querySelectorAll('*'))
        for (const {name, value} of element.attributes)
            if (name.startsWith('on')) more.push(`${element.tagName} ${name}=${value}`);
    for (const link of document.links)
        if (link.origin !== location.origin) more.push('link to ' + link.href);
    for (const form of document.forms)
        if (new URL(form.action).origin !== location.origin) more.push('form to ' + form.action);
    for (const element of document.querySelectorAll('iframe, object, embed, base, meta[http-equiv=refresh i], svg[onload]'))
        more.push(element.outerHTML);
    if (/[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/.test(document.title)) more.push('the title turns around');
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        if (texts.currentNode.data.length > 5000 && !texts.currentNode.parentElement.closest('pre'))
            more.push('long: ' + texts.currentNode.data.slice(0, 100));
        if (/[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/.test(texts.currentNode.data)
            && !texts.currentNode.parentElement.closest('bdi, [dir=auto], script, style'))
            more.push('turns around: ' + texts.currentNode.parentElement.outerHTML.slice(0, 200));
    }
    return more";

#[track_caller]
fn assert_text_alone(page: &Page, what: &str) {
    let more = page.browser.run(MORE, &json!([]));
    assert_eq!(more, json!([]), "{what}");
    page.assert_fits(what);
}

/// Waits until all of these stand on the page, folded or not.
#[track_caller]
fn until_told(page: &Page, texts: &[&str]) {
    let told = format!(
        "return {}.every(text => document.querySelector('main').textContent.includes(text))",
        json!(texts)
    );
    until_true(&page.browser, &format!("{texts:?} stand there"), &told);
}

#[test]
fn what_others_say_is_text() {
    let (site, _sessions) = fed();
    let page = Page::open(&site.daemon);
    until_told(&page, &TEXTS);
    // What turns is written out, what is too long is cut.
    until_told(&page, &["node\\u{202e}txet", "longlong"]);
    assert_text_alone(&page, "/");
    keep_picture(&page.browser, "hostile");
    page.unfold_all();
    assert_text_alone(&page, "/, unfolded");
    keep_picture(&page.browser, "hostile-unfolded");
    resize(&page.browser, 400, 900);
    assert_text_alone(&page, "/, narrow");
    resize(&page.browser, 1280, 900);
    for section in SECTIONS {
        page.go(&format!("/{section}"));
        page.unfold_all();
        assert_text_alone(&page, section);
    }
    // The words that they left with.
    page.go("/timeline?kind=peer_down");
    until_told(&page, &TEXTS[1..]);
    page.go("/sessions?state=down");
    until_told(&page, &TEXTS[1..]);
    assert_text_alone(&page, "peers that are down");
    // And what their routes are judged by: a path of a thousand ASes.
    page.go("/why?prefix=203.0.113.1/32&cluster=prod&vrf=prod");
    until_told(&page, &["as_path_too_long", "64901 4200000000 4200000000"]);
    assert_text_alone(&page, "a long path");
    page.go("/rack?rack=rack1&cluster=prod");
    until_told(&page, &[TEXTS[0], TEXTS[3]]);
    assert_text_alone(&page, "a rack");
    page.assert_quiet();
}

#[test]
fn what_an_address_says_is_text() {
    let site = Site::start();
    let page = Page::open(&site.daemon);
    let encode = "return encodeURIComponent(arguments[0])";
    for text in TEXTS.into_iter().chain([TURNED]) {
        let text = page.browser.run(encode, &json!([text]));
        let text = text.as_str().unwrap();
        for path in [
            format!("/?routes.prefix={text}&routes.node={text}&timeline.kind={text}&sessions.node={text}"),
            format!("/routes?prefix={text}"),
            format!("/routes?node={text}&leaf={text}&community={text}"),
            format!("/{text}"),
            format!("/routes?{text}=1"),
            format!("/finding?id={text}"),
            format!("/rack?rack={text}&cluster={text}"),
            format!("/why?prefix={text}"),
            format!("/members?dn={text}"),
            format!("/timeline?kind={text}&node={text}&prefix={text}"),
        ] {
            page.go_plainly(&path);
            assert_text_alone(&page, &path);
        }
    }
    assert_quiet_but_for(&page.browser, |line| {
        line.source == "network" && ["400", "404"].iter().any(|status| line.text.contains(status))
    });
    assert_own_requests(&page.browser, &page.origin);
}
