//! How long pages of routes take among a million that change.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::results::{Results, quantile};
use crate::session::{Plan, Sessions, announce, attributes, block, tagged, withdraw};

const SESSIONS: u8 = 10;
/// Blocks of a session.
const BLOCKS: u32 = 100_000;
/// Blocks that share attributes.
const SHARED: usize = 50;
/// Rejected routes of one more session, and routes of it that have a community.
const REJECTED: u32 = 20;
const TAGGED: u32 = 5;
/// Of each session, in a hundredth of a second: that is 2,000 a second of all.
const FLAPS_A_TICK: usize = 2;
const LASTS: Duration = Duration::from_secs(10);
/// How long 99 of 100 pages may take, in milliseconds.
const GOAL: f64 = 10.0;
/// How long a session may hear nothing, in seconds.
const SILENCE: f64 = 1.2;

/// Asks for a page; where the next one starts goes in again.
type Ask = fn(&mut Random, Option<&str>) -> String;

const KINDS: [(&str, Ask); 16] = [
    ("exact", |random, _| format!("prefix={}", random.block())),
    ("longer", |random, _| format!("prefix={}&match=longer", random.within(18))),
    ("longer, 1,000 of a million", |_, _| "prefix=10.0.0.0/7&match=longer&limit=1000".to_owned()),
    ("covering", |random, _| format!("prefix={}&match=covering", random.within(32))),
    ("all, page after page", |_, cursor| format!("limit=100{}", after(cursor))),
    ("of a peer, page after page", |_, cursor| format!("peer=127.1.0.7{}", after(cursor))),
    ("of a node", |random, _| format!("node=127.1.0.{}", 1 + random.below(u32::from(SESSIONS)))),
    ("of a leaf and a state", |_, cursor| format!("leaf=leaf0&state=accepted{}", after(cursor))),
    ("of the smallest peer", |_, _| "peer=127.1.0.99".to_owned()),
    ("rejected", |_, _| "state=rejected".to_owned()),
    ("rejected for a reason", |_, _| "reason=not_allowed".to_owned()),
    ("of a class that is rare", |_, cursor| format!("class=pod_host{}", after(cursor))),
    ("with a community that is rare", |_, cursor| format!("community=65000:1{}", after(cursor))),
    ("with a community that is not there", |_, cursor| format!("community=65000:2{}", after(cursor))),
    ("stale", |_, _| "state=stale".to_owned()),
    ("of nobody", |_, _| "node=nobody".to_owned()),
];

fn after(cursor: Option<&str>) -> String {
    cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default()
}

pub(crate) fn measure(results: &mut Results) {
    let daemon = Daemon::start(1);
    let sessions = Sessions::start(plans(daemon.leaves[0]));
    let paths = u64::from(SESSIONS) * u64::from(BLOCKS) + u64::from(REJECTED + TAGGED);
    daemon.wait_for(u64::from(SESSIONS) + 1, paths);
    let (now, most) = daemon.memory();
    results.note("routes", "resident with a million", now, "MB");
    results.note("routes", "resident at most", most, "MB");

    sessions.churn(true);
    sleep(Duration::from_secs(2));
    sessions.silence();
    let (cpu, flaps, start) = (daemon.cpu(), sessions.flaps(), Instant::now());
    sleep(LASTS);
    let passed = start.elapsed().as_secs_f64();
    let churn = (daemon.cpu() - cpu) / passed;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = (sessions.flaps() - flaps) as f64 / passed;
    results.note("routes", "flaps a second", rate, "");
    results.note("routes", "churn alone", churn, "CPU s a s");
    results.note("routes", "longest silence, nothing asked", sessions.silence(), "s");

    for (name, clients) in [("one client", 1), ("four clients", 4)] {
        let (cpu, start) = (daemon.cpu(), Instant::now());
        let asked = hammer(daemon.http, clients);
        let cost = daemon.cpu() - cpu - churn * start.elapsed().as_secs_f64();
        let mut of_all = Vec::new();
        for ((kind, _), mut times) in KINDS.iter().zip(asked) {
            times.sort_by(f64::total_cmp);
            let name = format!("{kind}, {name}");
            results.note("routes", format!("{name}: p50"), quantile(&times, 0.5), "ms");
            results.at_most("routes", format!("{name}: p99"), (quantile(&times, 0.99), "ms"), GOAL);
            results.note("routes", format!("{name}: longest"), quantile(&times, 1.0), "ms");
            of_all.extend(times);
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let count = of_all.len() as f64;
        of_all.sort_by(f64::total_cmp);
        results.at_most("routes", format!("all pages, {name}: p99"), (quantile(&of_all, 0.99), "ms"), GOAL);
        results.note("routes", format!("all pages, {name}: CPU of each"), cost / count * 1e3, "ms");
        results.note("routes", format!("all pages, {name}: how many"), count, "");
        let silence = sessions.silence();
        results.at_most("routes", format!("longest silence, {name}"), (silence, "s"), SILENCE);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    results.at_most("routes", "sessions lost", (sessions.ended() as f64, ""), 0.0);
}

/// Asks without a pause; the milliseconds that answers took, by kind.
fn hammer(server: SocketAddr, clients: u64) -> Vec<Vec<f64>> {
    let stop = AtomicBool::new(false);
    scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|seed| {
                let stop = &stop;
                scope.spawn(move || {
                    let (mut client, mut random) = (Client::new(server), Random(0x9e37_79b9 + seed));
                    let mut cursors = vec![None::<String>; KINDS.len()];
                    let mut times = vec![Vec::new(); KINDS.len()];
                    while !stop.load(Relaxed) {
                        for (((_, ask), cursor), times) in KINDS.iter().zip(&mut cursors).zip(&mut times) {
                            let path = format!("/api/v1/routes?{}", ask(&mut random, cursor.as_deref()));
                            let start = Instant::now();
                            let answer = client.get(&path);
                            times.push(start.elapsed().as_secs_f64() * 1e3);
                            *cursor = answer.next_cursor();
                        }
                    }
                    times
                })
            })
            .collect();
        sleep(LASTS);
        stop.store(true, Relaxed);
        let mut all = vec![Vec::new(); KINDS.len()];
        for client in clients {
            let times = client.join().expect("a client that got its answers");
            all.iter_mut().zip(times).for_each(|(all, times)| all.extend(times));
        }
        all
    })
}

fn plans(leaf: SocketAddr) -> Vec<Plan> {
    let mut random = Random(1);
    let mut plans: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let (asn, source) = (64_512 + u16::from(number), Ipv4Addr::new(127, 1, 0, number + 1));
            let first = u32::from(number) * BLOCKS;
            let mut prefixes: Vec<_> = (first..first + BLOCKS).map(block).collect();
            random.shuffle(&mut prefixes);
            let sets = (4_200_000_000..).map(|second| attributes(asn, second, source));
            let updates = prefixes.chunks(SHARED).zip(sets.clone());
            let flaps = prefixes.chunks(SHARED).zip(sets).take(100);
            let flaps = flaps.flat_map(|(prefixes, set)| {
                prefixes.iter().map(move |prefix| (withdraw(*prefix), announce(&set, &[*prefix])))
            });
            Plan {
                source,
                leaf,
                asn,
                flaps: flaps.collect(),
                flaps_a_tick: FLAPS_A_TICK,
                updates: updates.flat_map(|(prefixes, set)| announce(&set, prefixes)).collect(),
            }
        })
        .collect();
    plans.push(leaking(leaf));
    plans
}

/// A node with few routes, most of which are rejected.
fn leaking(leaf: SocketAddr) -> Plan {
    let (asn, source) = (64_999, Ipv4Addr::new(127, 1, 0, 99));
    let own = attributes(asn, 4_200_000_000, source);
    let rejected: Vec<_> = (0..REJECTED).map(|number| host(0xc000_0200 + number)).collect();
    let hosts: Vec<_> = (0..TAGGED).map(|number| host(0x0af0_0000 + number * 0x1_0000)).collect();
    let updates = [announce(&own, &rejected), announce(&tagged(own, 65_000 << 16 | 1), &hosts)].concat();
    Plan { source, leaf, asn, updates, flaps: vec![], flaps_a_tick: 0 }
}

fn host(address: u32) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(address), 32).expect("a length").into()
}

/// xorshift: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(limit)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for (last, limit) in (1..items.len()).zip(2..) {
            items.swap(last, self.below(limit) as usize);
        }
    }

    /// Any block that there is.
    fn block(&mut self) -> IpNet {
        block(self.below(u32::from(SESSIONS) * BLOCKS))
    }

    /// A prefix of this length around an address of any block, or in it.
    fn within(&mut self, length: u8) -> IpNet {
        IpNet::new(self.block().addr(), length).expect("a length").trunc()
    }
}
