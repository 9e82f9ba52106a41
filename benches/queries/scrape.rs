//! What a scrape costs with thousands of peers.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use thirdleaf::speaker::raise_file_limit;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::results::{Results, median};
use crate::session::{Plan, Sessions, announce, attributes, block};

const LEAVES: u8 = 12;
const NODES: u16 = 400;
const ROUTES: u32 = 26;
const SCRAPES: u32 = 20;
/// CPU time of a scrape, in milliseconds.
const GOAL: f64 = 150.0;
/// For how long nothing is asked, to know what the sessions alone cost.
const REST: Duration = Duration::from_secs(10);

pub(crate) fn measure(results: &mut Results) {
    let _ = raise_file_limit();
    let daemon = Daemon::start(LEAVES);
    let sessions = Sessions::start(plans(&daemon));
    let peers = u64::from(LEAVES) * u64::from(NODES);
    daemon.wait_for(peers, peers * u64::from(ROUTES));
    sleep(Duration::from_secs(5));
    sessions.silence();

    let (cpu, start) = (daemon.cpu(), Instant::now());
    sleep(REST);
    let idle = (daemon.cpu() - cpu) / start.elapsed().as_secs_f64();
    results.note("scrape", "4,800 idle sessions", idle * 60.0, "CPU s a minute");
    results.note("scrape", "longest silence, nothing asked", sessions.silence(), "s");
    let (before, _) = daemon.memory();

    let mut client = Client::new(daemon.http);
    let mut of_all = |name: &str, path: &str, head: &str| {
        let (mut costs, mut waits, mut octets) = (Vec::new(), Vec::new(), 0);
        for _ in 0..SCRAPES {
            // A snapshot is good for a moment, and each is to be made anew.
            sleep(Duration::from_millis(200));
            let (cpu, start) = (daemon.cpu(), Instant::now());
            octets = client.get_with(path, head).len();
            let wait = start.elapsed().as_secs_f64();
            costs.push((daemon.cpu() - cpu - idle * wait) * 1e3);
            waits.push(wait * 1e3);
        }
        (name.to_owned(), median(costs), median(waits), octets)
    };
    // Prometheus always asks for gzip.
    for (name, head) in [("/metrics", ""), ("/metrics, gzip", "Accept-Encoding: gzip\r\n")] {
        let (name, cost, wait, octets) = of_all(name, "/metrics", head);
        results.at_most("scrape", format!("{name}, 4,800 peers: CPU"), (cost, "ms"), GOAL);
        results.note("scrape", format!("{name}: until it is read"), wait, "ms");
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        results.note("scrape", format!("{name}: size"), octets as f64 / 1e6, "MB");
    }
    for path in ["/api/v1/summary", "/api/v1/peers?limit=100", "/api/v1/findings", "/healthz"] {
        let (name, cost, wait, _) = of_all(path, path, "");
        results.note("scrape", format!("{name}: CPU"), cost, "ms");
        results.note("scrape", format!("{name}: until it is read"), wait, "ms");
    }
    let (after, most) = daemon.memory();
    results.note("scrape", "resident before", before, "MB");
    results.note("scrape", "resident after", after, "MB");
    results.note("scrape", "resident at most", most, "MB");
    results.at_most("scrape", "longest silence, all asked", (sessions.silence(), "s"), 1.2);
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    results.at_most("scrape", "sessions lost", (sessions.ended() as f64, ""), 0.0);
}

fn plans(daemon: &Daemon) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (leaf, number) in daemon.leaves.iter().zip(1_u8..) {
        for node in 0..NODES {
            let [high, low] = (node + 1).to_be_bytes();
            let source = Ipv4Addr::new(127, number, high, low);
            let asn = 60_000 + node;
            let first = (u32::from(number) * u32::from(NODES) + u32::from(node)) * ROUTES;
            let prefixes: Vec<_> = (first..first + ROUTES).map(block).collect();
            let updates = announce(&attributes(asn, 4_200_000_000, source), &prefixes);
            plans.push(Plan { source, leaf: *leaf, asn, updates, flaps: vec![], flaps_a_tick: 0 });
        }
    }
    plans
}
