//! The page in front of a million routes.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::look;
use super::page::Page;
use super::site::Daemon;
use super::speaker::{Said, Speaker, block};
use super::webdriver::ENTER;

const SPEAKERS: u32 = 10;
const EACH: u32 = 100_000;
const FIRST_AS: u16 = 64_000;

fn config(daemon: std::net::SocketAddr, leaf: std::net::SocketAddr) -> String {
    let mut text =
        format!("version = 1\n[global]\nlog = {{ level = \"warn\" }}\n[http]\nlisten = [\"{daemon}\"]\n");
    let _ = write!(
        text,
        "[[leaf]]\nname = \"rack1\"\nlocal_as = 65101\nrouter_id = \"10.0.0.1\"\nlisten = [\"{leaf}\"]\n\
         [[neighbors]]\nleaf = \"rack1\"\nrange = \"127.9.0.0/24\"\npeer_as = [\"{FIRST_AS}-64999\"]\n\
         hold_time = \"90s\"\nlimits = {{ prefixes = 200000 }}\n\
         [[policy.allow]]\nclass = \"pod\"\nprefix = \"10.0.0.0/8\"\nlengths = [26, 32]\n\
         [[policy.allow]]\nclass = \"pod\"\nprefix = \"11.0.0.0/8\"\nlengths = [26, 32]\n\
         [[policy.allow]]\nclass = \"pod\"\nprefix = \"12.0.0.0/7\"\nlengths = [26, 32]\n"
    );
    text
}

/// A daemon that has a million routes, and the sessions that they are of.
fn million() -> (Daemon, tokio::runtime::Runtime, Vec<Said>) {
    let daemon = Daemon::start(&[Ipv4Addr::new(127, 0, 9, 1)], |http, leaves, _| config(http, leaves[0]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let start = |number: u32| {
        let octet = u8::try_from(number + 1).unwrap();
        let asn = FIRST_AS + u16::from(octet);
        let mut speaker = Speaker::new(Ipv4Addr::new(127, 9, 0, octet), daemon.leaves[0], asn);
        speaker.first = speaker.announce(&[], (number * EACH..(number + 1) * EACH).map(block));
        let _runtime = runtime.enter();
        speaker.start()
    };
    let sessions = (0..SPEAKERS).map(start).collect();
    daemon.until("/api/v1/summary", "a million routes are learned", |summary| {
        summary["routes"]["accepted"] == SPEAKERS * EACH
    });
    (daemon, runtime, sessions)
}

/// Prefixes that the table shows.
fn shown(page: &Page) -> Vec<String> {
    let script = "return [...document.querySelectorAll('#routes table tbody tr[data-state]')].map(row => row.innerText.match(/[0-9.]+\\/[0-9]+/)[0])";
    serde_json::from_value(page.browser.run(script, &json!([]))).unwrap()
}

/// Milliseconds that each of these searches took, asked from within the page, sorted.
fn timed(page: &Page, queries: &[String]) -> Vec<f64> {
    let script = "const times = [];
        for (const query of arguments[0]) {
            const start = performance.now();
            const answer = await fetch('/fragment/routes?' + query);
            await answer.text();
            if (!answer.ok) throw new Error(query);
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)";
    serde_json::from_value(page.browser.run_async(script, &json!([queries]))).unwrap()
}

#[test]
fn a_million_routes_are_searched_and_paged() {
    let (daemon, _runtime, _sessions) = million();
    let page = Page::open(&daemon);
    let visit = look::visit(&page.browser);
    println!("with a million routes: {visit:?}");

    // Somebody looks for the block of an address.
    let wanted = block(123_456).to_string();
    page.browser.press(&format!("/{wanted}{ENTER}"));
    page.until_count("#routes table tbody tr[data-state]", 1);
    assert_eq!(shown(&page), [wanted.as_str()]);
    assert!(page.browser.address().contains("routes.prefix="), "{}", page.browser.address());
    page.browser.reload();
    page.ready();
    assert_eq!(shown(&page), [wanted.as_str()], "the address does not say what was looked for");

    // And goes through a range, page by page and back.
    page.go("/?routes.prefix=10.64.0.0/10&routes.match=longer#routes");
    let first = shown(&page);
    assert_eq!(first.len(), 25);
    page.browser.click("#routes a.next");
    let beginning = format!(
        "return !document.querySelector('#routes table tbody tr[data-state]')?.innerText.includes({:?})",
        first[0]
    );
    look::until_true(&page.browser, "there is another page", &beginning);
    let second = shown(&page);
    assert!(second.iter().all(|prefix| !first.contains(prefix)), "a page shows what another one has shown");
    page.browser.back();
    let again = format!(
        "return document.querySelector('#routes table tbody tr[data-state]')?.innerText.includes({:?})",
        first[0]
    );
    look::until_true(&page.browser, "the first page is back", &again);

    let number = |at: u32| at * 9_973 % (SPEAKERS * EACH);
    let encoded = |at: u32| block(number(at)).to_string().replace('/', "%2F");
    let kinds: [(&str, &dyn Fn(u32) -> String); 4] = [
        ("one prefix", &|at| format!("prefix={}", encoded(at))),
        ("what is below a /20", &|at| format!("prefix=10.{}.{}.0%2F20&match=longer", at % 200, at % 16 * 16)),
        ("a node's", &|at| format!("node=127.9.0.{}", at % SPEAKERS + 1)),
        ("what nobody has", &|_| "state=rejected".to_owned()),
    ];
    for (what, query) in kinds {
        let times = timed(&page, &(0..40).map(query).collect::<Vec<_>>());
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!("{what}: p50 {:.1} ms, p95 {:.1} ms, at most {:.1} ms", at(50), at(95), at(100));
    }
    page.assert_quiet();
    let summary: Value = daemon.get("/api/v1/summary");
    assert_eq!(summary["peers"]["established"], SPEAKERS, "a session was lost meanwhile");
}
