//! The page in front of 4,800 sessions.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;

use super::look::{self, keep_picture};
use super::page::Page;
use super::site::Daemon;
use super::speaker::{Said, Speaker, block};

/// Racks with two leaves each, and nodes that peer with both.
const RACKS: u8 = 12;
const NODES: u8 = 200;
const CELLS: usize = RACKS as usize * NODES as usize * 2;

fn config(http: SocketAddr, leaves: &[SocketAddr]) -> String {
    let mut text =
        format!("version = 1\n[global]\nlog = {{ level = \"warn\" }}\n[http]\nlisten = [\"{http}\"]\n");
    for (number, leaf) in leaves.iter().enumerate() {
        let (rack, side) = (number / 2 + 1, ["a", "b"][number % 2]);
        let _ = write!(
            text,
            "[[leaf]]\nname = \"rack{rack}{side}\"\nrack = \"rack{rack}\"\nlocal_as = {}\nrouter_id = \"10.0.{rack}.{number}\"\n\
             listen = [\"{leaf}\"]\n[[neighbors]]\nleaf = \"rack{rack}{side}\"\nrange = \"127.{}.0.0/24\"\n\
             peer_as = [\"{}-{}\"]\nhold_time = \"90s\"\n",
            65_000 + rack,
            100 + rack,
            50_000 + 1_000 * rack,
            50_999 + 1_000 * rack,
        );
    }
    text + "[[policy.allow]]\nclass = \"pod\"\nprefix = \"10.0.0.0/8\"\nlengths = [26, 32]\n\
            [findings.open_after]\npeer_down = \"0s\"\n"
}

/// Starts a node of a rack: a session with each of its leaves.
fn node(daemon: &Daemon, rack: u8, node: u8) -> Vec<Said> {
    let leaves = &daemon.leaves[usize::from(rack) * 2..][..2];
    let number = u32::from(rack) * u32::from(NODES) + u32::from(node);
    let start = |leaf: &SocketAddr| {
        let source = Ipv4Addr::new(127, 101 + rack, 0, node + 1);
        let mut speaker = Speaker::new(source, *leaf, 51_000 + 1_000 * u16::from(rack) + u16::from(node));
        speaker.first = speaker.announce(&[], [block(number)]);
        speaker.start()
    };
    leaves.iter().map(start).collect()
}

#[test]
fn thousands_of_sessions_are_shown_and_stay_smooth() {
    let addresses: Vec<Ipv4Addr> = (0..RACKS * 2).map(|leaf| Ipv4Addr::new(127, 0, 20, leaf + 1)).collect();
    let daemon = Daemon::start(&addresses, |http, leaves, _| config(http, leaves));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut nodes: Vec<Vec<Said>> = {
        let _runtime = runtime.enter();
        let all = (0..RACKS).flat_map(|rack| (0..NODES).map(move |at| (rack, at)));
        all.map(|(rack, at)| node(&daemon, rack, at)).collect()
    };
    daemon.until("/api/v1/summary", "everybody is up", |summary| summary["peers"]["established"] == CELLS);

    let page = Page::open(&daemon);
    let visit = look::visit(&page.browser);
    let elements = page.browser.run("return document.querySelectorAll('*').length", &json!([]));
    println!("{CELLS} sessions: {visit:?}, {elements} elements");
    page.until_says("#glance [data-tile=sessions] .value", &["4,800"]);
    let cells = "return [...document.querySelectorAll('#sessions details.rack .cells')]
        .map(at => [...at.textContent.trim()].length).reduce((a, b) => a + b)";
    assert_eq!(page.browser.run(cells, &json!([])), CELLS);
    let watch = "window.longest = 0;
        new PerformanceObserver(list => list.getEntries().forEach(entry => longest = Math.max(longest, entry.duration)))
            .observe({type: 'longtask', buffered: false})";
    page.browser.run(watch, &json!([]));

    // A node goes: its rack is the worst, and stands first.
    let start = std::time::Instant::now();
    nodes.remove(1_000).into_iter().for_each(|said| said.say(super::speaker::shutdown(b"gone for good")));
    page.until_is("#sessions details.rack", "rack", "rack6");
    page.until_says("#sessions details.rack .cells [data-session=down]", &["✕✕"]);
    println!("the page shows a node that goes {:?} after it said so", start.elapsed());
    page.unfold("#sessions details.rack[data-rack=rack6]");
    page.until_count("#sessions details.rack[data-rack=rack6] td[data-session=down]", 2);
    keep_picture(&page.browser, "sessions-4800");
    let longest = page.browser.run("return longest", &json!([]));
    println!("the longest that the page did anything without a pause: {longest} ms");
    page.assert_quiet();
}
